"""Which orders can be in a book, and which fills the clearinghouse would let pass."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import pytest

from ballast.chain.ids import ISOLATED_BIT, future_of, option_of
from ballast.chain.orders import Order, OrderFlags, as_legs, triggered
from ballast.matcher.admission import Market, require_restable, require_tradable
from ballast.matcher.refusals import Refused
from tests.support.matching import ETH, order_of

WAD = 10**18
STEP = WAD // 1_000
PLAIN = order_of(1, 5 * STEP, 2_500 * WAD, 7)
EXPIRY = 1_900_000_000


@pytest.mark.parametrize(
    "order",
    [
        PLAIN,
        replace(PLAIN, flags=OrderFlags.REDUCE_ONLY | OrderFlags.POST_ONLY),
        replace(PLAIN, flags=OrderFlags.FILL_OR_KILL),
        triggered(PLAIN, 2_400 * WAD, above=False, since=1_700_000_000),
        triggered(replace(PLAIN, flags=OrderFlags.REDUCE_ONLY), 2_600 * WAD, above=True, since=1, on_mark=True),
    ],
)
def test_restable__what_can_rest__passes(order: Order) -> None:
    require_restable(order)


@pytest.mark.parametrize(
    ("order", "code"),
    [
        (replace(PLAIN, size=0), "size-step"),
        (replace(PLAIN, limit=0), "price-band"),
        (replace(PLAIN, flags=OrderFlags.POST_ONLY | OrderFlags.FILL_OR_KILL), "unsupported-terms"),
        (as_legs([PLAIN, PLAIN], 3)[0], "unsupported-terms"),
        (replace(PLAIN, flags=1 << 7), "unsupported-terms"),
        (replace(PLAIN, flags=1 << 200), "unsupported-terms"),
        (replace(PLAIN, flags=2 << 8), "unsupported-terms"),
        (replace(PLAIN, flags=OrderFlags.TRIGGER_ABOVE), "unsupported-terms"),
        (replace(PLAIN, trigger=5), "unsupported-terms"),
        (replace(PLAIN, trigger=5, flags=OrderFlags.TRIGGER_ABOVE), "unsupported-terms"),
        (replace(PLAIN, trigger=5, flags=OrderFlags.TRIGGER_ON_MARK | 9 << 16), "unsupported-terms"),
        (
            replace(PLAIN, trigger=5, flags=int(OrderFlags.TRIGGER_ABOVE | OrderFlags.TRIGGER_BELOW) | 9 << 16),
            "unsupported-terms",
        ),
        (replace(PLAIN, trigger=5, flags=int(OrderFlags.TRIGGER_ABOVE) | 9 << 16 | 1 << 60), "unsupported-terms"),
        (replace(PLAIN, trigger=5, flags=int(OrderFlags.TRIGGER_ABOVE) | 9 << 16 | 1 << 8), "unsupported-terms"),
    ],
)
def test_restable__what_the_exchange_would_revert_on__is_refused(order: Order, code: str) -> None:
    with pytest.raises(Refused) as refusal:
        require_restable(order)
    assert refusal.value.code == code


@dataclass
class Place:
    """A market at 2,500 with a band of 1 %, and an account in it."""

    held: int = 0
    reduce_only: bool = False
    state: int = 0
    in_liquidation: bool = False
    bound: int = 0
    instrument: int = ETH
    mark: int = 2_500 * WAD

    def market(self) -> Market:
        positions = [SimpleNamespace(instrument=self.instrument, size=self.held)] if self.held else []
        account = SimpleNamespace(positions=positions, inLiquidation=self.in_liquidation, boundUnderlying=self.bound)
        listed = SimpleNamespace(sizeStep=STEP, reduceOnly=self.reduce_only)
        quote = SimpleNamespace(state=self.state, index=2_500 * WAD)
        return Market(listed, self.mark, quote, SimpleNamespace(priceBand=10**7), account, 500_000)


def tradable(order: Order, now: int = 0, **place: Any) -> str | None:
    """The code of the refusal, or None."""
    try:
        require_tradable(order, Place(instrument=order.instrument, **place).market(), now)
    except Refused as refusal:
        return refusal.code
    return None


@pytest.mark.parametrize(
    ("size", "held", "code"),
    [
        (5 * STEP, 0, None),
        (5 * STEP + 1, 0, "size-step"),
        (-(5 * STEP + 1), 5 * STEP + 1, None),
        (-(5 * STEP + 1), 7 * STEP, "size-step"),
    ],
)
def test_tradable__size_off_the_step__only_to_close(size: int, held: int, code: str | None) -> None:
    assert tradable(replace(PLAIN, size=size), held=held) == code


@pytest.mark.parametrize(
    ("size", "held", "code"),
    [
        (-STEP, STEP, None),
        (-STEP, 3 * STEP, None),
        (STEP, -STEP, None),
        (-2 * STEP, STEP, "nothing-to-reduce"),
        (STEP, STEP, "nothing-to-reduce"),
        (STEP, 0, "nothing-to-reduce"),
    ],
)
def test_tradable__reduce_only__needs_a_position_of_that_size(size: int, held: int, code: str | None) -> None:
    order = replace(PLAIN, size=size, flags=OrderFlags.REDUCE_ONLY)
    assert tradable(order, held=held) == code
    assert tradable(order, held=held, reduce_only=True) == code
    assert tradable(replace(order, flags=0), held=held, reduce_only=True) == "instrument-reduce-only"


@pytest.mark.parametrize(
    ("limit", "code"), [(2_525, None), (2_475, None), (2_526, "price-band"), (2_474, "price-band")]
)
def test_tradable__limit__within_the_band_around_mark(limit: int, code: str | None) -> None:
    assert tradable(replace(PLAIN, limit=limit * WAD)) == code


def test_tradable__limit_of_an_option__band_is_of_the_index() -> None:
    call = replace(PLAIN, instrument=option_of(1, EXPIRY, 3_000 * WAD, is_put=False))
    assert tradable(replace(call, limit=105 * WAD), mark=80 * WAD) is None
    assert tradable(replace(call, limit=106 * WAD), mark=80 * WAD) == "price-band"


def test_tradable__each_other_rule__has_its_code() -> None:
    future = replace(PLAIN, instrument=future_of(1, EXPIRY))
    assert tradable(future, now=EXPIRY - 1) is None
    assert tradable(future, now=EXPIRY) == "instrument-expired"
    assert tradable(PLAIN, state=3) == "oracle-not-usable"
    assert tradable(PLAIN, state=2) is None
    assert tradable(PLAIN, in_liquidation=True) == "account-in-liquidation"
    assert tradable(replace(PLAIN, maxFee=499_999)) == "fee-above-maximum"
    isolated = replace(PLAIN, account=PLAIN.account | ISOLATED_BIT)
    assert tradable(isolated, bound=2) == "account-bound"
    assert tradable(isolated, bound=1) is tradable(isolated, bound=0) is tradable(PLAIN, bound=2) is None
