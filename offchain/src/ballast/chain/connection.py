"""A node connection that retries what may be retried and never turns a failure into an answer."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeVar

import requests
from eth_typing import HexStr
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter
from web3 import HTTPProvider, Web3
from web3.exceptions import BlockNotFound

from ballast.errors import ChainUnreachable
from ballast.store import BlockRef

_TRANSIENT = (requests.exceptions.ConnectionError, requests.exceptions.Timeout, requests.exceptions.HTTPError)
_T = TypeVar("_T")


class Connection:
    """One JSON-RPC endpoint.

    Args:
        url: HTTP endpoint. It may hold a key, so it is never logged.
        attempts: Tries a request before `ChainUnreachable`.
        timeout: Seconds one try may take.
    """

    def __init__(self, url: str, attempts: int = 5, timeout: float = 20.0) -> None:
        self.web3 = Web3(HTTPProvider(url, request_kwargs={"timeout": timeout}, exception_retry_configuration=None))
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

    @cached_property
    def chain_id(self) -> int:
        return self.ask(lambda: self.web3.eth.chain_id)

    def head(self) -> BlockRef:
        """The newest block."""
        return self._reference(self.ask(lambda: self.web3.eth.get_block("latest")))

    def block(self, number: int) -> BlockRef | None:
        """The canonical block at a height, or None where the chain is shorter."""
        try:
            return self._reference(self.ask(lambda: self.web3.eth.get_block(number)))
        except BlockNotFound:
            return None

    def timestamp(self, block: BlockRef) -> int:
        return int(self.ask(lambda: self.web3.eth.get_block(HexStr(block.hash)))["timestamp"])

    @staticmethod
    def _reference(block: Any) -> BlockRef:
        return BlockRef(int(block["number"]), block["hash"].to_0x_hex())
