"""Linear portfolios a risk book is fitted to and judged on, and the tail measures they are judged by.

A portfolio is a vector of values, one an underlying, in multiples of the same money: +1 is long one unit of value. All
sums run column by column, so that every processor adds in one order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np

from ballast.risk.history import FloatArray
from ballast.risk.moves import JointMoves

SIGNS = (1.0, -1.0)


@dataclass(frozen=True)
class Portfolio:
    """Signed values by underlying, with a name for people.

    Attributes:
        group: Portfolios shown together: ``outright``, ``ratio 1``, ``beta``, ``triple``, ``random``.
    """

    name: str
    group: str
    weights: FloatArray


def outright_portfolios(symbols: Sequence[str]) -> list[Portfolio]:
    """Long and short one unit of each."""
    return [
        Portfolio(f"{_side(sign)} {symbol}", "outright", _weights(len(symbols), {at: sign}))
        for at, symbol in enumerate(symbols)
        for sign in SIGNS
    ]


def pair_portfolios(moves: JointMoves) -> list[Portfolio]:
    """Every pair at ratio 1, and at the beta of either on the other, with all four pairs of signs."""
    portfolios = []
    for first, second in combinations(range(len(moves.symbols)), 2):
        ratios = [("ratio 1", first, second, 1.0)]
        ratios += [("beta", a, b, abs(beta(moves, a, b))) for a, b in ((first, second), (second, first))]
        for group, a, b, ratio in ratios:
            for sign_a, sign_b in product(SIGNS, SIGNS):
                weights = _weights(len(moves.symbols), {a: sign_a, b: sign_b * ratio})
                name = f"{_side(sign_a)} {moves.symbols[a]}, {_side(sign_b)} {ratio:.4g} {moves.symbols[b]}"
                portfolios.append(Portfolio(name, group, weights))
    return portfolios


def triple_portfolios(moves: JointMoves) -> list[Portfolio]:
    """Every triple of filtered symbols in all signs, at equal values and at equal volatility."""
    portfolios = []
    for triple in combinations(np.flatnonzero(moves.is_filtered).tolist(), 3):
        steady = 1 / moves.target_volatility[list(triple)]
        for scales in (np.ones(3), steady / steady[0]):
            for signs in product(SIGNS, SIGNS, SIGNS):
                sides = zip(triple, np.array(signs) * scales, strict=True)
                weights = _weights(len(moves.symbols), dict(sides))
                name = ", ".join(f"{w:+.2f} {s}" for w, s in zip(weights, moves.symbols, strict=True) if w)
                portfolios.append(Portfolio(name, "triple", weights))
    return portfolios


def random_portfolios(moves: JointMoves, count: int, seed: int) -> list[Portfolio]:
    """Portfolios of the filtered symbols whose directions are uniform in units of volatility."""
    held = np.flatnonzero(moves.is_filtered)
    steady = 1 / moves.target_volatility[held]
    draws = np.random.default_rng(seed).normal(size=(count, len(held)))
    directions = draws / np.sqrt((draws**2).sum(axis=1, keepdims=True)) * steady / steady[0]
    weights = np.zeros((count, len(moves.symbols)))
    weights[:, held] = directions
    return [Portfolio(f"random {i}", "random", row) for i, row in enumerate(weights)]


def beta(moves: JointMoves, first: int, second: int) -> float:
    """Units of ``second`` that hedge one unit of ``first`` best: covariance ÷ variance of filtered moves."""
    weights = _weights(len(moves.symbols), {first: 1.0, second: 1.0})
    known = moves.known(weights)
    a, b = known[:, first] - known[:, first].mean(), known[:, second] - known[:, second].mean()
    return float((a * b).sum() / (b * b).sum())


def losses_of(moves: FloatArray, weights: FloatArray) -> FloatArray:
    """Loss of a portfolio in each row of ``moves``."""
    total = np.zeros(len(moves))
    for column, weight in enumerate(weights.tolist()):
        if weight:
            total -= weight * moves[:, column]
    return total


def mean_of_worst(losses: FloatArray, count: int) -> float:
    """Mean of the ``count`` largest losses."""
    return float(np.sort(np.partition(losses, -count)[-count:]).mean())


def expected_shortfall(losses: FloatArray, level: float) -> float:
    """Mean of the largest losses beyond ``level``, e.g. 0.99: the worst hundredth, its size rounded up."""
    return mean_of_worst(losses, max(1, int(np.ceil(len(losses) * (1 - level) - 1e-9))))


def historical_shortfall(moves: JointMoves, weights: FloatArray, level: float) -> float:
    """Expected shortfall of a portfolio over all filtered windows it can be judged on, nothing rounded."""
    return expected_shortfall(losses_of(moves.known(weights), weights), level)


def _weights(length: int, entries: dict[int, float]) -> FloatArray:
    weights = np.zeros(length)
    for at, weight in entries.items():
        weights[at] = weight
    return weights


def _side(sign: float) -> str:
    return "long" if sign > 0 else "short"
