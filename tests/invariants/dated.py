"""The same acts in a market with a future and options, and those that only these know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.invariants.protocol import ACTS, Protocol
from tests.support.dated import DatedMarket, steeper
from tests.support.evm import Receipt, Revert
from tests.support.system import DAY

STEP = Decimal("0.001")


@dataclass
class DatedProtocol(Protocol):
    """One expiry of ETH: its future, and calls and puts of three strikes."""

    def __post_init__(self) -> None:
        self.dated = DatedMarket(self.market)
        super().__post_init__()

    @property
    def dated_instruments(self) -> list[int]:
        options = [name(strike) for strike in self.dated.strikes for name in (self.dated.call, self.dated.put)]
        return [self.dated.future, *options]

    @property
    def prices(self) -> tuple[Any, ...]:
        return (*super().prices, self.dated.smile)

    @property
    def acts(self) -> dict[str, Callable[[Any, set[int]], Receipt | None]]:
        return {**ACTS, **{act.__name__: act for act in (trade_dated, publish, wait)}}


def trade_dated(run: DatedProtocol, mine: set[int]) -> Receipt:
    """At about its mark: within the band, which for options is a part of the index."""
    owner, instrument = run.owner(mine), run.random.choice(run.dated_instruments)
    mine.add(run.room.dealer.account)
    mark, index = run.market.mark(instrument), int(run.market.prices["ETH"] * 10**18)
    price = max(1, mark + index * run.random.randint(-20, 20) // 10_000)
    pair = (owner, run.room.dealer) if run.random.random() < 0.5 else (run.room.dealer, owner)
    return run.market.trade(*pair, instrument, STEP * run.random.randint(1, 4_000), price)


def publish(run: DatedProtocol, mine: set[int]) -> None:
    """Volatility moves by a few points at most, as the bounds on steps let it."""
    smile = run.dated.smile
    try:
        run.dated.publish(steeper(smile, Decimal(run.random.randint(-8, 8)) / 100))
    except Revert:
        run.dated.smile = smile
        raise


def wait(run: DatedProtocol, mine: set[int]) -> None:
    """Hours pass, and the signers do not sleep until the expiry is over."""
    seconds = run.random.randint(1, 8) * 3_600
    now = run.system.evm.timestamp
    if now + seconds < run.dated.expiry - DAY:
        run.dated.advance(seconds)
    elif now >= run.dated.expiry:
        run.market.advance(seconds)
