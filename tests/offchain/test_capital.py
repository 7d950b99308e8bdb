"""What ten structures need: figures are current, and say of the engine what they are meant to."""

import json
import re

import pytest

from ballast.chain.artifacts import checkout_root
from ballast.risk.margin import MarginEngine
from scripts.bench.capital import BOOK, RULES, compare, document, initial_margin, multipliers
from scripts.bench.structures import INDEX, UNITS, Kind, Leg, structures


@pytest.fixture(scope="module")
def compared():
    return {row.structure: row for row in compare()}


def committed():
    return json.loads((checkout_root() / "benchmarks" / "capital.json").read_text())


def test_capital__computed_now__is_what_is_committed(compared):
    assert document(list(compared.values())) == committed(), "run `./dev bench capital --write` and say why"


def test_capital__table_of_the_docs__is_what_is_committed():
    text = (checkout_root() / "docs" / "capital.md").read_text()
    for name, row in committed()["structures"].items():
        line = next(line for line in text.splitlines() if line.startswith(f"| {name} |"))
        figures = [int(cell.replace(",", "")) for cell in re.findall(r"(?<=\| )[\d,]+(?= \|)", line)]
        assert figures == [round(row[rule]) for rule in RULES], name


def test_capital__defined_risk__never_needs_more_than_its_width(compared):
    fixed = BOOK.fixed_charge / 10**9
    for name, width in (("put spread", 200), ("iron condor", 300), ("box", 300)):
        assert compared[name].ballast_at_one <= width * UNITS + fixed


def test_capital__netting__is_never_more_than_the_legs(compared):
    assert all(row.ballast <= row.leg_by_leg for row in compared.values())
    assert all(row.ballast <= row.ballast_at_one for row in compared.values())


def test_multipliers__follow_the_volatility_of_the_day():
    by_symbol = {underlying.symbol: multipliers().get(underlying.id) for underlying in BOOK.underlyings}
    assert by_symbol["ETH"] == pytest.approx(0.578 / 365**0.5 / 0.042492 * 1e9, rel=1e-4)
    assert by_symbol["LINK"] is None


def test_initial_margin__of_a_perp__is_its_scan_and_the_fixed_charge():
    engine = MarginEngine(BOOK)
    one, two = (initial_margin(engine, [Leg(Kind.PERP, "ETH", size)]) for size in (UNITS, 2 * UNITS))
    fixed = BOOK.fixed_charge / 10**9
    assert two - fixed == pytest.approx(2 * (one - fixed), abs=0.02)
    assert 0.15 < (one - fixed) / (UNITS * INDEX["ETH"]) < 0.3


def test_structures__each__has_a_name_and_legs_of_its_own():
    assert len({structure.name for structure in structures()}) == len({s.legs for s in structures()}) == 10
