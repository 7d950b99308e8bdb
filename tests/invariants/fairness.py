"""Further things that must hold after every act: of scans, prices, orders, roles, and of who may leave or close."""

from __future__ import annotations

from typing import Any

from ballast.chain.ids import KIND_OPTION, kind_of
from ballast.risk.dated import is_put, key_of, strike_of
from tests.invariants import checks
from tests.invariants.protocol import Act, Picture
from tests.support.evm import Receipt

WAD, WEI_A_SLICE = 10**18, 10**6
LEAST_UNITS = 10**6  # of a collateral token in a whole one
STALE = 2
FEE = 10**6  # of notional, the highest that the runs set: 1e9 is one
MARGIN = {"InitialMarginShortfall", "RiskNotReduced", "BelowMaintenanceMargin", "AccountInLiquidation"}


def check_scan_of_union(receipt: Receipt, before: Picture, after: Picture) -> None:
    """A slice adds to the scan of who takes it no more than it had by itself, but for a unit of each token of it."""
    unit = max(quote.index for quote in before.quotes) // LEAST_UNITS
    for taken in receipt.events("BidTaken"):
        part = before.margins[taken.account].scan * taken.fraction // WAD
        rounding = len(before.views[taken.account].collaterals) * unit + WEI_A_SLICE
        most = before.margins[taken.bidder].scan + part + rounding
        scan = after.margins[taken.bidder].scan
        assert scan <= most, f"I12: the union's scan is {scan - most} above the sum of scans"


def check_fund(receipt: Receipt | None, before: Picture, after: Picture) -> None:
    """Besides insurers who leave and its part of a socialised loss, the fund pays where an account receives nothing."""
    paid = before.reserves - after.reserves
    if receipt is None or receipt.events("Withdraw"):
        return
    paid -= max((cut.amount for cut in receipt.events("LossSocialised")), default=0)
    due = sum(taken.fromInsurance for taken in receipt.events("BidTaken") if not taken.payment)
    due += sum(event.fromInsurance for event in receipt.events("WrittenOff"))
    assert paid <= due + 1, f"I11: the fund paid {paid}, of which {due} was for losses"


def check_quotes(before: Picture, after: Picture) -> None:
    """The outside world's price or the last good one, whatever a source reports."""
    told = dict(after.prices)
    for quote, symbol in zip(after.quotes, after.markets, strict=True):
        assert quote.index > 0 and quote.stable > 0, f"I21: the price of {symbol} is {quote.index}"
        if quote.state < STALE:
            assert quote.index == int(told[symbol] * WAD), f"I21: {symbol} is {quote.index}, nobody reported that"


def check_expiries(before: Picture, after: Picture) -> None:
    """What signers published and observers saw, nothing else; and a settlement price never changes."""
    for key, expiry in after.expiries.items():
        quote, old = expiry.quote, before.expiries.get(key, expiry).quote
        if after.timestamp < quote.expiry:
            assert quote.surface == expiry.surface, f"I21: the surface of {key:#x} is of no signer"
            continue
        price = quote.fixedPart if quote.openShare == 0 else 0
        assert price == expiry.price, f"I21: {key:#x} settles at {price}, and should at {expiry.price}"
        known = before.timestamp >= old.expiry and old.openShare == 0
        assert not known or old.fixedPart == price, f"I28: the settlement price of {key:#x} has changed"


def check_settlement(receipt: Receipt, before: Picture, after: Picture) -> None:
    """A position settles at a price and a value in which the order of settlements has no part."""
    for settled in receipt.events("PositionSettled"):
        [leg] = [leg for leg in before.views[settled.account].positions if leg.index == settled.instrument]
        price = payoff_of(leg.instrument, after.expiries[key_of(leg.instrument)].price)
        value = leg.size * price // WAD + leg.quote
        assert (settled.price, settled.value) == (price, value), (
            f"I28: {leg.index} settled at {settled.price} for {settled.value}, not at {price} for {value}"
        )


def payoff_of(instrument: int, price: int) -> int:
    """What a unit of a dated instrument pays at a settlement price, wad."""
    if kind_of(instrument) != KIND_OPTION:
        return price
    strike = strike_of(instrument)
    return max(0, strike - price if is_put(instrument) else price - strike)


def check_orders(receipt: Receipt, after: Picture) -> None:
    for fill in receipt.events("OrderFilled"):
        size = after.orders.get((fill.account, fill.nonce))
        assert size is None or fill.filled <= size, f"I22: {fill.filled} of {size} was filled"


def check_conversion(receipt: Receipt, before: Picture, after: Picture) -> None:
    """The one cost that an act of anybody brings to an account that owes: the discount."""
    for sold in receipt.events("Converted"):
        lost = before.margins[sold.account].equity - after.margins[sold.account].equity
        value = sold.payment * 10**12 * WAD // (WAD - sold.discount)
        most = value - sold.payment * 10**12 + 10**12
        assert sold.discount <= before.discount and lost <= most, (
            f"I23: a conversion cost {lost}, at most {most} is due"
        )


def check_guardian(name: str, before: Picture, after: Picture) -> None:
    """He changes nobody's margin, and what he sets only ever forbids."""
    if name != "guard":
        return
    for account, margin in after.margins.items():
        old = before.margins[account]
        same = (old.equity, old.maintenanceMargin, old.initialMargin) == (
            margin.equity,
            margin.maintenanceMargin,
            margin.initialMargin,
        )
        assert same, f"I24: the guardian changed the margin of {account:#x}"
    for symbol, market in after.markets.items():
        assert market.view.openInterestCap <= before.markets[symbol].view.openInterestCap, f"I24: {symbol}"


def check_exit(act: Act, before: Picture) -> None:
    """Whoever is flat is kept by the vault's tokens, the outflow limit and an open shortfall alone."""
    if act.name != "leave" or act.refusal is None:
        return
    name, values = act.refusal.name, act.refusal.arguments
    if name == "CashHeldBack":
        assert before.shortfall > before.reserves, "I25: cash was held back though the fund holds what is missing"
    elif name == "InsufficientLiquidity":
        assert values.asset == 0 and values.available < values.requested, f"I25: {act.refusal} though it is there"
    elif name == "OutflowLimitExceeded":
        assert values.available < values.requested, f"I25: {act.refusal} within the limit"
    else:
        raise AssertionError(f"I25: {act.refusal} kept a flat account")


def check_open_acts(act: Act, before: Picture, after: Picture) -> None:
    """Repaying is never refused, nor closing one fraction of all above maintenance margin by whoever has only cash."""
    owners = [account for account in act.mine if act.name in ("shrink", "repay")]
    if act.name == "repay" and act.refusal is not None:
        owed = [before.views[account].cash < 0 for account in owners]
        assert act.refusal.name == "ZeroAmount" and not any(owed), f"I26: a repayment was refused, {act.refusal}"
    if act.name != "shrink":
        return
    for account in owners:
        margin, view = before.margins[account], before.views[account]
        free = margin.equity >= margin.maintenanceMargin and not view.collaterals and not view.inLiquidation
        if act.refusal is not None:
            theirs = act.refusal.name in MARGIN and act.refusal.arguments.account == account
            assert not theirs or not free, f"I26: {account:#x} could not close, {act.refusal}"
        elif free and after.timestamp == before.timestamp:
            check_closing_is_safe(account, before, after)


def check_closing_is_safe(account: int, before: Picture, after: Picture) -> None:
    old, new = before.margins[account], after.margins[account]
    indices = {quote.underlying: quote.index for quote in before.quotes}
    values = sum(notional_of(leg, indices) for leg in before.views[account].positions)
    gained = new.equity - new.maintenanceMargin - (old.equity - old.maintenanceMargin)
    assert gained >= -values * FEE // 10**9 - checks.WEI_A_LEG, f"I13: closing cost {account:#x} {-gained} of safety"


def notional_of(leg: Any, indices: dict[int, int]) -> int:
    """What a fee is charged on where a position is closed at mark, wad: of an option its price."""
    if kind_of(leg.instrument) == KIND_OPTION:
        return abs(int(leg.value))
    return abs(int(leg.size)) * indices[leg.instrument >> 240 & 0xFF] // WAD


def check_roles(name: str, before: Picture, after: Picture) -> None:
    """What a role does comes after its delay, lies within bounds and moves nothing that users own."""
    for ready, at, within in after.enacted[len(before.enacted) :]:
        assert at >= ready, f"I30: done at {at}, {ready - at} s before its delay was over"
        assert within, "I30: a setting beyond its bounds was accepted"
    if name not in ("enact", "guard", "shift_multiplier", "announce", "trespass"):
        return
    for account, view in after.views.items():
        old = before.views[account]
        # Interest runs on over a delay.
        owned = [
            ([(leg.asset, leg.amount) for leg in each.collaterals], [(leg.index, leg.size) for leg in each.positions])
            for each in (old, view)
        ]
        assert owned[0] == owned[1], f"I32: {name} changed what {account:#x} owns"
        assert before.timestamp != after.timestamp or old.cash == view.cash, f"I32: {name} moved cash of {account:#x}"


def check_all(act: Act, before: Picture, after: Picture) -> None:
    checks.check_all(act, before, after)
    check_exit(act, before)
    check_open_acts(act, before, after)
    check_quotes(before, after)
    check_expiries(before, after)
    check_roles(act.name, before, after)
    if act.receipt is not None:
        check_orders(act.receipt, after)
    if before.timestamp == after.timestamp:
        check_guardian(act.name, before, after)
        if act.receipt is not None:
            check_settlement(act.receipt, before, after)
        if act.receipt is not None and before.prices == after.prices:
            check_scan_of_union(act.receipt, before, after)
            check_fund(act.receipt, before, after)
            check_conversion(act.receipt, before, after)
