"""The log cursor: nothing skipped, nothing twice, over failures and re-organisations."""

from dataclasses import dataclass, field

import pytest

from ballast.chain.contracts import Deployment
from ballast.chain.logs import Event, LogCursor
from ballast.errors import ChainError, ReorganisedBelow
from ballast.store import Store


@dataclass
class RecordedReader:
    """Stands for the node's logs: one event a block; can be told to fail."""

    failing: bool = False
    ranges: list[tuple[int, int]] = field(default_factory=list)

    def read(self, first, last):
        if self.failing:
            raise ChainError("the node refuses")
        self.ranges.append((first, last))
        return [Event("Clearinghouse", "Deposited", {"account": n}, n, 0, "0x") for n in range(first, last + 1)]


@dataclass
class ConnectedSystem:
    connection: object
    deployment: Deployment


@pytest.fixture
def reader():
    return RecordedReader()


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "keeper.sqlite")


@pytest.fixture
def cursor(connection, reader, store):
    deployment = Deployment(31337, {}, 1, {}, {}, ())
    return LogCursor(reader, ConnectedSystem(connection, deployment), store)


def mine(node, blocks):
    node.request("anvil_mine", hex(blocks))


def follow(cursor, connection, seen):
    def handle(events):
        seen.extend(event.block for event in events)
        return [hex(event.block) for event in events]

    return list(cursor.follow(handle, connection.head()))


def test_follow__in_two_goes__each_block_once(node, connection, cursor, store):
    seen = []
    mine(node, 3)
    follow(cursor, connection, seen)
    mine(node, 2)
    follow(cursor, connection, seen)

    assert seen == [1, 2, 3, 4, 5]
    assert store.head() == connection.head()
    assert store.accounts() == [1, 2, 3, 4, 5]


def test_follow__reading_fails__cursor_stays_and_the_range_is_read_again(node, connection, cursor, reader, store):
    seen = []
    mine(node, 2)
    follow(cursor, connection, seen)
    before = store.head()
    mine(node, 2)
    reader.failing = True
    with pytest.raises(ChainError):
        follow(cursor, connection, seen)
    assert store.head() == before

    reader.failing = False
    follow(cursor, connection, seen)
    assert seen == [1, 2, 3, 4]


def test_follow__handler_fails__cursor_stays(node, connection, cursor, store):
    mine(node, 2)

    def broken(events):
        raise ValueError("bug")

    with pytest.raises(ValueError, match="bug"):
        list(cursor.follow(broken, connection.head()))
    assert store.head() is None


def test_follow__chain_reorganised__rewinds_to_the_fork_and_reads_the_new_blocks(node, connection, cursor, store):
    seen = []
    mine(node, 3)
    follow(cursor, connection, seen)
    mine(node, 3)
    follow(cursor, connection, seen)
    node.request("anvil_reorg", 2, [])
    mine(node, 1)

    with pytest.raises(ReorganisedBelow) as reorganised:
        follow(cursor, connection, seen)
    assert reorganised.value.number == 3
    follow(cursor, connection, seen)
    assert store.head() == connection.head()
    assert seen == [1, 2, 3, 4, 5, 6, 4, 5, 6, 7]
