"""Acts of those who come when something is short: buyers of debtors' collateral, insurers, savers, a time traveller."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from ballast.chain.orders import Match, settlement
from ballast.risk.dated import is_put
from tests.support.evm import Receipt
from tests.support.system import DAY, HOUR, Trader, trader

if TYPE_CHECKING:
    from tests.invariants.everybody import Everybody

ALL = 2**256 - 1
SAVER, BUYER, INSURER = trader("saver"), trader("buyer of collateral"), trader("insurer")
MARGIN = {"InitialMarginShortfall", "RiskNotReduced", "BelowMaintenanceMargin", "AccountInLiquidation"}
LEAVING = {"InsufficientLiquidity", "OutflowLimitExceeded", "CashHeldBack"}
EXPECTED = {
    "convert": MARGIN | {"LiquiditySufficient", "NoDebt", "PaymentAboveDebt", "InsufficientBalance"},
    "redeem": {"RedemptionCoolingDown", "RedemptionWhileShortfallOpen", "ERC4626ExceededMaxRedeem", "ZeroAmount"}
    | {"InsufficientLiquidity"},
    # Nothing else may stand in the way of a flat account, nor of whoever closes a part of all.
    "leave": LEAVING,
    "come_back": {"DepositsPaused", "DepositCapExceeded"},
    "shrink": MARGIN | {"ReduceOnlyInstrument"},
    "tide": MARGIN | LEAVING | {"DepositsPaused"},
}


def convert(run: Everybody, mine: set[int]) -> Receipt:
    """Somebody buys collateral of whoever owes."""
    owners = [run.room.dealer, *run.traders]
    debtors = [owner for owner in owners if run.system.clearinghouse.call("cashOf", owner.account) < 0]
    owner = run.random.choice(debtors or owners)
    mine.add(owner.account)
    asset = run.random.randint(1, 3)
    amount = run.random.randint(1, {1: 10**18, 2: 10**7, 3: 10**20}[asset])
    run.market.mint(BUYER, "USDC", 10_000)
    return run.transact(BUYER, "convert", owner.account, asset, amount, ALL)


def collect_claim(run: Everybody, mine: set[int]) -> Receipt:
    return run.transact(BUYER, "collectClaim", run.random.choice(run.accounts))


def socialise(run: Everybody, mine: set[int]) -> Receipt:
    return run.transact(BUYER, "socialiseLoss")


def redeem(run: Everybody, mine: set[int]) -> Receipt:
    """An insurer asks for half of what he has, or takes what he has asked for."""
    fund, holder = run.system.insurance_fund, INSURER.address
    mine.add(run.room.fund_account)
    request = fund.call("redemptionRequestOf", holder)
    if request.shares and run.system.evm.timestamp <= request.lapsesAt:
        return fund.transact("redeem", request.shares, holder, holder, sender=holder)
    return fund.transact("requestRedemption", fund.call("balanceOf", holder) // 2, sender=holder)


def leave(run: Everybody, mine: set[int]) -> Receipt | None:
    """A saver without a position takes one thing out whole."""
    mine.add(SAVER.account)
    view = run.system.clearinghouse.call("accountOf", SAVER.account)
    held = [leg.asset for leg in view.collaterals] + [0] * (view.cash >= 10**12)
    if not held:
        return None
    return run.transact(SAVER, "withdraw", SAVER.account, run.random.choice(held), ALL, SAVER.address)


def come_back(run: Everybody, mine: set[int]) -> Receipt:
    mine.add(SAVER.account)
    symbol = run.random.choice(["USDC", "WETH"])
    units = run.market.mint(SAVER, symbol, {"USDC": 3_000, "WETH": 2}[symbol])
    return run.transact(SAVER, "deposit", SAVER.account, run.system.record.assets[symbol], units)


def shrink(run: Everybody, mine: set[int]) -> Receipt | None:
    """One fraction of all positions is closed at mark: the whole, or a half where it comes out even."""
    views = {owner: run.system.clearinghouse.call("accountOf", owner.account) for owner in run.traders}
    holders = [owner for owner, view in views.items() if view.positions and not view.inLiquidation]
    if not holders:
        return None
    owner = run.random.choice(holders)
    mine.update({owner.account, run.room.dealer.account})
    legs = views[owner].positions
    tradable = run.tradable([views[owner]])
    if any(leg.index not in tradable for leg in legs):
        return None
    terms = run.system.clearinghouse.call_each("instrumentOf", [leg.index for leg in legs])
    even = all(leg.size % (2 * view.sizeStep) == 0 for leg, view in zip(legs, terms, strict=True))
    parts = 2 if even and run.random.random() < 0.5 else 1
    return _close(run, owner, {leg.index: leg.size // parts for leg in legs})


def _close(run: Everybody, owner: Trader, sizes: dict[int, int]) -> Receipt:
    signed = []
    for instrument, size in sizes.items():
        price, whole = max(1, run.market.mark(instrument)), Decimal(size) / 10**18
        signed.append(run.market.order(owner, instrument, -whole, price))
        signed.append(run.market.order(run.room.dealer, instrument, whole, price))
    run.note(*signed)
    matches = [Match(2 * place, 2 * place + 1, abs(size)) for place, size in enumerate(sizes.values())]
    return run.system.exchange.transact("settle", *settlement(signed, matches))


def tide(run: Everybody, mine: set[int]) -> Receipt:
    """The dealer, who holds collateral beyond measure, lends to the vault or borrows what is there."""
    dealer, house = run.room.dealer, run.system.clearinghouse
    mine.add(dealer.account)
    if run.random.random() < 0.25:
        units = run.market.mint(dealer, "USDC", run.random.randint(1_000, 400_000))
        return run.transact(dealer, "deposit", dealer.account, 0, units)
    left = house.call("vaultState").tokens * run.random.randint(90, 100) // 100
    return run.transact(dealer, "withdraw", dealer.account, 0, max(1, left), dealer.address)


def crash(run: Everybody, mine: set[int]) -> None:
    """A price halves or doubles against somebody who holds a position, within the region in which it began."""
    views = run.system.clearinghouse.call_each("accountOf", [owner.account for owner in run.traders])
    symbols = {number: symbol for symbol, number in run.system.record.underlyings.items()}
    hurt = {
        symbols[leg.instrument >> 240 & 0xFF]: (leg.size > 0) != is_put(leg.instrument)
        for view in views
        for leg in view.positions
    }
    symbol = run.random.choice(list(hurt) or list(run.opening))
    price, opening = run.market.prices[symbol], run.opening[symbol]
    falls = hurt.get(symbol, True) if opening / 3 < price < opening * 3 else price > opening
    factor = Decimal(run.random.randint(50, 75) if falls else run.random.randint(130, 190)) / 100
    run.market.set_price(symbol, (price * factor).quantize(Decimal("0.01")))


def travel(run: Everybody, mine: set[int]) -> None:
    run.market.advance(run.random.choice([6 * HOUR, DAY, 7 * DAY + HOUR]))


def poke(run: Everybody, mine: set[int]) -> Receipt:
    return run.room.poke(run.weakest(mine))


ACTS = (poke, convert, collect_claim, socialise, redeem, leave, come_back, shrink, tide, crash, travel)
