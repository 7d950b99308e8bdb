"""A risk book with round numbers, so that tests can be worked by hand and outlive every calibration of the real one."""

from ballast.risk.book import Asset, Book, Row, Underlying

WAD = 10**18
BILLION = 10**9
PERCENT = WAD // 100
SHOCKS = (-30, -20, -10, 0, 10, 20, 30)
SYMBOLS = ("BTC", "ETH", "LINK")
WORST_SHOCK = 30 * PERCENT


def plain_book() -> Book:
    """All underlyings move together by up to 30 % (historical, the worst counts), or one alone by 30 % (stress, weight
    0.8). Haircut 5 %, hedged basis 1.5 %, fixed charge 20, no concentration charge."""
    return Book(
        name="plain",
        tail_rows=1,
        initial_factor=BILLION * 5 // 4,
        liquidation_end_factor=BILLION * 11 // 10,
        settlement_token_floor=BILLION * 98 // 100,
        fixed_charge=20 * BILLION,
        underlyings=tuple(_underlying(number, symbol) for number, symbol in enumerate(SYMBOLS, start=1)),
        assets=(
            Asset(0, "USDC", 0, 0),
            Asset(1, "WETH", 2, BILLION // 20),
            Asset(2, "WBTC", 1, BILLION // 20),
            Asset(3, "LINK", 3, BILLION // 20),
            # Known, not listed: for tokens that tests bring.
            *(Asset(number, f"T{number}", 2, BILLION // 20) for number in range(4, 14)),
        ),
        historical=tuple(
            Row(f"all {shock:+d} %", (node,) * len(SYMBOLS)) for node, shock in enumerate(SHOCKS) if shock
        ),
        stress=tuple(_gap(place, node) for place in range(len(SYMBOLS)) for node in (0, len(SHOCKS) - 1)),
    )


def _underlying(number: int, symbol: str) -> Underlying:
    return Underlying(
        id=number,
        symbol=symbol,
        price_shocks=tuple(shock * PERCENT for shock in SHOCKS),
        volatility_shocks=(0,),
        hedged_basis=BILLION * 15 // 1000,
        hedged_vega=BILLION * 3 // 10,
        short_options=BILLION // 100,
        concentration=0,
        depth=0,
        volatility_tenor_power=BILLION * 3 // 10,
        shortest_tenor=86_400,
    )


def _gap(place: int, node: int) -> Row:
    base = SHOCKS.index(0)
    nodes = tuple(node if other == place else base for other in range(len(SYMBOLS)))
    return Row(f"{SYMBOLS[place]} alone {SHOCKS[node]:+d} %", nodes, BILLION * 8 // 10)
