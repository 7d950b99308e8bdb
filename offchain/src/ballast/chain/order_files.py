"""Signed orders as files: JSON that says on which exchange of which chain they hold, amounts as decimal strings."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from ballast.chain.orders import Order, OrderDomain, SignedOrder
from ballast.errors import BallastError

_TEXT_FIELDS = {"signer"}


class UnreadableOrder(BallastError):
    """A file holds no signed order, or one for another exchange."""


def order_document(signed: SignedOrder, domain: OrderDomain) -> dict[str, Any]:
    """A signed order and where it holds."""
    values = {name: value if name in _TEXT_FIELDS else str(int(value)) for name, value in asdict(signed.order).items()}
    return {
        "chainId": domain.chain_id,
        "exchange": domain.exchange,
        "order": values,
        "signature": "0x" + signed.signature.hex(),
        "hash": "0x" + domain.hash(signed.order).hex(),
    }


def parse_order(document: Any, domain: OrderDomain) -> SignedOrder:
    """The inverse.

    Raises:
        UnreadableOrder: It is no signed order, its hash is another's, or it is for another exchange.
    """
    try:
        place = document["chainId"], document["exchange"].lower()
        values: dict[str, Any] = {
            field.name: document["order"][field.name]
            if field.name in _TEXT_FIELDS
            else int(document["order"][field.name])
            for field in fields(Order)
        }
        signed = SignedOrder(Order(**values), bytes.fromhex(document["signature"].removeprefix("0x")))
        told = document["hash"]
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        raise UnreadableOrder(f"this is no signed order: {type(fault).__name__} {fault}") from None
    if place != (domain.chain_id, domain.exchange.lower()):
        raise UnreadableOrder(f"this order is for exchange {place[1]} of chain {place[0]}")
    if told != "0x" + domain.hash(signed.order).hex():
        raise UnreadableOrder("the order is not the one that its hash names: it was changed after signing")
    return signed


def read_orders(paths: Iterable[Path], domain: OrderDomain) -> list[SignedOrder]:
    """An order a file, or legs that were signed together.

    Raises:
        UnreadableOrder: As `parse_order`; the message names the file.
    """
    found = []
    for path in paths:
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            found += [parse_order(one, domain) for one in (content if isinstance(content, list) else [content])]
        except (OSError, json.JSONDecodeError, UnreadableOrder) as fault:
            raise UnreadableOrder(f"{path}: {fault}") from None
    return found
