"""docs/structures.md: each price, loss and requirement on the page is the contract's, and that of its own formulae."""

import re
from dataclasses import replace
from math import erf, log, sqrt

import pytest

from ballast.chain.artifacts import checkout_root
from ballast.risk.book import Row
from ballast.risk.margin import MarginEngine
from ballast.risk.margin_terms import BILLION, WAD
from ballast.risk.pricing import YEAR
from tests.support.dated_portfolios import flat_surface
from tests.support.margin import Scene, eth, plain
from tests.support.structures import EXPIRIES, FAR, HISTORICAL, QUOTES, ROWS, STRUCTURES, call, put, structures_book

CENT = 0.006
"""Half a cent of rounding on the page, and what the contract's Φ is off."""
FACTORS = (0.75, 1.0, 1.5)
SHOCKS = (-0.5, -0.2, 0.0, 0.2, 0.5)


def number(cell: str) -> float:
    return float(cell.replace(",", "").replace("−", "-"))


def table(header: str) -> list[list[str]]:
    """Rows of the page's table whose first header cell is `header`."""
    page = (checkout_root() / "docs" / "structures.md").read_text(encoding="utf-8").splitlines()
    start = next(i for i, line in enumerate(page) if line.startswith(f"| {header} |"))
    rows = []
    for line in page[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


@pytest.fixture(scope="module")
def scene() -> Scene:
    scene = Scene.deploy()
    scene.set_book(structures_book())
    return scene


def black76(is_put: bool, forward: float, strike: float, deviation: float) -> float:
    """By the error function, nothing of ours."""

    def phi(x: float) -> float:
        return (1 + erf(x / sqrt(2))) / 2

    d = log(forward / strike) / deviation
    value = forward * phi(d + deviation / 2) - strike * phi(d - deviation / 2)
    return value - forward + strike if is_put else value


def test_prices__each_row_of_the_book__from_the_error_function_and_on_the_contract(scene):
    moments = [(2, 1), *(eth_node for _, eth_node, _ in ROWS)]
    rows = table("option")
    assert len(rows) == 7
    for name, *cells in rows:
        where, kind, strike = re.fullmatch(r"(near|far) (put|call) (\d+)", name).groups()
        leg = (put if kind == "put" else call)(int(strike), 1, EXPIRIES[where == "far"].expiry)
        for cell, (price, volatility) in zip(cells, moments, strict=True):
            index, sigma = 2000 * (1 + SHOCKS[price]), 0.8 * FACTORS[volatility]
            forward, root = (index * 1.02, 0.5) if where == "far" else (index, 0.25)
            assert number(cell) == pytest.approx(black76(kind == "put", forward, int(strike), sigma * root), abs=CENT)
            premium = 0.02 if where == "far" else 0.0
            expiries = [replace(expiry, surface=flat_surface(sigma, premium)) for expiry in EXPIRIES]
            [found] = scene.engine.call("optionPrices", [leg.instrument], [eth(index=round(index) * WAD)], expiries)
            assert number(cell) == pytest.approx(found / WAD, abs=CENT)


def losses() -> dict[str, list[float]]:
    return {name: [number(cell) for cell in cells] for name, _, *cells in table("structure")}


def test_losses__row_by_row__as_on_the_page():
    """Each row's loss, read from a book in which it is the only stress row that counts."""
    by_structure = losses()
    assert by_structure.keys() == STRUCTURES.keys()
    capped = {row[0]: number(row[3]) for row in table("requirement of") if row[3]}
    for place, named in enumerate(structures_book().rows):
        calm = Row("calm", (7, 7), BILLION)
        lone = Scene.deploy()
        row = replace(named, weight=BILLION)
        lone.set_book(structures_book(tail_rows=1, historical=(calm,), stress=(row,)))
        for name, portfolio in STRUCTURES.items():
            scan = lone.assess(portfolio, list(QUOTES), WAD, EXPIRIES).scan / WAD
            expected = min(max(0.0, by_structure[name][place]), capped.get(name, 1e9))
            assert scan == pytest.approx(expected, abs=10 * CENT), (name, named.name)


def test_requirements__each_structure__as_on_the_page(scene):
    by_structure, rows = losses(), table("requirement of")
    assert [row[0] for row in rows] == list(STRUCTURES)
    for name, worth, scan, bound, *charges, maintenance, initial in rows:
        portfolio, own = STRUCTURES[name], by_structure[name]
        explanation = scene.explain(portfolio, list(QUOTES), WAD, EXPIRIES)
        margin, found = explanation.margin, explanation.charges
        options = [leg.instrument for leg in portfolio.positions if leg.instrument >> 248 == 3]
        prices = scene.engine.call("optionPrices", options, list(QUOTES), EXPIRIES)
        sizes = [leg.size for leg in portfolio.positions if leg.instrument in options]
        value = sum(size * price for size, price in zip(sizes, prices, strict=True))
        assert number(worth) == pytest.approx(value / WAD**2, abs=CENT), name
        tail = sum(sorted(own[:HISTORICAL])[-2:]) / 2
        assert number(scan) == pytest.approx(max(0, tail, *(0.9 * loss for loss in own[HISTORICAL:])), abs=0.01), name
        parts = (found.haircut, found.hedgedBasis, found.hedgedVega, found.shortOptions, found.fixedCharge)
        for cell, part in zip(charges, parts, strict=True):
            assert number(cell) == pytest.approx(part / WAD, abs=CENT), name
        assert number(maintenance) == pytest.approx(number(scan) + sum(map(number, charges)), abs=0.011), name
        most = min(1.25 * number(scan), number(bound)) if bound else 1.25 * number(scan)
        assert number(initial) == pytest.approx(most + sum(map(number, charges)), abs=0.011), name
        for cell, amount in (
            (scan, margin.scan),
            (maintenance, margin.maintenanceMargin),
            (initial, margin.initialMargin),
        ):
            assert number(cell) == pytest.approx(amount / WAD, abs=CENT), name
        assert plain(explanation) == plain(scene.twin.explain(portfolio, QUOTES, WAD, EXPIRIES)), name


def test_contributions__by_leg__as_on_the_page_and_sum_to_the_requirement(scene):
    by_structure: dict[str, list[float]] = {}
    for leg, share, *_ in table("contribution of"):
        by_structure.setdefault(leg.split(":")[0], []).append(number(share))
    assert by_structure.keys() == {"covered call", "calendar"}
    for name, shares in by_structure.items():
        found = scene.explain(STRUCTURES[name], list(QUOTES), WAD, EXPIRIES)
        parts = [*found.collateralContributions, *found.positionContributions, found.accountContribution]
        assert [part / WAD for part in parts] == [pytest.approx(share, abs=CENT) for share in shares]
        assert sum(parts) == found.margin.maintenanceMargin


@pytest.mark.parametrize("name", ["box", "conversion", "token against perp"])
def test_scan__structures_of_no_risk__nought_to_the_wei(scene, name):
    assert scene.assess(STRUCTURES[name], list(QUOTES), WAD, EXPIRIES).scan == 0


@pytest.mark.parametrize(("name", "width"), [("put spread", 2000), ("iron condor", 2000)])
def test_initial_margin__defined_risk__met_by_its_width_and_the_fixed_charge(scene, name, width):
    spread = STRUCTURES[name]
    for cash, meets in ((width + 20, True), (width + 19, False)):
        margin = scene.assess(replace(spread, cash=cash * WAD), list(QUOTES), WAD, EXPIRIES)
        assert (margin.equity >= margin.initial_margin) == meets
    linear = replace(spread, positions=(*spread.positions, STRUCTURES["pair"].positions[1]), cash=0)
    assert MarginEngine(structures_book()).assess(linear, QUOTES, WAD, EXPIRIES).initial_margin > (width + 20) * WAD


def test_market__tenors__give_the_deviations_of_the_page():
    assert [expiry.tenor / YEAR for expiry in EXPIRIES] == [1 / 16, 1 / 4]
    assert EXPIRIES[1].expiry == FAR
