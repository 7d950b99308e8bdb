"""Which triggered orders a keeper arms and fills, as a function of what was read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ballast.chain.ids import perp_of
from ballast.chain.orders import DeadReason, OrderFlags, SignedOrder, limit_order, triggered
from ballast.keeper.triggers import Act, Execution, OrderView, Terms, TriggerPolicy, executions

WAD = 10**18
NOW = 1_700_000_000
OK, WIDE, STALE = range(3)
ETH, BTC = perp_of(2), perp_of(1)
OWNER, MAKER = "0x" + "11" * 20, "0x" + "22" * 20
TERMS = Terms(fee=400_000, most=500_000, time=300)
FREE = TriggerPolicy(arm_cost=0, execute_cost=0)
AT_2400 = {(ETH, False): (2_400 * WAD, OK), (ETH, True): (2_390 * WAD, OK)}


def view(owner: str, size: int, limit: int, **changes: Any) -> OrderView:
    state = {name: changes.pop(name) for name in ("reason", "armed_at", "remaining") if name in changes}
    order = limit_order(owner, changes.pop("instrument", ETH), size * WAD, limit * WAD, NOW + 60, 1, **changes)
    defaults = {"reason": DeadReason.NONE, "remaining": abs(order.size)}
    return OrderView(SignedOrder(order, b""), bytes([abs(size)]) * 32, **{**defaults, **state})


def stop(size: int = -2, limit: int = 2_390, trigger: int = 2_400, above: bool = False, **changes: Any) -> OrderView:
    """Not armed, unless said."""
    on_mark = changes.pop("on_mark", False)
    plain = view(OWNER, size, limit, **({"reason": DeadReason.NOT_ARMED} | changes))
    order = triggered(plain.signed.order, trigger * WAD, above=above, since=NOW - 60, on_mark=on_mark)
    return replace(plain, signed=SignedOrder(order, b""))


def armed(seconds: int = 300, **changes: Any) -> OrderView:
    return stop(reason=DeadReason.NONE, armed_at=NOW - seconds, **changes)


def decided(
    *views: OrderView, policy: TriggerPolicy = FREE, prices: Any = AT_2400, under_way: Any = ()
) -> list[Execution]:
    return executions(views, prices, TERMS, NOW, policy, under_way)


def acts(*views: OrderView, **more: Any) -> list[Act]:
    return [execution.act for execution in decided(*views, **more)]


@pytest.mark.parametrize(
    ("waiting", "is_armed"),
    [
        (stop(), True),
        (stop(trigger=2_399), False),
        (stop(above=True), True),
        (stop(above=True, trigger=2_401), False),
        (stop(trigger=2_390, on_mark=True), True),
        (stop(trigger=2_389, on_mark=True), False),
        (stop(instrument=BTC), False),
        (stop(reason=DeadReason.CANCELLED), False),
    ],
)
def test_arm__by_price_and_life(waiting: OrderView, is_armed: bool) -> None:
    assert acts(waiting) == ([Act.ARM] if is_armed else [])


@pytest.mark.parametrize(("state", "is_armed"), [(WIDE, True), (STALE, False)])
def test_arm__by_the_oracles_state(state: int, is_armed: bool) -> None:
    assert acts(stop(), prices={(ETH, False): (2_400 * WAD, state)}) == ([Act.ARM] if is_armed else [])


def test_arm__only_where_the_highest_bounty_covers_both_transactions() -> None:
    highest = 2 * 2_390 * WAD * 500_000 // 10**9
    for cost, expected in ((highest, [Act.ARM]), (highest + 1, [])):
        assert acts(stop(), policy=TriggerPolicy(arm_cost=cost - WAD, execute_cost=WAD)) == expected


def test_arm__its_highest_fee_leaves_no_bounty__is_left() -> None:
    assert acts(stop(maxFee=400_000), policy=TriggerPolicy(arm_cost=0, execute_cost=1)) == []
    assert acts(stop(maxFee=399_999), policy=TriggerPolicy(arm_cost=0, execute_cost=1)) == []


def test_execute__against_the_best_price() -> None:
    bids = [view(MAKER, size, limit) for size, limit in ((5, 2_391), (6, 2_395), (7, 2_393))]
    [execution] = decided(armed(), *bids)
    assert (execution.act, execution.against) == (Act.EXECUTE, bids[1])
    asks = [view(MAKER, size, limit) for size, limit in ((-5, 2_408), (-6, 2_401))]
    [execution] = decided(armed(size=2, limit=2_410), *asks)
    assert execution.against == asks[1]


@pytest.mark.parametrize(
    "other",
    [
        view(MAKER, 5, 2_389),
        view(MAKER, -5, 2_395),
        view(OWNER, 5, 2_395),
        view(MAKER, 5, 2_395, instrument=BTC),
        view(MAKER, 5, 2_395, reason=DeadReason.EXPIRED),
    ],
    ids=["does not cross", "same side", "same account", "other instrument", "dead"],
)
def test_execute__nobody_to_fill_it_with__waits(other: OrderView) -> None:
    assert acts(armed(), other) == []


def test_execute__waits_until_the_bounty_has_grown_to_the_cost() -> None:
    bid, halfway = view(MAKER, 5, 2_400), 2 * 2_400 * WAD * 250_000 // 10**9
    policy = TriggerPolicy(arm_cost=0, execute_cost=halfway)
    assert acts(armed(149), bid, policy=policy) == []
    assert acts(armed(150), bid, policy=policy) == [Act.EXECUTE]
    assert acts(armed(150, remaining=2 * WAD - 1), bid, policy=policy) == []


@pytest.mark.parametrize("flag", [OrderFlags.POST_ONLY, OrderFlags.MULTI_LEG])
def test_execute__an_order_that_a_pair_cannot_fill__is_left(flag: OrderFlags) -> None:
    assert acts(armed(flags=flag), view(MAKER, 5, 2_400)) == []


def test_under_way__is_not_repeated() -> None:
    bid = view(MAKER, 5, 2_400)
    [execution] = decided(armed(), bid)
    assert acts(armed(), bid, under_way=[execution.purpose]) == []
    assert acts(stop(), under_way=[f"arm 0x{stop().hash.hex()}"]) == []
