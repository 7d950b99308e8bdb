"""Who trades in the demo: accounts with mixed collateral; directional, hedged, basis and pair books; options, futures.

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

from scripts.demo.board import OPTIONS_ON, Board

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
    COVERED_CALL = "covered call"
    PROTECTIVE_PUT = "protective put"
    PUT_SPREAD = "put spread"
    CONDOR = "iron condor"
    STRADDLE = "straddle"
    CARRY = "dated future against spot"


SHARES = {
    Book.LONG: 0.25,
    Book.SHORT: 0.10,
    Book.HEDGED: 0.12,
    Book.BASIS: 0.08,
    Book.PAIR: 0.11,
    Book.BASKET: 0.09,
    Book.COVERED_CALL: 0.05,
    Book.PROTECTIVE_PUT: 0.03,
    Book.PUT_SPREAD: 0.05,
    Book.CONDOR: 0.04,
    Book.STRADDLE: 0.04,
    Book.CARRY: 0.04,
}
DATED = (Book.COVERED_CALL, Book.PROTECTIVE_PUT, Book.PUT_SPREAD, Book.CONDOR, Book.STRADDLE, Book.CARRY)
# These stay the size of their collateral, however much margin would allow.
COVERED = (Book.HEDGED, Book.BASIS, Book.COVERED_CALL, Book.PROTECTIVE_PUT, Book.CARRY)


@dataclass(frozen=True)
class Trader:
    """One account before it opens.

    Attributes:
        deposits: By token symbol, whole tokens as floats.
        sizes: Of perps by underlying, of futures and options by label; whole units as floats, multiples of the size
            step once rounded.
    """

    key: LocalAccount
    book: Book
    deposits: Mapping[str, float]
    sizes: Mapping[str, float]


@dataclass(frozen=True)
class Draft:
    """A book of unit size: collateral and positions as shares of the account's value, at the underlying's price."""

    book: Book
    deposits: dict[str, float] = field(default_factory=dict)
    sizes: dict[str, float] = field(default_factory=dict)


def key_of(seed: int, role: str) -> LocalAccount:
    """A reproducible throw-away key; nothing but the local chain ever knows it."""
    return Account.from_key(keccak(text=f"ballast demo {seed} {role}"))


def draw_draft(book: Book, random: np.random.Generator, board: Board, prices: Mapping[str, float]) -> Draft:
    """Shares of value: deposits sum to one, sizes are notional ÷ value before they are scaled."""
    if book in DATED:
        return draw_structure(book, random, board, prices)
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
    raise AssertionError(book)


def draw_structure(book: Book, random: np.random.Generator, board: Board, prices: Mapping[str, float]) -> Draft:
    """One with options or a dated future, half of them of the expiry that settles within the replay."""
    coin = str(random.choice(OPTIONS_ON, p=[0.4, 0.6]))
    expiry = int(random.choice(board.expiries))

    def call(ratio: float) -> str:
        return board.option(coin, expiry, ratio, prices[coin], is_put=False)

    def put(ratio: float) -> str:
        return board.option(coin, expiry, ratio, prices[coin], is_put=True)

    token = TOKEN_OF[coin]
    match book:
        case Book.COVERED_CALL:
            return Draft(book, {token: 0.9, "USDC": 0.1}, {call(1.1): -0.9})
        case Book.PROTECTIVE_PUT:
            return Draft(book, {token: 0.8, "USDC": 0.2}, {put(0.9): 0.8})
        case Book.PUT_SPREAD:
            return Draft(book, {"USDC": 1.0}, {put(1.0): -1.0, put(0.9): 1.0})
        case Book.CONDOR:
            return Draft(book, {"USDC": 1.0}, {put(0.95): -1.0, put(0.9): 1.0, call(1.05): -1.0, call(1.1): 1.0})
        case Book.STRADDLE:
            side = float(random.choice([-1.0, 1.0]))
            return Draft(book, {"USDC": 0.8, token: 0.2}, {call(1.0): side, put(1.0): side})
        case Book.CARRY:
            return Draft(book, {token: 0.95, "USDC": 0.05}, {board.future(coin, board.far): -0.95})
    raise AssertionError(book)


# Value of a portfolio's initial margin, in value units: (deposits by token, sizes by underlying) → requirement.
Requirement = Callable[[Mapping[str, float], Mapping[str, float]], float]


def populate(
    count: int,
    seed: int,
    prices: Mapping[str, float],
    board: Board,
    requirement: Requirement,
    steps: Mapping[str, float],
) -> list[Trader]:
    """Draws `count` accounts.

    Args:
        board: The futures and options to choose from.
        prices: Value units per whole unit, by underlying.
        requirement: The engine's initial margin less equity for new risk: ≤ 0 where the book may be opened.
        steps: Size steps by underlying or label, whole units.
    """
    spots = {**prices, **{label: prices[label.split(":")[1]] for label in board.instruments()}}
    random = np.random.default_rng(seed)
    books = random.choice(list(SHARES), size=count, p=np.array(list(SHARES.values())) / sum(SHARES.values()))
    drafts = [draw_draft(Book(book), random, board, prices) for book in books]
    return [_trader(draft, number, seed, random, spots, requirement, steps) for number, draft in enumerate(drafts)]


def _trader(
    draft: Draft,
    number: int,
    seed: int,
    random: np.random.Generator,
    prices: Mapping[str, float],
    requirement: Requirement,
    steps: Mapping[str, float],
) -> Trader:
    value = float(np.clip(random.lognormal(10.0, 0.9), 3_000, 400_000))
    caution = float(np.clip(random.lognormal(0.55, 0.45), 1.03, 6.0))
    deposits = {token: share * value / _price_of(token, prices) for token, share in draft.deposits.items()}
    most = _largest_scale(deposits, draft.sizes, value, prices, requirement)
    scale = min(most / caution, 1.0) if draft.book in COVERED else most / caution
    sizes = {
        name: round(share * scale * value / prices[name] / steps[name]) * steps[name]
        for name, share in draft.sizes.items()
    }
    kept = {name: size for name, size in sizes.items() if size}
    return Trader(key_of(seed, f"trader {number}"), draft.book, deposits, kept)


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
    for _ in range(16):
        middle = (low + high) / 2
        sizes = {name: share * middle * value / prices[name] for name, share in shares.items()}
        if requirement(deposits, sizes) <= 0:
            low = middle
        else:
            high = middle
    return low
