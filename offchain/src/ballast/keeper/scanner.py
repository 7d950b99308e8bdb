"""Finds, off chain and fast, the accounts that deserve a look on chain.

The figures come from the vectorised engine over the mirror, with the books, prices and funding of one block. Whoever is
within the margin of error of liquidation, or whose figure is not a number, is a suspect; the chain decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Any

import numpy as np

from ballast.chain.contracts import System
from ballast.chain.ids import KIND_PERP, kind_of
from ballast.chain.instruments import underlying_of
from ballast.errors import ChainError
from ballast.keeper.mirror import Mirror
from ballast.risk.book import Book
from ballast.risk.dated import ExpiryQuote, key_of
from ballast.risk.margin_terms import PositionLeg, Quote
from ballast.risk.scan import Estimates, Holdings, VectorEngine
from ballast.risk.units import DatedLegs
from ballast.store import BlockRef

WAD = 10**18


@dataclass(frozen=True)
class MarketState:
    """Everything that moves every account at once, at one block."""

    quotes: list[Quote]
    settlement_token_usd: int
    engine: VectorEngine
    marks: dict[int, float]
    funding: dict[int, float]
    expiries: list[ExpiryQuote]
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
        """Accounts below the threshold, and those whose health is not a number."""
        if not mirror.accounts:
            return set()
        accounts = list(mirror.accounts)
        views = [mirror.accounts[account] for account in accounts]
        health = estimate(read_market(self._system, block, views), views).health
        # Not "health < threshold": an unknown figure must be looked at.
        return {account for account, value in zip(accounts, health, strict=True) if not value >= self._threshold}


def estimate(market: MarketState, views: Sequence[Any]) -> Estimates:
    """Figures of many accounts, given their `AccountView`s. Interest since they were read is left out."""
    holdings = holdings_of(market, views)
    return market.engine.assess(holdings, market.quotes, market.settlement_token_usd, market.expiries)


def holdings_of(market: MarketState, views: Sequence[Any]) -> Holdings:
    collaterals = [(row, leg) for row, view in enumerate(views) for leg in view.collaterals]
    positions = [(row, leg) for row, view in enumerate(views) for leg in view.positions if _is_perp(leg)]
    dated = [(row, leg) for row, view in enumerate(views) for leg in view.positions if not _is_perp(leg)]
    sizes = _units([leg.size for _, leg in positions])
    funding = np.array([market.funding[leg.index] for _, leg in positions])
    return Holdings(
        cash=_units([view.cash for view in views]),
        collateral_account=_integers([row for row, _ in collaterals]),
        collateral_asset=_integers([leg.asset for _, leg in collaterals]),
        collateral_underlying=_integers([market.assets[leg.asset][0] for _, leg in collaterals]),
        collateral_amount=np.array([leg.amount / 10 ** market.assets[leg.asset][1] for _, leg in collaterals]),
        position_account=_integers([row for row, _ in positions]),
        position_underlying=_integers([underlying_of(leg.instrument) for _, leg in positions]),
        position_size=sizes,
        position_mark=np.array([market.marks[leg.index] for _, leg in positions]),
        position_offset=_units([leg.quote for _, leg in positions]) - sizes * funding,
        dated=DatedLegs.of([(row, PositionLeg(leg.instrument, leg.size, 0, leg.quote)) for row, leg in dated]),
    )


def read_market(system: System, block: BlockRef, views: Sequence[Any]) -> MarketState:
    """Reads at `block` what the holdings of these `AccountView`s depend on.

    A mark that cannot be read is NaN, and an expiry that cannot be read is missing: their holders become suspects.

    Raises:
        ChainError: The books, the vault or the oracle cannot be read at all.
    """
    count, books, vault = system.read_all(
        [
            ("Clearinghouse", "assetCount", []),
            ("MarginEngine", "riskBooks", []),
            ("Clearinghouse", "vaultState", []),
        ],
        block,
    )
    current, previous, weight = books
    book = _book(current)
    ids = [grid.id for grid in book.underlyings]
    perps, dated = _instruments(views)
    terms, assets, multipliers, marks, expiries = _split(
        system.read_many(
            [
                *(("Clearinghouse", "instrumentOf", [number]) for number in perps),
                *(("Clearinghouse", "assetOf", [asset]) for asset in range(count)),
                *(("MarginEngine", "shockMultiplierOf", [one]) for one in ids),
                *(("Clearinghouse", "markOf", [number]) for number in perps),
                ("Expiries", "quotesOf", [sorted({key_of(instrument) for instrument in dated})]),
            ],
            block,
        ),
        (len(perps), count, len(ids), len(perps), 1),
    )
    for answer in (*terms, *assets, *multipliers):
        if isinstance(answer, ChainError):
            raise answer
    held = {underlying_of(instrument) for instrument in (*perps.values(), *dated)}
    bits = sum(1 << underlying for underlying in held | {asset.underlying for asset in assets[1:]})
    quotes, settlement_usd = system.read("OracleHub", "quotesOf", bits, block=block)
    engine = VectorEngine(
        book, _book(previous) if weight < WAD else None, weight, dict(zip(ids, multipliers, strict=True))
    )
    return MarketState(
        quotes=[Quote(q.underlying, q.state, q.index, q.stable, q.second) for q in quotes],
        settlement_token_usd=settlement_usd,
        engine=engine,
        marks={
            number: np.nan if isinstance(m, ChainError) else m / WAD for number, m in zip(perps, marks, strict=True)
        },
        funding={number: view.cumulativeFunding / WAD for number, view in zip(perps, terms, strict=True)},
        expiries=[] if isinstance(expiries[0], ChainError) else [ExpiryQuote(*quote) for quote in expiries[0]],
        assets={number: (asset.underlying, asset.decimals) for number, asset in enumerate(assets)},
        supply_index=vault.supplyIndex,
        borrow_index=vault.borrowIndex,
    )


def _instruments(views: Sequence[Any]) -> tuple[dict[int, int], set[int]]:
    """What is held: perps' ids by registry index, and the ids of futures and options."""
    held = {leg.index: leg.instrument for view in views for leg in view.positions}
    perps = {index: instrument for index, instrument in sorted(held.items()) if kind_of(instrument) == KIND_PERP}
    return perps, {instrument for instrument in held.values() if kind_of(instrument) != KIND_PERP}


def _is_perp(leg: Any) -> bool:
    return kind_of(leg.instrument) == KIND_PERP


def _split(answers: list[Any], lengths: Sequence[int]) -> Iterator[list[Any]]:
    """Consecutive parts of those lengths."""
    for end, length in zip(accumulate(lengths), lengths, strict=True):
        yield answers[end - length : end]


@lru_cache(maxsize=4)
def _book(blob: bytes) -> Book:
    return Book.decode(blob)


def _units(wads: list[int]) -> Any:
    return np.array([amount / WAD for amount in wads], dtype=np.float64)


def _integers(values: list[int]) -> Any:
    return np.array(values, dtype=np.int64)
