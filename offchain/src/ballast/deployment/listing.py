"""What a network lists to be traded: perpetuals, and by expiry a dated future and options of a grid of strikes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from ballast.chain.ids import future_of, option_of, perp_of
from ballast.chain.instruments import label_of
from ballast.deployment.section import Section
from ballast.deployment.units import Billionths, Seconds, Wad
from ballast.risk.expiry import BILLION, DAY, LEAST_S, TIME_OF_DAY
from ballast.risk.pricing import Surface

STRIKE_UNIT = 10**9
"""Wei of which every strike is a multiple."""
HIGHEST_STRIKE = (2**80 - 1) * STRIKE_UNIT
MOST_STRIKES = 200
"""Of one expiry in a file: a grid with more is a slip of the pen."""
STRIKES_A_CALL = 20
"""Two instruments a strike, some 0.2 million gas: far below what a transaction may use."""


class InstrumentTerms(Section):
    """Terms of one instrument, or of each of several alike. `size_step` must be a power of ten."""

    size_step: Wad
    open_interest_cap: Wad

    @model_validator(mode="after")
    def _power_of_ten(self) -> Self:
        if self.size_step < 1 or self.size_step != 10**self.size_step_exponent:
            raise ValueError("size_step must be a power of ten")
        return self

    @property
    def size_step_exponent(self) -> int:
        return len(str(self.size_step)) - 1


class StrikeGrid(Section):
    """Evenly spaced strikes, both ends included."""

    first: Wad = Field(alias="from")
    last: Wad = Field(alias="to")
    step: Wad

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.step <= 0 or self.last <= self.first or (self.last - self.first) % self.step:
            raise ValueError("a grid of strikes goes from a lower one to a higher one in whole steps")
        if (self.last - self.first) // self.step >= MOST_STRIKES:
            raise ValueError(f"a grid of more than {MOST_STRIKES} strikes")
        return self

    @property
    def strikes(self) -> range:
        return range(self.first, self.last + 1, self.step)


class Options(InstrumentTerms):
    """A call and a put a strike: strikes and grids of them, ascending. `open_interest_cap` is of each option."""

    strikes: tuple[StrikeGrid | Wad, ...] = Field(min_length=1)

    @field_validator("strikes", mode="before")
    @classmethod
    def _lone_grid(cls, written: Any) -> Any:
        return [written] if isinstance(written, Mapping) else written

    @model_validator(mode="after")
    def _listable(self) -> Self:
        found = self.all_strikes
        if any(lower >= higher for lower, higher in pairwise(found)):
            raise ValueError("strikes must ascend, each once")
        if len(found) > MOST_STRIKES:
            raise ValueError(f"more than {MOST_STRIKES} strikes")
        if any(strike % STRIKE_UNIT or not 0 < strike <= HIGHEST_STRIKE for strike in found):
            raise ValueError("a strike is positive, below 1.2e15, and has at most 9 decimals")
        return self

    @property
    def all_strikes(self) -> tuple[int, ...]:
        """Wad, ascending."""
        return tuple(
            strike for part in self.strikes for strike in (part.strikes if isinstance(part, StrikeGrid) else (part,))
        )


class Smile(Section):
    """Raw SVI of the variance a year: v(k) = a + b·(rho·(k − m) + √((k − m)² + s²))."""

    a: Billionths
    b: Billionths
    rho: Billionths
    m: Billionths = 0
    s: Billionths

    @model_validator(mode="after")
    def _well_formed(self) -> Self:
        if self.b < 0 or abs(self.rho) >= BILLION or self.s < LEAST_S:
            raise ValueError(f"b must not be negative, rho within ±1, s at least {LEAST_S / BILLION}")
        return self


class ListedExpiry(Section):
    """An expiry, the smile it starts from, and what is listed on it.

    Attributes:
        date: Of the expiry, at 08:00 UTC.
        volatility: A flat smile; exclusive with `smile`. Neither supports new risk: only what signers publish does.
        premium: Forward ÷ index − 1.
        published: Whether signers must have published a surface before anything is listed on the expiry.
        future: Terms of its dated future; none without them.
        options: Terms and strikes of its calls and puts; none without them.
    """

    date: date
    volatility: Billionths | None = None
    smile: Smile | None = None
    premium: Billionths = 0
    published: bool = False
    future: InstrumentTerms | None = None
    options: Options | None = None

    @model_validator(mode="after")
    def _one_smile(self) -> Self:
        if (self.volatility is None) == (self.smile is None):
            raise ValueError("give either the volatility of a flat smile, or a `smile`")
        return self

    @property
    def expiry(self) -> int:
        """Unix seconds."""
        return (self.date - date(1970, 1, 1)).days * DAY + TIME_OF_DAY

    @property
    def surface(self) -> int:
        """The surface word, without a time."""
        if self.smile is None:
            return Surface(self.premium, (self.volatility or 0) ** 2 // BILLION, 0, 0, 0, BILLION).pack()
        smile = self.smile
        return Surface(self.premium, smile.a, smile.b, smile.rho, smile.m, smile.s).pack()

    @property
    def has_instruments(self) -> bool:
        return self.future is not None or self.options is not None

    def instruments(self, symbol: str, underlying: int) -> dict[str, Instrument]:
        """By label: the future, then a call and a put a strike."""
        found = []
        if self.future is not None:
            found.append(Instrument.of(future_of(underlying, self.expiry), symbol, self.future))
        if self.options is not None:
            found += self.options_at(symbol, underlying, self.options.all_strikes).values()
        return {instrument.label: instrument for instrument in found}

    def options_at(self, symbol: str, underlying: int, strikes: Sequence[int]) -> dict[str, Instrument]:
        """The same of some strikes."""
        assert self.options is not None, "an expiry without options has no strikes"
        ids = [option_of(underlying, self.expiry, strike, is_put=put) for strike in strikes for put in (False, True)]
        found = [Instrument.of(number, symbol, self.options) for number in ids]
        return {instrument.label: instrument for instrument in found}


@dataclass(frozen=True)
class Instrument:
    """One instrument as it is to be listed. Sizes in wad."""

    id: int
    label: str
    size_step: int
    open_interest_cap: int

    @staticmethod
    def of(number: int, symbol: str, terms: InstrumentTerms) -> Instrument:
        return Instrument(number, label_of(number, lambda _: symbol), terms.size_step, terms.open_interest_cap)

    @staticmethod
    def perp(underlying: int, symbol: str, terms: InstrumentTerms) -> Instrument:
        return Instrument.of(perp_of(underlying), symbol, terms)

    @property
    def terms(self) -> dict[str, int]:
        """Under the names of `InstrumentView`."""
        return {"id": self.id, "sizeStep": self.size_step, "openInterestCap": self.open_interest_cap}


class ExpiryLimits(Section):
    """Limits of all expiries; `IExpiriesAdmin` documents each. `bounty` is in whole settlement tokens."""

    max_age: Seconds
    fallback_delay: Seconds
    step_interval: Seconds
    step_variance_bps: int = Field(ge=0)
    step_premium_bps: int = Field(ge=0)
    premium_bps: int = Field(ge=0)
    premium_rate_bps: int = Field(ge=0)
    least_volatility_bps: int = Field(ge=0)
    most_volatility_bps: int = Field(ge=0)
    settlement_bps: int = Field(ge=0)
    bounty: str


class Expiries(Section):
    """Limits of all expiries, and those that are listed, by underlying symbol. What has expired stays in the file as
    long as verification is to know it.
    """

    limits: ExpiryLimits
    listed: Mapping[str, tuple[ListedExpiry, ...]] = {}
