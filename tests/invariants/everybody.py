"""The whole protocol with everybody who can act on it: the driver that the long runs use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, ClassVar

from ballast.chain.orders import SignedOrder
from ballast.risk.book import Asset
from tests.invariants import makers, outsiders, protocol, waterfall
from tests.invariants.protocol import Picture, Protocol
from tests.support.book import BILLION, plain_book
from tests.support.clearing import list_tokens
from tests.support.evm import Contract, Receipt
from tests.support.system import DAY, System, Trader, deploy_system

ETH, FIRST_HOSTILE = 2, 4
OFTEN: dict[str, float] = {
    "trade": 12,
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
}
Check = Callable[[protocol.Act, Picture, Picture], None]


@dataclass
class Everybody(Protocol):
    """Traders, liquidators and the guardian, and insurers, savers, buyers of collateral, executors, roles, bad tokens.

    The dealer holds collateral beyond measure and owes what the vault lent him, so that cash is scarce; the insurance
    fund is small, so that losses go beyond it.
    """

    hostile: list[tuple[Contract, int]] = field(default_factory=list)
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
        self.market.advance(DAY)
        self.opening = {symbol: Decimal(self.market.prices[symbol]) for symbol in protocol.SYMBOLS}

    @property
    def traders(self) -> list[Trader]:
        return protocol.TRADERS

    @property
    def accounts(self) -> list[int]:
        return [*super().accounts, waterfall.SAVER.account, makers.EXECUTOR.account]

    @property
    def perps(self) -> dict[int, int]:
        """Size steps by registry index."""
        indices = [self.market.instrument(symbol) for symbol in protocol.SYMBOLS]
        return {view.index: view.sizeStep for view in self.system.clearinghouse.call_each("instrumentOf", indices)}

    @property
    def acts(self) -> dict[str, Callable[[Any, set[int]], Receipt | None]]:
        more = (*waterfall.ACTS, *makers.ACTS, *outsiders.ACTS)
        return {**super().acts, **{act.__name__: act for act in more}}

    @property
    def expected(self) -> dict[str, set[str]]:
        return {**super().expected, **waterfall.EXPECTED, **makers.EXPECTED, **outsiders.EXPECTED}

    @property
    def often(self) -> dict[str, float]:
        return OFTEN

    def note(self, *signed: SignedOrder) -> None:
        """What the signers of these orders have agreed to at most."""
        self.orders.update({(entry.order.account, entry.order.nonce): abs(entry.order.size) for entry in signed})


def act_and_check(run: Protocol, times: int, check: Check) -> Counter[str]:
    """Acts and checks after each. Returns how often each event was seen."""
    before, seen = run.picture(), Counter[str]()
    for _ in range(times):
        act = run.act()
        after = run.picture()
        check(act, before, after)
        if act.receipt is not None:
            seen.update(log.name for log in act.receipt.logs)
        before = after
    return seen


def deploy_for_everybody() -> System:
    """The local system under a book that knows the bad tokens too, as if they were ETH."""
    book = plain_book()
    bad = (Asset(FIRST_HOSTILE + place, name, ETH, BILLION // 20) for place, name in enumerate(outsiders.HOSTILE))
    return deploy_system(book=replace(book, assets=(*book.assets, *bad)))
