"""A network's configuration: what people write becomes the contracts' integers, and every mistake is named."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from ballast.chain.instruments import parse_instrument
from ballast.deployment.config import InvalidConfiguration, configuration_hash, load_network, read_network
from ballast.deployment.listing import ListedExpiry, Options
from ballast.deployment.units import scaled, seconds
from ballast.errors import ConfigurationError
from ballast.risk.pricing import WAD, Surface
from tests.support.book import plain_book
from tests.support.system import LOCAL

SHIPPED = sorted(LOCAL.parent.glob("*.yaml"))


@pytest.fixture
def content() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(LOCAL.read_text())
    return loaded


def problems_of(content: dict[str, Any], folder: Path) -> list[str]:
    file = folder / "network.yaml"
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    with pytest.raises(InvalidConfiguration) as refused:
        read_network(file)
    return refused.value.problems


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_load_network__shipped_file__fits_its_risk_book(path: Path):
    network, book = load_network(path)
    assert network.network == path.stem
    assert {u.id for u in network.underlyings.values()} - {0} <= {u.id for u in book.underlyings}


def test_load_network__no_such_file__names_those_there_are(tmp_path: Path):
    (tmp_path / "sepolia.yaml").touch()
    with pytest.raises(ConfigurationError, match="sepolia"):
        load_network(tmp_path / "mainnet.yaml")


@pytest.mark.parametrize(
    ("written", "decimals", "integer"),
    [("1500", 18, 1500 * 10**18), ("0.5%", 9, 5 * 10**6), (7, 0, 7), ("0.000001", 6, 1), ("1_000", 0, 1000)],
)
def test_scaled__decimal__exact(written: Any, decimals: int, integer: int):
    assert scaled(written, decimals) == integer


@pytest.mark.parametrize("written", [0.1, "1e-7", "ten", "0.0000001", "nan", ""])
def test_scaled__inexact_or_no_number__refused(written: Any):
    with pytest.raises(ValueError):
        scaled(written, 6)


def test_seconds__with_unit__read():
    assert [seconds(text) for text in ("90s", "10m", "6h", "2d", 5)] == [90, 600, 21_600, 172_800, 5]


@pytest.mark.parametrize("written", ["1w", "h", "-5s", "1.5h", True])
def test_seconds__anything_else__refused(written: Any):
    with pytest.raises(ValueError, match="not a time"):
        seconds(written)


EXPIRY = {"date": "2027-03-26", "volatility": "60%"}
TERMS = {"size_step": "0.001", "open_interest_cap": "1000"}
SMILE = {"a": "0.1", "b": "0.2", "rho": "-0.3", "s": "0.3"}


def expiry_with(**parts: Any) -> dict[str, Any]:
    """ETH's listings with one expiry of these parts."""
    return {"ETH": [EXPIRY | parts]}


def with_strikes(*strikes: Any, **terms: Any) -> dict[str, Any]:
    return expiry_with(options=TERMS | {"strikes": list(strikes)} | terms)


def grid(first: int, last: int, step: int) -> dict[str, int]:
    return {"from": first, "to": last, "step": step}


MISTAKES: list[tuple[str, tuple[Any, ...], Any, str]] = [
    ("a short governance delay", ("roles", "governance", "delay"), "1h", "governance.delay"),
    ("no risk delay", ("roles", "risk", "delay"), 0, "risk.delay"),
    ("a role without holder", ("roles", "guardian", "holders"), [], "roles.guardian.holders"),
    ("an unquoted address", ("treasury",), 0x70997970, "treasury: put addresses in quotes"),
    ("the zero address", ("treasury",), "0x" + "00" * 20, "treasury: the zero address"),
    ("no address at all", ("treasury",), "vitalik.eth", "is not an address"),
    ("a minority as quorum", ("quorum_feed", "threshold"), 1, "no majority"),
    ("a signer twice", ("quorum_feed", "signers"), ["0x70997970C51812dc3A010C7d01b50e0d17dc79C8"] * 2, "named twice"),
    ("a size step of no power of ten", ("underlyings", "ETH", "perp", "size_step"), "0.002", "power of ten"),
    ("an id twice", ("underlyings", "ETH", "id"), 1, "two underlyings have one id"),
    ("no settlement underlying", ("underlyings", "USDC", "id"), 9, "underlying USDC must exist and have id 0"),
    ("an unknown underlying", ("collaterals", "WETH", "underlying"), "DOGE", "follows DOGE"),
    ("too fine an amount", ("collaterals", "WBTC", "deposit_cap"), "0.000000001", "more than 8 decimals"),
    ("too fine a bounty", ("expiries", "limits", "bounty"), "0.0000001", "the bounty"),
    ("expiries of nothing", ("expiries", "listed"), {"DOGE": []}, "expiries of DOGE"),
    ("expiries of the settlement token", ("expiries", "listed"), {"USDC": []}, "expiries of USDC"),
    ("an expiry twice", ("expiries", "listed"), {"ETH": 2 * [EXPIRY]}, "an expiry of ETH is listed twice"),
    ("no date", ("expiries", "listed"), {"ETH": [EXPIRY | {"date": "08:00"}]}, "expiries.listed.ETH.0.date"),
    ("two smiles", ("expiries", "listed"), expiry_with(smile=SMILE), "either the volatility of a flat smile"),
    ("no smile", ("expiries", "listed"), {"ETH": [{"date": "2027-03-26"}]}, "either the volatility of a flat smile"),
    ("an impossible smile", ("expiries", "listed"), expiry_with(volatility=None, smile=SMILE | {"rho": 1}), "rho"),
    (
        "a future's odd size step",
        ("expiries", "listed"),
        expiry_with(future=TERMS | {"size_step": "3"}),
        "power of ten",
    ),
    ("no size step", ("expiries", "listed"), expiry_with(future=TERMS | {"size_step": "0"}), "power of ten"),
    (
        "a future without a cap",
        ("expiries", "listed"),
        expiry_with(future={"size_step": 1}),
        "future.open_interest_cap",
    ),
    ("options without strikes", ("expiries", "listed"), with_strikes(), "options.strikes"),
    ("strikes that descend", ("expiries", "listed"), with_strikes(3000, 2000), "strikes must ascend"),
    ("a strike twice", ("expiries", "listed"), with_strikes(2000, 2000), "strikes must ascend"),
    (
        "a strike in a grid, too",
        ("expiries", "listed"),
        with_strikes(2100, grid(2000, 2200, 100)),
        "strikes must ascend",
    ),
    ("too fine a strike", ("expiries", "listed"), with_strikes("0.0000000001"), "at most 9 decimals"),
    ("a strike of nothing", ("expiries", "listed"), with_strikes(0, 1), "a strike is positive"),
    ("a strike beyond its bits", ("expiries", "listed"), with_strikes(10**16), "a strike is positive"),
    ("a grid that does not end", ("expiries", "listed"), with_strikes(grid(2000, 2250, 100)), "whole steps"),
    ("a grid upside down", ("expiries", "listed"), with_strikes(grid(2000, 1000, 100)), "from a lower one"),
    ("a grid of a million", ("expiries", "listed"), with_strikes(grid(1, 10**6, 1)), "more than 200 strikes"),
    ("many grids", ("expiries", "listed"), with_strikes(grid(1, 150, 1), grid(200, 350, 1)), "more than 200 strikes"),
    ("a misspelt key", ("interest", "base_rat"), "1%", "interest.base_rat"),
    ("a free price", ("underlyings", "ETH", "first"), {"chainlink": {"price": "0"}}, "a price must be positive"),
    ("two sources in one", ("underlyings", "ETH", "first", "quorum"), True, "a source is either"),
    ("a live network with test tokens", ("test_network",), False, "token WETH needs an address"),
]


@pytest.mark.parametrize(("place", "value", "problem"), [entry[1:] for entry in MISTAKES], ids=[e[0] for e in MISTAKES])
def test_read_network__mistake__named_with_its_place(content, tmp_path: Path, place, value, problem: str):
    section = content
    for key in place[:-1]:
        section = section[key]
    section[place[-1]] = value
    assert any(problem in found for found in problems_of(content, tmp_path))


def test_read_network__several_mistakes__all_named(content, tmp_path: Path):
    content["treasury"] = "nobody"
    content["interest"]["kink"] = "many"
    assert len(problems_of(content, tmp_path)) == 2


def test_read_network__future_of_an_underlying_without_limits__named(content, tmp_path: Path):
    del content["underlyings"]["ETH"]["perp"], content["underlyings"]["ETH"]["trading"]
    content["expiries"]["listed"] = expiry_with(future=TERMS)
    assert problems_of(content, tmp_path) == ["file: futures and options of ETH need `trading` limits"]


@pytest.mark.parametrize(
    ("strikes", "expected"),
    [
        ([2000, "2500.5"], [2000, Decimal("2500.5")]),
        (grid(2000, 2300, 100), [2000, 2100, 2200, 2300]),
        ([1500, grid(2000, 2200, 100), 3000], [1500, 2000, 2100, 2200, 3000]),
    ],
    ids=["a list", "a grid", "both"],
)
def test_options__strikes_or_grids__every_strike_in_wad(strikes: Any, expected: list[Any]):
    options = Options.model_validate(TERMS | {"strikes": strikes})
    assert list(options.all_strikes) == [int(strike * WAD) for strike in expected]


def test_listed_expiry__svi_smile__its_surface_word():
    entry = ListedExpiry.model_validate({"date": "2027-03-26", "smile": SMILE, "premium": "-1%"})
    assert Surface.unpack(entry.surface) == Surface(
        premium=-10_000_000, a=100_000_000, b=200_000_000, rho=-300_000_000, m=0, s=300_000_000
    )


def test_network__perps_futures_and_options__labelled_in_the_order_of_listing(content, tmp_path: Path):
    content["expiries"]["listed"] = expiry_with(future=TERMS, options=TERMS | {"strikes": [2000, "2500.5"]})
    (tmp_path / "network.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    instruments = read_network(tmp_path / "network.yaml").instruments
    assert list(instruments) == [
        "PERP:BTC",
        "PERP:ETH",
        "PERP:LINK",
        "FUTURE:ETH:2027-03-26",
        "CALL:ETH:2027-03-26:2000",
        "PUT:ETH:2027-03-26:2000",
        "CALL:ETH:2027-03-26:2500.5",
        "PUT:ETH:2027-03-26:2500.5",
    ]
    call = instruments["CALL:ETH:2027-03-26:2500.5"]
    assert call.id == parse_instrument(call.label, {"ETH": 2}.__getitem__)
    assert (call.size_step, call.open_interest_cap) == (10**15, 1000 * WAD)


def test_load_network__ids_of_another_book__refused(content, tmp_path: Path):
    plain_book().save(tmp_path / "book.json")
    content["risk_book"] = "book.json"
    content["underlyings"]["BTC"]["id"], content["underlyings"]["ETH"]["id"] = 2, 1
    (tmp_path / "network.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    with pytest.raises(InvalidConfiguration) as refused:
        load_network(tmp_path / "network.yaml")
    assert [problem.split(",")[0] for problem in refused.value.problems] == [
        "underlying BTC has id 2",
        "underlying ETH has id 1",
    ]


def test_configuration_hash__other_value__other_hash(content, tmp_path: Path):
    network, book = read_network(LOCAL), plain_book()
    content["templates"] = {"renamed": 1}
    (tmp_path / "same.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    content["fees"]["taker"] = "0.05%"
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    same, other = read_network(tmp_path / "same.yaml"), read_network(tmp_path / "other.yaml")
    assert configuration_hash(same, book) == configuration_hash(network, book) != configuration_hash(other, book)
