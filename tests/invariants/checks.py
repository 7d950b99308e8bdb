"""What must hold after every act on the whole protocol.

Functions of pictures of the system, so that a tampered picture shows that each can fail.
"""

from __future__ import annotations

from collections import Counter

from tests.invariants.protocol import Act, Picture
from tests.support.evm import Receipt

WEI_A_LEG, WAD = 64, 10**18
CURES = {"deposit", "repay", "come_back", "deposit_hostile"}
RISKY = {"trade", "trade_dated", "withdraw", "move", "tide", "fill_stops", "trade_package"}
RISKY |= {"withdraw_hostile"}
BILLION, FUNDING_PERIOD = 10**9, 8 * 3_600
# Whose owner has signed them or sent them.
OWNERS_ACTS = {"deposit", "withdraw", "move", "trade", "trade_dated", "reduce", "shrink", "tide", "leave", "redeem"}
OWNERS_ACTS |= {"fill_stops", "trade_package", "withdraw_hostile"}
# May cost an account though its owner did not ask for it. What a conversion costs is held by `fairness`.
LIQUIDATION = {"start", "bid", "write_off", "convert"}


def check_conservation(after: Picture) -> None:
    assert after.imbalance == 0, f"I3a: the books are off by {after.imbalance} ray-wei"
    sizes: Counter[int] = Counter({view.index: view.clearedSize for view in after.dated})
    longs: Counter[int] = Counter()
    for view in after.views.values():
        for leg in view.positions:
            sizes[leg.index] += leg.size
            longs[leg.index] += max(0, leg.size)
    assert not any(sizes.values()), f"I2: Σ size is {dict(sizes)}"
    for instrument in (*after.dated, *(market.view for market in after.markets.values())):
        interest, held = instrument.openInterest, longs[instrument.index]
        assert interest == held, f"I2: open interest of {instrument.index} is {interest}, and {held} is held"


def check_indices(before: Picture, after: Picture, receipt: Receipt | None) -> None:
    socialised = receipt is not None and receipt.events("LossSocialised")
    assert socialised or after.vault.supplyIndex >= before.vault.supplyIndex, "I17: the supply index fell"
    assert after.vault.borrowIndex >= before.vault.borrowIndex, "I17: the borrow index fell"


def borne(receipt: Receipt | None, before: Picture, account: int) -> int:
    """Most that shared and socialised losses of a transaction cost an account, wei: the exceptions by name."""
    if receipt is None:
        return 0
    view, cost = before.views[account], 0
    for shared in receipt.events("LossShared"):
        sizes = [leg.size for leg in view.positions if leg.index == shared.instrument]
        cost += sum(abs(size) * shared.perUnit // WAD + 2 for size in sizes if (size > 0) == shared.longs)
    index = before.vault.supplyIndex
    for socialised in receipt.events("LossSocialised"):
        cost += max(0, view.cash) * (index - socialised.supplyIndex) // index + 2
    return cost


def settled_of(receipt: Receipt | None, account: int) -> set[int]:
    """Instruments of an account that a transaction settled, as anybody's does that meets what has expired."""
    events = receipt.events("PositionSettled") if receipt is not None else []
    return {event.instrument for event in events if event.account == account}


def check_others_unhurt(
    name: str, mine: set[int], before: Picture, after: Picture, receipt: Receipt | None = None
) -> None:
    for account, margin in after.margins.items():
        if account not in mine:
            lost = before.margins[account].equity - margin.equity - borne(receipt, before, account)
            legs = len(after.views[account].positions) + len(after.views[account].collaterals) + 1
            rule = "I5" if name == "donate" else "I7"
            assert lost <= legs, f"{rule}: {name} cost the bystander {account:#x} {lost} wei"


def check_no_liquidation_by_parameter(name: str, before: Picture, after: Picture) -> None:
    if name in ("shift_multiplier", "guard", "enact"):
        for account, margin in after.margins.items():
            healthy = before.margins[account].equity >= before.margins[account].maintenanceMargin
            assert not healthy or margin.equity >= margin.maintenanceMargin, f"I31: {name} hit {account:#x}"


def check_risk_rules(name: str, mine: set[int], before: Picture, after: Picture) -> None:
    """I6 and I13: whose act left him short of initial margin must have come closer to safety."""
    if name not in RISKY | CURES:
        return
    for account in mine:
        old, new, view = before.margins[account], after.margins[account], before.views[account]
        margin_of_safety = new.equity - new.maintenanceMargin - (old.equity - old.maintenanceMargin)
        if name in CURES:
            assert margin_of_safety >= -WEI_A_LEG, f"I13: {name} cost {-margin_of_safety} wei of safety"
        elif not view.positions and view.cash >= 0 and not after.views[account].positions:
            continue  # Whoever is flat needs no margin to leave.
        elif new.equity - new.stableGap - new.untrustedGain < new.initialMargin:
            assert margin_of_safety >= -WEI_A_LEG, f"I6: {name} left {account:#x} below initial margin, worse off"
            # Who receives by a move holds more, as after a deposit.
            assert name == "move" or new.scan <= old.scan + WEI_A_LEG, (
                f"I6: {name} raised the scan of {account:#x} below initial margin"
            )


def check_auction(name: str, receipt: Receipt | None, before: Picture, after: Picture) -> None:
    if receipt is None:
        return
    for started in receipt.events("AuctionStarted"):
        margin = before.margins[started.account]
        assert margin.equity + margin.haltBonus < margin.maintenanceMargin, "I8: started above maintenance margin"
    for taken in receipt.events("BidTaken"):
        old, new = before.margins[taken.account], after.margins[taken.account]
        assert old.equity < old.liquidationEndMargin, "I8: a bid at or above the liquidation-end margin"
        gained = new.equity - new.liquidationEndMargin - (old.equity - old.liquidationEndMargin)
        improved = gained >= -WEI_A_LEG - borne(receipt, before, taken.account)
        assert improved or not after.views[taken.account].positions, "I9: a bid left the account worse off"
        assert not (taken.fromInsurance and taken.payment), "I11: the fund paid in a bid that paid the account"
        gain = after.margins[taken.bidder].equity - before.margins[taken.bidder].equity
        if taken.discount:
            most = taken.fraction * max(0, taken.equityForSale) * taken.discount // WAD**2
        else:
            most = taken.fraction * max(old.maintenanceMargin, taken.equityForSale) // WAD
        assert gain <= most + 10**6, f"I10: the bidder gained {gain}, at most {most} is his"


def check_accrual_once(before: Picture, after: Picture, receipt: Receipt | None = None) -> None:
    cut = receipt is not None and receipt.events("LossSocialised")
    for name in ("borrowIndex",) if cut else ("supplyIndex", "borrowIndex"):
        assert getattr(after.vault, name) == getattr(before.vault, name), f"I18: {name} moved while the clock stood"
    for symbol, market in after.markets.items():
        old, new = before.markets[symbol].view, market.view
        accrued = (new.cumulativeFunding, new.basis) == (old.cumulativeFunding, old.basis)
        assert accrued, f"I18: funding or basis of {symbol} moved while the clock stood"


def check_funding(before: Picture, after: Picture) -> None:
    for symbol, market in after.markets.items():
        limit, grown = market.basis_limit, market.view.cumulativeFunding - before.markets[symbol].view.cumulativeFunding
        most = market.peak * limit * (after.timestamp - before.timestamp) // (BILLION * FUNDING_PERIOD) + 1
        assert abs(market.view.basis) <= limit, f"I19: the basis of {symbol} is {market.view.basis}"
        assert abs(grown) <= most, f"I19: funding of {symbol} grew by {grown}, at most {most} is within the clamp"


def check_prices_fixed(receipt: Receipt) -> None:
    """Of what a transaction fixes; what its callers are told is held by tests/invariants/test_oracle_tuples.py."""
    fixed = Counter(event.underlying for event in receipt.events("QuoteFixed"))
    assert not fixed or max(fixed.values()) == 1, f"I20: prices were fixed more than once: {fixed}"


def check_authority(name: str, before: Picture, after: Picture, receipt: Receipt | None = None) -> None:
    """What nobody's signature stands behind lowers nobody's equity, not even of the account it names."""
    if name in OWNERS_ACTS | LIQUIDATION:
        return
    for account, margin in after.margins.items():
        view, lost = after.views[account], before.margins[account].equity - margin.equity
        lost -= borne(receipt, before, account)
        assert lost <= len(view.positions) + len(view.collaterals) + 1, f"I23: {name} cost {account:#x} {lost} wei"
        expired = settled_of(receipt, account)
        sizes = [{(leg.index, leg.size) for leg in views[account].positions} for views in (before.views, after.views)]
        kept = {(index, size) for index, size in sizes[0] if index not in expired}
        assert kept == sizes[1], f"I23: {name} changed the positions of {account:#x}"


def check_pauses(act: Act, before: Picture) -> None:
    """A pause of deposits may not keep a holder of the token from adding to it while short of initial margin."""
    if act.refusal is None or act.refusal.name != "DepositsPaused":
        return
    for account in act.mine:
        margin, held = before.margins[account], {leg.asset for leg in before.views[account].collaterals}
        short = margin.equity - margin.stableGap - margin.untrustedGain < margin.initialMargin
        assert act.refusal.arguments.asset not in held or not short, f"I29: a pause kept {account:#x} from a cure"


def check_all(act: Act, before: Picture, after: Picture) -> None:
    check_conservation(after)
    check_indices(before, after, act.receipt)
    check_funding(before, after)
    check_auction(act.name, act.receipt, before, after)
    check_no_liquidation_by_parameter(act.name, before, after)
    check_pauses(act, before)
    if act.receipt is not None:
        check_prices_fixed(act.receipt)
    if before.timestamp == after.timestamp:
        check_accrual_once(before, after, act.receipt)
        if before.prices == after.prices:
            check_others_unhurt(act.name, act.mine, before, after, act.receipt)
            check_risk_rules(act.name, act.mine, before, after)
            check_authority(act.name, before, after, act.receipt)
