"""Random acts of everybody on the whole protocol, and pictures of it; what must hold is in `checks`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from random import Random
from typing import Any, ClassVar

from ballast.chain.orders import Match, OrderDomain, settlement
from tests.support.clearing import imbalance_of
from tests.support.evm import Receipt, Revert
from tests.support.liquidation import Room
from tests.support.system import Market, System, Trader, trader, wad

TRADERS = [trader(f"trader {number}") for number in range(6)]
LIQUIDATORS = [trader(f"liquidator {number}") for number in range(2)]
INTRUDER = trader("intruder")
SYMBOLS = ("BTC", "ETH", "LINK")

# Refusals that an honest contract gives to a random act; anything else, a Panic above all, fails the run.
MARGIN = {"InitialMarginShortfall", "RiskNotReduced", "BelowMaintenanceMargin", "AccountInLiquidation"}
MARKET = {"OracleNotUsable", "ReduceOnlyInstrument", "OpenInterestCapExceeded", "InvalidSize", "OutsidePriceBand"}
LEAVING = {"InsufficientLiquidity", "OutflowLimitExceeded", "CashHeldBack"}
VAULT = {"InsufficientBalance", "ZeroAmount", "DepositsPaused"} | LEAVING
AUCTION = {"NotLiquidatable", "AlreadyInAuction", "NoAuction", "FractionBelowMinimum", "NotWorthless", "NoMarginCall"}
AUCTION |= {"OnlyDebt"}
EXPECTED = {
    "deposit": {"DepositCapExceeded", "DepositsPaused"},
    "withdraw": MARGIN | VAULT | {"OracleNotUsable"},
    "move": MARGIN | VAULT | {"OracleNotUsable"},
    "repay": {"ZeroAmount"},
    "realise": {"AccountInLiquidation", "OracleNotUsable"},
    "trade": MARGIN | MARKET,
    "reduce": MARGIN,
    "intrude": {"NotAuthorised", "InvalidSignature", "DifferentOwners", "AccountInLiquidation"},
    "start": AUCTION,
    "bid": AUCTION | MARGIN | {"RelatedBidder", "PriceAboveMaximum"},
    "poke": AUCTION,
    "write_off": AUCTION,
    "call": AUCTION,
    "insure": {"ERC4626ExceededMaxDeposit"},
}


@dataclass(frozen=True)
class MarketPicture:
    """One perpetual: its view, the clamp of its basis (1e9 is one), and the highest index price it has seen (wad)."""

    view: Any
    basis_limit: int
    peak: int


@dataclass(frozen=True)
class ExpiryPicture:
    """One expiry: its quote, the surface that its signers published last, and the price it has to settle at.

    `price` is what observers and signers have said, by the twin; 0 while they have said too little. Wad.
    """

    quote: Any
    surface: int
    price: int


@dataclass(frozen=True)
class Picture:
    """The system at one moment.

    Attributes:
        prices: All that the outside world says.
        dated: Views of instruments that expire, as far as somebody holds or held them.
        expiries: Every expiry, by key.
        quotes: What the oracle says of each underlying that has a perpetual.
        reserves: The insurance fund's cash, wad.
        shortfall: Sum of negative equity over live auctions, wad.
        discount: At which collateral of debtors is sold, wad.
        orders: Size of every order that was signed, by account and nonce, wad.
        enacted: Of each act of a role: when it might be done at the earliest, when it was, and whether within bounds.
    """

    margins: dict[int, Any]
    views: dict[int, Any]
    markets: dict[str, MarketPicture]
    vault: Any
    imbalance: int
    timestamp: int
    prices: tuple[Any, ...]
    dated: tuple[Any, ...] = ()
    quotes: tuple[Any, ...] = ()
    reserves: int = 0
    shortfall: int = 0
    discount: int = 0
    orders: dict[tuple[int, int], int] = field(default_factory=dict)
    enacted: tuple[tuple[int, int, bool], ...] = ()
    expiries: dict[int, ExpiryPicture] = field(default_factory=dict)


@dataclass(frozen=True)
class Act:
    """What was done: the accounts it may change, and its receipt, or why it was refused."""

    name: str
    mine: set[int]
    receipt: Receipt | None = None
    refusal: Revert | None = None


@dataclass
class Protocol:
    """The driver: a seeded choice of acts, and pictures before and after."""

    system: System
    market: Market
    random: Random
    done: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    orders: dict[tuple[int, int], int] = field(default_factory=dict)
    enacted: list[tuple[int, int, bool]] = field(default_factory=list)
    FUND: ClassVar[int] = 50_000

    def __post_init__(self) -> None:
        self.room = Room(self.market)
        self.room.insure(self.FUND)
        for owner in TRADERS:
            self.market.fund(owner, USDC=6_000, WETH=1)
        for bidder in LIQUIDATORS:
            self.market.fund(bidder, USDC=300_000)
        self.market.mint(INTRUDER, "USDC", 1_000)
        self.peaks = dict.fromkeys(SYMBOLS, 0)

    @property
    def accounts(self) -> list[int]:
        owners = [*TRADERS, *LIQUIDATORS, self.room.dealer]
        treasury = int(self.system.network.treasury, 16) << 96
        return [*(owner.account for owner in owners), TRADERS[0].sub_account(1), self.room.fund_account, treasury]

    def picture(self) -> Picture:
        house, accounts = self.system.clearinghouse, self.accounts
        margins, views = house.call_each("marginOf", accounts), house.call_each("accountOf", accounts)
        vault, dated = house.call("vaultState"), self.dated_views(views)
        expiries, markets = self.expiries, self._markets()
        underlyings = sum(1 << self.system.record.underlyings[name] for name in SYMBOLS)
        return Picture(
            dict(zip(accounts, margins, strict=True)),
            dict(zip(accounts, views, strict=True)),
            markets,
            vault,
            imbalance_of(vault, views, [*dated, *(market.view for market in markets.values())]),
            self.system.evm.timestamp,
            (*self.prices, *((key, tuple(one.quote)) for key, one in expiries.items())),
            tuple(dated),
            tuple(self.system.oracle_hub.call("quotesOf", underlyings)[0]),
            self.system.insurance_fund.call("reserves"),
            self.system.auctions.call("openShortfall"),
            house.call("conversionTerms").discount,
            self.orders,
            tuple(self.enacted),
            expiries,
        )

    def dated_views(self, views: list[Any]) -> list[Any]:
        """Of the instruments that expire, those that accounts hold, or held and are not cleared yet."""
        return []

    def tradable(self, views: list[Any]) -> list[int]:
        """Registry indices of what can be reduced: of the perpetuals, and of what accounts hold that is not over."""
        return [self.market.instrument(symbol) for symbol in SYMBOLS]

    @property
    def expiries(self) -> dict[int, ExpiryPicture]:
        """Of every expiry, by key."""
        return {}

    @property
    def prices(self) -> tuple[Any, ...]:
        return tuple(sorted(self.market.prices.items()))

    @property
    def acts(self) -> dict[str, Callable[[Any, set[int]], Receipt | None]]:
        return ACTS

    @property
    def expected(self) -> dict[str, set[str]]:
        """The refusals that each act may meet."""
        return EXPECTED

    @property
    def often(self) -> dict[str, float]:
        return OFTEN

    def _markets(self) -> dict[str, MarketPicture]:
        instruments = [self.market.instrument(symbol) for symbol in SYMBOLS]
        views = self.system.clearinghouse.call_each("instrumentOf", instruments)
        for symbol in SYMBOLS:
            self.peaks[symbol] = max(self.peaks[symbol], wad(self.market.prices[symbol]))
        limits = [self.system.network.underlyings[symbol].trading.basis_limit for symbol in SYMBOLS]
        return {
            symbol: MarketPicture(view, limit, self.peaks[symbol])
            for symbol, view, limit in zip(SYMBOLS, views, limits, strict=True)
        }

    def act(self) -> Act:
        """One random act.

        Raises:
            Revert: It was refused in a way that no honest contract would.
        """
        name = self.random.choices(list(self.acts), [self.often.get(name, 1) for name in self.acts])[0]
        mine: set[int] = set()
        try:
            receipt = self.acts[name](self, mine)
        except Revert as revert:
            if revert.name not in self.expected.get(name, set()):
                raise
            self.refused[f"{name} {revert.name}"] += 1
            return Act(name, mine, refusal=revert)
        self.done[name] += 1
        return Act(name, mine, receipt)

    @property
    def acted(self) -> int:
        """Acts, those that were refused among them."""
        return self.done.total() + self.refused.total()

    def owner(self, mine: set[int]) -> Trader:
        owner = self.random.choice(TRADERS)
        mine.add(owner.account)
        return owner

    def weakest(self, mine: set[int]) -> Trader:
        """The trader closest to liquidation."""
        house = self.system.clearinghouse

        def safety(owner: Trader) -> int:
            margin = house.call("marginOf", owner.account)
            return int(margin.equity - margin.maintenanceMargin)

        owner = min(TRADERS, key=safety)
        mine.add(owner.account)
        return owner

    def transact(self, owner: Trader, function: str, *arguments: Any) -> Receipt:
        return self.system.clearinghouse.transact(function, *arguments, sender=owner.address)


# Acts: each notes in `mine` whose accounts it may change ------------------------------------------------------------


def deposit(run: Protocol, mine: set[int]) -> Receipt:
    owner, symbol = run.owner(mine), run.random.choice(["USDC", "WETH", "WBTC", "LINK"])
    amount = {"USDC": 2_000, "WETH": 1, "WBTC": "0.05", "LINK": 80}[symbol]
    units = run.market.mint(owner, symbol, amount)
    return run.transact(owner, "deposit", owner.account, run.system.record.assets[symbol], units)


def withdraw(run: Protocol, mine: set[int]) -> Receipt:
    owner, asset = run.owner(mine), run.random.randrange(4)
    units = run.random.choice([2**256 - 1, run.random.randint(1, 10**10 if asset in (0, 2) else 10**19)])
    return run.transact(owner, "withdraw", owner.account, asset, units, owner.address)


def move(run: Protocol, mine: set[int]) -> Receipt:
    pair = [TRADERS[0].account, TRADERS[0].sub_account(1)]
    mine.update(pair)
    run.random.shuffle(pair)
    return run.transact(TRADERS[0], "move", *pair, run.random.randrange(4), run.random.randint(1, 10**9))


def repay(run: Protocol, mine: set[int]) -> Receipt:
    owner = run.owner(mine)
    run.market.mint(owner, "USDC", 500)
    return run.transact(owner, "repay", owner.account, 500 * 10**6)


def realise(run: Protocol, mine: set[int]) -> Receipt:
    owner = run.owner(mine)
    return run.transact(run.random.choice(TRADERS), "realise", owner.account)


def trade(run: Protocol, mine: set[int]) -> Receipt:
    owner, symbol = run.owner(mine), run.random.choice(SYMBOLS)
    mine.add(run.room.dealer.account)
    steps = run.random.randint(1, 400)
    size = Decimal(steps) / {"BTC": 400, "ETH": 20, "LINK": 1}[symbol]
    price = run.market.mark(symbol) * run.random.randint(9_960, 10_040) // 10_000
    pair = (owner, run.room.dealer) if run.random.random() < 0.7 else (run.room.dealer, owner)
    return run.market.trade(
        *pair, symbol, size.quantize(Decimal("0.1") if symbol == "LINK" else Decimal("0.001")), price
    )


def reduce(run: Protocol, mine: set[int]) -> Receipt | None:
    """Two sides of an instrument that both come closer to nothing, by a part of the smaller one."""
    dealer, house = run.room.dealer, run.system.clearinghouse
    views = house.call_each("accountOf", [owner.account for owner in (*TRADERS, dealer)])
    instrument = run.random.choice(run.tradable(views))
    *sizes, dealt = [_size_in(view, instrument) for view in views]
    opposite = [(owner, size) for owner, size in zip(TRADERS, sizes, strict=True) if size * dealt < 0]
    step = house.call("instrumentOf", instrument).sizeStep
    owner, size = run.random.choice(opposite or [(dealer, 0)])
    part = min(abs(size), abs(dealt)) // run.random.choice([4, 8]) // step * step
    if not part:
        return None
    mine.update({owner.account, dealer.account})
    sides, price = (dealer, owner) if size > 0 else (owner, dealer), max(1, run.market.mark(instrument))
    return run.market.trade(*sides, instrument, Decimal(part) / 10**18, price)


def _size_in(view: Any, instrument: int) -> int:
    return sum(leg.size for leg in view.positions if leg.index == instrument)


def intrude(run: Protocol, mine: set[int]) -> Receipt:
    """Somebody without any right acts for another's account. Its owner has no part in it: `mine` stays empty."""
    victim, thief, exchange = run.random.choice(TRADERS), INTRUDER.address, run.system.exchange
    forged = run.market.order(INTRUDER, "ETH", 1, run.market.mark("ETH"), account=victim.account)
    honest = run.market.order(run.room.dealer, "ETH", -1, forged.order.limit)
    named = run.random.choice([forged.order, replace(forged.order, signer=victim.address)])
    signed = OrderDomain(run.system.evm.chain_id, exchange.address).sign(named, INTRUDER.key)
    contract, function, arguments = run.random.choice(
        [
            (run.system.clearinghouse, "withdraw", (victim.account, run.random.randrange(4), 1, thief)),
            (run.system.clearinghouse, "move", (victim.account, INTRUDER.account, run.random.randrange(4), 1)),
            (run.system.clearinghouse, "deposit", (victim.account, 0, 1)),
            (exchange, "setDelegate", (victim.account, thief, 2**40 - 1, 2**96 - 1)),
            (exchange, "advanceEpoch", (victim.account,)),
            (exchange, "cancelBelow", (victim.account, 2**63)),
            (exchange, "settle", settlement([signed, honest], [Match(0, 1, 10**18)])),
        ]
    )
    return contract.transact(function, *arguments, sender=thief)


def start(run: Protocol, mine: set[int]) -> Receipt:
    owner, to = run.weakest(mine), run.random.choice(LIQUIDATORS)
    mine.add(to.account)
    return run.room.start(owner, to.account)


def bid(run: Protocol, mine: set[int]) -> Receipt:
    owner, bidder = run.weakest(mine), run.random.choice(LIQUIDATORS)
    mine.update({bidder.account, run.room.fund_account})
    return run.room.bid(owner, bidder, run.random.choice([10**18, 3 * 10**17]))


def poke(run: Protocol, mine: set[int]) -> Receipt:
    return run.room.poke(run.owner(mine))


def call(run: Protocol, mine: set[int]) -> Receipt:
    return run.room.auctions.transact("call", run.owner(mine).account)


def write_off(run: Protocol, mine: set[int]) -> Receipt:
    owner = run.owner(mine)
    mine.add(run.room.fund_account)
    return run.room.auctions.transact("writeOff", owner.account)


def insure(run: Protocol, mine: set[int]) -> None:
    mine.add(run.room.fund_account)
    run.room.insure(run.random.randint(1, 5_000))


def donate(run: Protocol, mine: set[int]) -> Receipt:
    token = run.system.tokens[run.random.choice(["USDC", "WETH"])]
    return token.transact("mint", run.system.clearinghouse.address, run.random.randint(1, 10**9))


def distribute(run: Protocol, mine: set[int]) -> Receipt:
    mine.update({run.room.fund_account, int(run.system.network.treasury, 16) << 96})
    return run.transact(TRADERS[0], "distributeFees")


def move_price(run: Protocol, mine: set[int]) -> None:
    symbol = run.random.choice(SYMBOLS)
    factor = Decimal(run.random.randint(870, 1_130)) / 1000
    run.market.set_price(symbol, (run.market.prices[symbol] * factor).quantize(Decimal("0.01")))


def pass_time(run: Protocol, mine: set[int]) -> None:
    run.market.advance(run.random.choice([12, 60, 240, 3_600]))


def guard(run: Protocol, mine: set[int]) -> None:
    until = run.system.evm.timestamp + run.random.choice([0, 600])
    house = run.system.clearinghouse
    if run.random.random() < 0.5:
        instrument = run.random.randint(1, house.call("instrumentCount"))
        run.system.act_as("guardian", house, "setReduceOnly", instrument, until)
    else:
        run.system.act_as("guardian", house, "pauseDeposits", run.random.randint(1, 3), until)


def shift_multiplier(run: Protocol, mine: set[int]) -> None:
    underlying = run.system.record.underlyings[run.random.choice(SYMBOLS)]
    run.system.act_as(
        "multiplier", run.system.margin_engine, "setShockMultiplier", underlying, run.random.randint(8, 13) * 10**8
    )


ACTS: dict[str, Callable[[Protocol, set[int]], Receipt | None]] = {
    act.__name__: act
    for act in (
        deposit,
        withdraw,
        move,
        repay,
        realise,
        trade,
        reduce,
        intrude,
        start,
        bid,
        poke,
        call,
        write_off,
        insure,
        donate,
        distribute,
        move_price,
        pass_time,
        guard,
        shift_multiplier,
    )
}
# The others are one each.
OFTEN: dict[str, float] = {"trade": 6, "move_price": 4, "start": 2, "bid": 3}
