"""A matcher's process: its files, its threads, its server, and how it ends."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import structlog
import uvicorn
from eth_account.signers.local import LocalAccount
from fastapi import FastAPI

from ballast.chain.contracts import System
from ballast.chain.lane import LaneSettings, TransactionLane
from ballast.chain.orders import OrderDomain
from ballast.errors import ConfigurationError
from ballast.matcher.admission import Admission
from ballast.matcher.api import LARGEST_BODY, create_app
from ballast.matcher.book import SelfTrade
from ballast.matcher.feed import Feed
from ballast.matcher.journal import Journal
from ballast.matcher.limits import RateLimit
from ballast.matcher.metrics import Metrics
from ballast.matcher.sequencer import Sequencer
from ballast.matcher.service import Matcher, ServicePolicy
from ballast.matcher.settler import Settler, SettlerPolicy
from ballast.matcher.views import Names, Views
from ballast.settings import MatcherSettings
from ballast.store import Store

log = structlog.get_logger(__name__)
# Given to requests under way when the server stops.
GRACE_SECONDS = 5


@dataclass(frozen=True)
class Assembly:
    """A matcher put together on its files."""

    app: FastAPI
    matcher: Matcher
    settler: Settler
    sequencer: Sequencer
    store: Store


@contextmanager
def assembled(connect: Callable[[], System], key: LocalAccount, settings: MatcherSettings) -> Iterator[Assembly]:
    """Opens a matcher's files, replays its journal, and closes them at the end.

    Args:
        connect: Makes a connection of its own at each call: admission and settlement do not share one.

    Raises:
        ConfigurationError: The files belong to another deployment.
    """
    system, policy = connect(), SelfTrade(settings.self_trade)
    domain = OrderDomain(system.deployment.chain_id, system.address("Exchange"))
    with ExitStack() as opened:
        store = Store(settings.data / "chain.sqlite")
        opened.callback(store.close)
        journal = Journal(settings.data / "journal.sqlite")
        opened.callback(journal.close)
        if not store.bind(domain.chain_id, system.address("Clearinghouse")):
            raise ConfigurationError(f"{settings.data} belongs to another deployment; set --data to a new folder")
        journal.bind(domain.chain_id, domain.exchange, policy.value)
        sequencer, metrics = Sequencer(journal, policy, settings.segment_entries), Metrics()
        opened.callback(sequencer.close)
        views = Views(sequencer, Names.of(system))
        service = ServicePolicy(most_orders=settings.most_orders)
        feed = Feed(sequencer, views)
        matcher = Matcher(sequencer, Admission(connect()), views, feed, domain, key, metrics, service)
        lane = TransactionLane(system.connection, key, store, LaneSettings())
        rules = SettlerPolicy(settings.batch_seconds, settings.most_fills)
        settler = Settler(system, sequencer, store, lane, rules, metrics)
        app = create_app(matcher, RateLimit(settings.requests_per_second, settings.burst))
        yield Assembly(app, matcher, settler, sequencer, store)


class _Server(uvicorn.Server):
    """Says where it listens: with port 0 nobody else knows."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listening in (one for server in self.servers for one in server.sockets):
            host, port = listening.getsockname()[:2]
            log.info("listening", url=f"http://{host}:{port}")


def serve(assembly: Assembly, settings: MatcherSettings, poll: float) -> bool:
    """Runs until SIGTERM or SIGINT: then takes nothing more, settles what is matched, and returns.

    Returns:
        Whether all went well: False where settlement ended by a fault of its own.
    """
    server = _Server(
        uvicorn.Config(
            assembly.app,
            host=settings.host,
            port=settings.port,
            log_config=None,
            access_log=False,
            ws_max_size=LARGEST_BODY,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )
    stop, failed = threading.Event(), threading.Event()

    def settle() -> None:
        try:
            assembly.matcher.settle_until(stop, assembly.settler, poll, settings.drain_seconds)
        except Exception:
            log.exception("settlement ended")
            failed.set()
            server.should_exit = True

    settling = threading.Thread(target=settle, name="settlement")
    settling.start()
    try:
        server.run()
    finally:
        assembly.matcher.close()
        stop.set()
        settling.join()
    return not failed.is_set()
