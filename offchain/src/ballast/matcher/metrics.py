"""What a matcher shows to Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from ballast.matcher.engine import Engine
from ballast.matcher.records import OrderState


class Metrics:
    """Counters since the start, and gauges that are read off the engine when they are asked for."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.accepted = self._counter("orders_accepted", "Orders taken")
        self.refused = self._counter("orders_refused", "Orders not taken, by code", "code")
        self.dropped = self._counter("orders_dropped", "Orders given up as a settlement with them fails", "reason")
        self.transactions = self._counter("transactions", "Settlements by outcome", "outcome")
        self.settled = self._counter("fills_settled", "Fills that the chain settled")
        self.batch_simulations = self._counter("batches_simulated", "Batches put to the chain's test")
        self.reorganisations = self._counter("reorganisations", "Re-organisations met")
        self.faults = self._counter("faults", "Steps that could not read the chain")
        self.sockets = self._gauge("sockets", "Open WebSockets")
        self.resting = self._gauge("orders_resting", "Orders in the books")
        self.requests = self._gauge("requests_open", "Requests that take quotes")
        self.waiting = self._gauge("fills_waiting", "Fills matched and not sent")
        self.under_way = self._gauge("batches_under_way", "Batches sent and not concluded")
        self.block = self._gauge("block", "Last block handled")
        self.admission = Histogram(
            "ballast_matcher_admission_seconds",
            "From an order's arrival to its receipt",
            registry=self.registry,
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
        )

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"ballast_matcher_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"ballast_matcher_{name}", text, registry=self.registry)

    def observe(self, engine: Engine) -> None:
        self.resting.set(
            sum(one.state is OrderState.LIVE and one.open > 0 and not one.request for one in engine.orders.values())
        )
        self.requests.set(len(engine.open_requests()))
        self.waiting.set(len(engine.crossed()))
        self.under_way.set(len(engine.under_way()))
