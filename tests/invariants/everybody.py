"""The whole protocol with everybody who can act on it: the driver that the long runs use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from random import Random
from typing import Any, ClassVar

from ballast.chain.ids import KIND_FUTURE, KIND_OPTION, KIND_PERP, kind_of
from ballast.chain.orders import SignedOrder
from ballast.risk.book import Book, Row
from tests.invariants import dated, makers, outsiders, protocol, waterfall
from tests.invariants.dated import DatedWorld
from tests.invariants.protocol import ExpiryPicture, Picture, Protocol
from tests.support.book import PERCENT, plain_book
from tests.support.clearing import list_tokens
from tests.support.dated import DatedMarket
from tests.support.evm import Contract, Receipt
from tests.support.system import System, Trader, deploy_system

VOLATILITY = (-25 * PERCENT, 0, 50 * PERCENT)
KINDS = {
    (KIND_PERP, True): "long",
    (KIND_PERP, False): "short",
    (KIND_FUTURE, True): "future",
    (KIND_FUTURE, False): "future",
    (KIND_OPTION, True): "holder",
    (KIND_OPTION, False): "writer",
}
OFTEN: dict[str, float] = {
    "trade": 10,
    "trade_dated": 10,
    "publish": 2,
    "pass_time": 4,
    "settle": 2,
    "move_price": 4,
    "deposit": 3,
    "start": 5,
    "bid": 8,
    "sign_stop": 4,
    "arm": 7,
    "fill_stops": 5,
    "trade_package": 4,
    "convert": 4,
    "leave": 3,
    "crash": 2.5,
    "tide": 2,
    "travel": 0.7,
    "sign_settlement": 1.5,
    "finalise": 1.5,
    "move": 2,
    "call": 1.5,
    "repay": 1.5,
}
Check = Callable[[protocol.Act, Picture, Picture], None]


@dataclass
class Everybody(Protocol):
    """Traders of perpetuals, futures and options, liquidators and the guardian, and insurers, savers, buyers of
    collateral, executors, roles, bad tokens.

    The dealer holds collateral beyond measure and owes what the vault lent him, so that cash is scarce; the insurance
    fund is small, so that losses go beyond it.
    """

    market: DatedWorld
    hostile: list[tuple[Contract, int]] = field(default_factory=list)
    held: set[int] = field(default_factory=set)
    stops: list[SignedOrder] = field(default_factory=list)
    announced: list[tuple[int, int]] = field(default_factory=list)
    packages: int = 0
    FUND: ClassVar[int] = 1_000

    def __post_init__(self) -> None:
        super().__post_init__()
        tokens = [self.system.evm.deploy(name) for name in outsiders.HOSTILE]
        self.hostile = list(zip(tokens, list_tokens(self.market, *tokens), strict=True))
        for token in tokens:
            for owner in self.traders:
                token.transact("mint", owner.address, 10**12)
        self.market.mint(waterfall.BUYER, "USDC", 1)
        self.market.mint(waterfall.SAVER, "USDC", 1)
        dealer = self.room.dealer
        self.market.fund(dealer, WETH=20_000)
        self.transact(dealer, "withdraw", dealer.account, 0, 19_990_000 * 10**6, dealer.address)
        self.market.list_all()
        self.opening = {symbol: Decimal(self.market.prices[symbol]) for symbol in protocol.SYMBOLS}

    @property
    def traders(self) -> list[Trader]:
        return protocol.TRADERS

    @property
    def accounts(self) -> list[int]:
        return [*super().accounts, waterfall.SAVER.account, makers.EXECUTOR.account]

    @property
    def over(self) -> list[DatedMarket]:
        """Expiries that wait for their settlement price."""
        pictures, now = self.expiries, self.system.evm.timestamp
        return [one for one in self.market.series if one.expiry <= now and pictures[one.key].quote.openShare]

    @property
    def expiries(self) -> dict[int, ExpiryPicture]:
        return self.market.pictures()

    def dated_views(self, views: list[Any]) -> list[Any]:
        """What nobody holds and nothing was left of is not looked at: it is all zero."""
        self.held |= {leg.index for view in views for leg in view.positions} & self.market.instruments.keys()
        found = self.system.clearinghouse.call_each("instrumentOf", sorted(self.held))
        self.held = {view.index for view in found if view.openInterest or view.clearedSize or view.clearedQuote}
        return found

    def tradable(self, views: list[Any]) -> list[int]:
        live = {index for index, one in self.market.instruments.items() if one in self.market.live}
        return [*super().tradable(views), *sorted(live & {leg.index for view in views for leg in view.positions})]

    def sides(self, owner: Trader) -> tuple[Trader, Trader]:
        """Who buys and who sells: the owner and the dealer, or the other way round."""
        pair = (owner, self.room.dealer)
        return pair if self.random.random() < 0.5 else pair[::-1]

    @property
    def acts(self) -> dict[str, Callable[[Any, set[int]], Receipt | None]]:
        more = (*waterfall.ACTS, *makers.ACTS, *outsiders.ACTS, *dated.ACTS)
        return {**super().acts, **{act.__name__: act for act in more}}

    @property
    def expected(self) -> dict[str, set[str]]:
        return {**super().expected, **waterfall.EXPECTED, **makers.EXPECTED, **outsiders.EXPECTED, **dated.EXPECTED}

    @property
    def often(self) -> dict[str, float]:
        return OFTEN

    def note(self, *signed: SignedOrder) -> None:
        """What the signers of these orders have agreed to at most."""
        self.orders.update({(entry.order.account, entry.order.nonce): abs(entry.order.size) for entry in signed})


def everybody(system: System, seed: int) -> Everybody:
    """The run of a seed."""
    random = Random(seed)
    return Everybody(system, DatedWorld(system, random=random), random)


def act_and_check(run: Protocol, times: int, check: Check) -> Counter[str]:
    """Acts and checks after each. Returns how often each event was seen."""
    before, seen = run.picture(), Counter[str]()
    for _ in range(times):
        act = run.act()
        after = run.picture()
        check(act, before, after)
        if act.receipt is not None:
            seen.update(log.name for log in act.receipt.logs)
            seen.update(kinds_of_auctions(act.receipt, before))
            seen.update("settled by signers" for event in act.receipt.events("Settled") if event.bySigners)
        before = after
    return seen


def kinds_of_auctions(receipt: Receipt, before: Picture) -> list[str]:
    """Of each bid: whether the account was insolvent, and had bought or sold options, or held a future."""
    found = []
    for taken in receipt.events("BidTaken"):
        phase = "a solvent" if taken.discount else "an insolvent"
        legs = before.views[taken.account].positions
        found += {f"{KINDS[kind_of(leg.instrument), leg.size > 0]} in {phase} auction" for leg in legs}
    return found


def with_volatility(book: Book) -> Book:
    """The same book, under which volatility rises as prices fall and falls as they rise."""
    grids = tuple(replace(grid, volatility_shocks=VOLATILITY) for grid in book.underlyings)
    calm = book.underlyings[0].price_shocks.index(0)

    def spread(row: Row) -> Row:
        """Of a fall the highest volatility, of a rise the lowest, of none today's."""
        return replace(
            row, nodes=tuple(3 * node + (1 if node == calm else 2 if node < calm else 0) for node in row.nodes)
        )

    return replace(
        book,
        underlyings=grids,
        historical=tuple(spread(row) for row in book.historical),
        stress=tuple(spread(row) for row in book.stress),
    )


def deploy_for_everybody() -> System:
    """The local system under a book of which the bad tokens have places too, as if they were ETH."""
    return deploy_system(book=with_volatility(plain_book()))
