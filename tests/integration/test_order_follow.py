"""Triggered orders and legs from the command line, orders followed live, and the example of the README."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount

from ballast.chain.connection import Connection
from ballast.chain.contracts import Deployment, System
from ballast.chain.order_desk import OrderDesk
from ballast.chain.order_watch import OrderWatch
from ballast.cli import order_follow
from tests.integration.conftest import Ballast, Stage
from tests.support.evm import ROOT
from tests.support.gate import gate

WAD = 10**18
Signed = Callable[..., Path]
Environment = Callable[[LocalAccount], dict[str, str]]
Pair = tuple[LocalAccount, LocalAccount]


def orders_of(ballast: Ballast, key: LocalAccount, *arguments: str) -> list[dict[str, Any]]:
    result = ballast(key, "order", *arguments, "--json")
    assert result.exit_code == 0, result.output
    orders: list[dict[str, Any]] = json.loads(result.output)["orders"]
    return orders


def move_price(stage: Stage, factor: float) -> None:
    stage.bench.move_time(60)
    stage.bench.report(ETH=factor)
    stage.node.request("evm_mine")


@pytest.fixture
def stop(stage: Stage, traders: Pair, signed: Signed) -> Path:
    """The buyer holds one, and has signed to sell it at an index of 2,450 or less."""
    stage.bench.trade(*traders, {"ETH": 1.0})
    return signed(
        traders[0], "PERP:ETH", "-1", "2400", "--reduce-only", "--trigger-below", "2450", "--lifetime", "86400"
    )


# Triggers ----------------------------------------------------------------------------------------------------------


def test_arm__before_the_trigger__exit_status_1_and_what_to_wait_for(
    ballast: Ballast, traders: Pair, stop: Path
) -> None:
    result = ballast(traders[1], "order", "arm", str(stop))
    assert result.exit_code == 1
    text = " ".join(result.output.split())
    assert "ReportTooOld" in text
    assert "try again after the next one" in text


def test_arm__the_price_is_there__the_order_fills(
    stage: Stage, ballast: Ballast, traders: Pair, stop: Path, signed: Signed
) -> None:
    [waiting] = orders_of(ballast, traders[0], "status", str(stop))
    assert (waiting["reason"], waiting["trigger"], waiting["armed_at"]) == ("not armed", "index ≤ 2,450.00", None)
    move_price(stage, 0.98)
    [armed] = orders_of(ballast, traders[1], "arm", str(stop))
    assert armed["transaction"]
    [live] = orders_of(ballast, traders[0], "status", str(stop))
    assert (live["reason"], live["armed_at"]) == ("none", stage.bench.now())
    assert "armed since" in " ".join(ballast(traders[0], "order", "status", str(stop)).output.split())
    bid = signed(traders[1], "PERP:ETH", "+1", "2450")
    filled = orders_of(ballast, traders[1], "submit", str(stop), str(bid))
    assert [int(one["filled"]) for one in filled] == [WAD, WAD]


def test_submit__a_triggered_order_whose_price_is_there__arms_and_fills_it(
    stage: Stage, ballast: Ballast, traders: Pair, stop: Path, signed: Signed
) -> None:
    bid = signed(traders[1], "PERP:ETH", "+1", "2450")
    assert ballast(traders[1], "order", "submit", str(stop), str(bid)).exit_code == 1, "not there yet"
    move_price(stage, 0.98)
    filled = orders_of(ballast, traders[1], "submit", str(stop), str(bid))
    assert [int(one["filled"]) for one in filled] == [WAD, WAD]


@pytest.mark.parametrize(
    "arguments", [("--trigger-below", "1", "--trigger-above", "2"), ("--on-mark",), ("--trigger-above", "0")]
)
def test_sign__no_trigger__is_wrong_usage(ballast: Ballast, traders: Pair, arguments: tuple[str, ...]) -> None:
    assert ballast(traders[0], "order", "sign", "PERP:ETH", "-1", "2400", *arguments).exit_code == 2


# Legs --------------------------------------------------------------------------------------------------------------


def test_submit__legs_against_legs__fill_together(ballast: Ballast, traders: Pair, signed: Signed) -> None:
    wanted = signed(traders[0], "PERP:ETH", "+1", "2500", "--leg", "PERP:BTC", "-0.1", "40000")
    quote = signed(traders[1], "PERP:BTC", "+0.1", "40000", "--leg", "PERP:ETH", "-1", "2500")
    filled = orders_of(ballast, traders[0], "submit", str(wanted), str(quote))
    assert [int(one["filled"]) for one in filled] == [WAD, WAD // 10, WAD // 10, WAD]


def test_sign__legs_with_one_nonce__is_wrong_usage(ballast: Ballast, traders: Pair) -> None:
    legs = ("PERP:ETH", "+1", "2500", "--leg", "PERP:BTC", "-0.1", "40000", "--nonce", "7")
    assert ballast(traders[0], "order", "sign", *legs).exit_code == 2


# Watch -------------------------------------------------------------------------------------------------------------


def test_watch__files__a_line_an_event_until_all_are_over(
    stage: Stage, ballast: Ballast, traders: Pair, stop: Path, signed: Signed, environment: Environment
) -> None:
    """In a process of its own, while others arm, fill and cancel."""
    doomed = signed(traders[0], "PERP:ETH", "+1", "2300", "--nonce", "5")
    command = [sys.executable, "-m", "ballast", "order", "watch", str(stop), str(doomed), "--json"]
    reader = stage.node.request("eth_blockNumber")
    with subprocess.Popen(
        command, env=environment(traders[0]) | {"PYTHONPATH": ":".join(sys.path)}, stdout=subprocess.PIPE, text=True
    ) as watching:
        assert watching.stdout is not None
        opened = json.loads(watching.stdout.readline())
        assert (opened["event"], opened["block"]) == ("watching", int(reader, 16))
        move_price(stage, 0.98)
        orders_of(ballast, traders[1], "arm", str(stop))
        orders_of(ballast, traders[1], "submit", str(stop), str(signed(traders[1], "PERP:ETH", "+1", "2450")))
        assert ballast(traders[0], "order", "cancel", f"{traders[0].address}/0", "--nonce", "5").exit_code == 0
        lines = [json.loads(line) for line in watching.stdout]
    assert watching.returncode == 0
    nonce = json.loads(stop.read_text())["order"]["nonce"]
    assert [(line["event"], str(line["nonce"])) for line in lines] == [
        ("armed", nonce),
        ("filled", nonce),
        ("cancelled", "5"),
        ("dead", "5"),
    ]
    assert int(lines[1]["filled"]) == WAD


def test_watch__the_node_is_away_for_a_while__nothing_is_lost(
    stage: Stage,
    ballast: Ballast,
    traders: Pair,
    signed: Signed,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(order_follow, "WATCH_EVERY", 0.01)
    with gate(stage.node.url) as way:
        system = System(Connection(way.url, attempts=1), Deployment.load(stage.deployment_file))
        desk = OrderDesk(system, traders[0])
        orders = [desk.sign("PERP:ETH", "+1", "2500"), desk.sign("PERP:ETH", "+1", "2500", lifetime=30)]
        watch = OrderWatch(system, system.connection.head(), orders)
        stage.bench.move_time(60)
        path = stage.deployment_file.parent / "bid.json"
        desk.save(orders[0], path)
        orders_of(ballast, traders[1], "submit", str(path), str(signed(traders[1], "PERP:ETH", "-1", "2500")))
        way.failing = 3
        order_follow.follow(watch, system, as_json=True)
        assert way.failing == 0
    told = capsys.readouterr()
    lines = [json.loads(line) for line in told.out.splitlines()]
    assert [(line["event"], line["nonce"]) for line in lines] == [
        ("filled", orders[0].order.nonce),
        ("dead", orders[1].order.nonce),
    ]
    assert lines[1]["reason"] == "expired"
    assert told.err.count("waiting") == 1


def test_watch__an_account__tells_what_concerns_all_of_it(
    stage: Stage, ballast: Ballast, traders: Pair, signed: Signed
) -> None:
    system = stage.system()
    account = int(traders[0].address, 16) << 96
    watch = OrderWatch(system, system.connection.head(), account=account)
    bid, offer = signed(traders[0], "PERP:ETH", "+1", "2500"), signed(traders[1], "PERP:ETH", "-1", "2500")
    orders_of(ballast, traders[1], "submit", str(bid), str(offer))
    for which in (("--below", "8"), ("--all",)):
        assert ballast(traders[0], "order", "cancel", f"{traders[0].address}/0", *which).exit_code == 0
    notes = watch.step(system.connection.head())
    assert [(note.event, note.account) for note in notes] == [
        ("filled", account),
        ("cancelled below", account),
        ("all cancelled", account),
    ]
    assert not watch.is_over


def test_watch__neither_a_file_nor_an_account__is_wrong_usage(ballast: Ballast, traders: Pair) -> None:
    result = ballast(traders[0], "order", "watch", "nothing.json")
    assert result.exit_code == 2
    assert "no such file" in result.output


# The README --------------------------------------------------------------------------------------------------------


@pytest.fixture
def ran(
    traders: Pair, environment: Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[[str], dict[str, Any]]:
    """Runs the one Python example of a page, as the buyer, in a folder of its own. Returns its names."""

    def run(page: str) -> dict[str, Any]:
        [example] = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
        assert len([line for line in example.splitlines() if line.strip()]) == 5
        for name, value in environment(traders[0]).items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        names: dict[str, Any] = {}
        exec(example, names)
        return names

    return run


def test_readme__five_lines_of_python__sign_orders_that_hold(
    ballast: Ballast, traders: Pair, ran: Callable[[str], dict[str, Any]]
) -> None:
    names = ran("README.md")
    [waiting] = orders_of(ballast, traders[0], "status", "stop.json")
    told = (waiting["instrument"], waiting["reason"], waiting["trigger"])
    assert told == ("PERP:ETH", "not armed", "index ≤ 2,400.00")
    assert names["bid"].order.size == 2 * WAD


def test_orders_page__five_lines_of_python__sign_legs_that_hold(
    ballast: Ballast, traders: Pair, signed: Signed, ran: Callable[[str], dict[str, Any]]
) -> None:
    names = ran("docs/orders.md")
    assert names["target"].order.trigger == 2_600 * WAD
    quote = signed(traders[1], "PERP:ETH", "-1", "2500", "--leg", "PERP:BTC", "+0.1", "40000")
    filled = orders_of(ballast, traders[1], "submit", "legs.json", str(quote))
    assert [int(one["filled"]) for one in filled] == [WAD, WAD // 10, WAD, WAD // 10]
