"""A node connection that retries what may be retried and never turns a failure into an answer.

JSON-RPC as it is: what follows a chain block by block asks thousands of small questions, and a general client takes
longer to format them than the node to answer.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from ballast.errors import ChainError, ChainUnreachable, RequestRefused
from ballast.store import BlockRef

_TRANSIENT = (
    ConnectionError,
    TimeoutError,
    http.client.HTTPException,
    json.JSONDecodeError,
    requests.exceptions.ConnectionError,
    requests.exceptions.Timeout,
    requests.exceptions.HTTPError,
)
_T = TypeVar("_T")
# Method and parameters.
Request = tuple[str, Sequence[Any]]


class Connection:
    """One JSON-RPC endpoint.

    Args:
        url: HTTP endpoint. It may hold a key, so it is never logged.
        attempts: Tries a request before `ChainUnreachable`.
        timeout: Seconds one try may take.
    """

    def __init__(self, url: str, attempts: int = 5, timeout: float = 20.0) -> None:
        place = urlsplit(url)
        is_near = place.scheme == "http" and place.hostname in ("localhost", "127.0.0.1", "::1")
        self._post = _Near(url, timeout).post if is_near else _Far(url, timeout).post
        self._newest: tuple[str, int] | None = None
        self._retrying = Retrying(
            retry=retry_if_exception_type(_TRANSIENT),
            stop=stop_after_attempt(attempts),
            wait=wait_exponential_jitter(initial=0.1, max=3.0),
            reraise=True,
        )

    def ask(self, request: Callable[[], _T]) -> _T:
        """Runs a read, retrying transport faults.

        Raises:
            ChainUnreachable: Every try failed in transport. Nothing is known then, least of all that all is well.
        """
        try:
            return self._retrying(request)
        except _TRANSIENT as fault:
            raise ChainUnreachable(f"the node does not answer ({type(fault).__name__})") from fault

    def request(self, method: str, *parameters: Any) -> Any:
        """What the node answers to one request.

        Raises:
            RequestRefused: It answered with an error.
            ChainUnreachable: It did not answer.
        """
        answer = self.ask(lambda: self._post({"jsonrpc": "2.0", "id": 0, "method": method, "params": list(parameters)}))
        if not isinstance(answer, dict) or ("error" not in answer and "result" not in answer):
            raise ChainError(f"the node's answer to {method} is no JSON-RPC")
        if "error" in answer:
            raise RequestRefused(method, answer["error"])
        return answer["result"]

    def batch(self, requests_: Sequence[Request]) -> list[dict[str, Any]]:
        """Many requests in one round trip: each one's answer, `result` or `error`, in order.

        Raises:
            ChainError: The node does not answer batches.
            ChainUnreachable: It did not answer.
        """
        if not requests_:
            return []
        body = [
            {"jsonrpc": "2.0", "id": number, "method": method, "params": list(parameters)}
            for number, (method, parameters) in enumerate(requests_)
        ]
        answers = self.ask(lambda: self._post(body))
        if not isinstance(answers, list) or sorted(answer.get("id", -1) for answer in answers) != [*range(len(body))]:
            raise ChainError("the node does not answer batches of requests")
        return sorted(answers, key=lambda answer: answer["id"])

    @cached_property
    def chain_id(self) -> int:
        return int(self.request("eth_chainId"), 16)

    def head(self) -> BlockRef:
        """The newest block."""
        found = self.request("eth_getBlockByNumber", "latest", False)
        self._newest = found["hash"], int(found["timestamp"], 16)
        return _reference(found)

    def block(self, number: int) -> BlockRef | None:
        """The canonical block at a height, or None where the chain is shorter."""
        found = self.request("eth_getBlockByNumber", hex(number), False)
        return None if found is None else _reference(found)

    def timestamp(self, block: BlockRef) -> int:
        """When a block was made, Unix seconds.

        Raises:
            ChainError: The node knows no such block any more.
        """
        if self._newest is not None and self._newest[0] == block.hash:
            return self._newest[1]
        found = self.request("eth_getBlockByHash", block.hash, False)
        if found is None:
            raise ChainError(f"block {block.number} is gone")
        return int(found["timestamp"], 16)

    def base_fee(self) -> int:
        """Of the newest block, wei a gas; 0 where the chain has none."""
        return int(self.request("eth_getBlockByNumber", "latest", False).get("baseFeePerGas", "0x0"), 16)

    def transaction_count(self, sender: str, block: int | None = None) -> int:
        """Transactions of a sender that are mined, up to a block or to now: the nonce of the next."""
        return int(self.request("eth_getTransactionCount", sender, "latest" if block is None else hex(block)), 16)

    def logs(self, first: int, last: int, addresses: list[str]) -> list[dict[str, Any]]:
        """Raw logs of contracts in blocks `first`..`last`, in chain order.

        Raises:
            RequestRefused: The range is too large for the node.
        """
        wanted = {"fromBlock": hex(first), "toBlock": hex(last), "address": addresses}
        found: list[dict[str, Any]] = self.request("eth_getLogs", wanted)
        return found


class _Near:
    """A node on this machine: no TLS, no proxy, and a connection that is kept; several times as fast to ask."""

    def __init__(self, url: str, timeout: float) -> None:
        place = urlsplit(url)
        self._connection = http.client.HTTPConnection(place.hostname or "", place.port or 80, timeout=timeout)
        self._path = place.path or "/"

    def post(self, body: Any) -> Any:
        try:
            self._connection.request("POST", self._path, json.dumps(body), {"Content-Type": "application/json"})
            answer = self._connection.getresponse()
            data = answer.read()
        except BaseException:
            self._connection.close()
            raise
        if answer.status >= http.client.BAD_REQUEST:
            raise http.client.HTTPException(f"status {answer.status}")
        return json.loads(data)


class _Far:
    """Any other: by way of proxies that the environment names, and over TLS."""

    def __init__(self, url: str, timeout: float) -> None:
        self._url, self._timeout = url, timeout
        self._session = requests.Session()

    def post(self, body: Any) -> Any:
        answer = self._session.post(self._url, json=body, timeout=self._timeout)
        answer.raise_for_status()
        return answer.json()


def _reference(block: dict[str, Any]) -> BlockRef:
    return BlockRef(int(block["number"], 16), block["hash"], block.get("parentHash"))
