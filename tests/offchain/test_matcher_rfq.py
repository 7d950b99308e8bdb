"""Requests for quotes over HTTP and WebSocket: what is taken, what is refused, and what everybody hears."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from ballast.chain.ids import ISOLATED_BIT, account_id
from ballast.chain.orders import Order, OrderFlags, as_legs
from ballast.matcher.admission import Exposure, require_legs, require_restable
from ballast.matcher.desk import MOST_REQUESTS
from ballast.matcher.margin import Trade
from ballast.matcher.refusals import Refused
from ballast.matcher.service import ServicePolicy
from tests.support.asking import Ask, asking, code_of
from tests.support.counter import Counter, key_of
from tests.support.matching import BTC, ETH, Floor, order_of

# The taker buys ETH and sells BTC.
WANTED = ((1, 5, 100), (2, -2, 200))
NAMED = [{"instrument": "PERP:ETH", "size": "5"}, {"instrument": "PERP:BTC", "size": "-2"}]


def against(eth: int, btc: int) -> tuple[tuple[int, int, int], ...]:
    """A maker's legs at these limits."""
    return (1, -5, eth), (2, 2, btc)


def opened(counter: Counter, ask: Ask, signed: bool = True, seconds: int = 15) -> Any:
    body = {"orders": counter.legs("taker", *WANTED)} if signed else {"legs": NAMED}
    answer = ask("POST", "/rfq", json={"seconds": seconds, **body})
    assert answer.status_code == 201, answer.text
    return answer.json()


def quoted(counter: Counter, ask: Ask, role: str, eth: int, btc: int, number: int = 1) -> Any:
    return ask("POST", f"/rfq/{number}/quotes", json={"orders": counter.legs(role, *against(eth, btc))})


def test_ask__signed__every_leg_has_a_receipt_and_its_limits_are_not_shown(counter: Counter, ask: Ask) -> None:
    made = opened(counter, ask)
    assert [one["sequence"] for one in made["receipts"]] == [1, 2]
    assert made["request"] == ask("GET", "/rfq/1").json()
    assert (made["request"]["state"], made["request"]["until"]) == ("open", counter.now + 15_000)
    assert made["request"]["legs"] == NAMED
    assert "limit" not in ask("GET", "/rfq/1").text


def test_close__when_its_time_is_over__the_cheapest_is_matched_and_all_see_it(counter: Counter, ask: Ask) -> None:
    opened(counter, ask)
    quoted(counter, ask, "maker", 99, 201)
    best = quoted(counter, ask, "other", 98, 204).json()
    counter.wait(14)
    assert ask("GET", "/rfq/1").json()["state"] == "open"
    counter.wait(1)
    request = ask("GET", "/rfq").json()["requests"][0]
    assert request["state"] == "matched"
    assert [one["state"] for one in request["quotes"]] == ["live", "matched"]
    assert [one["cost"] for one in request["quotes"]] == ["1", "1"], "of integers this small, rounded up"
    trades = ask("GET", "/trades").json()["trades"]
    assert {one["maker"] for one in trades} == {one["hash"] for one in best["orders"]}
    assert len({one["unit"] for one in trades}) == 1


def test_take__after_quotes__is_matched_at_once_and_the_orders_of_others_do_not_count(
    counter: Counter, ask: Ask
) -> None:
    opened(counter, ask, signed=False)
    take = {"orders": counter.legs("taker", (1, 5, 98), (2, -2, 204))}
    assert code_of(ask("POST", "/rfq/1/take", json=take)) == "no-quote"
    quoted(counter, ask, "taker", 90, 210)
    assert code_of(ask("POST", "/rfq/1/take", json=take)) == "no-quote", "his own"
    assert ask("GET", "/receipts").json()["receipts"][-1]["sequence"] == 2, "nothing was taken"
    quoted(counter, ask, "maker", 98, 204)
    answer = ask("POST", "/rfq/1/take", json=take)
    assert answer.status_code == 201
    assert (answer.json()["request"]["state"], len(answer.json()["trades"])) == ("matched", 2)
    assert code_of(ask("POST", "/rfq/1/take", json={"orders": counter.legs("third", *WANTED)})) == "request-over"


def test_take__of_a_request_that_was_signed__is_refused(counter: Counter, ask: Ask) -> None:
    opened(counter, ask)
    quoted(counter, ask, "maker", 98, 204)
    assert code_of(ask("POST", "/rfq/1/take", json={"orders": counter.legs("third", *WANTED)})) == "request-over"


def test_answer__legs_in_another_order__are_put_in_the_requests(counter: Counter, ask: Ask) -> None:
    opened(counter, ask)
    made = ask("POST", "/rfq/1/quotes", json={"orders": counter.legs("maker", *reversed(against(98, 204)))}).json()
    assert made["request"]["quotes"][0]["limits"] == ["98", "204"]


@pytest.mark.parametrize(
    "legs",
    [
        WANTED,
        against(98, 204)[:1] * 2,
        ((1, -4, 98), (2, 2, 204)),
        ((1, -5, 98), (3, 2, 204)),
        (*against(98, 204), (3, 1, 7)),
    ],
)
def test_answer__anything_but_the_other_side_of_all_legs__is_refused(counter: Counter, ask: Ask, legs: Any) -> None:
    opened(counter, ask)
    assert code_of(ask("POST", "/rfq/1/quotes", json={"orders": counter.legs("maker", *legs)})) == "other-legs"


def test_answer__too_late_or_to_nothing_or_to_oneself__is_refused(counter: Counter, ask: Ask) -> None:
    assert code_of(quoted(counter, ask, "maker", 98, 204)) == "not-found"
    opened(counter, ask)
    assert code_of(quoted(counter, ask, "taker", 98, 204)) == "self-trade"
    counter.now += 15_000
    assert code_of(quoted(counter, ask, "maker", 98, 204)) == "request-over"


def test_answer__closes_while_the_chain_is_asked__is_refused(counter: Counter, ask: Ask) -> None:
    opened(counter, ask)
    counter.door.meanwhile = lambda: counter.wait(15)
    assert code_of(quoted(counter, ask, "maker", 98, 204)) == "request-over"


def test_answer__twice_or_what_the_chain_refuses__is_refused(counter: Counter, ask: Ask) -> None:
    opened(counter, ask)
    body = {"orders": counter.legs("maker", *against(98, 204))}
    counter.door.objection = Refused("margin", rule="initial margin")
    assert code_of(ask("POST", "/rfq/1/quotes", json=body)) == "margin"
    counter.door.objection = None
    assert ask("POST", "/rfq/1/quotes", json=body).status_code == 201
    assert code_of(ask("POST", "/rfq/1/quotes", json=body)) == "already-known"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "malformed"),
        ({"legs": NAMED, "seconds": 0}, "malformed"),
        ({"legs": NAMED, "seconds": 301}, "malformed"),
        ({"legs": NAMED[:1]}, "unsupported-terms"),
        ({"legs": NAMED[:1] * 2}, "unsupported-terms"),
        ({"legs": [NAMED[0], {"instrument": "PERP:BTC", "size": "0"}]}, "size-step"),
        ({"legs": [NAMED[0], {"instrument": "PERP:DOGE", "size": "1"}]}, "not-found"),
    ],
)
def test_ask__no_request__is_refused(ask: Ask, body: Any, code: str) -> None:
    assert code_of(ask("POST", "/rfq", json=body)) == code
    assert ask("GET", "/rfq").json()["requests"] == []


def test_ask__both_legs_and_orders__is_malformed(counter: Counter, ask: Ask) -> None:
    body = {"legs": NAMED, "orders": counter.legs("taker", *WANTED)}
    assert code_of(ask("POST", "/rfq", json=body)) == "malformed"


def test_ask__more_requests_than_are_taken_at_once__is_refused_until_one_ends(counter: Counter, ask: Ask) -> None:
    for _ in range(MOST_REQUESTS):
        opened(counter, ask, signed=False)
    assert code_of(ask("POST", "/rfq", json={"legs": NAMED})) == "too-many-requests"
    counter.wait(15)
    opened(counter, ask, signed=False)


def test_answer__more_orders_than_an_account_may_have__is_refused(tmp_path: Path) -> None:
    counter = Counter(tmp_path / "few.sqlite", policy=ServicePolicy(most_orders=3))
    ask = asking(counter)
    opened(counter, ask)
    assert quoted(counter, ask, "maker", 98, 204).status_code == 201
    assert code_of(quoted(counter, ask, "maker", 97, 204)) == "too-many-orders"
    counter.close()


def test_restable__a_leg__is_told_to_ask_for_quotes() -> None:
    with pytest.raises(Refused, match="ask for quotes"):
        require_restable(as_legs([order_of(1, 5, 100, 1), order_of(1, 5, 100, 2)], 3)[0])


def test_withdraw__a_leg_of_a_quote__takes_the_quote_back(counter: Counter, ask: Ask) -> None:
    opened(counter, ask)
    made = quoted(counter, ask, "maker", 98, 204).json()
    account, nonce = account_id(key_of("maker").address), int(made["orders"][1]["nonce"])
    answer = ask("DELETE", f"/orders/{account}/{nonce}", json=counter.withdrawal("maker", account, nonce))
    assert answer.json()["order"]["state"] == "dead"
    assert ask("GET", "/rfq/1").json()["quotes"][0]["state"] == "dead"
    counter.wait(15)
    assert ask("GET", "/rfq/1").json()["state"] == "over"


def test_channel__a_request__is_told_from_its_opening_to_its_end_without_a_gap(counter: Counter, ask: Ask) -> None:
    with TestClient(counter.app).websocket_connect("/ws") as socket:
        socket.send_json({"op": "subscribe", "channels": ["rfq"]})
        first = socket.receive_json()
        assert (first["type"], first["requests"]) == ("snapshot", [])
        opened(counter, ask)
        quoted(counter, ask, "maker", 98, 204)
        counter.wait(15)
        heard = [socket.receive_json() for _ in range(3)]
        assert [one["sequence"] for one in heard] == [1, 2, 3]
        assert [(one["request"]["state"], len(one["request"]["quotes"])) for one in heard] == [
            ("open", 0),
            ("open", 1),
            ("matched", 1),
        ]
        socket.send_json({"op": "subscribe", "channels": ["rfq"]})
        assert socket.receive_json()["requests"] == [], "it takes no quotes any more"


def test_restart__a_request_that_is_open__is_there_with_its_quotes_and_ends(counter: Counter, tmp_path: Path) -> None:
    ask = asking(counter)
    opened(counter, ask)
    quoted(counter, ask, "maker", 98, 204)
    shown = ask("GET", "/rfq/1").json()
    again = Counter(tmp_path / "journal.sqlite")
    assert asking(again)("GET", "/rfq/1").json() == shown
    again.wait(15)
    assert asking(again)("GET", "/rfq/1").json()["state"] == "matched"
    again.close()


LEGS = as_legs([order_of(1, 5, 100, 1), order_of(1, -2, 200, 2, BTC)], 3)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda one: replace(one, flags=one.flags | OrderFlags.POST_ONLY), "unsupported-terms"),
        (lambda one: replace(one, flags=one.flags | OrderFlags.FILL_OR_KILL), "unsupported-terms"),
        (lambda one: replace(one, flags=int(OrderFlags.MULTI_LEG) | 3 << 8), "unsupported-terms"),
        (lambda one: replace(one, trigger=5), "unsupported-terms"),
        (lambda one: replace(one, group=4), "unsupported-terms"),
        (lambda one: replace(one, group=0), "unsupported-terms"),
        (lambda one: replace(one, account=7 << 96), "unsupported-terms"),
        (lambda one: replace(one, size=0), "size-step"),
        (lambda one: replace(one, limit=0), "price-band"),
    ],
)
def test_require_legs__anything_but_one_package__is_refused(change: Callable[[Order], Order], code: str) -> None:
    require_legs(LEGS)
    with pytest.raises(Refused) as refusal:
        require_legs([LEGS[0], change(LEGS[1])])
    assert refusal.value.code == code


def test_require_legs__reduce_only__passes_and_an_isolated_account_of_two_underlyings_does_not() -> None:
    require_legs([replace(one, flags=one.flags | OrderFlags.REDUCE_ONLY) for one in LEGS])
    with pytest.raises(Refused) as refusal:
        require_legs([replace(one, account=one.account | ISOLATED_BIT) for one in LEGS])
    assert refusal.value.code == "account-bound"


def test_exposure__quotes__count_as_packages_of_which_one_may_come_and_matched_ones_for_certain() -> None:
    floor = Floor()
    request = floor.ask((ETH, 5, 100), (BTC, -2, 200), who=1)
    floor.quote(request, 2, 98, 204)
    floor.quote(request, 2, 97, 204)
    other = floor.ask((ETH, 1, 100), (BTC, 1, 200))
    floor.quote(other, 2, 90, 210)
    first, second = ((Trade(ETH, -5, eth), Trade(BTC, 2, 204)) for eth in (98, 97))
    third = (Trade(ETH, -1, 90), Trade(BTC, -1, 210))
    assert Exposure.of(floor.engine, 2 << 96) == Exposure((), (), ((first, second), (third,)))
    assert Exposure.of(floor.engine, 2 << 96, request=1) == Exposure((), (), ((third,),))
    floor.close(request)
    found = Exposure.of(floor.engine, 2 << 96)
    assert (found.certain, found.packages) == (second, ((first,), (third,)))
