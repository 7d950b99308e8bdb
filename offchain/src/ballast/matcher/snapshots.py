"""An engine as a document and back: whatever follows, both do the same."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ballast.chain.orders import Order, SignedOrder
from ballast.matcher.book import SelfTrade
from ballast.matcher.engine import Engine
from ballast.matcher.records import (
    BatchRecord,
    ChainFill,
    FillRecord,
    FillState,
    OrderRecord,
    OrderState,
    RequestRecord,
)
from ballast.matcher.state import State, entry_of

# Of the document; another program's is not read.
VERSION = 1
_COUNTS = ("sequence", "receipt", "fill_count", "batch_count", "request_count")


def dump(state: State) -> dict[str, Any]:
    """All that an engine knows, in what JSON holds. Books and indices follow from it and are left out."""
    return {
        "version": VERSION,
        **{name: getattr(state, name) for name in _COUNTS},
        "orders": [_order_entry(record) for record in state.orders.values()],
        "fills": [{**vars(fill), "state": fill.state.value} for fill in state.fills.values()],
        "unsent": list(state.unsent),
        "batches": [vars(batch) for batch in state.batches.values()],
        "requests": [vars(request) for request in state.requests.values()],
        "nonces": [[account, nonce, key] for (account, nonce), key in state.by_nonce.items()],
        "expiries": state.expiries,
        "past": state.past,
    }


def load(document: dict[str, Any], policy: SelfTrade) -> Engine:
    """The inverse, after a way through JSON.

    Raises:
        ValueError: It is no such document.
    """
    if document.get("version") != VERSION:
        raise ValueError(f"a snapshot of version {document.get('version')}, not {VERSION}")
    engine = Engine(policy)
    try:
        _fill(engine, document)
    except (KeyError, TypeError) as fault:
        raise ValueError(f"this is no snapshot: {fault!r}") from None
    return engine


def _fill(engine: State, document: dict[str, Any]) -> None:
    for name in _COUNTS:
        setattr(engine, name, document[name])
    for entry in document["orders"]:
        engine.remember(_order_of(entry))
    engine.by_nonce = {(account, nonce): key for account, nonce, key in document["nonces"]}
    engine.fills = {one["id"]: FillRecord(**{**one, "state": FillState(one["state"])}) for one in document["fills"]}
    engine.unsent = {number: engine.fills[number] for number in document["unsent"]}
    engine.batches = {one["id"]: BatchRecord(**{**one, "fills": tuple(one["fills"])}) for one in document["batches"]}
    engine.requests = {one["id"]: _request_of(one) for one in document["requests"]}
    engine.expiries = [(expiry, sequence, key) for expiry, sequence, key in document["expiries"]]
    engine.past = [(expiry, sequence, key) for expiry, sequence, key in document["past"]]
    for record in engine.orders.values():
        if record.state is OrderState.LIVE and record.open and not record.request:
            engine.book(record.order.instrument).restore(entry_of(record))


def _order_entry(record: OrderRecord) -> dict[str, Any]:
    return {
        **vars(record),
        "signed": {**asdict(record.order), "flags": int(record.order.flags)},
        "signature": record.signed.signature.hex(),
        "state": record.state.value,
        "chain_fills": [vars(step) for step in record.chain_fills],
    }


def _order_of(entry: dict[str, Any]) -> OrderRecord:
    values = dict(entry)
    signed = SignedOrder(Order(**values.pop("signed")), bytes.fromhex(values.pop("signature")))
    steps = [ChainFill(**step) for step in values.pop("chain_fills")]
    return OrderRecord(signed=signed, chain_fills=steps, **{**values, "state": OrderState(values["state"])})


def _request_of(entry: dict[str, Any]) -> RequestRecord:
    legs = tuple((instrument, size) for instrument, size in entry["legs"])
    quotes = [tuple(one) for one in entry["quotes"]]
    return RequestRecord(**{**entry, "legs": legs, "taker": tuple(entry["taker"]), "quotes": quotes})
