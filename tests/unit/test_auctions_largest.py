"""I27: the largest account there can be is sold in one bid. Each of its sixty-four options has an expiry of its own, on
eight underlyings, and its eight collaterals follow eight others.
"""

from __future__ import annotations

from decimal import Decimal
from itertools import product
from typing import Any

import pytest

from ballast.chain.ids import expiry_key, option_of
from ballast.chain.quorum import SignedReport
from ballast.risk.expiry import DAY, TIME_OF_DAY
from tests.support.evm import Contract
from tests.support.expiries import SMILE
from tests.support.liquidation import Room
from tests.support.system import Market, Trader, deploy_system, publish_reports, trader, wad
from tests.support.wide import COLLATERALS, TRADED, wide_book, wide_network

MOST_BID_GAS, MOST_GAS = 7_500_000, 16_000_000
POSITIONS = 64
EXPIRY_DAYS = tuple(range(40, 96, 7))
OWNER, BIDDER = trader("whale"), trader("liquidator")


class Ocean:
    """Eight underlyings with eight expiries each, one option an expiry."""

    def __init__(self) -> None:
        self.market = market = Market(deploy_system(wide_network(), wide_book()))
        self.room, self.house = Room(market), market.system.clearinghouse
        today = market.system.evm.timestamp // DAY
        self.prices = {number: market.prices[symbol] for symbol, number in market.system.record.underlyings.items()}
        dates = [(today + days) * DAY + TIME_OF_DAY for days in EXPIRY_DAYS]
        self.places = list(product(range(1, TRADED + 1), dates))
        self._act("governance", market.system.expiries, [("listExpiry", *place, SMILE.pack()) for place in self.places])
        self._act("risk", self.house, [("listOptions", *p, [self.strike(p)], 9, 10**24) for p in self.places])
        self.options = [
            int(self.house.call("instrumentIndexOf", option_of(*place, self.strike(place), is_put=place[0] % 2 == 0)))
            for place in self.places
        ]
        self.publish()

    def strike(self, place: tuple[int, int]) -> int:
        return wad(self.prices[place[0]])

    def _act(self, role: str, contract: Contract, calls: list[tuple[Any, ...]]) -> None:
        """Several acts of a role after one delay."""
        for call in calls:
            self.market.system.schedule(role, contract, *call)
        self.market.advance(getattr(self.market.system.network.roles, role).delay)
        for call in calls:
            self.market.system.execute(role, contract, *call)

    def publish(self) -> None:
        for number in range(0, len(self.places), TRADED):
            keys = [expiry_key(*place) for place in self.places[number : number + TRADED]]
            reports = [SignedReport.of_surface(key, SMILE.pack()) for key in keys]
            publish_reports(self.market.system, self.market.system.expiries, *reports)

    def sell_everything(self, owner: Trader) -> None:
        """The owner sells every option, a thousand's worth of its underlying each."""
        for place, option in zip(self.places, self.options, strict=True):
            size = (1_000 / self.prices[place[0]]).quantize(Decimal("1e-6"))
            self.market.trade(self.room.dealer, owner, option, size)

    def squeeze(self, owner: Trader, *, insolvent: bool = False) -> None:
        """Prices rise until the owner can be liquidated, or has less than nothing."""
        symbols = [symbol for symbol, number in self.market.system.record.underlyings.items() if 0 < number <= TRADED]
        while (margin := self.room.margin(owner.account)).equity >= (0 if insolvent else margin.maintenanceMargin):
            for symbol in symbols:
                self.market.set_price(symbol, self.market.prices[symbol] * Decimal("1.03"))


@pytest.fixture(scope="module")
def ocean() -> Ocean:
    ocean = Ocean()
    collateral = {f"T{TRADED + 1 + number}": Decimal("0.1") for number in range(COLLATERALS)}
    ocean.market.fund(OWNER, USDC=500_000, **collateral)
    ocean.market.fund(BIDDER, USDC=2_000_000)
    ocean.sell_everything(OWNER)
    margin = ocean.room.margin(OWNER.account)
    spare = (margin.equity - margin.stableGap - margin.initialMargin) * 95 // 100 // 10**12
    ocean.house.transact("withdraw", OWNER.account, 0, spare, OWNER.address, sender=OWNER.address)
    return ocean


def swap_one_for_a_perpetual(ocean: Ocean) -> None:
    """The owner buys an option back and sells the perpetual instead: losses of it are shared with the other side."""
    place = ocean.places[0]
    symbol = next(name for name, number in ocean.market.system.record.underlyings.items() if number == place[0])
    size = (1_000 / ocean.prices[place[0]]).quantize(Decimal("1e-6"))
    ocean.market.trade(OWNER, ocean.room.dealer, ocean.options[0], size)
    ocean.market.trade(ocean.room.dealer, OWNER, symbol, size)


@pytest.mark.parametrize("insured", [0, 10])
@pytest.mark.parametrize("with_perpetual", [False, True])
def test_i27__largest_account_insolvent__sold_in_one_bid_that_spreads_the_loss(
    ocean: Ocean, with_perpetual: bool, insured: int
) -> None:
    """Options alone, or with a perpetual, whose other side bears a part; with a fund that pays another, or without."""
    with ocean.room.rolled_back():
        if insured:
            ocean.room.insure(insured)
        if with_perpetual:
            swap_one_for_a_perpetual(ocean)
        ocean.squeeze(OWNER, insolvent=True)
        ocean.room.start(OWNER)
        bid = ocean.room.bid(OWNER, BIDDER)
        assert len(ocean.house.call("accountOf", BIDDER.account).positions) == POSITIONS
        assert bid.events("LossSocialised")
        assert bool(bid.events("DrawnFor")) == bool(insured)
        assert bool(bid.events("LossShared")) == with_perpetual
        assert bid.gas_used <= MOST_BID_GAS


def test_i27__largest_account__started_and_sold_in_one_bid__each_within_bounds(ocean: Ocean) -> None:
    ocean.squeeze(OWNER)
    start = ocean.room.start(OWNER)
    bid = ocean.room.bid(OWNER, BIDDER)
    taken = ocean.house.call("accountOf", BIDDER.account)
    assert (len(taken.positions), len(taken.collaterals)) == (POSITIONS, COLLATERALS)
    assert bid.gas_used <= MOST_BID_GAS
    assert start.gas_used <= MOST_GAS
