"""Requests to a matcher's application, and the problem documents that it answers with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
from fastapi.testclient import TestClient

from ballast.matcher.client import MatcherClient
from ballast.matcher.refusals import PROBLEMS
from tests.support.counter import Counter

Ask = Callable[..., httpx.Response]


def asking(counter: Counter) -> Ask:
    """Requests to the application, each on its own."""

    def ask(method: str, path: str, **options: Any) -> httpx.Response:
        async def once() -> httpx.Response:
            transport = httpx.ASGITransport(counter.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://matcher") as client:
                return await client.request(method, path, **options)

        return asyncio.run(once())

    return ask


def code_of(answer: httpx.Response) -> str:
    """Of a problem document, whose members RFC 9457 asks for are checked."""
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == answer.status_code == PROBLEMS[body["code"]][0]
    assert body["type"] == f"/problems/{body['code']}"
    assert body["title"] and body["detail"]
    return str(body["code"])


class Direct(MatcherClient):
    """The client, on an application instead of a network; what it hears can be bent."""

    def __init__(self, app: Any) -> None:
        self._client = TestClient(app)
        self.bend: Callable[[str, dict[str, Any]], dict[str, Any]] = lambda path, answer: answer

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        answer: dict[str, Any] = self._client.request(method, path, json=body).json()
        return self.bend(path, answer)
