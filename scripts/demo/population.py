"""Who trades in the demo: accounts with mixed collateral and directional, hedged, basis and pair books.

Everything follows from a seed. Sizes are set by the margin engine's own arithmetic: each account opens its book at a
drawn multiple of the initial margin it needs, so that some are stretched and some are not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils import keccak

WAD = 10**18
UNDERLYINGS = ("BTC", "ETH", "LINK")
TOKEN_OF = {"BTC": "WBTC", "ETH": "WETH", "LINK": "LINK"}


class Book(StrEnum):
    """What an account holds."""

    LONG = "directional long"
    SHORT = "directional short"
    HEDGED = "hedged collateral"
    BASIS = "basis"
    PAIR = "pair"
    BASKET = "basket"
    MAKER = "maker"


SHARES = {Book.LONG: 0.34, Book.SHORT: 0.14, Book.HEDGED: 0.16, Book.BASIS: 0.10, Book.PAIR: 0.14, Book.BASKET: 0.12}


@dataclass(frozen=True)
class Trader:
    """One account before it opens.

    Attributes:
        deposits: By token symbol, whole tokens as floats.
        sizes: Perp sizes by underlying, whole units as floats; multiples of the size step once rounded.
    """

    key: LocalAccount
    book: Book
    deposits: Mapping[str, float]
    sizes: Mapping[str, float]


@dataclass(frozen=True)
class Draft:
    """A book of unit size: collateral and perps as shares of the account's value."""

    book: Book
    deposits: dict[str, float] = field(default_factory=dict)
    sizes: dict[str, float] = field(default_factory=dict)


def key_of(seed: int, role: str) -> LocalAccount:
    """A reproducible throw-away key; nothing but the local chain ever knows it."""
    return Account.from_key(keccak(text=f"ballast demo {seed} {role}"))


def draw_draft(book: Book, random: np.random.Generator) -> Draft:
    """Shares of value: deposits sum to one, sizes are notional ÷ value before they are scaled."""
    coin = str(random.choice(UNDERLYINGS, p=[0.35, 0.45, 0.20]))
    other = str(random.choice([name for name in UNDERLYINGS if name != coin]))
    match book:
        case Book.LONG:
            mix = random.choice(["cash", "own", "half"], p=[0.5, 0.25, 0.25])
            deposits = {"cash": {"USDC": 1.0}, "own": {TOKEN_OF[coin]: 1.0}, "half": {"USDC": 0.5, TOKEN_OF[coin]: 0.5}}
            return Draft(book, deposits[str(mix)], {coin: 1.0})
        case Book.SHORT:
            return Draft(book, {"USDC": 0.8, TOKEN_OF[other]: 0.2}, {coin: -1.0})
        case Book.HEDGED:
            return Draft(book, {TOKEN_OF[coin]: 0.9, "USDC": 0.1}, {coin: -random.uniform(0.7, 0.95), other: 0.6})
        case Book.BASIS:
            return Draft(book, {TOKEN_OF[coin]: 0.95, "USDC": 0.05}, {coin: -0.95})
        case Book.PAIR:
            return Draft(book, {"USDC": 0.7, TOKEN_OF[coin]: 0.3}, {coin: 1.0, other: -random.uniform(0.6, 1.0)})
        case Book.BASKET:
            weights = random.dirichlet([2.0, 2.0, 1.0])
            return Draft(
                book,
                {"USDC": 0.4, "WETH": 0.3, "WBTC": 0.2, "LINK": 0.1},
                {name: float(weight) for name, weight in zip(UNDERLYINGS, weights, strict=True)},
            )
        case Book.MAKER:
            return Draft(book, {"USDC": 1.0})


# Value of a portfolio's initial margin, in value units: (deposits by token, sizes by underlying) → requirement.
Requirement = Callable[[Mapping[str, float], Mapping[str, float]], float]


def populate(
    count: int, seed: int, prices: Mapping[str, float], requirement: Requirement, steps: Mapping[str, float]
) -> list[Trader]:
    """Draws `count` accounts.

    Args:
        prices: Value units per whole unit, by underlying.
        requirement: The engine's initial margin less equity for new risk: ≤ 0 where the book may be opened.
        steps: Size steps by underlying, whole units.
    """
    random = np.random.default_rng(seed)
    books = random.choice(list(SHARES), size=count, p=np.array(list(SHARES.values())) / sum(SHARES.values()))
    return [_trader(Book(book), number, seed, random, prices, requirement, steps) for number, book in enumerate(books)]


def _trader(
    book: Book,
    number: int,
    seed: int,
    random: np.random.Generator,
    prices: Mapping[str, float],
    requirement: Requirement,
    steps: Mapping[str, float],
) -> Trader:
    draft = draw_draft(book, random)
    value = float(np.clip(random.lognormal(10.0, 0.9), 3_000, 400_000))
    caution = float(np.clip(random.lognormal(0.55, 0.45), 1.03, 6.0))
    deposits = {token: share * value / _price_of(token, prices) for token, share in draft.deposits.items()}
    most = _largest_scale(deposits, draft.sizes, value, prices, requirement)
    # A hedged book has little use for scale: it stays the size of its collateral.
    scale = min(most / caution, 1.0) if book in (Book.HEDGED, Book.BASIS) else most / caution
    sizes = {
        name: round(share * scale * value / prices[name] / steps[name]) * steps[name]
        for name, share in draft.sizes.items()
    }
    kept = {name: size for name, size in sizes.items() if size}
    return Trader(key_of(seed, f"trader {number}"), book, deposits, kept)


def _price_of(token: str, prices: Mapping[str, float]) -> float:
    return 1.0 if token == "USDC" else prices[{symbol: name for name, symbol in TOKEN_OF.items()}[token]]


def _largest_scale(
    deposits: Mapping[str, float],
    shares: Mapping[str, float],
    value: float,
    prices: Mapping[str, float],
    requirement: Requirement,
) -> float:
    low, high = 0.0, 20.0
    for _ in range(24):
        middle = (low + high) / 2
        sizes = {name: share * middle * value / prices[name] for name, share in shares.items()}
        if requirement(deposits, sizes) <= 0:
            low = middle
        else:
            high = middle
    return low
