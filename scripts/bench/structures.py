"""Ten structures that hedge themselves more or less, in a market of one day, for comparing what margin they need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from ballast.risk.pricing import BILLION, YEAR, Surface
from ballast.risk.surface import black76
from ballast.risk.surface.svi import smile_of

# Deribit, 2026-06-09 17:32 UTC: indices, forwards and smiles as `ballast surface fit` finds them in the shipped
# snapshot, kept as integers so that no version of an optimiser moves a figure.
NOW = 1_781_026_351
INDEX = {"BTC": 61_755.18, "ETH": 1_645.50}
NEAR, FAR = 1_785_484_800, 1_790_323_200
SURFACES = {
    NEAR: Surface(3_299_909, -1_138_999_248, 1_779_223_430, -391_522_386, -177_714_330, 879_613_949, NOW),
    FAR: Surface(7_882_103, -1_489_423_894, 1_554_978_702, -549_642_576, -681_044_097, 1_386_323_949, NOW),
}
UNITS = 100.0


class Kind(Enum):
    TOKEN = "token"
    PERP = "perp"
    FUTURE = "future"
    CALL = "call"
    PUT = "put"


OPTIONS = (Kind.CALL, Kind.PUT)


@dataclass(frozen=True)
class Leg:
    """``size`` units of the underlying, negative where sold; ``expiry`` (Unix seconds) and ``strike`` 0 without one."""

    kind: Kind
    underlying: str
    size: float
    expiry: int = 0
    strike: float = 0.0

    @property
    def years(self) -> float:
        return (self.expiry - NOW) / YEAR

    @property
    def days(self) -> float:
        return (self.expiry - NOW) / 86_400

    @property
    def forward(self) -> float:
        """What the leg follows: the expiry's forward, or the index."""
        premium = SURFACES[self.expiry].premium / BILLION if self.expiry else 0.0
        return INDEX[self.underlying] * (1 + premium)

    @property
    def volatility(self) -> float:
        k = np.log(np.array([self.strike / self.forward]))
        return float(smile_of(SURFACES[self.expiry]).volatility(k)[0])

    def value(self, price_shock: float = 0.0, volatility: float | None = None) -> float:
        """Value of the leg after its price moved; a linear leg's as if paid for in full."""
        forward = self.forward * (1 + price_shock)
        if self.kind not in OPTIONS:
            return self.size * forward
        deviation = (self.volatility if volatility is None else volatility) * np.sqrt(self.years)
        k, is_call = np.log(np.array([self.strike / forward])), np.array([self.kind is Kind.CALL])
        return self.size * forward * float(black76.price(k, np.array([deviation]), is_call)[0])

    def change(self, price_shock: float, shocked: Callable[[Leg], float]) -> float:
        """Gain at a price shock and at the volatility that ``shocked`` gives an option."""
        volatility = shocked(self) if self.kind in OPTIONS else None
        return self.value(price_shock, volatility) - self.value()

    @property
    def delta(self) -> float:
        """Units of the underlying the leg moves like."""
        if self.kind not in OPTIONS:
            return self.size
        k, deviation = np.log(np.array([self.strike / self.forward])), np.array([self.volatility * np.sqrt(self.years)])
        call = float(black76.call_delta(k, deviation)[0])
        return self.size * (call if self.kind is Kind.CALL else call - 1)


@dataclass(frozen=True)
class Structure:
    name: str
    what: str
    legs: tuple[Leg, ...]


def structures() -> list[Structure]:
    """The ten, each of a hundred ETH."""
    token, perp = Leg(Kind.TOKEN, "ETH", UNITS), Leg(Kind.PERP, "ETH", UNITS)
    straddle = (_option(Kind.CALL, -1, 1_650), _option(Kind.PUT, -1, 1_650))
    pair = -UNITS * INDEX["ETH"] / INDEX["BTC"]
    return [
        Structure("covered call", "token, call 1900 sold", (token, _option(Kind.CALL, -1, 1_900))),
        Structure(
            "put spread", "put 1500 sold, 1300 bought", (_option(Kind.PUT, -1, 1_500), _option(Kind.PUT, 1, 1_300))
        ),
        Structure(
            "iron condor",
            "put 1400 and call 1900 sold, put 1200 and call 2200 bought",
            (
                _option(Kind.PUT, -1, 1_400),
                _option(Kind.PUT, 1, 1_200),
                _option(Kind.CALL, -1, 1_900),
                _option(Kind.CALL, 1, 2_200),
            ),
        ),
        Structure(
            "calendar",
            "call 1700 of September bought, of July sold",
            (_option(Kind.CALL, 1, 1_700, FAR), _option(Kind.CALL, -1, 1_700)),
        ),
        Structure(
            "box",
            "1500 to 1800, bought",
            (
                _option(Kind.CALL, 1, 1_500),
                _option(Kind.CALL, -1, 1_800),
                _option(Kind.PUT, 1, 1_800),
                _option(Kind.PUT, -1, 1_500),
            ),
        ),
        Structure(
            "conversion",
            "token, put 1650 bought, call 1650 sold",
            (token, _option(Kind.PUT, 1, 1_650), _option(Kind.CALL, -1, 1_650)),
        ),
        Structure(
            "hedged straddle",
            "call and put 1650 sold, delta in the perp",
            (*straddle, Leg(Kind.PERP, "ETH", -round(sum(leg.delta for leg in straddle), 2))),
        ),
        Structure("token against perp", "token, perp sold", (token, Leg(Kind.PERP, "ETH", -UNITS))),
        Structure("pair of perps", "ETH bought, BTC sold for as much", (perp, Leg(Kind.PERP, "BTC", round(pair, 4)))),
        Structure(
            "perp against future",
            "perp sold, future of September bought",
            (Leg(Kind.FUTURE, "ETH", UNITS, FAR), Leg(Kind.PERP, "ETH", -UNITS)),
        ),
    ]


def by_underlying(legs: Sequence[Leg]) -> dict[str, list[Leg]]:
    return {name: [leg for leg in legs if leg.underlying == name] for name in sorted({leg.underlying for leg in legs})}


def _option(kind: Kind, side: int, strike: float, expiry: int = NEAR) -> Leg:
    return Leg(kind, "ETH", side * UNITS, expiry, strike)
