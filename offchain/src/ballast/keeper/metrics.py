"""What a keeper shows to Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

from ballast.keeper.decide import WAD, Policy, Snapshot


class Metrics:
    """Gauges of the last step and counters since the start."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.watched = self._gauge("accounts_watched", "Accounts under watch")
        self.suspects = self._gauge("accounts_confirmed", "Accounts read in full on chain in the last step")
        self.liquidatable = self._gauge("accounts_liquidatable", "Accounts below maintenance margin")
        self.unknown = self._gauge("accounts_unknown", "Accounts whose health could not be read")
        self.auctions = self._gauge("auctions_live", "Live auctions")
        self.block = self._gauge("block", "Last block handled")
        self.free_equity = self._gauge("bidder_free_equity", "Bidder's equity beyond initial margin, value units")
        self.missing = self._by_account("margin_missing", "Missing to initial margin, value units")
        self.cure_cost = self._by_account("cure_cost", "Cost of the cheapest cure told last, value units")
        self.transactions = Counter(
            "ballast_keeper_transactions",
            "Transactions by kind and outcome",
            ["kind", "outcome"],
            registry=self.registry,
        )
        self.faults = Counter("ballast_keeper_faults", "Steps that could not read the chain", registry=self.registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"ballast_keeper_{name}", text, registry=self.registry)

    def _by_account(self, name: str, text: str) -> Gauge:
        return Gauge(f"ballast_keeper_{name}", text, ["account"], registry=self.registry)

    def observe(self, snapshot: Snapshot, watched: int, policy: Policy) -> None:
        self.watched.set(watched)
        self.suspects.set(len(snapshot.accounts))
        self.liquidatable.set(sum(health.liquidatable for health in snapshot.accounts.values()))
        self.unknown.set(len(snapshot.unknown))
        self.auctions.set(len(snapshot.auctions))
        self.block.set(snapshot.block)
        bidder = snapshot.accounts.get(policy.bidder) if policy.bidder is not None else None
        if bidder is not None:
            self.free_equity.set((bidder.new_risk_equity - bidder.initial) / WAD)

    def serve(self, port: int) -> None:
        """Serves `/metrics` on localhost in a thread."""
        start_http_server(port, addr="127.0.0.1", registry=self.registry)
