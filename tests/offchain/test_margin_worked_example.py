"""The worked example of docs/margin.md: every number in it is the contract's and the twin's."""

import re
from dataclasses import replace

import pytest

from ballast.chain.artifacts import checkout_root
from ballast.risk.book import Book
from ballast.risk.margin_terms import BILLION, WAD, CollateralLeg, Portfolio
from tests.support.margin import Scene, btc, eth, perp, plain, simple_book

QUOTES = [eth(stable=1950 * WAD), btc(stable=41_000 * WAD)]
USD = 97 * WAD // 100
PORTFOLIO = Portfolio(
    10_000 * WAD,
    (CollateralLeg(1, 1, 150 * WAD),),
    (perp(eth(), -30 * WAD, 61_500 * WAD), perp(btc(), -2 * WAD, 79_000 * WAD)),
)


def example_book() -> Book:
    gap, stable = simple_book().stress
    return simple_book(stress=(replace(gap, weight=BILLION * 3 // 10), stable))


def number(cell: str) -> int | None:
    """A plain amount; None where the cell holds anything else."""
    text = cell.replace(",", "").replace("−", "-").strip()
    return int(text) if re.fullmatch(r"-?\d+", text) else None


def table(header: str) -> list[list[str]]:
    """Rows of the page's table whose first header cell is `header`, after the heading of the example."""
    page = (checkout_root() / "docs" / "margin.md").read_text(encoding="utf-8")
    lines = page[page.index("## Worked example") :].splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(header))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            return rows
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


@pytest.fixture(scope="module")
def scene() -> Scene:
    scene = Scene.deploy()
    scene.set_book(example_book())
    return scene


def test_worked_example__results__as_on_the_page(scene):
    margin = scene.assess(PORTFOLIO, QUOTES, USD)
    charges = scene.explain(PORTFOLIO, QUOTES, USD).charges
    by_name = {
        "haircut": charges.haircut,
        "hedged basis": charges.hedgedBasis,
        "concentration": charges.concentration,
        "settlement token": charges.settlementToken,
        "fixed charge": charges.fixedCharge,
    }
    results = {row[0]: number(row[1]) for row in table("| result |")}
    assert len(results) == 14
    for name, amount in results.items():
        actual = by_name.get(name, getattr(margin, name.replace(" ", "_"), None))
        assert actual == amount * WAD, name
    assert scene.twin.assess(PORTFOLIO, QUOTES, USD) == margin


def test_worked_example__scenario_by_scenario__losses_as_on_the_page(scene):
    """Each row's loss, read from a book in which it is the only stress row that counts."""
    rows = table("| row |")
    assert [row[1].replace("−", "-") for row in rows] == [row.name for row in example_book().rows]
    for place, row in enumerate(rows):
        eth_value, btc_value, loss = (number(cell) for cell in row[-3:])
        assert loss == -(eth_value + btc_value)
        named = example_book().rows[place]
        calm = replace(example_book().historical[0], name="calm", nodes=(2, 2))
        lone = Scene.deploy()
        lone.set_book(simple_book(tail_rows=1, historical=(calm,), stress=(replace(named, weight=BILLION),)))
        assert lone.assess(PORTFOLIO, QUOTES, USD).scan == max(0, loss) * WAD, row[1]


def test_worked_example__contributions__as_on_the_page_and_sum_to_the_requirement(scene):
    explanation = scene.explain(PORTFOLIO, QUOTES, USD)
    contributions = [number(row[1]) for row in table("| leg | contribution |")]
    parts = [*explanation.collateralContributions, *explanation.positionContributions, explanation.accountContribution]
    assert parts == [amount * WAD for amount in contributions]
    assert sum(parts) == explanation.margin.maintenanceMargin
    assert plain(explanation) == plain(scene.twin.explain(PORTFOLIO, QUOTES, USD))


def test_worked_example__rows_of_the_scan__two_and_nought(scene):
    explanation = scene.explain(PORTFOLIO, QUOTES, USD)
    losses = [number(row[-1]) for row in table("| row |")]
    assert (explanation.isStress, explanation.rows) == (False, [2, 0])
    assert explanation.rowLosses == [losses[row] * WAD for row in explanation.rows]
