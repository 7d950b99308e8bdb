"""`ballast matcher run` as a process: it is found, it is killed, it is told to end, and nothing is lost."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from eth_account.signers.local import LocalAccount
from websockets.sync.client import connect

from ballast.cli.main import main
from ballast.matcher.client import MatcherClient, MatcherRefused, MatcherUnreachable
from tests.integration.conftest import Stage
from tests.support.floor import WAD, Exchange
from tests.support.keys import keystore_of

PRICE = 2_500.0


@pytest.fixture
def exchange(stage: Stage, tmp_path: Path) -> Exchange:
    return Exchange.on(stage, tmp_path)


@pytest.fixture
def environment(stage: Stage, exchange: Exchange, tmp_path: Path) -> dict[str, str]:
    return {
        "BALLAST_RPC_URL": stage.node.url,
        "BALLAST_DEPLOYMENT": str(stage.deployment_file),
        **keystore_of(exchange.operator, tmp_path),
    }


class Process:
    """A running matcher."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stderr is not None
        for line in process.stderr:
            entry = json.loads(line) if line.startswith("{") else {}
            if entry.get("event") == "listening":
                self.url = str(entry["url"])
                self.client = MatcherClient(self.url)
                return
        raise AssertionError("it ended before it listened")

    def end(self, number: int) -> tuple[int, str]:
        """Its exit status and the rest of its log."""
        self.process.send_signal(number)
        _, log = self.process.communicate(timeout=60)
        return self.process.returncode, log


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[[], Process]]:
    started: list[subprocess.Popen[str]] = []
    options = ["--port", "0", "--data", str(tmp_path / "data"), "--batch-seconds", "0", "--poll", "0.05", "--json-logs"]
    command = [sys.executable, "-m", "ballast", "matcher", "run", *options]

    def run() -> Process:
        process = subprocess.Popen(
            command, env=os.environ | environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        started.append(process)
        return Process(process)

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def traders(stage: Stage) -> tuple[LocalAccount, LocalAccount]:
    bench = stage.bench
    return bench.user("process buyer", {"USDC": 50_000}), bench.user("process seller", {"USDC": 50_000})


def test_run__told_to_end_with_a_match_waiting__settles_it_first(
    exchange: Exchange, start: Callable[[], Process], traders: tuple[LocalAccount, LocalAccount]
) -> None:
    buyer, seller = traders
    exchange.stage.node.request("evm_setAutomine", False)
    matcher = start()
    matcher.client.submit(exchange.document(seller, -1, PRICE))
    taken = matcher.client.submit(exchange.document(buyer, 1, PRICE))
    exchange.stage.node.request("evm_setAutomine", True)
    status, log = matcher.end(signal.SIGTERM)
    assert status == 0, log
    assert exchange.size_of(buyer) == WAD
    assert start().client.order(taken["order"]["hash"])["order"]["filled"] == str(WAD)


def test_run__killed__knows_every_order_it_acknowledged(
    exchange: Exchange, start: Callable[[], Process], traders: tuple[LocalAccount, LocalAccount]
) -> None:
    buyer, seller = traders
    matcher = start()
    answers = [matcher.client.submit(exchange.document(seller, -1, PRICE + number)) for number in range(5)]
    assert matcher.end(signal.SIGKILL)[0] == -signal.SIGKILL
    with pytest.raises(MatcherUnreachable):
        matcher.client.book("PERP:ETH", 5)
    again = start()
    assert [again.client.order(one["order"]["hash"])["receipt"] for one in answers] == [
        one["receipt"] for one in answers
    ]
    taken = again.client.submit(exchange.document(buyer, 1, PRICE))
    assert taken["receipt"]["sequence"] == 6
    assert again.end(signal.SIGTERM)[0] == 0
    assert exchange.size_of(buyer) == WAD


def test_run__disk_takes_no_more__ends_by_itself_and_knows_every_order_it_acknowledged(
    exchange: Exchange, start: Callable[[], Process], traders: tuple[LocalAccount, LocalAccount]
) -> None:
    _, seller = traders
    matcher = start()
    answer = matcher.client.submit(exchange.document(seller, -1, PRICE))
    resource.prlimit(matcher.process.pid, resource.RLIMIT_FSIZE, (1, 1))
    document = exchange.document(seller, -1, PRICE + 1)
    with pytest.raises(MatcherRefused, match="not-recorded"):
        matcher.client.submit(document)
    _, log = matcher.process.communicate(timeout=60)
    assert matcher.process.returncode == 3, log
    assert "journal cannot be written" in log
    again = start()
    assert again.client.order(answer["order"]["hash"])["receipt"] == answer["receipt"]
    assert again.client.submit(document)["receipt"]["sequence"] == 2


def test_run__second_on_the_same_files__is_refused(
    exchange: Exchange, start: Callable[[], Process], environment: dict[str, str], tmp_path: Path
) -> None:
    start()
    result = CliRunner().invoke(main, ["matcher", "run", "--data", str(tmp_path / "data")], env=environment)
    assert result.exit_code == 3
    assert "another" in result.output


def test_run__key_and_password__are_in_no_log(exchange: Exchange, start: Callable[[], Process]) -> None:
    matcher = start()
    _, log = matcher.end(signal.SIGTERM)
    assert exchange.operator.key.hex().removeprefix("0x") not in log
    assert "correct horse" not in log


@pytest.fixture
def ballast(environment: dict[str, str], tmp_path: Path) -> Callable[..., Result]:
    """Runs a command with somebody's key."""

    def run(key: LocalAccount, *arguments: str) -> Result:
        return CliRunner().invoke(main, list(arguments), env={**environment, **keystore_of(key, tmp_path)})

    return run


def test_commands__submit_book_withdraw__speak_to_a_running_matcher(
    exchange: Exchange,
    start: Callable[[], Process],
    ballast: Callable[..., Result],
    tmp_path: Path,
    traders: tuple[LocalAccount, LocalAccount],
) -> None:
    buyer, seller = traders
    matcher = start()
    file = tmp_path / "offer.json"
    file.write_text(ballast(seller, "order", "sign", "PERP:ETH", "-1", "2500", "--nonce", "7").output)
    result = ballast(buyer, "order", "submit", str(file), "--matcher", matcher.url)
    assert result.exit_code == 0, result.output
    (answer,) = json.loads(result.output)
    receipt = tmp_path / "receipt.json"
    receipt.write_text(result.output)
    audit = ballast(buyer, "matcher", "audit", "--matcher", matcher.url, "--receipt", str(receipt))
    assert audit.exit_code == 0, audit.output
    assert "1 orders" in audit.output
    receipt.write_text(result.output.replace('"sequence": 1', '"sequence": 2'))
    assert ballast(buyer, "matcher", "audit", "--matcher", matcher.url, "--receipt", str(receipt)).exit_code == 1
    assert answer["receipt"]["matcher"] == exchange.operator.address
    shown = ballast(buyer, "matcher", "book", "PERP:ETH", "--matcher", matcher.url, "--json")
    assert json.loads(shown.output)["asks"] == [[str(2_500 * WAD), str(WAD)]]
    assert "2,500.00" in ballast(buyer, "matcher", "book", "PERP:ETH", "--matcher", matcher.url).output
    with connect(matcher.url.replace("http", "ws") + "/ws") as socket:
        socket.send(json.dumps({"op": "subscribe", "channels": ["book:PERP:ETH"]}))
        snapshot: dict[str, Any] = json.loads(socket.recv(timeout=20))
        assert (snapshot["type"], snapshot["asks"]) == ("snapshot", [[str(2_500 * WAD), str(WAD)]])
        label = f"{seller.address}/0"
        result = ballast(seller, "matcher", "withdraw", label, "7", "--matcher", matcher.url)
        assert result.exit_code == 0, result.output
        delta = json.loads(socket.recv(timeout=20))
        assert (delta["sequence"], delta["asks"]) == (snapshot["sequence"] + 1, [[str(2_500 * WAD), "0"]])
    result = ballast(buyer, "order", "submit", str(file), "--matcher", matcher.url)
    assert result.exit_code == 3
    assert "already-known" in result.output
    with pytest.raises(MatcherRefused, match="not-found"):
        matcher.client.order("0x" + "00" * 32)


def test_rfq_commands__ask_quote_take_show__speak_to_a_running_matcher(
    exchange: Exchange,
    start: Callable[[], Process],
    ballast: Callable[..., Result],
    tmp_path: Path,
    traders: tuple[LocalAccount, LocalAccount],
) -> None:
    taker, maker = traders
    matcher = start()

    def signed(key: LocalAccount, name: str, *legs: str) -> str:
        first, size, limit, *rest = legs
        (tmp_path / name).write_text(ballast(key, "order", "sign", first, size, limit, "--leg", *rest).output)
        return str(tmp_path / name)

    def rfq(key: LocalAccount, act: str, *arguments: str) -> Result:
        return ballast(key, "matcher", "rfq", act, *arguments, "--matcher", matcher.url)

    asked = rfq(taker, "ask", "--leg", "PERP:ETH", "+1", "--leg", "PERP:BTC", "-0.1")
    assert asked.exit_code == 0, asked.output
    assert "Request 1, open" in asked.output
    quote = signed(maker, "quote.json", "PERP:ETH", "-1", "2500", "PERP:BTC", "0.1", "40000")
    assert rfq(maker, "quote", "1", quote).exit_code == 0
    too_low = signed(taker, "low.json", "PERP:ETH", "1", "2499", "PERP:BTC", "-0.1", "40000")
    refused = rfq(taker, "take", "1", too_low)
    assert refused.exit_code == 3
    assert "no-quote" in refused.output
    taken = rfq(taker, "take", "1", signed(taker, "legs.json", "PERP:ETH", "1", "2500", "PERP:BTC", "-0.1", "40000"))
    assert taken.exit_code == 0, taken.output
    assert "Request 1, matched" in taken.output
    assert matcher.end(signal.SIGTERM)[0] == 0
    assert (exchange.size_of(taker), exchange.size_of(taker, "BTC")) == (WAD, -WAD // 10)
    matcher = start()
    assert json.loads(rfq(taker, "show", "1", "--json").output)["state"] == "settled"
    assert "-1,500.00" in rfq(taker, "show", "1").output
    assert rfq(taker, "ask").exit_code == 2
    audit = ballast(taker, "matcher", "audit", "--matcher", matcher.url)
    assert audit.exit_code == 0
    assert "1 requests for quotes" in audit.output


def test_submit__neither_makers_nor_a_matcher__is_wrong_usage(
    exchange: Exchange, ballast: Callable[..., Result], tmp_path: Path, traders: tuple[LocalAccount, LocalAccount]
) -> None:
    file = tmp_path / "bid.json"
    buyer = traders[0]
    file.write_text(ballast(buyer, "order", "sign", "PERP:ETH", "1", "2500").output)
    assert ballast(buyer, "order", "submit", str(file)).exit_code == 2


def test_run__another_policy_on_the_same_journal__is_refused(
    exchange: Exchange, start: Callable[[], Process], environment: dict[str, str], tmp_path: Path
) -> None:
    start().end(signal.SIGTERM)
    arguments = ["matcher", "run", "--data", str(tmp_path / "data"), "--self-trade", "both"]
    result = CliRunner().invoke(main, arguments, env=environment)
    assert result.exit_code == 3
    assert "--self-trade newest" in " ".join(result.output.split())
