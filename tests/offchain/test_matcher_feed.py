"""The matcher's WebSocket: snapshot, then deltas without a gap."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ballast.chain.ids import account_id
from ballast.matcher.feed import Subscriber
from ballast.matcher.records import Withdraw
from tests.support.counter import Counter, key_of

BOOK = "book:PERP:ETH"


@pytest.fixture
def client(counter: Counter) -> TestClient:
    return TestClient(counter.app)


def subscribe(socket: Any, *channels: str) -> list[Any]:
    socket.send_json({"op": "subscribe", "channels": list(channels)})
    return [socket.receive_json() for _ in channels]


def apply(levels: dict[str, dict[str, str]], message: Any) -> None:
    """What a client does with a snapshot or a delta."""
    for side in ("bids", "asks"):
        for price, size in message[side]:
            levels[side][price] = size
            if size == "0":
                del levels[side][price]


arrivals = st.lists(
    st.tuples(st.sampled_from(["one", "two", "three"]), st.integers(-9, 9).filter(bool), st.integers(96, 104)),
    min_size=1,
    max_size=12,
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=arrivals, after=arrivals, withdrawn=st.booleans())
def test_book__snapshot_and_deltas__add_up_to_the_book_without_a_gap(
    tmp_path_factory: pytest.TempPathFactory, before: Any, after: Any, withdrawn: bool
) -> None:
    counter = Counter(tmp_path_factory.mktemp("feed") / "journal.sqlite")
    client = TestClient(counter.app)
    for arrival in before:
        client.post("/orders", json=counter.document(*arrival))
    with client.websocket_connect("/ws") as socket:
        (snapshot,) = subscribe(socket, BOOK)
        for arrival in after:
            client.post("/orders", json=counter.document(*arrival))
        if withdrawn:
            with counter.sequencer.state() as engine:
                newest = list(engine.orders)[-1]
            counter.sequencer.commit(Withdraw(newest))
        socket.send_json({"op": "ping"})
        levels: dict[str, dict[str, str]] = {"bids": {}, "asks": {}}
        apply(levels, snapshot)
        number = snapshot["sequence"]
        while (message := socket.receive_json())["type"] != "pong":
            number += 1
            assert (message["sequence"], message["session"]) == (number, snapshot["session"])
            apply(levels, message)
    shown = client.get("/book/PERP:ETH?depth=1000").json()
    assert levels == {"bids": dict(shown["bids"]), "asks": dict(shown["asks"])}
    counter.close()


def test_orders__of_an_account__tell_each_step_of_its_own_and_of_no_other(counter: Counter, client: TestClient) -> None:
    account = account_id(key_of("maker").address)
    with client.websocket_connect("/ws") as socket:
        (snapshot,) = subscribe(socket, f"orders:{account}")
        assert (snapshot["channel"], snapshot["orders"]) == (f"orders:{hex(account)}", [])
        client.post("/orders", json=counter.document("maker", -10, 100))
        client.post("/orders", json=counter.document("stranger", -10, 101))
        client.post("/orders", json=counter.document("taker", 4, 100))
        heard = [socket.receive_json()["order"] for _ in range(2)]
        assert [(one["open"], one["pending"]) for one in heard] == [("10", "0"), ("6", "4")]
        socket.send_json({"op": "ping"})
        assert socket.receive_json() == {"type": "pong"}


def test_unsubscribe__hears_no_more(counter: Counter, client: TestClient) -> None:
    with client.websocket_connect("/ws") as socket:
        subscribe(socket, BOOK, "trades:PERP:ETH")
        socket.send_json({"op": "unsubscribe", "channels": [BOOK]})
        socket.send_json({"op": "ping"})
        assert socket.receive_json()["type"] == "pong"
        client.post("/orders", json=counter.document("maker", -10, 100))
        client.post("/orders", json=counter.document("taker", 4, 100))
        assert socket.receive_json()["trade"]["size"] == "4"


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"op": "subscribe", "channels": ["book:PERP:DOGE"]}, "not-found"),
        ({"op": "subscribe", "channels": ["weather:PERP:ETH"]}, "not-found"),
        ({"op": "subscribe", "channels": ["orders:me"]}, "not-found"),
        ({"op": "subscribe", "channels": [f"orders:{number}" for number in range(1, 102)]}, "too-many-requests"),
        ({"op": "dance", "channels": []}, "malformed"),
        ({"op": "subscribe"}, "malformed"),
        (["subscribe"], "malformed"),
        (7, "malformed"),
    ],
)
def test_socket__what_it_does_not_understand__is_answered_and_goes_on(
    client: TestClient, request_: Any, code: str
) -> None:
    with client.websocket_connect("/ws") as socket:
        socket.send_json(request_)
        answer = socket.receive_json()
        assert (answer["type"], answer["code"]) == ("error", code)
        socket.send_json({"op": "ping"})
        assert socket.receive_json() == {"type": "pong"}


def test_subscriber__reads_too_slowly__is_let_go_and_keeps_no_more() -> None:
    async def run() -> list[Any]:
        subscriber = Subscriber(asyncio.get_running_loop(), longest=3)
        for number in range(10):
            subscriber.tell({"number": number})
        return [await subscriber.next() for _ in range(4)]

    assert asyncio.run(run()) == [{"number": 0}, {"number": 1}, {"number": 2}, None]


def test_socket__closed__leaves_no_subscriber_behind(counter: Counter, client: TestClient) -> None:
    with client.websocket_connect("/ws") as socket:
        subscribe(socket, BOOK)
        assert counter.feed.listening() == 1
    assert counter.feed.listening() == 0
