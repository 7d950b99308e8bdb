"""What commands ask of a matcher. Needs nothing of the `matcher` extra."""

from __future__ import annotations

from typing import Any

import requests

from ballast.errors import BallastError

TIMEOUT = 30.0


class MatcherRefused(BallastError):
    """The matcher did not do it; `code` says why and is stable."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        self.status, self.problem = status, problem
        self.code = str(problem.get("code", status))
        super().__init__(f"the matcher refuses: {problem.get('detail', problem.get('title', status))} ({self.code})")


class MatcherUnreachable(BallastError):
    """No usable answer: it is not known whether the matcher did it."""


class MatcherClient:
    """One matcher.

    Args:
        url: Such as `http://127.0.0.1:8650`.
    """

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def submit(self, document: dict[str, Any]) -> dict[str, Any]:
        """Receipt, order and trades of a signed order."""
        return self._ask("POST", "/orders", document)

    def withdraw(self, account: int, nonce: int, signer: str, signature: str) -> dict[str, Any]:
        return self._ask("DELETE", f"/orders/{account}/{nonce}", {"signer": signer, "signature": signature})

    def book(self, instrument: str, depth: int) -> dict[str, Any]:
        return self._ask("GET", f"/book/{instrument}?depth={depth}")

    def journal(self, first: int, most: int = 1_000) -> dict[str, Any]:
        return self._ask("GET", f"/journal?first={first}&most={most}")

    def order(self, order_hash: str) -> dict[str, Any]:
        return self._ask("GET", f"/orders/{order_hash}")

    def ask(self, document: dict[str, Any]) -> dict[str, Any]:
        """Opens a request for quotes: `seconds`, and either `legs` or signed `orders`."""
        return self._ask("POST", "/rfq", document)

    def answer(self, request: int, orders: list[dict[str, Any]]) -> dict[str, Any]:
        return self._ask("POST", f"/rfq/{request}/quotes", {"orders": orders})

    def take(self, request: int, orders: list[dict[str, Any]]) -> dict[str, Any]:
        return self._ask("POST", f"/rfq/{request}/take", {"orders": orders})

    def request(self, number: int) -> dict[str, Any]:
        return self._ask("GET", f"/rfq/{number}")

    def requests(self, most: int) -> dict[str, Any]:
        return self._ask("GET", f"/rfq?most={most}")

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        try:
            answer = requests.request(method, self._url + path, json=body, timeout=TIMEOUT)
            found = answer.json()
        except requests.RequestException as fault:
            raise MatcherUnreachable(f"{self._url} does not answer ({type(fault).__name__})") from None
        if not isinstance(found, dict):
            raise MatcherUnreachable(f"{self._url} is no matcher")
        if answer.status_code >= 400:
            raise MatcherRefused(answer.status_code, found)
        return found
