"""Random risk books and portfolios, and a margin engine with a chosen state, for sweeps of chain against twin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from ballast.chain.ids import perp_of
from ballast.risk.book import Asset, Book, Row, Underlying
from ballast.risk.dated import ExpiryQuote
from ballast.risk.margin import MarginEngine, blend_weight
from ballast.risk.margin_terms import (
    BILLION,
    WAD,
    CollateralLeg,
    Explanation,
    Margin,
    OracleState,
    Portfolio,
    PositionLeg,
    Quote,
    UnderlyingRisk,
)
from tests.support.evm import Contract, Evm

UNDERLYINGS = (1, 2, 3, 7, 8, 40, 254, 255)


def plain(value: Any) -> Any:
    """A decoded struct or a dataclass as nested tuples, for comparison field by field."""
    if hasattr(value, "__dataclass_fields__"):
        value = [getattr(value, name) for name in value.__dataclass_fields__]
    return tuple(plain(part) for part in value) if isinstance(value, list | tuple) else value


# ---- books


def random_underlying(random: Random, identifier: int, prices: int, volatilities: int) -> Underlying:
    price_shocks = sorted({0, *(random.randint(-99 * WAD // 100, 2 * WAD) for _ in range(prices - 1))})
    volatility_shocks = sorted({0, *(random.randint(1 - WAD, 2 * WAD) for _ in range(volatilities - 1))})
    charges = (random.choice([0, random.randint(1, BILLION // 10)]) for _ in range(4))
    depth = random.choice([0, random.randint(0, 100) * WAD, 2**128 - 1])
    return Underlying(
        identifier,
        f"U{identifier}",
        tuple(price_shocks),
        tuple(volatility_shocks),
        *charges,
        depth,
        random.choice([BILLION // 2, random.randint(0, BILLION)]),
        random.choice([86_400, random.randint(1, 90 * 86_400)]),
    )


def random_assets(random: Random, identifiers: tuple[int, ...], count: int) -> tuple[Asset, ...]:
    listed = [Asset(i, f"A{i}", random.choice(identifiers), random.randint(0, BILLION // 5)) for i in range(1, count)]
    return (Asset(0, "USDC", 0, 0), *listed)


def random_book(random: Random, identifiers: tuple[int, ...] = UNDERLYINGS, assets: int = 6) -> Book:
    """A valid book of any shape; every node, the stable one too, occurs in its rows."""
    prices, volatilities = random.randint(1, 9), random.randint(1, 3)
    underlyings = tuple(random_underlying(random, identifier, prices, volatilities) for identifier in identifiers)
    rows = random.choice([1, 2, 7, 33, 64])
    historical = random.randint(1, rows)
    nodes = range(underlyings[0].stable_node + 1)

    def row(name: str, weight: int = BILLION) -> Row:
        return Row(name, tuple(random.choice(nodes) for _ in identifiers), weight)

    liquidation_end = random.randint(BILLION, 2 * BILLION)
    return Book(
        name="random",
        tail_rows=random.randint(1, min(historical, 8)),
        initial_factor=random.randint(liquidation_end, 3 * BILLION),
        liquidation_end_factor=liquidation_end,
        settlement_token_floor=random.choice([0, 980_000_000]),
        fixed_charge=random.choice([0, 20 * BILLION, random.randint(0, 1000 * BILLION)]),
        underlyings=underlyings,
        assets=random_assets(random, identifiers, assets),
        historical=tuple(row(f"H{j}") for j in range(historical)),
        stress=tuple(row(f"S{j}", random.randint(1, BILLION)) for j in range(rows - historical)),
    )


def simple_book(**changes: Any) -> Book:
    """Two underlyings, ETH (1) and BTC (2), one volatility, prices to ±50 %: worked by hand in docs/margin.md."""
    shocks = tuple(percent * WAD // 100 for percent in (-50, -20, 0, 20, 50))
    grids = tuple(
        Underlying(
            number, symbol, shocks, (0,),
            hedged_basis=15_000_000, hedged_vega=0, short_options=0, concentration=BILLION // 10, depth=100 * WAD,
            volatility_tenor_power=0, shortest_tenor=86_400,
        )
        for number, symbol in ((1, "ETH"), (2, "BTC"))
    )  # fmt: skip
    terms = {
        "name": "simple",
        "tail_rows": 2,
        "initial_factor": BILLION * 5 // 4,
        "liquidation_end_factor": BILLION * 11 // 10,
        "settlement_token_floor": BILLION * 98 // 100,
        "fixed_charge": 20 * BILLION,
        "underlyings": grids,
        "assets": (Asset(0, "USDC", 0, 0), Asset(1, "WETH", 1, BILLION // 20), Asset(2, "WBTC", 2, BILLION // 10)),
        "historical": (
            Row("both -20 %", (1, 1)),
            Row("both +20 %", (3, 3)),
            Row("ETH -20 %", (1, 2)),
            Row("BTC +20 %", (2, 3)),
        ),
        "stress": (Row("ETH -50 % alone", (0, 2), BILLION * 6 // 10), Row("stable prices", (5, 5))),
    }
    return Book(**(terms | changes))


def eth(**changes: Any) -> Quote:
    return Quote(**({"underlying": 1, "state": OracleState.OK, "index": 2000 * WAD, "stable": 2000 * WAD} | changes))


def btc(**changes: Any) -> Quote:
    return Quote(
        **({"underlying": 2, "state": OracleState.OK, "index": 40_000 * WAD, "stable": 40_000 * WAD} | changes)
    )


def perp(quote: Quote, size: int, offset: int | None = None) -> PositionLeg:
    """A position marked at index; without `offset` one that was just opened there."""
    value = size * quote.index // WAD
    return PositionLeg(perp_of(quote.underlying), size, quote.index, -value if offset is None else offset)


# ---- portfolios


def random_quote(random: Random, underlying: int) -> Quote:
    index = random.choice([1, WAD, random.randint(1, 10**10), random.randint(10**15, 10**23), 2**96 - 1])
    near = min(max(1, index * random.randint(500, 1500) // 1000), 2**96 - 1)
    stable = random.choice([index, near, near, near, random.randint(1, 2**96 - 1)])
    second = random.choice([0, near, random.randint(1, 2**96 - 1)])
    state = random.choice([OracleState.OK, OracleState.OK, *OracleState])
    return Quote(underlying, state, index, stable, second)


def random_quantity(random: Random, bits: int = 112) -> int:
    return random.choice([0, 1, random.getrandbits(60), random.getrandbits(random.randint(1, bits)), 2**bits - 1])


def random_position(random: Random, quote: Quote) -> PositionLeg:
    size = random_quantity(random) * random.choice([-1, 1])
    mark = random.choice([quote.index, max(0, min(quote.index * random.randint(990, 1010) // 1000, 2**96 - 1))])
    offset = random.choice([0, -size * mark // WAD, random.getrandbits(80) - 2**79])
    return PositionLeg(perp_of(quote.underlying), size, mark, min(max(offset, -(2**127)), 2**127 - 1))


def random_portfolio(random: Random, quotes: list[Quote], assets: int = 6) -> Portfolio:
    """Up to eight collaterals and sixteen positions on the quoted underlying, any of them empty, tiny or at a limit."""
    collaterals = [
        CollateralLeg(random.randrange(1, assets), random.choice(quotes).underlying, random_quantity(random))
        for _ in range(random.choice([0, 1, 2, 8]) if quotes else 0)
    ]
    positions = [
        random_position(random, random.choice(quotes)) for _ in range(random.choice([0, 1, 3, 16]) if quotes else 0)
    ]
    cash = random.choice([0, random.getrandbits(90) - 2**89, 2**191 - 1, -(2**191)])
    return Portfolio(cash, tuple(collaterals), tuple(positions))


def random_quotes(random: Random, identifiers: tuple[int, ...] = UNDERLYINGS) -> list[Quote]:
    chosen = sorted(random.sample(identifiers, random.randint(0, len(identifiers))))
    return [random_quote(random, underlying) for underlying in chosen]


# ---- the engine on a chain


@dataclass
class Scene:
    """A margin engine on a chain, and its twin at the same moment."""

    evm: Evm
    engine: Contract
    previous: Book | None = None
    current: Book | None = None
    changed_at: int = 0

    @staticmethod
    def deploy() -> Scene:
        """The deployer may call every setter without delay."""
        evm = Evm()
        manager = evm.deploy("Authority", evm.deployer)
        explainer = evm.deploy("MarginExplainer")
        return Scene(evm, evm.deploy("MarginEngine", manager.address, explainer.address))

    def set_book(self, book: Book) -> None:
        self.engine.transact("setRiskBook", book.encode())
        self.previous, self.current, self.changed_at = self.current, book, self.evm.timestamp

    @property
    def twin(self) -> MarginEngine:
        assert self.current is not None
        identifiers = [grid.id for grid in self.current.underlyings]
        multipliers = {u: self.engine.call("shockMultiplierOf", u) for u in identifiers}
        weight = blend_weight(self.evm.timestamp, self.changed_at) if self.previous else WAD
        return MarginEngine(self.current, self.previous, weight, multipliers)

    def assess(
        self,
        portfolio: Portfolio,
        quotes: list[Quote],
        settlement_token_usd: int = WAD,
        expiries: Sequence[ExpiryQuote] = (),
    ) -> Margin:
        return Margin(*self.engine.call("assess", portfolio, quotes, expiries, settlement_token_usd))

    def explain(
        self,
        portfolio: Portfolio,
        quotes: list[Quote],
        settlement_token_usd: int = WAD,
        expiries: Sequence[ExpiryQuote] = (),
    ) -> Explanation:
        return self.engine.call("explain", portfolio, quotes, expiries, settlement_token_usd)

    def assess_in_parts(
        self,
        portfolio: Portfolio,
        quotes: list[Quote],
        settlement_token_usd: int = WAD,
        expiries: Sequence[ExpiryQuote] = (),
    ) -> tuple[Margin, tuple[UnderlyingRisk, ...]]:
        margin, parts = self.engine.call("assessInParts", portfolio, quotes, expiries, settlement_token_usd)
        return Margin(*margin), tuple(UnderlyingRisk(*part) for part in parts)


def random_scene(random: Random) -> Scene:
    """Multipliers on their way and, half the time, one book blending into another."""
    scene = Scene.deploy()
    if random.random() < 0.5:
        known = UNDERLYINGS[: random.randint(1, len(UNDERLYINGS))]
        scene.set_book(random_book(random, known, assets=random.randint(1, 6)))
        scene.evm.advance(random.randint(0, 2 * 86_400))
    scene.set_book(random_book(random))
    for underlying in random.sample(UNDERLYINGS, 3):
        scene.engine.transact("setShockMultiplier", underlying, random.randint(5 * 10**8, 3 * 10**9))
    scene.evm.advance(random.choice([0, 1, random.randint(0, 86_399), 86_400]))
    return scene
