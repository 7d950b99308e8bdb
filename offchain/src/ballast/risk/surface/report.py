"""What was fitted, as documents and tables: surfaces in JSON with the words the chain takes, errors by tenor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ballast.risk.pricing import Surface
from ballast.risk.surface.chains import Chain
from ballast.risk.surface.fit import FitSettings, FittedSmile, FittedSurface, fit_surface
from ballast.risk.surface.svi import SurfaceError, surface_of

DAY = 86_400
# Tenors that are told apart in error tables: name, seconds to expiry below which it is, the last without end.
TENORS = (
    ("up to 2 days", 2 * DAY),
    ("2 to 7 days", 7 * DAY),
    ("7 to 35 days", 35 * DAY),
    ("35 to 120 days", 120 * DAY),
    ("beyond", 10**12),
)


@dataclass(frozen=True)
class ErrorLine:
    """Errors of the smiles of one currency and tenor; volatilities as fractions.

    Attributes:
        median, high, worst: Of the smiles' root mean square distances to mid; ``high`` is the 95 % quantile.
        to_mark: Median root mean square distance to the exchange's marks.
        spread: Median over smiles of the median spread.
        inside: Share of all quotes whose bid and ask the smile stays within.
    """

    currency: str
    tenor: str
    smiles: int
    quotes: int
    median: float
    high: float
    worst: float
    to_mark: float
    spread: float
    inside: float


@dataclass(frozen=True)
class Study:
    """Fits of many chains.

    Attributes:
        refused: Expiries without a smile, by the reason's name.
    """

    chains: int
    first: int
    last: int
    lines: tuple[ErrorLine, ...]
    refused: Mapping[str, int]

    def document(self) -> dict[str, Any]:
        return asdict(self)


def stored_surface(fitted: FittedSmile) -> Surface:
    """What the chain stores of a smile, published when its quotes were taken.

    Raises:
        WordOutOfRange: a parameter does not fit.
    """
    return surface_of(fitted.smile, fitted.premium, fitted.quotes.time)


def surface_document(surface: FittedSurface) -> dict[str, Any]:
    """A fitted surface as JSON: smiles, their words, errors, and what has none and why."""
    return {
        "currency": surface.currency,
        "time": surface.time,
        "index": surface.index,
        "expiries": [_smile_document(fitted) for fitted in surface.smiles],
        "refused": [
            {"expiry": expiry, "error": type(reason).__name__, "reason": str(reason)}
            for expiry, reason in surface.refused.items()
        ],
    }


def _smile_document(fitted: FittedSmile) -> dict[str, Any]:
    stored, quotes = stored_surface(fitted), fitted.quotes
    return {
        "expiry": quotes.expiry,
        "tenor": quotes.tenor,
        "forward": quotes.forward,
        "smile": asdict(fitted.smile),
        "word": f"0x{stored.pack():064x}",
        "fields": asdict(stored),
        "quotes": len(quotes.k),
        "error": fitted.error,
        "error_to_mark": fitted.error_to_mark,
        "worst": fitted.worst,
        "inside": fitted.inside,
        "left_out": dict(quotes.refused),
    }


def stored_surfaces(document: Mapping[str, Any]) -> dict[str, dict[int, Surface]]:
    """Surfaces by currency and expiry, from what ``ballast surface fit`` wrote.

    Raises:
        SurfaceError: it is no such document.
    """
    try:
        return {
            surface["currency"]: {
                int(line["expiry"]): Surface.unpack(int(line["word"], 16)) for line in surface["expiries"]
            }
            for surface in document["surfaces"]
        }
    except (KeyError, TypeError, ValueError) as fault:
        raise SurfaceError(f"not a document of surfaces: {fault!r}") from fault


def study(chains: Iterable[Chain], settings: FitSettings | None = None) -> Study:
    """Fits every chain and gathers errors by currency and tenor."""
    surfaces = [fit_surface(chain, settings) for chain in chains]
    refused: dict[str, int] = {}
    for reason in (reason for surface in surfaces for reason in surface.refused.values()):
        refused[type(reason).__name__] = refused.get(type(reason).__name__, 0) + 1
    times = [surface.time for surface in surfaces]
    return Study(len(surfaces), min(times), max(times), tuple(_error_lines(surfaces)), refused)


def tenor_name(tenor: int) -> str:
    """The row of an error table a tenor in seconds belongs to."""
    return next(name for name, below in TENORS if tenor < below)


def _error_lines(surfaces: Iterable[FittedSurface]) -> Iterable[ErrorLine]:
    groups: dict[tuple[str, str], list[FittedSmile]] = {}
    for surface in surfaces:
        for fitted in surface.smiles:
            groups.setdefault((surface.currency, tenor_name(fitted.quotes.tenor)), []).append(fitted)
    for currency in sorted({currency for currency, _ in groups}):
        for tenor, _ in TENORS:
            if smiles := groups.get((currency, tenor)):
                yield _error_line(currency, tenor, smiles)


def _error_line(currency: str, tenor: str, smiles: list[FittedSmile]) -> ErrorLine:
    errors = np.array([fitted.error for fitted in smiles])
    counts = np.array([len(fitted.quotes.k) for fitted in smiles])
    return ErrorLine(
        currency=currency,
        tenor=tenor,
        smiles=len(smiles),
        quotes=int(counts.sum()),
        median=float(np.median(errors)),
        high=float(np.quantile(errors, 0.95)),
        worst=float(errors.max()),
        to_mark=float(np.median([fitted.error_to_mark for fitted in smiles])),
        spread=float(np.median([np.median(fitted.quotes.ask - fitted.quotes.bid) for fitted in smiles])),
        inside=float(np.array([fitted.inside for fitted in smiles]) @ counts / counts.sum()),
    )
