"""The matcher's WebSocket: subscriptions in, snapshots and deltas out."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from fastapi import WebSocket, WebSocketDisconnect

from ballast.matcher.feed import Subscriber
from ballast.matcher.limits import RateLimit
from ballast.matcher.refusals import Refused
from ballast.matcher.service import Matcher

MOST_CHANNELS = 100
MOST_SOCKETS = 1_000
LONGEST_REQUEST = 8 * 1024
# Close codes of RFC 6455: try again later, and message too big.
TRY_AGAIN_LATER, TOO_BIG = 1013, 1009


async def serve_socket(socket: WebSocket) -> None:
    """One client. It says `{"op": "subscribe", "channels": ["book:PERP:ETH"]}`, `unsubscribe` or `ping`."""
    matcher: Matcher = socket.app.state.matcher
    await socket.accept()
    if matcher.sockets >= MOST_SOCKETS:
        await socket.close(TRY_AGAIN_LATER, "too many sockets")
        return
    session = _Session(socket, matcher, Subscriber(asyncio.get_running_loop()))
    matcher.count_socket(1)
    writer = asyncio.create_task(session.write())
    try:
        await session.read()
    except WebSocketDisconnect:
        pass
    finally:
        writer.cancel()
        matcher.feed.leave(session.subscriber, session.channels)
        matcher.count_socket(-1)


class _Session:
    def __init__(self, socket: WebSocket, matcher: Matcher, subscriber: Subscriber) -> None:
        self._socket = socket
        self._matcher = matcher
        self._limit: RateLimit = socket.app.state.limit
        self._client = socket.client.host if socket.client else ""
        self.subscriber = subscriber
        self.channels: set[str] = set()

    async def write(self) -> None:
        """Sends what is queued; lets go a reader that fell behind."""
        while (message := await self.subscriber.next()) is not None:
            await self._socket.send_text(json.dumps(message, separators=(",", ":")))
        await self._socket.close(TRY_AGAIN_LATER, "you read too slowly: connect again")

    async def read(self) -> None:
        while True:
            text = await self._socket.receive_text()
            if len(text) > LONGEST_REQUEST:
                await self._socket.close(TOO_BIG)
                return
            try:
                self._handle(json.loads(text))
            except Refused as fault:
                self.subscriber.tell({"type": "error", "code": fault.code, "detail": fault.detail})
            except (json.JSONDecodeError, KeyError, TypeError, AttributeError):
                self.subscriber.tell({"type": "error", "code": "malformed", "detail": 'say {"op": …, "channels": […]}'})

    def _handle(self, request: dict[str, Any]) -> None:
        if not self._limit.take(self._client):
            raise Refused("too-many-requests")
        if request["op"] == "ping":
            self.subscriber.tell({"type": "pong"})
            return
        channels = [str(one) for one in request["channels"]]
        if request["op"] == "unsubscribe":
            names = {self._matcher.views.canonical(one) for one in channels}
            self._matcher.feed.leave(self.subscriber, names)
            self.channels -= names
        elif request["op"] == "subscribe":
            if len(self.channels) + len(channels) > MOST_CHANNELS:
                raise Refused("too-many-requests", f"A socket has at most {MOST_CHANNELS} channels.")
            for channel in channels:
                self.channels.add(self._matcher.feed.subscribe(channel, self.subscriber))
        else:
            raise Refused("malformed", f"{request['op']!r} is none of subscribe, unsubscribe, ping")
