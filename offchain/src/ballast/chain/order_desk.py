"""Orders by name and in decimals, for scripts and the command line: sign one in one line."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from functools import partial
from pathlib import Path
from typing import TypedDict, Unpack

from eth_account.signers.local import LocalAccount

from ballast.chain.connection import Connection
from ballast.chain.contracts import Deployment, System
from ballast.chain.ids import account_id
from ballast.chain.instruments import parse_instrument
from ballast.chain.order_files import order_document
from ballast.chain.orders import Order, OrderDomain, OrderFlags, SignedOrder, as_legs, triggered
from ballast.chain.views import underlying_named
from ballast.errors import BallastError
from ballast.settings import Settings

WAD = 10**18
LIFETIME = 3_600
Amount = Decimal | int | str
Leg = tuple[str, Amount, Amount]
"""Instrument, signed size, limit."""


class NoOrder(BallastError):
    """What was asked for is no order; the message says why."""


class Terms(TypedDict, total=False):
    """What an order may ask for besides instrument, size and limit.

    Attributes:
        reduce_only: Only bring the position towards 0.
        post_only: Only as the maker, at this price.
        fill_or_kill: Whole, or not at all.
        group: One cancels other: a number that the account has used for no other group. 0 is none.
        trigger_below: Dead until the price was there or lower; trigger_above: or higher. One of both at most.
        on_mark: That price is the instrument's mark; else its underlying's index.
        lifetime: Seconds.
        nonce: Default: the second it is now, or one more than the last.
    """

    reduce_only: bool
    post_only: bool
    fill_or_kill: bool
    group: int
    trigger_below: Amount | None
    trigger_above: Amount | None
    on_mark: bool
    lifetime: int
    nonce: int | None


class OrderDesk:
    """Signs orders of one account, as its owner or as a delegate of it. Sends nothing."""

    def __init__(self, system: System, key: LocalAccount, account: int | None = None) -> None:
        self.system = system
        self.key = key
        self.account = account_id(key.address) if account is None else account
        self._last_nonce = -1

    @classmethod
    def connect(cls, account: int | None = None) -> OrderDesk:
        """By BALLAST_RPC_URL, BALLAST_DEPLOYMENT, BALLAST_KEYSTORE and BALLAST_PASSWORD_FILE.

        Args:
            account: Whose orders; default: sub-account 0 of the key's owner.

        Raises:
            ConfigurationError: One of them is missing or wrong.
        """
        settings = Settings()
        system = System(Connection(settings.rpc_url), Deployment.load(settings.deployment))
        return cls(system, settings.account(), account)

    @property
    def domain(self) -> OrderDomain:
        return domain_of(self.system)

    def sign(self, instrument: str, size: Amount, limit: Amount, **terms: Unpack[Terms]) -> SignedOrder:
        """A signed order; whoever holds it can settle it until it expires.

        Args:
            instrument: `PERP:ETH`, `CALL:ETH:2026-12-25:3000`, …
            size: Units of the underlying; positive buys, negative sells.
            limit: Worst price.

        Raises:
            NoOrder: These are no terms.
        """
        return self._signed(self.order(instrument, size, limit, **terms))

    def sign_legs(self, legs: Iterable[Leg], **terms: Unpack[Terms]) -> list[SignedOrder]:
        """Orders that are filled together, all of them whole, or not at all; `terms` hold for each.

        Args:
            terms: Here `group` is the legs' own, by default the first leg's nonce.

        Raises:
            NoOrder: There are fewer than two, or more than 255, or one has no terms of an order.
        """
        orders = [self.order(*leg, **terms) for leg in legs]
        if not 2 <= len(orders) < 1 << 8:
            raise NoOrder("legs are at least two, and 255 at most")
        return [self._signed(order) for order in as_legs(orders, orders[0].group or orders[0].nonce)]

    def order(self, instrument: str, size: Amount, limit: Amount, **terms: Unpack[Terms]) -> Order:
        """The same, not signed."""
        try:
            number = parse_instrument(instrument, partial(underlying_named, self.system))
        except ValueError as fault:
            raise NoOrder(str(fault)) from None
        units, price = to_wad(size), to_wad(limit)
        if units == 0 or not 0 < price < 1 << 128:
            raise NoOrder("an order needs a size and a price above 0")
        now = self.system.connection.timestamp(self.system.connection.head())
        order = Order(
            account=self.account,
            signer=self.key.address,
            instrument=number,
            size=units,
            limit=price,
            flags=int(_flags(terms)),
            expiry=now + terms.get("lifetime", LIFETIME),
            nonce=self._nonce(terms.get("nonce")),
            group=terms.get("group", 0),
            epoch=self.system.read("Exchange", "epochOf", self.account),
        )
        return _with_trigger(order, terms, now)

    def save(self, signed: SignedOrder | list[SignedOrder], path: Path | str) -> None:
        """Writes an order, or legs together, as the commands read them."""
        documents = [order_document(one, self.domain) for one in (signed if isinstance(signed, list) else [signed])]
        content = documents if isinstance(signed, list) else documents[0]
        Path(path).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")

    def _signed(self, order: Order) -> SignedOrder:
        return self.domain.sign(order, self.key)

    def _nonce(self, wanted: int | None) -> int:
        self._last_nonce = max(int(time.time()), self._last_nonce + 1) if wanted is None else wanted
        return self._last_nonce


def domain_of(system: System) -> OrderDomain:
    """What signatures of this deployment are bound to."""
    return OrderDomain(system.deployment.chain_id, system.address("Exchange"))


def to_wad(amount: Amount) -> int:
    """A decimal number, exact to 18 places, as wad.

    Raises:
        NoOrder: It is no number, or has more places.
    """
    try:
        scaled = Decimal(str(amount)) * WAD
    except InvalidOperation:
        raise NoOrder(f"{amount!r} is no amount") from None
    if not scaled.is_finite() or scaled != int(scaled):
        raise NoOrder(f"{amount!r} has more than 18 decimals")
    return int(scaled)


def _flags(terms: Terms) -> OrderFlags:
    wanted = (
        (terms.get("reduce_only"), OrderFlags.REDUCE_ONLY),
        (terms.get("post_only"), OrderFlags.POST_ONLY),
        (terms.get("fill_or_kill"), OrderFlags.FILL_OR_KILL),
    )
    return OrderFlags(sum(flag for is_wanted, flag in wanted if is_wanted))


def _with_trigger(order: Order, terms: Terms, now: int) -> Order:
    below, above, on_mark = terms.get("trigger_below"), terms.get("trigger_above"), terms.get("on_mark", False)
    if below is not None and above is not None:
        raise NoOrder("a trigger is below or above a price, not both: sign two orders with one group")
    price = below if above is None else above
    if price is None:
        if on_mark:
            raise NoOrder("on mark needs a trigger's price")
        return order
    wad = to_wad(price)
    if not 0 < wad < 1 << 128:
        raise NoOrder("a trigger needs a price above 0")
    return triggered(order, wad, above=above is not None, since=now, on_mark=on_mark)
