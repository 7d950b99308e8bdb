"""What a connection makes of a node's answers: an answer, a refusal, or nothing known."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from ballast.chain.connection import Connection
from ballast.chain.contracts import Deployment, System
from ballast.chain.logs import EventReader
from ballast.errors import ChainError, ChainUnreachable, RequestRefused
from ballast.store import BlockRef
from scripts.anvil import free_port

HASH = "0x" + "ab" * 32
AUCTIONS = "0x" + "00" * 19 + "aa"
# Of an event that no ABI knows.
UNKNOWN_LOG = {"address": AUCTIONS, "topics": [HASH], "data": "0x", "blockNumber": "0x1", "logIndex": "0x0"}
Answer = Callable[[str, list[Any]], dict[str, Any]]


@dataclass
class ScriptedNode:
    """Answers JSON-RPC as it is told to, and keeps what it was asked."""

    url: str = ""
    answer: Answer = lambda method, parameters: {"result": None}
    asked: list[tuple[str, list[Any]]] = field(default_factory=list)
    raw: bytes | None = None


@pytest.fixture
def scripted() -> Iterator[ScriptedNode]:
    script = ScriptedNode()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            script.asked.append((body["method"], body["params"]))
            answer = {"jsonrpc": "2.0", "id": body["id"], **script.answer(body["method"], body["params"])}
            data = script.raw or json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    script.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield script
    server.shutdown()
    thread.join()
    server.server_close()


def refused(reason: str) -> dict[str, Any]:
    return {"error": {"code": -32005, "message": reason}}


def test_head__newest_block__its_number_and_hash(scripted: ScriptedNode) -> None:
    scripted.answer = lambda *_: {"result": {"number": "0x10", "hash": HASH, "timestamp": "0x5"}}
    assert Connection(scripted.url).head() == BlockRef(16, HASH)
    assert scripted.asked == [("eth_getBlockByNumber", ["latest", False])]


def test_block__the_chain_is_shorter__none(scripted: ScriptedNode) -> None:
    assert Connection(scripted.url).block(7) is None


def test_timestamp__of_the_newest_block__known_without_asking_again(scripted: ScriptedNode) -> None:
    scripted.answer = lambda *_: {"result": {"number": "0x10", "hash": HASH, "timestamp": "0x5"}}
    connection = Connection(scripted.url)
    assert connection.timestamp(connection.head()) == 5
    assert len(scripted.asked) == 1
    assert connection.timestamp(BlockRef(15, "0x" + "cd" * 32)) == 5
    assert scripted.asked[1:] == [("eth_getBlockByHash", ["0x" + "cd" * 32, False])]


def test_timestamp__block_is_gone__is_an_error_not_a_time(scripted: ScriptedNode) -> None:
    with pytest.raises(ChainError, match="block 7 is gone"):
        Connection(scripted.url).timestamp(BlockRef(7, HASH))


def test_head__node_closes_the_connection_after_each_answer__asked_anew(scripted: ScriptedNode) -> None:
    scripted.answer = lambda *_: {"result": {"number": "0x10", "hash": HASH, "timestamp": "0x5"}}
    connection = Connection(scripted.url, attempts=2)
    assert [connection.head().number for _ in range(3)] == [16, 16, 16]


def test_head__answer_is_no_json__unreachable(scripted: ScriptedNode) -> None:
    scripted.raw = b"<html>too busy</html>"
    with pytest.raises(ChainUnreachable):
        Connection(scripted.url, attempts=2).head()
    assert len(scripted.asked) == 2


@pytest.mark.parametrize("ask", [Connection.head, lambda c: c.block(1), lambda c: c.timestamp(BlockRef(1, HASH))])
def test_reads__node_refuses__tell_its_reason(scripted: ScriptedNode, ask: Callable[[Connection], Any]) -> None:
    scripted.answer = lambda *_: refused("too many requests")
    with pytest.raises(RequestRefused, match="too many requests"):
        ask(Connection(scripted.url))


def test_read_logs__range_refused__halved_until_taken_each_block_once(scripted: ScriptedNode) -> None:
    def at_most_two(method: str, parameters: list[Any]) -> dict[str, Any]:
        first, last = range_of((method, parameters))
        return refused("range too large") if last - first > 1 else {"result": [UNKNOWN_LOG]}

    scripted.answer = at_most_two
    assert reader_on(scripted).read(1, 6) == []
    taken = [(first, last) for first, last in map(range_of, scripted.asked) if last - first <= 1]
    assert [block for first, last in taken for block in range(first, last + 1)] == [1, 2, 3, 4, 5, 6]


def test_read_logs__one_block_refused__is_an_error(scripted: ScriptedNode) -> None:
    scripted.answer = lambda *_: refused("range too large")
    with pytest.raises(ChainError, match="refuses the logs of block 1"):
        reader_on(scripted).read(1, 3)


def test_ask__proxy_in_the_environment__only_for_nodes_elsewhere(
    scripted: ScriptedNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted.answer = lambda *_: {"result": {"number": "0x1", "hash": HASH, "timestamp": "0x5"}}
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    assert Connection(scripted.url, attempts=1).head().number == 1
    with pytest.raises(ChainUnreachable):
        Connection("http://node.invalid", attempts=1).head()
    monkeypatch.setenv("http_proxy", scripted.url)
    assert Connection("http://node.invalid", attempts=1).head().number == 1


def reader_on(scripted: ScriptedNode) -> EventReader:
    connection = Connection(scripted.url)
    connection.chain_id = 1
    return EventReader(System(connection, Deployment(1, {"Auctions": AUCTIONS}, 1, {}, {}, ())), ["Auctions"])


def range_of(asked: tuple[str, list[Any]]) -> tuple[int, int]:
    (wanted,) = asked[1]
    return int(wanted["fromBlock"], 16), int(wanted["toBlock"], 16)
