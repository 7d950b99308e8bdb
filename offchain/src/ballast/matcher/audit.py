"""Whether a matcher did what it says: its journal replayed here, against its books, requests for quotes and receipts.

What this cannot see is what never got into the journal: an order that was refused, or kept waiting before it was taken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from eth_account import Account

from ballast.errors import BallastError
from ballast.matcher.book import SelfTrade
from ballast.matcher.client import MatcherClient
from ballast.matcher.engine import Engine
from ballast.matcher.records import Accept, Answer, Ask, Command, Take
from ballast.matcher.signatures import MatcherDomain
from ballast.matcher.views import Names, request_view

# A book may change while it is read; it is read again, so often at most.
ATTEMPTS = 5


class NoReceipt(BallastError):
    """A file holds no receipt."""


@dataclass
class Audit:
    """What was replayed, and what differs, in words; nothing where all is as it should be."""

    entries: int = 0
    orders: int = 0
    books: int = 0
    requests: int = 0
    differences: list[str] = field(default_factory=list)


@dataclass
class _Replay:
    engine: Engine
    entries: int = 0
    places: dict[str, tuple[int, int, str]] = field(default_factory=dict)

    def follow(self, matcher: MatcherClient) -> None:
        """Everything that is new."""
        while True:
            answer = matcher.journal(self.entries + 1)
            for entry in answer["entries"]:
                self._apply(dict(entry))
            if self.entries >= answer["length"]:
                return

    def _apply(self, entry: dict[str, Any]) -> None:
        number = entry.pop("number")
        if number != self.entries + 1:
            raise BallastError(f"the journal skips from entry {self.entries} to {number}")
        command = Command.of(entry)
        self.engine.apply(command)
        self.entries = number
        for key in _brought_by(command):
            # What the rules do not take, such as a quote after its time, has no place.
            if key in self.engine.orders:
                record = self.engine.orders[key]
                self.places[key] = record.sequence, record.time, record.receipt


def _brought_by(command: Command) -> list[str]:
    if isinstance(command, Accept):
        return [command.hash]
    return [one["hash"] for one in command.orders] if isinstance(command, Ask | Answer | Take) else []


def audited(
    matcher: MatcherClient, domain: MatcherDomain, names: Names, receipts: Sequence[dict[str, Any]] = ()
) -> Audit:
    """Replays a matcher's journal.

    Args:
        receipts: As the matcher gave them.

    Raises:
        BallastError: The journal cannot be read or has a gap.
    """
    replay = _Replay(Engine(SelfTrade(matcher.journal(1, 1)["policy"])))
    replay.follow(matcher)
    found = Audit()
    for instrument in sorted(replay.engine.books):
        found.books += 1
        label = names.label(instrument)
        if not _agrees(matcher, replay, partial(_shown_book, matcher, label), partial(_book, replay, instrument)):
            found.differences.append(f"{label}: its book is not what the journal makes it")
    for number in replay.engine.requests:
        found.requests += 1
        if not _agrees(matcher, replay, partial(matcher.request, number), partial(_request, replay, names, number)):
            found.differences.append(f"request {number}: what is shown of it is not what the journal makes it")
    for receipt in receipts:
        found.differences += _faults_of(receipt, replay, domain)
    found.entries, found.orders = replay.entries, replay.engine.sequence
    return found


def _agrees(matcher: MatcherClient, replay: _Replay, shown: Callable[[], Any], expected: Callable[[], Any]) -> bool:
    for _ in range(ATTEMPTS):
        found = shown()
        before = replay.entries
        replay.follow(matcher)
        if found == expected():
            return True
        if replay.entries == before:
            return False
    return False


def _shown_book(matcher: MatcherClient, label: str) -> dict[str, Any]:
    found = matcher.book(label, 1_000)
    return {side: found[side] for side in ("bids", "asks")}


def _book(replay: _Replay, instrument: int) -> dict[str, Any]:
    book = replay.engine.book(instrument)
    sides = {"bids": book.levels(True, 1_000), "asks": book.levels(False, 1_000)}
    return {side: [[str(price), str(size)] for price, size in levels] for side, levels in sides.items()}


def _request(replay: _Replay, names: Names, number: int) -> dict[str, Any]:
    return request_view(names, replay.engine, replay.engine.requests[number])


def _faults_of(receipt: dict[str, Any], replay: _Replay, domain: MatcherDomain) -> list[str]:
    """What a receipt says that the journal does not."""
    order_hash, place = receipt["hash"], (receipt["sequence"], receipt["time"], receipt["chain"])
    message = domain.receipt(order_hash, *place)
    signer = Account.recover_message(message, signature=receipt["signature"])
    if signer.lower() != receipt["matcher"].lower():
        return [f"{order_hash}: the receipt is signed by {signer}, not by {receipt['matcher']}"]
    if order_hash not in replay.places:
        return [f"{order_hash}: receipt {place[0]} is for an order that the journal does not have"]
    if replay.places[order_hash] != place:
        return [f"{order_hash}: the receipt says {place}, the journal {replay.places[order_hash]}"]
    return []


def receipt_in(content: Any, where: str) -> dict[str, Any]:
    """The receipt in a matcher's answer, or a list that holds one such.

    Raises:
        NoReceipt: There is none.
    """
    answer = content[0] if isinstance(content, list) and len(content) == 1 else content
    try:
        receipt: dict[str, Any] = answer.get("receipt", answer)
        if {"hash", "sequence", "time", "chain", "matcher", "signature"} <= receipt.keys():
            return receipt
    except AttributeError:
        pass
    raise NoReceipt(f"{where} holds no receipt of a matcher")
