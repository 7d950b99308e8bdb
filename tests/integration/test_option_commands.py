"""`ballast` explains portfolios of options and futures, on a real node."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from ballast.cli.main import main
from ballast.deployment.config import read_network
from ballast.risk.book import first_book
from tests.support.dated import DatedMarket
from tests.support.node import node_evm
from tests.support.system import LOCAL, Market, deploy_on, trader, wad

SELLER, MAKER = trader("seller"), trader("maker")
ACCOUNT = f"{SELLER.address}/0"
NAMED = (("FUTURE:ETH", ""), ("CALL:ETH", ":3000"), ("PUT:ETH", ":3000"))
Ballast = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def dated() -> Iterator[DatedMarket]:
    """A seller of a strangle that holds a future against its calls."""
    with node_evm() as evm:
        market = Market(deploy_on(evm, evm.backend(), read_network(LOCAL), first_book()))
        dated = DatedMarket(market)
        for who in (SELLER, MAKER):
            market.fund(who, USDC=200_000)
        for instrument, size in ((dated.call(3_000), -10), (dated.put(2_000), -10), (dated.future, 4)):
            buyer, other = (SELLER, MAKER) if size > 0 else (MAKER, SELLER)
            market.trade(buyer, other, instrument, abs(size))
        yield dated


@pytest.fixture
def ballast(dated: DatedMarket, tmp_path: Path) -> Ballast:
    file = tmp_path / "deployment.json"
    dated.system.record.write(file)
    environment = {
        "BALLAST_RPC_URL": dated.system.evm.node.url,
        "BALLAST_DEPLOYMENT": str(file),
        "COLUMNS": "160",
    }

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(main, list(arguments), env=environment)
        return result.exit_code, result.output

    return run


@pytest.fixture
def date(dated: DatedMarket) -> str:
    return datetime.fromtimestamp(dated.expiry, UTC).date().isoformat()


def test_account_show__options__greeks_scenarios_and_netting(dated: DatedMarket, ballast: Ballast, date: str) -> None:
    status, output = ballast("account", "show", ACCOUNT, "--json")
    report = json.loads(output)
    assert status == 0
    labels = {f"CALL:ETH:{date}:3000": -10, f"PUT:ETH:{date}:2000": -10, f"FUTURE:ETH:{date}": 4}
    assert {one["label"]: int(one["amount"]) for one in report["holdings"]} == {k: wad(v) for k, v in labels.items()}
    assert {one["label"]: int(one["mark"]) for one in report["holdings"]} == {
        f"CALL:ETH:{date}:3000": dated.mark(dated.call(3_000)),
        f"PUT:ETH:{date}:2000": dated.mark(dated.put(2_000)),
        f"FUTURE:ETH:{date}": dated.mark(dated.future),
    }
    parts = {one["label"]: one for one in report["greeks"]["positions"]}
    assert parts[f"FUTURE:ETH:{date}"]["delta"] == 4
    assert parts[f"CALL:ETH:{date}:3000"]["vega"] < 0 < parts[f"CALL:ETH:{date}:3000"]["theta"]
    assert report["greeks"]["underlyings"]["ETH"]["delta"] == pytest.approx(sum(one["delta"] for one in parts.values()))
    scenarios = report["scenarios"]["ETH"]
    assert (len(scenarios["price_shocks"]), len(scenarios["volatility_shocks"])) == (9, 3)
    assert 0 < report["netting_benefit"] < 1
    assert int(report["leg_by_leg_initial_margin"]) > int(report["margin"]["initialMargin"])


def test_account_show__options__tables_for_people(ballast: Ballast, date: str) -> None:
    status, output = ballast("account", "show", ACCOUNT)
    assert status == 0
    for words in (
        f"CALL:ETH:{date}:3000",
        "vega a point",
        "Gains by scenario, ETH",
        "volatility +40%",
        "netting saves",
    ):
        assert words in output


def test_whatif__protection_bought__premium_paid_and_margin_lower(
    dated: DatedMarket, ballast: Ballast, date: str
) -> None:
    leg = f"PUT:ETH:{date}:2000:+10"
    status, output = ballast("whatif", ACCOUNT, "--leg", leg, "--json")
    report = json.loads(output)
    assert status == 0
    assert int(report["after"]["initial_margin"]) < int(report["before"]["initial_margin"])
    # At its mark a leg changes nothing of what the account is worth, but for rounding.
    assert abs(int(report["after"]["equity"]) - int(report["before"]["equity"])) <= 1
    assert [one["label"] for one in report["after"]["greeks"]["positions"]] == [
        f"CALL:ETH:{date}:3000",
        f"FUTURE:ETH:{date}",
    ]


def test_whatif__shocks__move_marks_as_prices_and_volatility_do(ballast: Ballast) -> None:
    calmer = json.loads(ballast("whatif", ACCOUNT, "--volatility", "ETH=-30%", "--json")[1])
    fallen = json.loads(ballast("whatif", ACCOUNT, "--shock", "ETH=-25%", "--json")[1])
    assert int(calmer["after"]["equity"]) > int(calmer["before"]["equity"]) > int(fallen["after"]["equity"])
    before, after = (fallen[when]["greeks"]["underlyings"]["ETH"] for when in ("before", "after"))
    assert after["delta"] > before["delta"]


def test_whatif__people__see_greeks_before_and_after(ballast: Ballast, date: str) -> None:
    status, output = ballast("whatif", ACCOUNT, "--leg", f"FUTURE:ETH:{date}:-4")
    assert status == 0
    assert "ETH gamma" in output and "netting saves" in output


@pytest.mark.parametrize("shock", ["ETH=+100000%", "ETH=-200%", "ETH=x"])
def test_whatif__volatility_that_no_surface_holds__is_wrong_usage(ballast: Ballast, shock: str) -> None:
    assert ballast("whatif", ACCOUNT, "--volatility", shock)[0] == 2


@pytest.mark.parametrize("leg", ["CALL:ETH:2026-12-25:+5", "CALL:ETH:never:3000:+5", "CALL:ETH", "OPTION:ETH:+1"])
def test_whatif__malformed_leg__is_wrong_usage(ballast: Ballast, leg: str) -> None:
    assert ballast("whatif", ACCOUNT, "--leg", leg)[0] == 2


def test_whatif__expiry_that_is_not_listed__says_so(ballast: Ballast) -> None:
    status, output = ballast("whatif", ACCOUNT, "--leg", "FUTURE:ETH:2024-01-01:+1")
    assert status == 3
    assert "ExpiryNotListed" in output


def test_markets__dated_instruments__premium_volatility_and_delta(ballast: Ballast, date: str) -> None:
    status, output = ballast("markets", "--json")
    rows = {row["instrument"]: row for row in json.loads(output)["markets"]}
    future, call, put = (rows[f"{name}:{date}{strike}"] for name, strike in NAMED)
    assert status == 0
    # The surface says that the forward is a thousandth above the index.
    assert (future["basis"], future["volatility"], future["cumulative_funding"]) == (1_000_000, None, None)
    assert int(call["volatility"]) > 0 and call["basis"] is None
    assert int(call["delta"]) - int(put["delta"]) == pytest.approx(wad(1), abs=1)
    assert rows["PERP:ETH"]["volatility"] is None and rows["PERP:ETH"]["basis"] == 0
    assert "volatility" in ballast("markets")[1]
