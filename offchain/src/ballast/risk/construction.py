"""Builds a risk book from price history: moves, grids, historical rows, stress rows, terms. Deterministic.

docs/scenario-book.md describes the method and its limits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from ballast.errors import ConfigurationError
from ballast.risk.book import ONE_E9, WAD, Asset, Book, Row, Underlying
from ballast.risk.history import FloatArray, HourlyHistory, epoch
from ballast.risk.moves import JointMoves, MoveSettings, joint_moves
from ballast.risk.portfolios import (
    historical_shortfall,
    losses_of,
    mean_of_worst,
    outright_portfolios,
    pair_portfolios,
    random_portfolios,
    triple_portfolios,
)
from ballast.risk.selection import Candidates, SelectionSettings, choose_rows, find_candidates, inner_shocks
from ballast.risk.stress import (
    FIRST_STRESS,
    Reference,
    StressRow,
    StressSettings,
    break_row,
    day_row,
    gap_rows,
    stress_moves,
)

ROW_TIME = "%Y-%m-%d %H:%M"
ROW_PREFIX = "24 h to "


@dataclass(frozen=True)
class Terms:
    """What history does not say: ids, charges, factors, volatility shocks. Units as in ``Book``.

    ``underlyings`` and ``assets`` hold the fields of ``Underlying`` (without its grids) and ``Asset``.
    """

    name: str
    rows: int
    tail_rows: int
    initial_factor: int
    liquidation_end_factor: int
    settlement_token_floor: int
    fixed_charge: int
    volatility_shocks: tuple[int, ...]
    underlyings: tuple[Mapping[str, Any], ...]
    assets: tuple[Mapping[str, Any], ...]

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(entry["symbol"] for entry in self.underlyings)


@dataclass(frozen=True)
class ConstructionSettings:
    """Everything else a book depends on; written into its metadata."""

    moves: MoveSettings = field(default_factory=MoveSettings)
    selection: SelectionSettings = field(default_factory=SelectionSettings)
    stress: StressSettings = FIRST_STRESS
    random_portfolios: int = 300
    seed: int = 1


@dataclass(frozen=True)
class Construction:
    """A book and the moves it was built from."""

    book: Book
    moves: JointMoves


def load_terms(path: Path | None = None) -> Terms:
    """Terms from a JSON file; without one, those that ship with the package.

    Raises:
        ConfigurationError: the file is not there or is no terms file.
    """
    source = path or resources.files("ballast").joinpath("data/book_terms.json")
    try:
        document = json.loads(source.read_text(encoding="utf-8"))
        lists = {name: tuple(document[name]) for name in ("volatility_shocks", "underlyings", "assets")}
        return Terms(**(document | lists))
    except (OSError, json.JSONDecodeError, KeyError, TypeError) as fault:
        raise ConfigurationError(f"{source}: no terms of a risk book: {fault}") from fault


def build_book(
    history: HourlyHistory, terms: Terms | None = None, settings: ConstructionSettings | None = None
) -> Construction:
    """The risk book of ``history``.

    Raises:
        HistoryError: too little history, or a price of a stress day is missing. Days after its end are left out.
        InvalidBook: the terms break a rule of the book.
        ConfigurationError: the terms name other underlyings than the history.
    """
    terms, settings = terms or load_terms(), settings or ConstructionSettings()
    if terms.symbols != history.symbols:
        raise ConfigurationError(f"terms of {terms.symbols}, history of {history.symbols}")
    moves = joint_moves(history, settings.moves)
    builder = _Builder(moves, terms, settings)
    book = builder.book(metadata=_metadata(history, moves, settings))
    return Construction(book, moves)


def historical_row_name(window_end: int) -> str:
    """Name of the historical row whose 24 hours ended at ``window_end``."""
    return ROW_PREFIX + datetime.fromtimestamp(window_end, UTC).strftime(ROW_TIME)


def window_end_of(row_name: str) -> int:
    """The inverse of ``historical_row_name``. Raises ValueError where the name is no such name."""
    moment = datetime.strptime(row_name.removeprefix(ROW_PREFIX), ROW_TIME)
    return int(moment.replace(tzinfo=UTC).timestamp())


class _Builder:
    """The steps from moves to a book, in order."""

    def __init__(self, moves: JointMoves, terms: Terms, settings: ConstructionSettings) -> None:
        self.moves, self.terms, self.settings = moves, terms, settings
        judged = outright_portfolios(moves.symbols) + pair_portfolios(moves) + triple_portfolios(moves)
        self.portfolios = judged + random_portfolios(moves, settings.random_portfolios, settings.seed)
        days = [day for day in settings.stress.days if epoch(day.window_end) <= moves.window_end[-1]]
        self.stress_days = [(day, stress_moves(moves, day, settings.stress)) for day in days]

    def book(self, metadata: Mapping[str, Any]) -> Book:
        inner = self._inner_grids()
        grids = self._with_extremes(inner)
        candidates = find_candidates(self.moves, self.portfolios, inner, self.settings.selection)
        count = self.terms.rows - self._stress_count()
        chosen = choose_rows(
            self.moves, self.portfolios, candidates, count, self.terms.tail_rows, self.settings.selection
        )
        stress = self._stress_rows(grids, self._reference(candidates.rounded[chosen]))
        return self._assemble(grids, candidates, chosen, stress, metadata)

    def _inner_grids(self) -> list[list[float]]:
        grids = []
        for at, is_filtered in enumerate(self.moves.is_filtered.tolist()):
            fall, rise = (self._shortfall(sign, at) for sign in (1.0, -1.0))
            grids.append(inner_shocks(fall, rise, is_filtered, self.settings.selection))
        return grids

    def _shortfall(self, sign: float, at: int) -> float:
        weights = np.zeros(len(self.moves.symbols))
        weights[at] = sign
        return historical_shortfall(self.moves, weights, self.settings.selection.shortfall_level)

    def _with_extremes(self, inner: Sequence[Sequence[float]]) -> list[list[float]]:
        """Inner shocks between the worst and the best of the stress days, which must lie beyond them."""
        grids = []
        for at, shocks in enumerate(inner):
            extremes = [moved[at] for _, moved in self.stress_days]
            if not self.moves.is_filtered[at]:
                extremes.append(-self.settings.stress.unfiltered_gap)
            step = self.settings.selection.node_step
            low, high = (round(round(edge / step) * step, 6) for edge in (min(extremes), max(extremes)))
            grids.append([min(low, round(shocks[0] - step, 6)), *shocks, max(high, round(shocks[-1] + step, 6))])
        return grids

    def _stress_count(self) -> int:
        filtered = int(self.moves.is_filtered.sum())
        gaps = 2 * filtered + len(self.moves.symbols) - filtered
        return gaps + len(self.stress_days) + len(self.settings.stress.breaks)

    def _reference(self, rows: FloatArray) -> Reference:
        symbols = self.moves.symbols
        units = np.eye(len(symbols))

        def scan(weights: FloatArray) -> float:
            return max(0.0, mean_of_worst(losses_of(rows, weights), self.terms.tail_rows))

        return Reference(
            fall={s: scan(units[u]) for u, s in enumerate(symbols)},
            rise={s: scan(-units[u]) for u, s in enumerate(symbols)},
            pair={(a, b): scan(units[i] - units[j]) for i, a in enumerate(symbols) for j, b in enumerate(symbols)},
        )

    def _stress_rows(self, grids: Sequence[Sequence[float]], reference: Reference) -> list[StressRow]:
        symbols, settings = self.moves.symbols, self.settings.stress
        filtered = self.moves.is_filtered.tolist()
        rows = [day_row(day, moved, symbols, grids, reference, settings, filtered) for day, moved in self.stress_days]
        rows += gap_rows(self.moves, grids, reference, settings)
        return rows + [break_row(broken, symbols, grids, reference, settings) for broken in settings.breaks]

    def _assemble(
        self,
        grids: Sequence[Sequence[float]],
        candidates: Candidates,
        chosen: Sequence[int],
        stress: Sequence[StressRow],
        metadata: Mapping[str, Any],
    ) -> Book:
        ends = self.moves.window_end[candidates.windows[list(chosen)]].tolist()
        shocks = candidates.rounded[list(chosen)].tolist()
        terms = self.terms
        return Book(
            name=terms.name,
            tail_rows=terms.tail_rows,
            initial_factor=terms.initial_factor,
            liquidation_end_factor=terms.liquidation_end_factor,
            settlement_token_floor=terms.settlement_token_floor,
            fixed_charge=terms.fixed_charge,
            underlyings=tuple(self._underlying(at, grid) for at, grid in enumerate(grids)),
            assets=tuple(Asset(**entry) for entry in terms.assets),
            historical=tuple(
                Row(historical_row_name(end), self._nodes(move, grids)) for end, move in zip(ends, shocks, strict=True)
            ),
            stress=tuple(Row(r.name, self._nodes(r.shocks, grids), _weight(r.weight)) for r in stress),
            metadata=metadata,
        )

    def _underlying(self, at: int, grid: Sequence[float]) -> Underlying:
        return Underlying(
            price_shocks=tuple(round(shock * 10**6) * (WAD // 10**6) for shock in grid),
            volatility_shocks=self.terms.volatility_shocks,
            **self.terms.underlyings[at],
        )

    def _nodes(self, shocks: Sequence[float], grids: Sequence[Sequence[float]]) -> tuple[int, ...]:
        """Price node and volatility node of every symbol: volatility rises with a fall of at least the middle shock,
        gives way with such a rise, and stays otherwise and for unfiltered symbols."""
        nodes = []
        volatilities = self.terms.volatility_shocks
        calm = volatilities.index(0)
        for at, (shock, grid) in enumerate(zip(shocks, grids, strict=True)):
            steps = grid.index(shock) - grid.index(0)
            is_large = abs(steps) >= 2 and bool(self.moves.is_filtered[at])
            volatility = (len(volatilities) - 1 if steps < 0 else 0) if is_large else calm
            nodes.append(grid.index(shock) * len(volatilities) + volatility)
        return tuple(nodes)


def _weight(weight: float) -> int:
    """1e9 is one; rounded down to whole thousandths, so that caps hold and people can read it."""
    return max(1, int(weight * 1000 + 1e-9)) * (ONE_E9 // 1000)


def _metadata(history: HourlyHistory, moves: JointMoves, settings: ConstructionSettings) -> dict[str, Any]:
    first, last = (datetime.fromtimestamp(int(t), UTC).isoformat() for t in (history.time[0], history.time[-1]))
    targets = dict(zip(moves.symbols, moves.target_volatility.tolist(), strict=True))
    return {
        "span": [first, last],
        "history_sha256": sha256(history.time.tobytes() + history.closes.tobytes()).hexdigest(),
        "windows": len(moves),
        "daily_target_volatility": {s: round(v, 6) for s, v in targets.items() if np.isfinite(v)},
        "settings": json.loads(json.dumps(asdict(settings))),
    }
