"""A local Anvil of one's own: a process on a free port, ended with its owner."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

START_TIMEOUT = 20.0


class AnvilError(Exception):
    """Anvil did not start, or refused a request. `data` is what a reverted call returned, in hex."""

    def __init__(self, message: str, data: str | None = None) -> None:
        super().__init__(message)
        self.data = data


class Anvil:
    """A running node and its controls."""

    def __init__(self, url: str, process: subprocess.Popen[bytes]) -> None:
        self.url = url
        self.process = process
        # Not by way of a general client, which takes longer than the node.
        self._connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=120)

    def request(self, method: str, *parameters: Any) -> Any:
        answer = self._post({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(parameters)})
        if "error" in answer:
            raise AnvilError(f"{method}: {answer['error'].get('message')}", answer["error"].get("data"))
        return answer["result"]

    def batch(self, requests_: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        """Many requests in one round trip; the first refusal is raised."""
        body = [
            {"jsonrpc": "2.0", "id": number, "method": method, "params": list(parameters)}
            for number, (method, parameters) in enumerate(requests_)
        ]
        answers = sorted(self._post(body), key=lambda answer: answer["id"]) if body else []
        for answer in answers:
            if "error" in answer:
                raise AnvilError(f"{requests_[answer['id']][0]}: {answer['error']}", answer["error"].get("data"))
        return [answer["result"] for answer in answers]

    def _post(self, body: Any) -> Any:
        try:
            self._connection.request("POST", "/", json.dumps(body), {"Content-Type": "application/json"})
            return json.loads(self._connection.getresponse().read())
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=10)


@contextmanager
def anvil(*options: str, port: int | None = None) -> Iterator[Anvil]:
    """Starts Anvil (found on PATH) and stops it at the end.

    Raises:
        AnvilError: It is not installed or does not answer.
    """
    port = port or free_port()
    command = ["anvil", "--port", str(port), "--hardfork", "cancun", "--silent", "--order", "fifo", *options]
    try:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except FileNotFoundError:
        raise AnvilError("anvil is not on PATH: run this through `./dev`") from None
    node = Anvil(f"http://127.0.0.1:{port}", process)
    try:
        _await_start(node)
        yield node
    finally:
        node.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _await_start(node: Anvil) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        try:
            node.request("eth_chainId")
            return
        except ConnectionError:
            if time.monotonic() > deadline or node.process.poll() is not None:
                raise AnvilError("anvil did not start") from None
            # The port opens some milliseconds after the process; nothing announces it.
            time.sleep(0.02)
