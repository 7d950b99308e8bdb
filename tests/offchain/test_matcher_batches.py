"""Which fills a transaction gets, and who is to blame where it would fail."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ballast.chain.orders import OrderFlags
from ballast.matcher.batches import Fault, Unit, blame, first_units, sort_out, units_of
from ballast.matcher.records import FillRecord
from tests.support.matching import ETH, order_of

TAKER, MAKER, OTHER = order_of(1, 5, 101, 1), order_of(2, -5, 100, 2), order_of(3, -5, 100, 3)
ORDERS = {"taker": TAKER, "maker": MAKER, "other": OTHER}
MARGIN = Fault("InitialMarginShortfall", {"account": MAKER.account})


def fill(number: int, unit: int | None = None, taker: str = "taker", maker: str = "maker") -> FillRecord:
    return FillRecord(number, unit or number, ETH, taker, maker, 5, 100)


def numbers(units: Sequence[Unit]) -> list[int]:
    return [one.id for unit in units for one in unit]


@given(
    sizes=st.lists(st.integers(1, 3), max_size=12),
    bad=st.sets(st.integers(0, 11)),
    most=st.integers(1, 40),
)
def test_sort_out__any_offenders_and_any_limit__what_settles_passes_and_nothing_is_lost(
    sizes: list[int], bad: set[int], most: int
) -> None:
    counted = iter(range(1, 100))
    units: list[Unit] = [
        tuple(fill(next(counted), number + 1) for _ in range(size)) for number, size in enumerate(sizes)
    ]
    offenders = {one.id for number in bad if number < len(units) for one in units[number]}

    def simulate(fills: Sequence[FillRecord]) -> Fault | None:
        if any(one.id in offenders for one in fills):
            return MARGIN
        return Fault("too large", is_typed=False) if len(fills) > most else None

    found = sort_out(units, simulate)
    failing = [unit for unit, _ in found.failing]
    assert sorted(numbers([*found.settling, *failing, *found.later])) == sorted(numbers(units))
    assert not found.settling or simulate([one for unit in found.settling for one in unit]) is None
    assert all(simulate(unit) is not None for unit in failing)
    assert all(simulate(unit) is None for unit in found.later), "an offender waits"
    assert offenders <= set(numbers(failing))


def test_sort_out__one_offender_of_64__is_found_in_few_simulations() -> None:
    asked = []

    def simulate(fills: Sequence[FillRecord]) -> Fault | None:
        asked.append(len(fills))
        return MARGIN if any(one.id == 37 for one in fills) else None

    found = sort_out([(fill(number),) for number in range(1, 65)], simulate)
    assert numbers([unit for unit, _ in found.failing]) == [37]
    assert len(found.settling) == 63
    assert len(asked) <= 14


def test_sort_out__two_that_an_account_affords_one_of__the_second_waits() -> None:
    found = sort_out([(fill(1),), (fill(2),)], lambda fills: MARGIN if len(fills) > 1 else None)
    assert (numbers(found.settling), numbers(found.later), found.failing) == ([1], [2], [])


def test_first_units__fills_of_one_unit__are_not_parted() -> None:
    units = units_of([fill(1), fill(2, 9), fill(3, 9), fill(4)])
    assert [numbers([unit]) for unit in units] == [[1], [2, 3], [4]]
    assert numbers(first_units(units, 2)) == [1]
    assert numbers(first_units(units, 3)) == [1, 2, 3]
    assert numbers(first_units(units[1:], 1)) == [2, 3], "a unit that is too large is tried alone"


@pytest.mark.parametrize(
    ("fault", "guilty"),
    [
        (MARGIN, {"maker"}),
        (Fault("BelowMaintenanceMargin", {"account": TAKER.account}), {"taker"}),
        (Fault("InvalidSignature", {"account": MAKER.account, "nonce": 2}), {"maker"}),
        (Fault("InitialMarginShortfall", {"account": 1}), {"taker", "maker"}),
        (Fault("FlagsNotSupported", {"flags": 1 << 200}), {"taker", "maker"}),
        (Fault("OutsidePriceBand", {"instrument": 1, "price": 100, "mark": 90}), {"maker"}),
        (Fault("InstrumentExpired", {"instrument": 1}), {"taker", "maker"}),
        (Fault("OpenInterestCapExceeded", {"instrument": 1}), {"taker"}),
        (Fault("ReduceOnlyInstrument", {"instrument": 1}), {"taker", "maker"}),
        (Fault("OracleNotUsable", {"underlying": 1}), None),
        (Fault("header not found", is_typed=False), None),
    ],
)
def test_blame__each_fault__names_who_has_to_go(fault: Fault, guilty: set[str] | None) -> None:
    assert blame((fill(1),), fault, ORDERS) == guilty


def test_blame__reduce_only_instrument__who_reduces_stays() -> None:
    closing = {**ORDERS, "taker": order_of(1, 5, 101, 1, flags=OrderFlags.REDUCE_ONLY)}
    assert blame((fill(1),), Fault("ReduceOnlyInstrument", {"instrument": 1}), closing) == {"maker"}


def test_blame__two_orders_of_the_account_that_is_named__the_nonce_tells_which() -> None:
    twins = {**ORDERS, "other": order_of(2, -5, 100, 3)}
    unit = (fill(1, 1), fill(2, 1, maker="other"))
    signature = Fault("InvalidSignature", {"account": MAKER.account, "nonce": 3})
    assert blame(unit, signature, twins) == {"other"}
    assert blame(unit, MARGIN, twins) == {"maker", "other"}


def test_blame__one_maker_of_several__the_others_stay() -> None:
    unit = (fill(1, 1), fill(2, 1, maker="other"))
    assert blame(unit, Fault("InitialMarginShortfall", {"account": OTHER.account}), ORDERS) == {"other"}
