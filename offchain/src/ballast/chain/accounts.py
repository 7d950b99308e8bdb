"""An account and all that its margin depends on, read at one block for the integer twin."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ballast.chain.contracts import System
from ballast.chain.ids import KIND_PERP, kind_of
from ballast.chain.views import underlyings_of
from ballast.errors import BallastError
from ballast.risk.book import Book
from ballast.risk.dated import ExpiryQuote, key_of
from ballast.risk.margin import MarginEngine
from ballast.risk.margin_terms import Margin, Portfolio, Quote
from ballast.store import BlockRef

WAD = 10**18


class TwinDisagrees(BallastError):
    """The chain and the integer twin differ on the account as it is: nothing said of a change would be worth much."""


@dataclass(frozen=True)
class MarginRules:
    """The margin engine, and the bitmap of the underlyings that it and the oracle know."""

    engine: MarginEngine
    underlyings: int


@dataclass(frozen=True)
class ChainAccount:
    """Quotes are of every underlying that the risk book knows, so that legs in others can be added."""

    portfolio: Portfolio
    quotes: tuple[Quote, ...]
    settlement_usd: int
    expiries: tuple[ExpiryQuote, ...]
    engine: MarginEngine

    def assess(self) -> Margin:
        """The twin's margin.

        Raises:
            MarginError: The contract would revert.
        """
        return self.engine.assess(self.portfolio, self.quotes, self.settlement_usd, self.expiries)


def read_account(
    system: System,
    account: int,
    block: BlockRef,
    instruments: Iterable[int] = (),
    rules: MarginRules | None = None,
) -> ChainAccount:
    """Reads an account, and the expiries of its positions and of other instruments that it may get.

    Args:
        rules: The engine at that block, where it was read before.

    Raises:
        ChainError: Something cannot be read.
        TwinDisagrees: See there.
    """
    stored, margin = system.read_all(
        [("Clearinghouse", "portfolioOf", [account]), ("Clearinghouse", "marginOf", [account])], block
    )
    rules = rules or read_rules(system, block)
    wanted = (underlyings_of(stored) | rules.underlyings) & ~1
    quotes, usd = system.read("OracleHub", "quotesOf", wanted, block=block)
    portfolio = Portfolio.of(stored)
    held = [leg.instrument for leg in portfolio.positions]
    found = ChainAccount(
        portfolio,
        tuple(Quote(q.underlying, q.state, q.index, q.stable, q.second) for q in quotes),
        usd,
        read_expiries(system, [*held, *instruments], block),
        rules.engine,
    )
    if (twin := found.assess().maintenance_margin) != margin.maintenanceMargin:
        raise TwinDisagrees(f"maintenance margin: chain {margin.maintenanceMargin}, twin {twin}")
    return found


def read_rules(system: System, block: BlockRef) -> MarginRules:
    """The margin engine at a block, for all accounts."""
    current, previous, weight = system.read("MarginEngine", "riskBooks", block=block)
    book = Book.decode(current)
    ids = [grid.id for grid in book.underlyings]
    multipliers = system.read_all([("MarginEngine", "shockMultiplierOf", [one]) for one in ids], block)
    older = Book.decode(previous) if weight < WAD else None
    listed = system.read("OracleHub", "listedUnderlyings", block=block)
    engine = MarginEngine(book, older, weight, dict(zip(ids, multipliers, strict=True)))
    return MarginRules(engine, listed & sum(1 << one for one in ids))


def read_expiries(system: System, instruments: Iterable[int], block: BlockRef) -> tuple[ExpiryQuote, ...]:
    """Of every dated one among the instruments, ascending by key."""
    keys = sorted({key_of(one) for one in instruments if kind_of(one) != KIND_PERP})
    if not keys:
        return ()
    return tuple(ExpiryQuote(*quote) for quote in system.read("Expiries", "quotesOf", keys, block=block))
