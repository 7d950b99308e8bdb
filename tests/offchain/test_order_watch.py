"""Which of the exchange's events concern whom."""

from __future__ import annotations

from typing import Any

import pytest

from ballast.chain.logs import Event
from ballast.chain.order_desk import NoOrder, to_wad
from ballast.chain.order_watch import Wanted, notes_of
from ballast.chain.orders import DeadReason

ACCOUNT, OTHER, NONCE = 1 << 96, 2 << 96, 7
HASH, FORGED = b"\1" * 32, b"\2" * 32
OWN = Wanted(orders={(ACCOUNT, NONCE): HASH})


def event(name: str, account: int = ACCOUNT, **arguments: Any) -> Event:
    return Event("Exchange", name, {"account": account, **arguments}, 5, 0, "0x")


def told(wanted: Wanted, *events: Event) -> list[tuple[str, dict[str, Any]]]:
    return [(note.event, note.detail) for note in notes_of(events, wanted)]


def test_notes__of_known_orders__those_with_their_hash_alone() -> None:
    skipped = [
        event("OrderSkipped", nonce=NONCE, orderHash=one, reason=DeadReason.GROUP_TAKEN) for one in (FORGED, HASH)
    ]
    assert told(OWN, *skipped) == [("skipped", {"reason": "group taken"})]


def test_notes__of_known_orders__their_nonces_and_accounts_cancels() -> None:
    events = [
        event("OrderCancelled", nonce=NONCE),
        event("OrderCancelled", nonce=NONCE + 1),
        event("OrderCancelled", OTHER, nonce=NONCE),
        event("EpochAdvanced", epoch=3),
        event("EpochAdvanced", OTHER, epoch=3),
    ]
    assert told(OWN, *events) == [("cancelled", {}), ("all cancelled", {"epoch": 3})]


def test_notes__of_an_account__all_of_it_and_nobody_elses() -> None:
    events = [
        event("OrderFilled", one, nonce=nonce, orderHash=HASH, filled=nonce)
        for one in (ACCOUNT, OTHER)
        for nonce in (1, 2)
    ]
    assert told(Wanted(ACCOUNT), *events) == [("filled", {"filled": 1}), ("filled", {"filled": 2})]


def test_notes__events_about_something_else__tell_nothing() -> None:
    events = [Event("Exchange", "FeesSet", {"takerFee": 1, "makerFee": 1}, 5, 0, "0x"), event("DelegateSet")]
    assert told(Wanted(ACCOUNT), *events) == []


@pytest.mark.parametrize(("amount", "wad"), [("2.5", 25 * 10**17), (-3, -3 * 10**18), ("0.000000000000000001", 1)])
def test_to_wad__a_decimal__is_exact(amount: str | int, wad: int) -> None:
    assert to_wad(amount) == wad


@pytest.mark.parametrize("amount", ["x", "", "NaN", "Infinity", "0.0000000000000000001"])
def test_to_wad__no_decimal_of_18_places__is_refused(amount: str) -> None:
    with pytest.raises(NoOrder):
        to_wad(amount)
