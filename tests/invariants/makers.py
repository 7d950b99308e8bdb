"""Acts of those who sign orders beyond plain ones: stops that anybody arms and executes for a bounty, and packages."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from ballast.chain.orders import Match, OrderDomain, SignedOrder, as_legs, settlement, triggered
from tests.support.evm import Receipt
from tests.support.system import trader

if TYPE_CHECKING:
    from tests.invariants.everybody import Everybody

EXECUTOR = trader("executor")
NEWEST = 8
MARGIN = {"InitialMarginShortfall", "RiskNotReduced", "BelowMaintenanceMargin", "AccountInLiquidation"}
MARKET = {"OracleNotUsable", "ReduceOnlyInstrument", "OpenInterestCapExceeded", "OutsidePriceBand", "OrdersDoNotCross"}
EXPECTED = {
    "arm": {"TriggerNotReached", "ReportTooOld", "AlreadyArmed", "OrderDead"},
    "fill_stops": MARGIN | MARKET,
    "trade_package": MARGIN | MARKET,
}
LARGEST = {"BTC": Decimal("0.4"), "ETH": Decimal(6), "LINK": Decimal(300)}
STEP = {"BTC": Decimal("0.001"), "ETH": Decimal("0.01"), "LINK": Decimal("0.1")}


def sign_stop(run: Everybody, mine: set[int]) -> None:
    """A trigger within a few percent of the index, a limit far beyond it."""
    owner, symbol, side = run.random.choice(run.traders), run.random.choice(list(STEP)), run.random.choice([1, -1])
    mark, index = run.market.mark(symbol), int(run.market.prices[symbol] * 10**18)
    plain = run.market.order(
        owner, symbol, side * _size(run, symbol), mark * (4 if side > 0 else 1) // (1 if side > 0 else 4)
    ).order
    trigger = index * run.random.randint(960, 1_040) // 1_000
    order = triggered(plain, trigger, above=run.random.random() < 0.5, since=run.system.evm.timestamp)
    run.stops.append(_domain(run).sign(order, owner.key))
    run.note(run.stops[-1])


def arm(run: Everybody, mine: set[int]) -> Receipt | None:
    if not run.stops:
        return None
    return run.system.exchange.transact("arm", run.random.choice(run.stops[-NEWEST:]), sender=EXECUTOR.address)


def fill_stops(run: Everybody, mine: set[int]) -> Receipt | None:
    """The dealer takes the other side of some stops, of all or a part; those that are not armed are skipped."""
    newest = run.stops[-NEWEST:]
    signed = run.random.sample(newest, min(2, len(newest)))
    if not signed:
        return None
    parts = [run.random.choice([1, 1, 2]) for _ in signed]
    amounts = [abs(stop.order.size) // part // 10**17 * 10**17 for stop, part in zip(signed, parts, strict=True)]
    return _against_dealer(run, mine, signed, [max(amount, 10**17) for amount in amounts])


def trade_package(run: Everybody, mine: set[int]) -> Receipt:
    """Two legs in one settlement; sometimes one is left away."""
    owner = run.random.choice(run.traders)
    symbols, side = run.random.sample(list(STEP), 2), run.random.choice([1, -1])
    plain = [
        run.market.order(owner, symbol, sign * side * _size(run, symbol), run.market.mark(symbol)).order
        for symbol, sign in zip(symbols, (1, -1), strict=True)
    ]
    run.packages += 1
    legs = [_domain(run).sign(leg, owner.key) for leg in as_legs(plain, run.packages)]
    run.note(*legs)
    legs = legs[: run.random.choice([1, 2, 2, 2])]
    return _against_dealer(run, mine, legs, [abs(leg.order.size) for leg in legs])


def _against_dealer(run: Everybody, mine: set[int], signed: list[SignedOrder], amounts: list[int]) -> Receipt:
    dealer = run.room.dealer
    answers = []
    for leg in signed:
        index = run.system.clearinghouse.call("instrumentIndexOf", leg.order.instrument)
        price = run.market.mark(index)
        answers.append(run.market.order(dealer, index, Decimal(-leg.order.size) / 10**18, price))
    run.note(*answers)
    mine.update({dealer.account, EXECUTOR.account, *(leg.order.account for leg in signed)})
    matches = [Match(place, len(signed) + place, amount) for place, amount in enumerate(amounts)]
    return run.system.exchange.transact("execute", *settlement([*signed, *answers], matches), EXECUTOR.account)


def _size(run: Everybody, symbol: str) -> Decimal:
    return STEP[symbol] * run.random.randint(1, int(LARGEST[symbol] / STEP[symbol]))


def _domain(run: Everybody) -> OrderDomain:
    return OrderDomain(run.system.evm.chain_id, run.system.exchange.address)


ACTS = (sign_stop, arm, fill_stops, trade_package)
