"""A market in which an underlying has a dated future and options of one expiry, and signers who publish its surface."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from ballast.chain.ids import expiry_key, future_of, option_of
from ballast.chain.quorum import SignedReport
from ballast.risk.expiry import BUCKET, DAY, TIME_OF_DAY, WINDOW
from ballast.risk.pricing import Surface
from tests.support.clearing import Fill, Module, drive
from tests.support.evm import Receipt
from tests.support.expiries import SMILE
from tests.support.system import Market, System, Trader, publish_reports, trader, wad

STEP_EXPONENT = 15
CAP = 10**24
STRIKES = (2_000, 2_500, 3_000)
SYMBOL = "ETH"
OBSERVER = trader("observer")


@dataclass
class DatedMarket:
    """Trades go through the exchange's own entry, without signatures."""

    market: Market
    strikes: tuple[int, ...] = STRIKES
    smile: Surface = SMILE
    symbol: str = SYMBOL
    days: int = 31
    expiry: int = field(init=False)

    def __post_init__(self) -> None:
        self.underlying = self.system.record.underlyings[self.symbol]
        self.expiry = (self.system.evm.timestamp // DAY + self.days) * DAY + TIME_OF_DAY
        expiries, house = self.system.expiries, self.system.clearinghouse
        self.market.act_as("governance", expiries, "listExpiry", self.underlying, self.expiry, self.smile.pack())
        grid = [wad(strike) for strike in self.strikes]
        self.market.act_as("risk", house, "listFuture", self.underlying, self.expiry, STEP_EXPONENT, CAP)
        self.market.act_as("risk", house, "listOptions", self.underlying, self.expiry, grid, STEP_EXPONENT, CAP)
        self.publish()

    @property
    def system(self) -> System:
        return self.market.system

    @property
    def key(self) -> int:
        return expiry_key(self.underlying, self.expiry)

    @property
    def exchange(self) -> Module:
        return drive(self.system, self.system.exchange)

    # Instruments, by registry index --------------------------------------------------------------------------------

    @property
    def future(self) -> int:
        return self._index(future_of(self.underlying, self.expiry))

    def call(self, strike: int) -> int:
        return self._index(option_of(self.underlying, self.expiry, wad(strike), is_put=False))

    def put(self, strike: int) -> int:
        return self._index(option_of(self.underlying, self.expiry, wad(strike), is_put=True))

    def _index(self, instrument: int) -> int:
        return int(self.system.clearinghouse.call("instrumentIndexOf", instrument))

    def mark(self, instrument: int) -> int:
        return int(self.system.clearinghouse.call("markOf", instrument))

    # The outside world ---------------------------------------------------------------------------------------------

    def publish(self, smile: Surface | None = None) -> None:
        """The signers publish the surface, as of now."""
        self.smile = smile or self.smile
        publish_reports(self.system, self.system.expiries, SignedReport.of_surface(self.key, self.smile.pack()))

    def publish_settlement(self, price: Decimal | int | str) -> None:
        """The signers publish the settlement price, which counts where observations do not suffice."""
        publish_reports(self.system, self.system.expiries, SignedReport.of_settlement(self.key, wad(price)))

    def advance(self, seconds: int) -> None:
        """Time passes, every feed reports, and the surface is published again."""
        self.market.advance(seconds)
        self.publish()

    def go_to(self, timestamp: int) -> None:
        self.market.advance(timestamp - self.system.evm.timestamp)

    def expire(self, price: Decimal | int | str, buckets: int = 30) -> None:
        """The index stands at `price` through the averaging window, of which so many buckets are observed."""
        for bucket in range(buckets):
            self.go_to(self.expiry - WINDOW + BUCKET * bucket)
            if bucket == 0:
                self.market.set_price(self.symbol, price)
            self.system.expiries.transact("observe", self.underlying, self.expiry, sender=OBSERVER.address)
        self.go_to(self.expiry)

    # Users ---------------------------------------------------------------------------------------------------------

    def trade(
        self, buyer: Trader, seller: Trader, instrument: int, size: Decimal | int | str, price: int | None = None
    ) -> Any:
        """The buyer takes the seller's offer at mark, unless a price (wad) is given."""
        price = self.mark(instrument) if price is None else price
        return self.exchange.settle([buyer.account, seller.account], Fill(instrument, wad(size), price))

    def settle(self, *owners: Trader) -> Receipt:
        """Anybody settles what has expired of these accounts."""
        accounts = [owner.account for owner in owners]
        return self.system.clearinghouse.transact("settle", accounts, sender=OBSERVER.address)


def steeper(smile: Surface, part: Decimal | str) -> Surface:
    """The same smile at volatilities that are `part` higher in variance."""
    factor = 1 + Decimal(part)
    return replace(smile, a=int(smile.a * factor), b=int(smile.b * factor))
