"""The matcher's HTTP interface: what it takes, what it refuses, what it promises."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from ballast.chain.ids import account_id
from ballast.chain.orders import OrderFlags
from ballast.matcher.api import LARGEST_BODY
from ballast.matcher.limits import RateLimit
from ballast.matcher.refusals import PROBLEMS, Refused
from ballast.matcher.service import ServicePolicy
from ballast.matcher.signatures import MatcherDomain
from ballast.matcher.state import NO_RECEIPT, next_receipt
from tests.support.asking import Ask, asking, code_of
from tests.support.counter import DOMAIN, Counter, key_of
from tests.support.matching import accept_of, order_of


def test_submit__signed_order__receipt_is_the_operators_and_its_chain_follows(counter: Counter, ask: Ask) -> None:
    before = NO_RECEIPT
    for number in (1, 2, 3):
        answer = ask("POST", "/orders", json=counter.document("maker", 5, 100 - number))
        assert answer.status_code == 201
        receipt = answer.json()["receipt"]
        assert receipt["sequence"] == number
        before = next_receipt(before, receipt["hash"], number, receipt["time"])
        assert receipt["chain"] == before
        place = receipt["hash"], number, receipt["time"], receipt["chain"]
        message = MatcherDomain(DOMAIN.chain_id, DOMAIN.exchange).receipt(*place)
        assert Account.recover_message(message, signature=receipt["signature"]) == counter.operator.address
    listed = ask("GET", "/receipts?first=2").json()["receipts"]
    assert [one["sequence"] for one in listed] == [2, 3]
    assert listed[-1]["chain"] == before


def test_submit__crosses__answer_and_lists_tell_the_same(counter: Counter, ask: Ask) -> None:
    ask("POST", "/orders", json=counter.document("maker", -10, 100))
    answer = ask("POST", "/orders", json=counter.document("taker", 4, 101)).json()
    assert answer["order"] | {"pending": "4", "open": "0", "state": "live", "side": "buy"} == answer["order"]
    assert ask("GET", "/trades?instrument=PERP:ETH").json()["trades"] == answer["trades"]
    assert ask("GET", "/trades?instrument=PERP:BTC").json()["trades"] == []
    assert ask("GET", f"/orders/{answer['order']['hash']}").json() == answer
    assert ask("GET", "/book/PERP:ETH").json() == {"instrument": "PERP:ETH", "bids": [], "asks": [["100", "6"]]}


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document.pop("signature"),
        lambda document: document["order"].update(size=5),
        lambda document: document["order"].update(size="5.0"),
        lambda document: document["order"].update(size="-0x5"),
        lambda document: document["order"].update(nonce=str(1 << 64)),
        lambda document: document["order"].update(limit="-1"),
        lambda document: document["order"].update(signer="0x1234"),
        lambda document: document["order"].update(colour="red"),
        lambda document: document.update(chainId="31337"),
        lambda document: document.update(signature="0x123"),
        lambda document: document.update(hash=document["hash"].upper()),
        lambda document: document.update(note="hello"),
    ],
)
def test_submit__anything_but_the_document__is_malformed_and_says_where(
    counter: Counter, ask: Ask, change: Callable[[Any], Any]
) -> None:
    document = counter.document("maker", 5, 100)
    change(document)
    answer = ask("POST", "/orders", json=document)
    assert code_of(answer) == "malformed"
    assert answer.json()["detail"].startswith("body.")
    assert ask("GET", "/receipts").json()["receipts"] == []


def test_submit__not_json__is_malformed(ask: Ask) -> None:
    assert code_of(ask("POST", "/orders", content=b"{", headers={"content-type": "application/json"})) == "malformed"


def test_submit__terms_changed_or_elsewhere__are_told_apart(counter: Counter, ask: Ask) -> None:
    document = counter.document("maker", 5, 100)
    changed = {**document, "order": {**document["order"], "limit": "101"}}
    assert code_of(ask("POST", "/orders", json=changed)) == "hash-mismatch"
    assert code_of(ask("POST", "/orders", json={**document, "chainId": 1})) == "other-exchange"
    assert code_of(ask("POST", "/orders", json={**document, "exchange": "0x" + "11" * 20})) == "other-exchange"


def test_submit__chain_objects__its_code_and_numbers_come_through_and_nothing_is_taken(
    counter: Counter, ask: Ask
) -> None:
    counter.door.objection = Refused("margin", rule="initial margin", equity="1", required="2")
    answer = ask("POST", "/orders", json=counter.document("maker", 5, 100))
    assert code_of(answer) == "margin"
    assert answer.json() | {"equity": "1", "required": "2"} == answer.json()
    assert ask("GET", "/receipts").json()["receipts"] == []


def test_submit__book_moves_while_the_chain_is_asked__it_is_looked_at_again(counter: Counter, ask: Ask) -> None:
    offer = accept_of(order_of(9, -5, 100, 1), 1)
    counter.door.meanwhile = lambda: counter.sequencer.commit(offer)
    bid = counter.document("maker", 5, 100, flags=OrderFlags.POST_ONLY)
    assert code_of(ask("POST", "/orders", json=bid)) == "post-only"
    assert ask("GET", "/book/PERP:ETH").json()["asks"] == [["100", "5"]]


def test_submit__more_orders_than_an_account_may_have__is_refused(tmp_path: Path) -> None:
    counter = Counter(tmp_path / "few.sqlite", policy=ServicePolicy(most_orders=2))
    ask = asking(counter)
    answers = [ask("POST", "/orders", json=counter.document("maker", 5, 90 - number)) for number in range(3)]
    assert [one.status_code for one in answers] == [201, 201, 429]
    assert code_of(answers[2]) == "too-many-orders"
    counter.close()


def test_requests__faster_than_allowed__are_refused_and_told_to_wait(tmp_path: Path) -> None:
    counter = Counter(tmp_path / "slow.sqlite", limit=RateLimit(1, 2, clock=lambda: 7.0))
    ask = asking(counter)
    answers = [ask("POST", "/orders", json=counter.document("maker", 5, 90 - number)) for number in range(3)]
    assert [one.status_code for one in answers] == [201, 201, 429]
    assert code_of(answers[2]) == "too-many-requests"
    assert answers[2].headers["retry-after"] == "1"
    assert ask("GET", "/book/PERP:ETH").status_code == 200
    counter.close()


def test_requests__larger_than_any_order__are_refused_unread(counter: Counter, ask: Ask) -> None:
    assert code_of(ask("POST", "/orders", content=b"x" * (LARGEST_BODY + 1))) == "too-large"

    async def chunks() -> Any:
        for _ in range(LARGEST_BODY // 1_000 + 2):
            yield b"x" * 1_000

    headers = {"content-type": "application/json"}
    assert code_of(ask("POST", "/orders", content=chunks(), headers=headers)) == "too-large"


def test_withdraw__by_the_owner__takes_it_out_and_by_others_does_not(counter: Counter, ask: Ask) -> None:
    document = counter.document("maker", -10, 100)
    ask("POST", "/orders", json=document)
    account, nonce = account_id(key_of("maker").address), int(document["order"]["nonce"])
    path = f"/orders/{account}/{nonce}"
    assert code_of(ask("DELETE", path, json=counter.withdrawal("taker", account, nonce))) == "not-authorised"
    forged = counter.withdrawal("taker", account, nonce) | {"signer": key_of("maker").address}
    assert code_of(ask("DELETE", path, json=forged)) == "bad-signature"
    other = counter.withdrawal("maker", account, nonce + 1)
    assert code_of(ask("DELETE", path, json=other)) == "bad-signature"
    assert code_of(ask("DELETE", f"/orders/{account}/999", json=other)) == "not-found"
    answer = ask("DELETE", path, json=counter.withdrawal("maker", account, nonce))
    assert answer.json()["order"] | {"state": "dead", "reason": "withdrawn", "open": "0"} == answer.json()["order"]
    assert ask("GET", "/book/PERP:ETH").json()["asks"] == []
    assert code_of(ask("POST", "/orders", json=document)) == "already-known"


def test_lists__depth_and_most__cut_and_bounds_are_kept(counter: Counter, ask: Ask) -> None:
    for number in range(4):
        ask("POST", "/orders", json=counter.document("maker", 5, 90 + number))
    assert ask("GET", "/book/PERP:ETH?depth=2").json()["bids"] == [["93", "5"], ["92", "5"]]
    assert code_of(ask("GET", "/book/PERP:ETH?depth=0")) == "malformed"
    assert code_of(ask("GET", "/trades?most=100000")) == "malformed"
    assert [one["sequence"] for one in ask("GET", "/receipts?first=2&most=2").json()["receipts"]] == [2, 3]


@pytest.mark.parametrize("path", ["/book/ETH", "/book/PERP:DOGE", "/orders/0x" + "00" * 32, "/nothing", "/problems/x"])
def test_get__what_is_not_there__is_a_problem_document(ask: Ask, path: str) -> None:
    assert code_of(ask("GET", path)) == "not-found"


def test_method__that_is_not_there__is_a_problem_document(ask: Ask) -> None:
    answer = ask("PUT", "/orders")
    assert (answer.status_code, answer.headers["content-type"]) == (405, "application/problem+json")


def test_health__before_a_block_and_while_closing__is_not_ok(counter: Counter, ask: Ask) -> None:
    assert (ask("GET", "/health").status_code, ask("GET", "/health").json()["status"]) == (503, "quiet")
    counter.matcher.is_closing = True
    assert ask("GET", "/health").json()["status"] == "closing"
    answer = ask("POST", "/orders", json=counter.document("maker", 5, 100))
    assert code_of(answer) == "closing"
    assert answer.headers["retry-after"] == "1"


def test_metrics__count_what_was_taken_and_what_was_not(counter: Counter, ask: Ask) -> None:
    ask("POST", "/orders", json=counter.document("maker", 5, 100))
    ask("POST", "/orders", json={})
    shown = ask("GET", "/metrics").text
    assert "ballast_matcher_orders_accepted_total 1.0" in shown
    assert 'ballast_matcher_orders_refused_total{code="malformed"} 1.0' in shown
    assert "ballast_matcher_orders_resting 1.0" in shown


def test_submit__journal_cannot_be_written__is_told_and_nothing_was_taken(counter: Counter, ask: Ask) -> None:
    counter.sequencer.close()
    answer = ask("POST", "/orders", json=counter.document("maker", 5, 100))
    assert code_of(answer) == "not-recorded"
    assert "sqlite" not in answer.text
    assert ask("GET", "/book/PERP:ETH").json()["bids"] == []


def test_order__shown__without_its_signature(counter: Counter, ask: Ask) -> None:
    document = counter.document("maker", 5, 100)
    ask("POST", "/orders", json=document)
    assert document["signature"][2:] not in ask("GET", f"/orders/{document['hash']}").text


def test_openapi__every_endpoint__is_there_with_an_example_and_its_problems(ask: Ask) -> None:
    document = ask("GET", "/openapi.json").json()
    assert set(document["paths"]) >= {
        "/orders",
        "/orders/{account}/{nonce}",
        "/book/{instrument}",
        "/trades",
        "/health",
    }
    assert document["components"]["schemas"]["OrderDocument"]["examples"]
    responses = document["paths"]["/orders"]["post"]["responses"]
    assert responses["default"]["content"]["application/problem+json"]
    for code, (status, title) in PROBLEMS.items():
        assert (
            ask("GET", f"/problems/{code}").json() | {"status": status, "title": title}
            == ask("GET", f"/problems/{code}").json()
        )


def test_restart__same_journal__same_book_and_receipts(counter: Counter, ask: Ask, tmp_path: Path) -> None:
    ask("POST", "/orders", json=counter.document("maker", -10, 100))
    ask("POST", "/orders", json=counter.document("taker", 4, 101))
    shown = [ask("GET", path).json() for path in ("/book/PERP:ETH", "/trades", "/receipts")]
    again = Counter(tmp_path / "journal.sqlite")
    assert [asking(again)("GET", path).json() for path in ("/book/PERP:ETH", "/trades", "/receipts")] == shown
    again.close()
