"""The risk book: its rules, its JSON, its blob, and the listing condition."""

from dataclasses import replace

import pytest

from ballast.risk.book import (
    MAX_ROWS,
    ONE_E9,
    WAD,
    Asset,
    Book,
    CollateralNotListable,
    InvalidBook,
    MalformedBook,
    Row,
    Underlying,
)

PRICE_SHOCKS = (-4 * WAD // 10, -WAD // 10, 0, WAD // 10)
VOLATILITY_SHOCKS = (0, 4 * WAD // 10)
STABLE = len(PRICE_SHOCKS) * len(VOLATILITY_SHOCKS)


def underlying(**changes) -> Underlying:
    terms = {
        "id": 1,
        "symbol": "BTC",
        "price_shocks": PRICE_SHOCKS,
        "volatility_shocks": VOLATILITY_SHOCKS,
        "hedged_basis": 15_000_000,
        "hedged_vega": 300_000_000,
        "short_options": 10_000_000,
        "concentration": 100_000_000,
        "depth": 200 * WAD,
        "volatility_tenor_power": 300_000_000,
        "shortest_tenor": 86_400,
    }
    return Underlying(**(terms | changes))


def book(**changes) -> Book:
    parts = {
        "name": "small",
        "tail_rows": 2,
        "initial_factor": 1_250_000_000,
        "liquidation_end_factor": 1_100_000_000,
        "settlement_token_floor": 980_000_000,
        "fixed_charge": 20 * ONE_E9,
        "underlyings": (underlying(), underlying(id=7, symbol="ETH", depth=0)),
        "assets": (Asset(0, "USDC", 0, 0), Asset(1, "WBTC", 1, 40_000_000)),
        "historical": (Row("first day", (2, 4)), Row("second day", (3, STABLE)), Row("third day", (6, 6))),
        "stress": (Row("crash", (1, 0), 300_000_000), Row("gap", (4, 2))),
    }
    return Book(**(parts | changes))


BROKEN = {
    "more tail rows than historical rows": {"tail_rows": 4},
    "no tail rows": {"tail_rows": 0},
    "no historical rows": {"historical": ()},
    "more than 64 rows": {"historical": tuple(Row(f"day {i}", (0, 0)) for i in range(MAX_ROWS - 1))},
    "weight of zero": {"stress": (Row("crash", (1, 0), 0),)},
    "weight above one": {"stress": (Row("crash", (1, 0), ONE_E9 + 1),)},
    "weighted historical row": {"historical": (Row("day", (0, 0), 5), Row("other", (0, 0)))},
    "node that does not exist": {"stress": (Row("crash", (1, STABLE + 1)),)},
    "node below zero": {"stress": (Row("crash", (-1, 0)),)},
    "row without a node of an underlying": {"stress": (Row("crash", (1,)),)},
    "two rows of one name": {"stress": (Row("first day", (1, 0)),)},
    "row without a name": {"stress": (Row("", (1, 0)),)},
    "underlyings not ascending": {"underlyings": (underlying(id=7, symbol="ETH"), underlying())},
    "underlying with id 0": {"underlyings": (underlying(id=0), underlying(id=7, symbol="ETH"))},
    "two underlyings of one symbol": {"underlyings": (underlying(), underlying(id=7))},
    "grids of two shapes": {"underlyings": (underlying(), underlying(id=7, symbol="ETH", price_shocks=(-1, 0)))},
    "asset ids with a hole": {"assets": (Asset(0, "USDC", 0, 0), Asset(2, "WBTC", 1, 0))},
    "haircut on cash": {"assets": (Asset(0, "USDC", 0, 1),)},
    "haircut of one": {"assets": (Asset(0, "USDC", 0, 0), Asset(1, "WBTC", 1, ONE_E9))},
    "asset of an unknown underlying": {"assets": (Asset(0, "USDC", 0, 0), Asset(1, "WBTC", 3, 0))},
    "initial factor below liquidation end": {"initial_factor": 1_099_999_999},
    "liquidation end factor below one": {"liquidation_end_factor": ONE_E9 - 1},
    "settlement token floor above one": {"settlement_token_floor": ONE_E9 + 1},
    "fixed charge too wide": {"fixed_charge": 2**64},
    "factor that is no integer": {"initial_factor": 1.25},
}

BROKEN_UNDERLYING = {
    "no zero price shock": {"price_shocks": (-4, -3, -2, -1)},
    "no zero volatility shock": {"volatility_shocks": (1, 2)},
    "unordered shocks": {"price_shocks": (0, -4, -3, 1)},
    "fall of more than 99 %": {"price_shocks": (-WAD + 1, -1, 0, 1)},
    "volatility below zero": {"volatility_shocks": (-WAD, 0)},
    "shock wider than int64": {"price_shocks": (-2, -1, 0, 2**63)},
    "charge above one": {"hedged_basis": ONE_E9 + 1},
    "negative charge": {"concentration": -1},
    "depth wider than 128 bits": {"depth": 2**128},
    "tenor of zero": {"shortest_tenor": 0},
}


@pytest.mark.parametrize("changes", BROKEN.values(), ids=BROKEN)
def test_book__broken_rule__refused(changes):
    with pytest.raises(InvalidBook):
        book(**changes)


@pytest.mark.parametrize("changes", BROKEN_UNDERLYING.values(), ids=BROKEN_UNDERLYING)
def test_book__broken_underlying__refused(changes):
    with pytest.raises(InvalidBook):
        book(underlyings=(underlying(**changes), underlying(**{"id": 7, "symbol": "ETH"} | changes)))


def test_invalid_book__carries_field_and_value():
    with pytest.raises(InvalidBook) as refused:
        book(tail_rows=4)
    assert (refused.value.field, refused.value.value) == ("tail_rows", 4)


def test_nodes__price_then_volatility__stable_last():
    grid = underlying()
    assert grid.base_node == 4
    assert [grid.price_shock(node) for node in range(STABLE)] == [shock for shock in PRICE_SHOCKS for _ in range(2)]
    assert [grid.volatility_shock(node) for node in range(STABLE)] == list(VOLATILITY_SHOCKS) * 4
    assert (grid.price_shock(STABLE), grid.volatility_shock(STABLE)) == (None, 0)


def test_row_label__says_what_moves():
    assert book().row_label(Row("x", (1, 4))) == "BTC -40 % vol +40 %"
    assert book().row_label(Row("x", (STABLE, 6))) == "BTC stable, ETH +10 %"


def test_json__round_trip__same_book_and_metadata():
    written = book(metadata={"span": ["2019", "2025"]})
    read = Book.from_json(written.to_json())
    assert (read, read.metadata) == (written, written.metadata)


def test_json__file__one_line_a_row(tmp_path):
    path = tmp_path / "books" / "small.json"
    book().save(path)
    assert Book.load(path) == book()
    assert sum('"name": "crash"' in line for line in path.read_text().splitlines()) == 1


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"surprise": 1}', book().to_json().replace('"weight"', '"wait"')])
def test_json__no_book__refused(text):
    with pytest.raises(MalformedBook):
        Book.from_json(text)


def test_encode__layout__byte_by_byte():
    blob = book().encode()
    assert blob[:12].hex() == "01" + "03" + "05" + "02" + "04" + "02" + "02" + "02" + "4a817c80"
    assert blob[12:20].hex() == "4190ab00" + "3a699d00"
    assert int.from_bytes(blob[20:28], "big") == 20 * ONE_E9
    assert blob[28:32] == bytes(4)
    assert [int.from_bytes(blob[32 + 4 * i : 36 + 4 * i], "big") for i in range(3)] == [300_000_000, ONE_E9, 0]
    assert [int.from_bytes(blob[64 + 4 * i : 68 + 4 * i], "big") for i in range(3)] == [0, 40_000_000, 0]
    assert len(blob) == 96 + 2 * (64 + 64 + 32)
    record = blob[96:256]
    assert record[0] == 1
    assert [int.from_bytes(record[1 + 4 * i : 5 + 4 * i], "big") for i in range(4)] == [
        15 * 10**6,
        3 * 10**8,
        10**7,
        10**8,
    ]
    assert int.from_bytes(record[17:33], "big") == 200 * WAD
    assert (int.from_bytes(record[33:37], "big"), int.from_bytes(record[37:41], "big")) == (3 * 10**8, 86_400)
    assert record[41:64] == bytes(23)
    assert int.from_bytes(record[64:72], "big", signed=True) == PRICE_SHOCKS[0]
    assert int.from_bytes(record[64 + 40 : 64 + 48], "big") == VOLATILITY_SHOCKS[1]
    assert record[128:160] == bytes([2, 3, 6, 1, 4]) + bytes(27)
    assert blob[256] == 7


def test_decode__round_trip__all_but_names():
    decoded = Book.decode(book().encode())
    assert decoded.encode() == book().encode()
    assert [row.nodes for row in decoded.rows] == [row.nodes for row in book().rows]
    assert [row.weight for row in decoded.stress] == [300_000_000, ONE_E9]
    assert decoded.underlyings[1].price_shocks == PRICE_SHOCKS


def test_decode__book_of_the_same_blob__lends_its_names():
    assert Book.decode(book().encode(), names=book()) == book()
    other = replace(book(), fixed_charge=0)
    assert Book.decode(book().encode(), names=other).rows[0].name == "row 0"


@pytest.mark.parametrize(
    "damage",
    [
        lambda blob: blob[:-1],
        lambda blob: blob + bytes(32),
        lambda blob: b"\2" + blob[1:],
        lambda blob: blob[:31] + b"\1" + blob[32:],
        lambda blob: blob[:-1] + b"\1",
        lambda blob: b"",
    ],
    ids=["short", "long", "version", "header padding", "row padding", "empty"],
)
def test_decode__damaged__refused(damage):
    with pytest.raises(MalformedBook):
        Book.decode(damage(book().encode()))


def test_worst_weighted_fall__stress_counts_with_its_weight():
    assert book().worst_weighted_fall(1) == 12 * WAD // 100
    assert book(historical=(Row("a", (2, 4)), Row("b", (4, 4))), stress=()).worst_weighted_fall(1) == WAD // 10


def test_check_listing__requirement_of_one__refused():
    first = book().assets[1]
    assert book().listing_requirement(first) == 19 * WAD // 100
    book().check_listing()
    harsh = book(assets=(Asset(0, "USDC", 0, 0), Asset(1, "WBTC", 1, 850_000_000)))
    with pytest.raises(CollateralNotListable) as refused:
        harsh.check_listing()
    assert (refused.value.asset, refused.value.requirement) == ("WBTC", WAD)
