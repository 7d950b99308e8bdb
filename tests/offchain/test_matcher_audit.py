"""A matcher's journal replayed by somebody else: an honest one passes, each lie shows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ballast.errors import BallastError
from ballast.matcher.audit import NoReceipt, audited, receipt_in
from ballast.matcher.records import Withdraw
from ballast.matcher.signatures import MatcherDomain, sign
from ballast.matcher.views import Names
from tests.support.asking import Direct
from tests.support.counter import DOMAIN, NAMES, Counter, key_of

WHOLE = "/journal?first=1&most=1000"
STATEMENTS = MatcherDomain(DOMAIN.chain_id, DOMAIN.exchange)


@pytest.fixture
def matcher(counter: Counter) -> Direct:
    return Direct(counter.app)


@pytest.fixture
def receipts(counter: Counter, matcher: Direct) -> list[dict[str, Any]]:
    """Of orders in two books, some of which met and one of which was withdrawn."""
    terms = [("maker", -10, 100, 1), ("maker", 5, 40, 2), ("taker", 4, 101, 1), ("third", -3, 105, 1)]
    found = [matcher.submit(counter.document(*one))["receipt"] for one in terms]
    counter.sequencer.commit(Withdraw(found[3]["hash"]))
    return found


def differences(matcher: Direct, receipts: list[dict[str, Any]]) -> list[str]:
    return audited(matcher, STATEMENTS, Names(NAMES), receipts).differences


def test_audit__honest_matcher__nothing_differs(matcher: Direct, receipts: list[dict[str, Any]]) -> None:
    found = audited(matcher, STATEMENTS, Names(NAMES), receipts)
    assert (found.entries, found.orders, found.books, found.differences) == (5, 4, 2, [])


def test_audit__journal__shows_no_signature(counter: Counter, matcher: Direct) -> None:
    document = counter.document("maker", -10, 100)
    matcher.submit(document)
    assert document["signature"][2:] not in json.dumps(matcher.journal(1))


def test_audit__two_orders_were_swapped__the_receipts_show_it(matcher: Direct, receipts: list[dict[str, Any]]) -> None:
    def swap(path: str, answer: dict[str, Any]) -> dict[str, Any]:
        if path == WHOLE:
            first, second, *rest = answer["entries"]
            answer["entries"] = [{**second, "number": 1}, {**first, "number": 2}, *rest]
        return answer

    matcher.bend = swap
    assert len(differences(matcher, receipts[:1])) == 1
    assert "the receipt says (1," in differences(matcher, receipts[:1])[0]


def test_audit__an_order_is_left_out__its_receipt_and_all_later_ones_show_it(
    matcher: Direct, receipts: list[dict[str, Any]]
) -> None:
    def leave_out(path: str, answer: dict[str, Any]) -> dict[str, Any]:
        if path == WHOLE:
            kept = [one for one in answer["entries"] if one.get("hash") != receipts[1]["hash"]]
            answer["entries"] = [{**one, "number": number} for number, one in enumerate(kept, 1)]
            answer["length"] = len(kept)
        return answer

    matcher.bend = leave_out
    found = differences(matcher, receipts)
    assert [text.split(":")[0] for text in found[-3:]] == [one["hash"] for one in receipts[1:]]


def test_audit__book_shows_more_than_there_is__differs(matcher: Direct, receipts: list[dict[str, Any]]) -> None:
    def pad(path: str, answer: dict[str, Any]) -> dict[str, Any]:
        return {**answer, "bids": [["99", "7"]]} if path.startswith("/book/PERP:ETH") else answer

    matcher.bend = pad
    assert differences(matcher, []) == ["PERP:ETH: its book is not what the journal makes it"]


def test_audit__entries_are_missing__is_told(matcher: Direct, receipts: list[dict[str, Any]]) -> None:
    def skip(path: str, answer: dict[str, Any]) -> dict[str, Any]:
        return {**answer, "entries": answer["entries"][1:]} if "entries" in answer else answer

    matcher.bend = skip
    with pytest.raises(BallastError, match="skips from entry 0 to 2"):
        audited(matcher, STATEMENTS, Names(NAMES))


@pytest.fixture
def request_receipts(counter: Counter, matcher: Direct) -> list[dict[str, Any]]:
    """Of a request, two quotes and the end of it; the later quote is the better one."""
    asked = matcher.ask({"seconds": 15, "orders": counter.legs("taker", (1, 5, 100), (2, -2, 200))})
    quotes = [
        matcher.answer(1, counter.legs(role, (1, -5, eth), (2, 2, 204))) for role, eth in (("maker", 98), ("other", 97))
    ]
    counter.wait(15)
    return [receipt for answer in (asked, *quotes) for receipt in answer["receipts"]]


def test_audit__requests_for_quotes__are_replayed_with_a_receipt_a_leg(
    matcher: Direct, request_receipts: list[dict[str, Any]]
) -> None:
    found = audited(matcher, STATEMENTS, Names(NAMES), request_receipts)
    assert (found.entries, found.orders, found.requests, found.differences) == (4, 6, 1, [])


def test_audit__another_quote_was_matched_than_the_best__differs(
    matcher: Direct, request_receipts: list[dict[str, Any]]
) -> None:
    def favour(path: str, answer: dict[str, Any]) -> dict[str, Any]:
        if path == "/rfq/1":
            first, second = answer["quotes"]
            answer["quotes"] = [{**first, "state": "matched"}, {**second, "state": "live"}]
        return answer

    matcher.bend = favour
    assert differences(matcher, request_receipts) == ["request 1: what is shown of it is not what the journal makes it"]


def test_audit__a_quote_is_left_out__its_receipts_show_it(
    matcher: Direct, request_receipts: list[dict[str, Any]]
) -> None:
    def leave_out(path: str, answer: dict[str, Any]) -> dict[str, Any]:
        if path == WHOLE:
            kept = [one for number, one in enumerate(answer["entries"]) if number != 2]
            answer["entries"] = [{**one, "number": number} for number, one in enumerate(kept, 1)]
            answer["length"] = len(kept)
        return answer

    matcher.bend = leave_out
    found = differences(matcher, request_receipts)
    assert [text.split(":")[0] for text in found[-2:]] == [one["hash"] for one in request_receipts[4:]]


def test_audit__the_time_of_a_quote_is_moved_behind_the_end__it_has_no_place(
    matcher: Direct, request_receipts: list[dict[str, Any]]
) -> None:
    def late(path: str, answer: dict[str, Any]) -> dict[str, Any]:
        if path == WHOLE:
            answer["entries"][2]["time"] += 15_000
        return answer

    matcher.bend = late
    assert any("the journal does not have" in text for text in differences(matcher, request_receipts))


def test_audit__journal_of_a_request__shows_no_signature(counter: Counter, matcher: Direct) -> None:
    orders = counter.legs("taker", (1, 5, 100), (2, -2, 200))
    matcher.ask({"seconds": 15, "orders": orders})
    assert all(one["signature"][2:] not in json.dumps(matcher.journal(1)) for one in orders)


def test_audit__receipt_of_somebody_else__is_told(matcher: Direct, receipts: list[dict[str, Any]]) -> None:
    first = receipts[0]
    message = STATEMENTS.receipt(first["hash"], first["sequence"], first["time"], first["chain"])
    forged = {**first, "signature": sign(message, key_of("taker"))}
    (text,) = differences(matcher, [forged])
    assert key_of("taker").address in text


def test_receipt_in__answers_and_lists_of_one__and_nothing_else(receipts: list[dict[str, Any]]) -> None:
    assert receipt_in([{"receipt": receipts[0]}], "file") == receipts[0]
    assert receipt_in({"receipt": receipts[0]}, "file") == receipt_in(receipts[0], "file") == receipts[0]
    for content in ([], [1], {"receipt": {}}, "text", 7):
        with pytest.raises(NoReceipt, match="file"):
            receipt_in(content, "file")
