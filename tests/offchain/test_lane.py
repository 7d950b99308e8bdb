"""The transaction lane: one nonce sequence, believed by receipts only."""

import pytest
from eth_account import Account

from ballast.chain.contracts import ContractCall
from ballast.chain.lane import LaneSettings, TransactionLane
from ballast.errors import ChainUnreachable, TransactionFailed
from ballast.store import PendingTransaction, Store

SENDER = Account.from_key("0x" + "42" * 32)
SOMEONE = "0x" + "00" * 19 + "77"
# PUSH0 PUSH0 REVERT as a contract's whole code.
ALWAYS_REVERTS = "0x5f5ffd"


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "keeper.sqlite")


@pytest.fixture
def lane(node, connection, store):
    node.request("anvil_setBalance", SENDER.address, hex(10**20))
    return TransactionLane(connection, SENDER, store, LaneSettings(replace_after=2))


def call(to=SOMEONE):
    return ContractCall(to, b"")


def mine(node, blocks=1):
    for _ in range(blocks):
        node.request("evm_mine")


def test_submit__several_before_a_block__consecutive_nonces_and_outcomes(node, connection, lane):
    for purpose in ("first", "second", "third"):
        lane.submit(purpose, call(), block=0)
    assert lane.pending_purposes() == {"first", "second", "third"}
    mine(node)

    outcomes = lane.collect(connection.head())
    assert [(outcome.nonce, outcome.purpose, outcome.succeeded) for outcome in outcomes] == [
        (0, "first", True),
        (1, "second", True),
        (2, "third", True),
    ]
    assert lane.pending_purposes() == set()


def test_submit__simulation_reverts__sends_nothing_and_may_be_tried_at_once(node, lane, connection):
    node.request("anvil_setCode", SOMEONE, ALWAYS_REVERTS)
    with pytest.raises(TransactionFailed):
        lane.submit("act", call(), block=0)
    assert lane.pending_purposes() == set()

    node.request("anvil_setCode", SOMEONE, "0x")
    lane.submit("act", call(), block=0)
    mine(node)
    assert [outcome.nonce for outcome in lane.collect(connection.head())] == [0]


def test_collect__mined_with_status_0__is_a_failure(node, connection, lane):
    lane.submit("act", call(), block=0)
    node.request("anvil_setCode", SOMEONE, ALWAYS_REVERTS)
    mine(node)

    (outcome,) = lane.collect(connection.head())
    assert not outcome.succeeded


def test_collect__not_mined_for_long__replaced_at_the_same_nonce_and_mined_once(node, connection, lane, store):
    first = lane.submit("act", call(), block=0)
    node.request("anvil_dropTransaction", first)
    mine(node, 2)

    assert lane.collect(connection.head()) == []
    (pending,) = store.pending_transactions(SENDER.address)
    assert (pending.nonce, len(pending.hashes)) == (0, 2)
    mine(node)
    (outcome,) = lane.collect(connection.head())
    assert (outcome.nonce, outcome.succeeded, outcome.transaction_hash) == (0, True, pending.hashes[-1])
    assert connection.web3.eth.get_transaction_count(SENDER.address) == 1


def test_restart__between_record_and_send__nonce_is_not_lost(node, connection, lane, store):
    store.record_transaction(PendingTransaction(0, "act", SENDER.address, ("0x" + "ab" * 32,), 0))
    restarted = TransactionLane(connection, SENDER, store, LaneSettings(replace_after=2))
    restarted.submit("next", call(), block=0)
    mine(node, 2)

    restarted.collect(connection.head())
    mine(node)
    outcomes = restarted.collect(connection.head())
    assert [(outcome.nonce, outcome.succeeded) for outcome in outcomes] == [(0, True), (1, True)]


def test_collect__nonce_used_elsewhere__is_a_failure_not_a_success(node, connection, lane):
    dropped = lane.submit("act", call(), block=0)
    node.request("anvil_dropTransaction", dropped)
    node.request("anvil_impersonateAccount", SENDER.address)
    node.request("eth_sendTransaction", {"from": SENDER.address, "to": SOMEONE, "value": "0x1"})
    mine(node)

    (outcome,) = lane.collect(connection.head())
    assert (outcome.purpose, outcome.succeeded) == ("act", False)


def test_submit__node_is_gone__unreachable_and_nothing_pending(node, lane):
    node.stop()

    with pytest.raises(ChainUnreachable):
        lane.submit("act", call(), block=0)
    assert lane.pending_purposes() == set()
