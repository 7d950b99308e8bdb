"""What margin ten structures need: Ballast's, leg by leg, and by the rules of `scripts.bench.rivals`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import sqrt
from typing import Any

from ballast.chain.ids import future_of, option_of, perp_of
from ballast.risk.book import WAD, first_book
from ballast.risk.dated import ExpiryQuote
from ballast.risk.margin import MarginEngine
from ballast.risk.margin_terms import BILLION, CollateralLeg, OracleState, Portfolio, PositionLeg, Quote
from scripts.bench.rivals import Deribit, Span
from scripts.bench.structures import INDEX, NOW, SURFACES, Kind, Leg, structures

CENT = 10**16
BOOK = first_book()
UNDERLYINGS = {underlying.symbol: underlying.id for underlying in BOOK.underlyings}
TOKENS = {asset.underlying: asset.id for asset in BOOK.assets if asset.underlying}


# Yearly volatility the market expected then over the coming seven weeks: of July's options, at the forward.
VOLATILITY = {"BTC": 0.439, "ETH": 0.578}
RULES = ("ballast", "ballast_at_one", "leg_by_leg", "span", "deribit")


@dataclass(frozen=True)
class Comparison:
    """Initial margin of one structure, USD.

    Attributes:
        ballast: By Ballast's engine, shocks scaled to the volatility of the day.
        ballast_at_one: The same at multipliers of one, the risk book's own volatility.
        leg_by_leg: As ``ballast``, of each leg alone, added up.
    """

    structure: str
    what: str
    ballast: float
    ballast_at_one: float
    leg_by_leg: float
    span: float
    deribit: float

    def as_dict(self) -> dict[str, Any]:
        return {"what": self.what, **{rule: round(getattr(self, rule), 2) for rule in RULES}}


def compare() -> list[Comparison]:
    """Every structure, in the order in which they are reported."""
    scaled, plain = MarginEngine(BOOK, multipliers=multipliers()), MarginEngine(BOOK)
    return [
        Comparison(
            structure=structure.name,
            what=structure.what,
            ballast=initial_margin(scaled, structure.legs),
            ballast_at_one=initial_margin(plain, structure.legs),
            leg_by_leg=sum(initial_margin(scaled, [leg]) for leg in structure.legs),
            span=Span().margin(structure.legs),
            deribit=Deribit().margin(structure.legs),
        )
        for structure in structures()
    ]


def multipliers() -> dict[int, int]:
    """Shock multipliers for the volatility of the day, parts of 1e9, by underlying: over the book's own volatility."""
    target = BOOK.metadata["daily_target_volatility"]
    return {
        UNDERLYINGS[name]: round(yearly / sqrt(365) / target[name] * BILLION) for name, yearly in VOLATILITY.items()
    }


def initial_margin(engine: MarginEngine, legs: Sequence[Leg]) -> float:
    """By the integer twin, every oracle OK and stable prices at the index; USD, cents rounded up."""
    quotes = [Quote(UNDERLYINGS[name], OracleState.OK, _wad(price), _wad(price)) for name, price in INDEX.items()]
    margin = engine.assess(portfolio(legs), quotes, expiries=expiry_quotes())
    return -(-margin.initial_margin // CENT) / 100


def portfolio(legs: Sequence[Leg]) -> Portfolio:
    """An account that holds the legs and no cash: what it owes for them enters no requirement."""
    tokens = [leg for leg in legs if leg.kind is Kind.TOKEN]
    positions = [leg for leg in legs if leg.kind is not Kind.TOKEN]
    return Portfolio(
        cash=0,
        collaterals=tuple(
            CollateralLeg(TOKENS[UNDERLYINGS[leg.underlying]], UNDERLYINGS[leg.underlying], _wad(leg.size))
            for leg in tokens
        ),
        positions=tuple(PositionLeg(instrument(leg), _wad(leg.size), _mark(leg), 0) for leg in positions),
    )


def instrument(leg: Leg) -> int:
    underlying = UNDERLYINGS[leg.underlying]
    if leg.kind is Kind.PERP:
        return perp_of(underlying)
    if leg.kind is Kind.FUTURE:
        return future_of(underlying, leg.expiry)
    return option_of(underlying, leg.expiry, _wad(leg.strike), is_put=leg.kind is Kind.PUT)


def expiry_quotes() -> list[ExpiryQuote]:
    """Both expiries, long before their averages begin."""
    ether = UNDERLYINGS["ETH"]
    return [
        ExpiryQuote(ether, expiry, True, WAD, expiry - NOW, 0, surface.pack()) for expiry, surface in SURFACES.items()
    ]


def document(rows: Sequence[Comparison]) -> dict[str, Any]:
    """What `benchmarks/capital.json` holds."""
    return {
        "how": "Initial margin, USD, option values counted as equity; first risk book",
        "multipliers": {name: multipliers()[number] / BILLION for name, number in UNDERLYINGS.items() if name in INDEX},
        "market": {
            "source": "Deribit, " + datetime.fromtimestamp(NOW, UTC).strftime("%Y-%m-%d %H:%M UTC"),
            "index": INDEX,
            "expiries": [datetime.fromtimestamp(expiry, UTC).strftime("%Y-%m-%d") for expiry in SURFACES],
        },
        "structures": {row.structure: row.as_dict() for row in rows},
    }


def _mark(leg: Leg) -> int:
    return _wad(INDEX[leg.underlying]) if leg.kind is Kind.PERP else 0


def _wad(amount: float) -> int:
    return round(amount * 10**8) * 10**10
