"""The transaction lane: one nonce sequence, believed by receipts only."""

import pytest
from eth_account import Account
from eth_utils import keccak

from ballast.chain.contracts import ContractCall
from ballast.chain.lane import LaneSettings, TransactionLane
from ballast.errors import ChainUnreachable, RequestRefused, TransactionFailed
from ballast.store import PendingTransaction, Store

SENDER = Account.from_key("0x" + "42" * 32)
SOMEONE = "0x" + "00" * 19 + "77"
# PUSH0 PUSH0 REVERT as a contract's whole code.
ALWAYS_REVERTS = "0x5f5ffd"
# PUSH1 slot SLOAD POP, eighty times.
READS_MANY_SLOTS = "0x" + "".join(f"60{slot:02x}5450" for slot in range(80))


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


def test_collect__node_counts_a_nonce_of_a_block_after_the_one_asked_for__still_under_way(
    node, connection, lane, monkeypatch
):
    before = connection.head()
    lane.submit("act", call(), block=0)
    mine(node)
    count = connection.transaction_count
    monkeypatch.setattr(connection, "transaction_count", lambda address, block=None: count(address))

    assert lane.collect(before) == []
    assert lane.pending_purposes() == {"act"}
    (outcome,) = lane.collect(connection.head())
    assert outcome.succeeded


def test_collect__node_counts_a_nonce_whose_receipt_it_has_not_got_yet__still_under_way(
    node, connection, lane, monkeypatch
):
    """Anvil, while it makes the next block, answers of the newest one with the nonces of the next."""
    mine(node)
    sent = lane.submit("act", call(), block=0)
    head, count = connection.head(), connection.transaction_count
    with monkeypatch.context() as making:
        making.setattr(
            connection, "transaction_count", lambda address, block: count(address, block) + (block == head.number)
        )
        assert lane.collect(head) == []
    assert lane.pending_purposes() == {"act"}
    mine(node)
    (outcome,) = lane.collect(connection.head())
    assert (outcome.succeeded, outcome.transaction_hash) == (True, sent)


def test_submit__simulation_reverts__sends_nothing_and_may_be_tried_at_once(node, lane, connection):
    node.request("anvil_setCode", SOMEONE, ALWAYS_REVERTS)
    with pytest.raises(TransactionFailed):
        lane.submit("act", call(), block=0)
    assert lane.pending_purposes() == set()

    node.request("anvil_setCode", SOMEONE, "0x")
    lane.submit("act", call(), block=0)
    mine(node)
    assert [outcome.nonce for outcome in lane.collect(connection.head())] == [0]


def test_submit__typed_error__is_the_reason(node, lane):
    selector, account = keccak(text="NoAuction(uint256)")[:4], 7
    data = selector + account.to_bytes(32, "big")
    # PUSH32 PUSH0 MSTORE twice, the second 4 bytes on; PUSH1 36 PUSH0 REVERT.
    code = f"7f{data[:32].hex()}5f527f{data[4:].hex()}60045260245ffd"
    node.request("anvil_setCode", SOMEONE, "0x" + code)
    with pytest.raises(TransactionFailed, match=r"NoAuction.*7"):
        lane.submit("act", call(), block=0)


def test_submit__node_that_cannot_simulate__asks_for_an_estimate(node, connection, lane, monkeypatch):
    ask, asked = connection.request, []

    def old_node(method, *parameters):
        asked.append(method)
        if method == "eth_simulateV1":
            raise RequestRefused(method, {"code": -32601, "message": "the method does not exist"})
        return ask(method, *parameters)

    monkeypatch.setattr(connection, "request", old_node)
    lane.submit("first", call(), block=0)
    lane.submit("second", call(), block=0)
    node.request("anvil_setCode", SOMEONE, ALWAYS_REVERTS)
    with pytest.raises(TransactionFailed):
        lane.submit("third", call(), block=0)
    assert asked.count("eth_simulateV1") == 1
    assert asked.count("eth_estimateGas") == 3
    mine(node)
    assert [outcome.succeeded for outcome in lane.collect(connection.head())] == [False, False]


def test_collect__mined_after_the_block_that_is_decided_on__still_under_way(node, connection, lane):
    decided_on = connection.head()
    lane.submit("act", call(), block=0)
    mine(node)

    assert lane.collect(decided_on) == []
    assert lane.pending_purposes() == {"act"}
    assert lane.submit("next", call(), block=0)
    (outcome,) = lane.collect(connection.head())
    assert (outcome.purpose, outcome.succeeded) == ("act", True)


def test_collect__mined_with_status_0__is_a_failure(node, connection, lane):
    lane.submit("act", call(), block=0)
    node.request("anvil_setCode", SOMEONE, ALWAYS_REVERTS)
    mine(node)

    (outcome,) = lane.collect(connection.head())
    assert not outcome.succeeded


def test_submit__act_finds_more_to_do_when_it_is_mined__has_the_gas(node, connection, lane):
    lane.submit("act", call(), block=0)
    node.request("anvil_setCode", SOMEONE, READS_MANY_SLOTS)
    mine(node)

    (outcome,) = lane.collect(connection.head())
    assert outcome.succeeded
    assert outcome.gas_used > 8 * 21_000


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
    assert connection.transaction_count(SENDER.address) == 1


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
    assert lane.collect(connection.head()) == [], "its receipt may be about to come"
    mine(node, 2)

    (outcome,) = lane.collect(connection.head())
    assert (outcome.purpose, outcome.succeeded) == ("act", False)


def test_submit__node_is_gone__unreachable_and_nothing_pending(node, lane):
    node.stop()

    with pytest.raises(ChainUnreachable):
        lane.submit("act", call(), block=0)
    assert lane.pending_purposes() == set()
