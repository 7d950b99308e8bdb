"""What subscribers hear: a snapshot, then deltas with consecutive numbers, so that a gap shows.

A channel is `book:INSTRUMENT`, `trades:INSTRUMENT`, `orders:ACCOUNT` or `rfq`. Numbers count from 1 since the
matcher started; `session` in every message tells one start from another.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Iterable
from functools import partial
from typing import Any

from ballast.matcher.records import Changes
from ballast.matcher.sequencer import Sequencer
from ballast.matcher.views import Views

Message = dict[str, Any]
# A reader that is further behind is let go: memory is not for who does not read.
LONGEST_QUEUE = 1_000


class Subscriber:
    """One socket's queue. Everything is put in by the loop that reads it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, longest: int = LONGEST_QUEUE) -> None:
        self._loop = loop
        self._longest = longest
        self._queue: asyncio.Queue[Message | None] = asyncio.Queue()
        self.is_behind = False

    def tell(self, message: Message) -> None:
        """From any thread; messages arrive in the order of the calls."""
        self._loop.call_soon_threadsafe(self._put, message)

    async def next(self) -> Message | None:
        """The next message; None where the reader fell too far behind."""
        return await self._queue.get()

    def _put(self, message: Message) -> None:
        if self.is_behind:
            return
        if self._queue.qsize() >= self._longest:
            self.is_behind = True
            self._queue.put_nowait(None)
            return
        self._queue.put_nowait(message)


class Feed:
    """All channels of a matcher."""

    def __init__(self, sequencer: Sequencer, views: Views) -> None:
        self.session = secrets.token_hex(8)
        self._sequencer = sequencer
        self._views = views
        self._numbers: dict[str, int] = defaultdict(int)
        self._subscribers: dict[str, list[Subscriber]] = defaultdict(list)
        sequencer.listen(self._tell)

    def subscribe(self, channel: str, subscriber: Subscriber) -> str:
        """Sends the channel's snapshot, and every delta from then on. Again: a snapshot again.

        Returns:
            The channel's name in messages.

        Raises:
            Refused: There is no such channel.
        """
        channel = self._views.canonical(channel)
        with self._sequencer.state():
            snapshot = self._views.snapshot(channel)
            message = self._message(channel, "snapshot", snapshot)
            self._sequencer.publish(partial(subscriber.tell, message))
            if subscriber not in self._subscribers[channel]:
                self._subscribers[channel].append(subscriber)
        return channel

    def listening(self) -> int:
        """How many subscriptions there are."""
        with self._sequencer.state():
            return sum(map(len, self._subscribers.values()))

    def leave(self, subscriber: Subscriber, channels: Iterable[str]) -> None:
        with self._sequencer.state():
            for channel in channels:
                kept = [one for one in self._subscribers.get(channel, ()) if one is not subscriber]
                if kept:
                    self._subscribers[channel] = kept
                else:
                    self._subscribers.pop(channel, None)

    def _message(self, channel: str, kind: str, body: Message) -> Message:
        number = self._numbers[channel]
        return {"channel": channel, "type": kind, "session": self.session, "sequence": number, **body}

    def _tell(self, changes: Changes) -> None:
        for channel, body in self._views.deltas(changes):
            self._numbers[channel] += 1
            listening = self._subscribers.get(channel)
            if listening:
                message = self._message(channel, "delta", body)
                for subscriber in listening:
                    self._sequencer.publish(partial(subscriber.tell, message))
