"""Publishing a risk book: who may, what is refused, and how the new one blends in (I30, I31)."""

from dataclasses import replace
from itertools import accumulate, pairwise

import pytest

from ballast.risk.book import Book, Underlying
from ballast.risk.margin_terms import BILLION, WAD, CollateralLeg, Portfolio
from ballast.risk.pricing import ln_wad
from tests.support.evm import Evm, reverts
from tests.support.margin import Scene, btc, eth, perp, simple_book

DAY = 86_400
BLOB = simple_book().encode()
HEADER, WEIGHTS, HAIRCUTS = 32, 32, 32
FIRST_RECORD = HEADER + WEIGHTS + HAIRCUTS
RECORD = 64 + 64 + 32
SHOCKS, COLUMN = FIRST_RECORD + 64, FIRST_RECORD + 128


@pytest.fixture
def scene() -> Scene:
    return Scene.deploy()


def patched(offset: int, value: bytes) -> bytes:
    return BLOB[:offset] + value + BLOB[offset + len(value) :]


def u32(value: int) -> bytes:
    return value.to_bytes(4, "big")


def i64(value: int) -> bytes:
    return value.to_bytes(8, "big", signed=True)


INVALID = {
    "empty": ("length", b""),
    "short": ("length", BLOB[:-1]),
    "long": ("length", BLOB + b"\0"),
    "version 2": ("version", patched(0, b"\2")),
    "more historical than rows": ("rows", patched(1, b"\7")),
    "65 rows": ("rows", patched(2, bytes([65]))),
    "k of 0": ("tail rows", patched(3, b"\0")),
    "k above historical": ("tail rows", patched(3, b"\5")),
    "256 nodes and stable": ("nodes", patched(4, bytes([128, 2]))),
    "no assets": ("assets", patched(7, b"\0")),
    "initial factor below liquidation end": ("initial factor", patched(8, u32(BILLION))),
    "initial factor above four": ("initial factor", patched(8, u32(4 * BILLION + 1))),
    "liquidation end below one": ("liquidation end factor", patched(12, u32(BILLION - 1))),
    "floor above one": ("settlement token floor", patched(16, u32(BILLION + 1))),
    "fixed charge above 1,000": ("fixed charge", patched(20, (1000 * BILLION + 1).to_bytes(8, "big"))),
    "header padding": ("padding", patched(31, b"\1")),
    "weight 0": ("weight", patched(HEADER, u32(0))),
    "weight above one": ("weight", patched(HEADER, u32(BILLION + 1))),
    "weights padding": ("padding", patched(HEADER + 8, b"\1")),
    "haircut of cash": ("haircut of cash", patched(HEADER + WEIGHTS, u32(1))),
    "haircut above one": ("haircut", patched(HEADER + WEIGHTS + 4, u32(BILLION + 1))),
    "haircuts padding": ("padding", patched(HEADER + WEIGHTS + 12, b"\1")),
    "underlying 0": ("underlyings not ascending from 1", patched(FIRST_RECORD, b"\0")),
    "same underlying twice": ("underlyings not ascending from 1", patched(FIRST_RECORD, b"\2")),
    "basis above one": ("charge", patched(FIRST_RECORD + 1, u32(BILLION + 1))),
    "concentration above one": ("charge", patched(FIRST_RECORD + 13, u32(BILLION + 1))),
    "tenor power above one": ("tenor power", patched(FIRST_RECORD + 33, u32(BILLION + 1))),
    "record padding": ("padding", patched(FIRST_RECORD + 63, b"\1")),
    "price shock of -100 %": ("shock", patched(SHOCKS, i64(-WAD))),
    "price shocks twice the same": ("shocks not ascending", patched(SHOCKS + 8, i64(-WAD // 2))),
    "price shocks falling": ("shocks not ascending", patched(SHOCKS + 24, i64(-WAD // 10))),
    "no zero price shock": ("no base node", patched(SHOCKS + 16, i64(1))),
    "volatility shock below -100 %": ("shock", patched(SHOCKS + 40, i64(-WAD - 1))),
    "no zero volatility shock": ("no base node", patched(SHOCKS + 40, i64(1))),
    "shocks padding": ("padding", patched(SHOCKS + 48, b"\1")),
    "node beyond stable": ("node", patched(COLUMN + 3, b"\6")),
    "column padding": ("padding", patched(COLUMN + 31, b"\1")),
    "second record too": ("node", patched(COLUMN + RECORD, b"\6")),
}


@pytest.mark.parametrize("fault", INVALID)
def test_set_risk_book__invalid_blob__refused_with_its_reason(scene, fault):
    reason, blob = INVALID[fault]
    with reverts("InvalidRiskBook", reason=reason):
        scene.engine.transact("setRiskBook", blob)


def test_set_risk_book__stranger__refused(scene):
    stranger = Evm.address_of("stranger")
    with reverts("AccessManagedUnauthorized", caller=stranger):
        scene.engine.transact("setRiskBook", BLOB, sender=stranger)


def test_set_risk_book__first__in_force_at_once(scene):
    (event,) = scene.engine.transact("setRiskBook", BLOB).events("RiskBookScheduled")
    assert event.activeFrom == event.blendedUntil == scene.evm.timestamp
    assert scene.evm.code_at(event.pointer)[1 : len(BLOB) + 1] == BLOB
    assert tuple(scene.engine.call("riskBooks")) == (BLOB, BLOB, WAD)


def test_set_risk_book__its_code__holds_what_follows_from_each_record(scene):
    book = simple_book()
    (event,) = scene.engine.transact("setRiskBook", BLOB).events("RiskBookScheduled")
    derived = scene.evm.code_at(event.pointer)[1 + len(BLOB) :]
    parts = [derived_of(book, place) for place in range(len(book.underlyings))]
    starts = [int.from_bytes(derived[2 * place : 2 * place + 2], "big") for place in range(len(parts))]
    assert starts == list(accumulate(map(len, parts[:-1]), initial=padded(2 * len(parts))))
    assert derived[starts[0] : starts[0] + sum(map(len, parts))] == b"".join(parts)


def derived_of(book: Book, place: int) -> bytes:
    """Logarithms, places and entries of a record, as the contract draws them."""
    grid = book.underlyings[place]
    base, volatilities = grid.price_shocks.index(0), len(grid.volatility_shocks)
    up = base * volatilities + volatilities - 1
    named = {row.nodes[place] for row in book.rows} - {grid.stable_node} | {up}
    nodes = sorted(named, key=lambda node: (node % volatilities, node))
    counts = [sum(node % volatilities == v for node in nodes) for v in range(volatilities)]
    logarithms = [ln_wad(WAD + shock) for shock in grid.price_shocks]
    moves = [(grid.price_shocks[node // volatilities], logarithms[node // volatilities], node) for node in nodes]
    entries = [((shock << 160) + (logarithm % 2**96 << 64) + node) % 2**256 for shock, logarithm, node in moves]
    parts = (
        b"".join(map(i64, logarithms)),
        bytes([nodes.index(up), *accumulate(counts)]),
        b"".join(entry.to_bytes(32, "big") for entry in entries),
    )
    return b"".join(part.ljust(padded(len(part)), b"\0") for part in parts)


def padded(size: int) -> int:
    return -(-size // 32) * 32


def test_risk_books__none__reverts(scene):
    with reverts("NoRiskBook"):
        scene.engine.call("riskBooks")


def test_set_risk_book__second__blends_over_a_day_and_refuses_a_third_meanwhile(scene):
    scene.set_book(simple_book())
    scene.evm.advance(DAY)
    other = simple_book(fixed_charge=0).encode()
    (event,) = scene.engine.transact("setRiskBook", other).events("RiskBookScheduled")
    assert (event.activeFrom, event.blendedUntil) == (scene.evm.timestamp, scene.evm.timestamp + DAY)
    scene.evm.advance(DAY - 1)
    assert tuple(scene.engine.call("riskBooks")) == (other, BLOB, (DAY - 1) * WAD // DAY)
    with reverts("BlendInProgress", blendedUntil=event.blendedUntil):
        scene.engine.transact("setRiskBook", BLOB)
    scene.evm.advance(1)
    assert tuple(scene.engine.call("riskBooks")) == (other, other, WAD)
    assert scene.engine.transact("setRiskBook", BLOB).events("RiskBookScheduled")


def without_btc() -> Book:
    book = simple_book()
    rows = tuple(replace(row, nodes=row.nodes[:1]) for row in book.historical)
    stress = tuple(replace(row, nodes=row.nodes[:1]) for row in book.stress)
    return replace(book, underlyings=book.underlyings[:1], assets=book.assets[:2], historical=rows, stress=stress)


def renumbered(book: Book) -> Book:
    grids: tuple[Underlying, ...] = tuple(replace(grid, id=grid.id + 1) for grid in book.underlyings)
    return replace(book, underlyings=grids, assets=tuple(replace(a, underlying=3 if a.id else 0) for a in book.assets))


@pytest.mark.parametrize(
    ("book", "reason"), [(without_btc(), "asset dropped"), (renumbered(simple_book()), "underlying dropped")]
)
def test_set_risk_book__leaves_something_out__refused(scene, book, reason):
    scene.set_book(simple_book())
    with reverts("InvalidRiskBook", reason=reason):
        scene.engine.transact("setRiskBook", book.encode())


HARSH = simple_book(
    initial_factor=2 * BILLION,
    liquidation_end_factor=BILLION * 3 // 2,
    fixed_charge=500 * BILLION,
    stress=tuple(replace(row, weight=BILLION) for row in simple_book().stress),
)
BOTH = Portfolio(0, (CollateralLeg(2, 2, WAD),), (perp(eth(), 110 * WAD), perp(btc(), -WAD)))
QUOTES = [eth(), btc()]


def test_assess__in_the_block_of_a_change__exactly_as_before(scene):
    """I31."""
    scene.set_book(simple_book())
    before = scene.assess(BOTH, QUOTES)
    scene.evm.advance(DAY)
    scene.set_book(HARSH)
    assert scene.assess(BOTH, QUOTES) == before


def test_assess__while_blending__moves_in_steps_no_larger_than_the_day_allows(scene):
    """I31: no jump, at the start, at the end or between."""
    scene.set_book(simple_book())
    scene.set_book(HARSH)
    margins = []
    for _ in range(25):
        margins.append(scene.assess(BOTH, QUOTES))
        assert margins[-1] == scene.twin.assess(BOTH, QUOTES)
        scene.evm.advance(DAY // 24)
    for name in ("scan", "maintenance_margin", "liquidation_end_margin", "initial_margin"):
        values = [getattr(margin, name) for margin in margins]
        largest = (values[-1] - values[0]) // 24 * 2
        assert all(0 < after - before <= largest for before, after in pairwise(values)), name
    assert scene.assess(BOTH, QUOTES) == margins[-1]


def test_assess__blending_halfway__mean_of_both_rounded_up(scene):
    scene.set_book(simple_book())
    old = scene.assess(BOTH, QUOTES)
    scene.set_book(HARSH)
    scene.evm.advance(DAY)
    new = scene.assess(BOTH, QUOTES)
    half = Scene.deploy()
    half.set_book(simple_book())
    half.set_book(HARSH)
    half.evm.advance(DAY // 2)
    blended = half.assess(BOTH, QUOTES)
    assert blended.scan == -(-(old.scan + new.scan) // 2)
    assert blended.fixed_charge == (20 + 500) * WAD // 2
    assert blended.initial_margin == -(-blended.scan * 13 // 8) + blended.maintenance_margin - blended.scan


@pytest.mark.parametrize("leg", [CollateralLeg(1, 2, WAD), CollateralLeg(2, 1, WAD)])
def test_assess__old_book_does_not_know_a_leg__new_book_alone(scene, leg):
    scene.set_book(without_btc())
    scene.set_book(simple_book())
    known = Portfolio(0, (CollateralLeg(1, 1, WAD),))
    with_leg = Portfolio(0, (CollateralLeg(1, 1, WAD), leg))
    fresh = Scene.deploy()
    fresh.set_book(simple_book())
    assert scene.assess(with_leg, QUOTES) == fresh.assess(with_leg, QUOTES)
    assert scene.assess(with_leg, QUOTES) == scene.twin.assess(with_leg, QUOTES)
    assert scene.assess(known, QUOTES).scan == 600 * WAD
