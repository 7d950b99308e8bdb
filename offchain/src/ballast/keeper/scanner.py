"""Finds, off chain and fast, the accounts that deserve a look on chain.

The figures come from the vectorised engine over the mirror, with the books, prices and funding of one block. Whoever is
within the margin of error of liquidation, or whose figure is not a number, is a suspect; the chain decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ballast.chain.contracts import System
from ballast.chain.ids import KIND_PERP, kind_of
from ballast.errors import ChainError
from ballast.keeper.mirror import Mirror
from ballast.risk.book import Book
from ballast.risk.margin import Quote
from ballast.risk.scan import Estimates, Holdings, VectorEngine
from ballast.store import BlockRef

WAD = 10**18
UNDERLYING_SHIFT = 240


@dataclass(frozen=True)
class MarketState:
    """Everything that moves every account at once, at one block."""

    quotes: list[Quote]
    settlement_token_usd: int
    engine: VectorEngine
    marks: dict[int, float]
    funding: dict[int, float]
    underlying_of: dict[int, int]
    assets: dict[int, tuple[int, int]]
    supply_index: int
    borrow_index: int


class FloatScanner:
    """Suspects by the vectorised engine.

    Args:
        margin_of_error: Accounts with a health below 1 + this are read on chain.
    """

    def __init__(self, system: System, margin_of_error: float = 0.02) -> None:
        self._system = system
        self._threshold = 1.0 + margin_of_error

    def suspects(self, mirror: Mirror, block: BlockRef) -> set[int]:
        """Accounts below the threshold, those whose health is not a number, and those with futures or options, of which
        the chain alone is asked."""
        dated = {account for account, view in mirror.accounts.items() if _holds_dated(view)}
        accounts = [account for account in mirror.accounts if account not in dated]
        if not accounts:
            return dated
        market = read_market(self._system, block)
        health = estimate(market, [mirror.accounts[account] for account in accounts]).health
        # Not "health < threshold": an unknown figure must be looked at.
        return dated | {
            account for account, value in zip(accounts, health, strict=True) if not value >= self._threshold
        }


def _holds_dated(view: Any) -> bool:
    return any(kind_of(leg.instrument) != KIND_PERP for leg in view.positions)


def estimate(market: MarketState, views: list[Any]) -> Estimates:
    """Figures of many accounts, given their `AccountView`s. Interest since they were read is left out."""
    return market.engine.assess(holdings_of(market, views), market.quotes, market.settlement_token_usd)


def holdings_of(market: MarketState, views: list[Any]) -> Holdings:
    collaterals = [(row, leg) for row, view in enumerate(views) for leg in view.collaterals]
    positions = [(row, leg) for row, view in enumerate(views) for leg in view.positions]
    sizes = _units([leg.size for _, leg in positions])
    funding = np.array([market.funding[leg.index] for _, leg in positions])
    return Holdings(
        cash=_units([view.cash for view in views]),
        collateral_account=_integers([row for row, _ in collaterals]),
        collateral_asset=_integers([leg.asset for _, leg in collaterals]),
        collateral_underlying=_integers([market.assets[leg.asset][0] for _, leg in collaterals]),
        collateral_amount=np.array([leg.amount / 10 ** market.assets[leg.asset][1] for _, leg in collaterals]),
        position_account=_integers([row for row, _ in positions]),
        position_underlying=_integers([market.underlying_of[leg.index] for _, leg in positions]),
        position_size=sizes,
        position_mark=np.array([market.marks[leg.index] for _, leg in positions]),
        position_offset=_units([leg.quote for _, leg in positions]) - sizes * funding,
    )


def read_market(system: System, block: BlockRef) -> MarketState:
    """Reads everything at `block`. A mark that cannot be read is NaN: its holders become suspects.

    Raises:
        ChainError: The books, the vault or the oracle cannot be read at all.
    """
    instruments, count = system.read_all(
        [("Clearinghouse", "instrumentCount", []), ("Clearinghouse", "assetCount", [])], block
    )
    numbers = range(1, instruments + 1)
    views = system.read_all([("Clearinghouse", "instrumentOf", [number]) for number in numbers], block)
    marks = system.read_many([("Clearinghouse", "markOf", [number]) for number in numbers], block)
    assets = system.read_all([("Clearinghouse", "assetOf", [asset]) for asset in range(count)], block)
    current, previous, weight = system.read("MarginEngine", "riskBooks", block=block)
    book = _book(current)
    underlyings = {view.id >> UNDERLYING_SHIFT & 0xFF for view in views} | {asset.underlying for asset in assets[1:]}
    bits = sum(1 << underlying for underlying in underlyings)
    quotes, settlement_usd = system.read("OracleHub", "quotesOf", bits, block=block)
    ids = [grid.id for grid in book.underlyings]
    multipliers = system.read_all([("MarginEngine", "shockMultiplierOf", [one]) for one in ids], block)
    vault = system.read("Clearinghouse", "vaultState", block=block)
    engine = VectorEngine(
        book, _book(previous) if weight < WAD else None, weight, dict(zip(ids, multipliers, strict=True))
    )
    return MarketState(
        quotes=[Quote(q.underlying, q.state, q.index, q.stable, q.second) for q in quotes],
        settlement_token_usd=settlement_usd,
        engine=engine,
        marks={v.index: np.nan if isinstance(m, ChainError) else m / WAD for v, m in zip(views, marks, strict=True)},
        funding={view.index: view.cumulativeFunding / WAD for view in views},
        underlying_of={view.index: view.id >> UNDERLYING_SHIFT & 0xFF for view in views},
        assets={number: (asset.underlying, asset.decimals) for number, asset in enumerate(assets)},
        supply_index=vault.supplyIndex,
        borrow_index=vault.borrowIndex,
    )


@lru_cache(maxsize=4)
def _book(blob: bytes) -> Book:
    return Book.decode(blob)


def _units(wads: list[int]) -> Any:
    return np.array([amount / WAD for amount in wads], dtype=np.float64)


def _integers(values: list[int]) -> Any:
    return np.array(values, dtype=np.int64)
