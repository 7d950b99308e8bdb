"""A system of sixteen underlyings: eight to trade, and eight that collateral follows."""

from __future__ import annotations

from dataclasses import replace

from ballast.deployment.config import Network
from ballast.risk.book import Book, Row, first_book
from tests.support.system import local_network

TRADED, COLLATERALS = 8, 8


def wide_network() -> Network:
    """The local network with sixteen underlyings, copies of ETH, and a collateral token for each of the last eight."""
    network = local_network()
    eth, weth = network.underlyings["ETH"], network.collaterals["WETH"]
    copies = range(len(network.underlyings), TRADED + COLLATERALS + 1)
    underlyings = {f"U{number}": eth.model_copy(update={"id": number}) for number in copies}
    tokens = {f"T{number}": weth.model_copy(update={"underlying": f"U{number}"}) for number in copies[-COLLATERALS:]}
    return network.model_copy(
        update={"underlyings": {**network.underlyings, **underlyings}, "collaterals": tokens},
    )


def wide_book() -> Book:
    """The first book with ETH's column for every underlying."""
    book = first_book()
    eth = next(place for place, grid in enumerate(book.underlyings) if grid.symbol == "ETH")
    count = TRADED + COLLATERALS

    def widened(row: Row) -> Row:
        return replace(row, nodes=(row.nodes[eth],) * count)

    return replace(
        book,
        underlyings=tuple(replace(book.underlyings[eth], id=n + 1, symbol=f"U{n + 1}") for n in range(count)),
        historical=tuple(widened(row) for row in book.historical),
        stress=tuple(widened(row) for row in book.stress),
        assets=(
            book.assets[0],
            *(
                replace(book.assets[1], id=n + 1, symbol=f"T{n + 1}", underlying=TRADED + n + 1)
                for n in range(COLLATERALS)
            ),
        ),
    )
