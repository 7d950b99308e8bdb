"""The store: whole after a kill at any line."""

import sqlite3

import pytest

from ballast.store import KEPT_BLOCKS, BlockRef, PendingTransaction, Store

ACCOUNT, OTHER = hex(1 << 96), hex(2 << 96)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keeper.sqlite"


def test_advance__killed_between_its_writes__leaves_neither_cursor_nor_accounts(path):
    store = Store(path)
    store.advance(BlockRef(1, "0x01"), [ACCOUNT])

    def accounts_then_death():
        yield OTHER
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.advance(BlockRef(2, "0x02"), accounts_then_death())
    store.close()

    reopened = Store(path)
    assert reopened.head() == BlockRef(1, "0x01")
    assert reopened.accounts() == [int(ACCOUNT, 16)]


def test_advance__killed_before_commit__a_new_process_sees_the_old_state(path):
    store = Store(path)
    store.advance(BlockRef(1, "0x01"), [ACCOUNT])
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO blocks VALUES (2, '0x02')")
    connection.close()

    assert Store(path).head() == BlockRef(1, "0x01")


def test_accounts__once_seen__are_watched_for_ever(path):
    store = Store(path)
    store.advance(BlockRef(1, "0x01"), [ACCOUNT])
    store.advance(BlockRef(2, "0x02"), [OTHER, ACCOUNT])
    store.rewind(0)

    assert store.accounts() == [int(ACCOUNT, 16), int(OTHER, 16)]
    assert store.head() is None


def test_advance__keeps_only_recent_blocks(path):
    store = Store(path)
    store.advance(BlockRef(1, "0x01"), [])
    store.advance(BlockRef(KEPT_BLOCKS + 2, "0x02"), [])

    assert [block.number for block in store.recent_blocks()] == [KEPT_BLOCKS + 2]


def test_handled__before_the_first_step__nothing(path):
    assert Store(path).handled() is None


def test_handled__recorded__survives_and_may_fall_back_with_the_chain(path):
    store = Store(path)
    store.record_handled(9)
    store.record_handled(7)
    store.close()

    assert Store(path).handled() == 7


def test_bind__another_deployment__is_refused(path):
    store = Store(path)

    assert store.bind(1, "0xaa")
    assert store.bind(1, "0xaa")
    assert not store.bind(1, "0xbb")
    assert not store.bind(2, "0xaa")


def test_transactions__recorded_before_sending__survive_and_settle(path):
    store = Store(path)
    pending = PendingTransaction(7, "bid 0x1", "0xsender", ("0xaa", "0xbb"), 3)
    store.record_transaction(pending)
    store.close()

    reopened = Store(path)
    assert reopened.pending_transactions("0xsender") == [pending]
    assert reopened.pending_transactions("0xother") == []
    reopened.settle_transaction(7, "mined")
    assert reopened.pending_transactions("0xsender") == []
