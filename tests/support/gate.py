"""A way to a node that a test can shut."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit


class Gate:
    """Passes requests on to a node; while `failing` is above 0, each is refused instead and counts it down."""

    def __init__(self, node_url: str, server: ThreadingHTTPServer) -> None:
        self.node = urlsplit(node_url)
        self.url = f"http://127.0.0.1:{server.server_port}"
        self.failing = 0

    def answer(self, body: bytes) -> tuple[int, bytes]:
        if self.failing:
            self.failing -= 1
            return 503, b""
        connection = http.client.HTTPConnection(self.node.hostname or "", self.node.port, timeout=30)
        connection.request("POST", "/", body, {"Content-Type": "application/json"})
        return 200, connection.getresponse().read()


@contextmanager
def gate(node_url: str) -> Iterator[Gate]:
    """An open gate in front of a node."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status, answer = opened.answer(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    opened = Gate(node_url, server)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield opened
    finally:
        server.shutdown()
        thread.join()
