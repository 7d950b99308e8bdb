"""One transaction from a command: simulated, sent, and waited for."""

from __future__ import annotations

from eth_account.signers.local import LocalAccount
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from ballast.chain.contracts import ContractCall, System
from ballast.chain.lane import LaneSettings, TransactionLane
from ballast.errors import TransactionFailed
from ballast.store import Store

MINED_WITHIN = 120.0


def send(system: System, key: LocalAccount, purpose: str, call: ContractCall) -> str:
    """Sends one transaction and waits until it is mined. Returns its hash.

    Raises:
        TransactionFailed: It would revert, reverted, or was not mined in two minutes.
    """
    lane = TransactionLane(system.connection, key, Store(":memory:"), LaneSettings())
    sent = lane.submit(purpose, call, system.connection.head().number)
    waiting = Retrying(
        retry=retry_if_result(lambda outcomes: not outcomes), wait=wait_fixed(0.2), stop=stop_after_delay(MINED_WITHIN)
    )
    try:
        (outcome,) = waiting(lambda: lane.collect(system.connection.head()))
    except RetryError:
        raise TransactionFailed(purpose, f"not mined within {MINED_WITHIN:.0f} s", sent) from None
    if not outcome.succeeded:
        raise TransactionFailed(purpose, "reverted", outcome.transaction_hash)
    return outcome.transaction_hash
