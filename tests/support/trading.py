"""A desk at the exchange: seats with keys, signed orders in one perpetual, settlements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import count
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils import keccak

from ballast.chain.ids import account_id
from ballast.chain.orders import (
    Match,
    Order,
    OrderDomain,
    OrderFlags,
    SignedOrder,
    as_legs,
    settlement,
    triggered,
)
from tests.support.evm import Contract, Evm, Receipt
from tests.support.system import Market, System, Trader

WAD = 10**18
USDC = 10**6
BILLION = 10**9
SYMBOL, OTHER_SYMBOL = "ETH", "BTC"


@dataclass(frozen=True)
class Seat:
    """Somebody with a key, at one of his accounts."""

    key: LocalAccount
    sub_account: int = 0

    @classmethod
    def named(cls, role: str, sub_account: int = 0) -> Seat:
        return cls(Account.from_key(keccak(text=role)), sub_account)

    @property
    def address(self) -> str:
        return str(self.key.address)

    @property
    def account(self) -> int:
        return account_id(self.address, self.sub_account)


class Desk:
    """A system as orders in one perpetual see it. Sizes and prices are given whole and become wad."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.index_in_registry = market.instrument(SYMBOL)
        self.instrument = self.terms().id
        self.other_instrument = self.clearinghouse.call("instrumentOf", market.instrument(OTHER_SYMBOL)).id
        self._nonces = count(1)

    # What is there ---------------------------------------------------------------------------------------------

    @property
    def system(self) -> System:
        return self.market.system

    @property
    def evm(self) -> Evm:
        return self.system.evm

    @property
    def clearinghouse(self) -> Contract:
        return self.system.clearinghouse

    @property
    def exchange(self) -> Contract:
        return self.system.exchange

    @property
    def domain(self) -> OrderDomain:
        return OrderDomain(self.evm.chain_id, self.exchange.address)

    @property
    def price(self) -> Decimal:
        """Mark in whole value units."""
        return Decimal(self.mark()) / WAD

    @property
    def limits(self) -> Any:
        return self.system.network.underlyings[SYMBOL].trading

    def away(self, basis_points: int) -> Decimal:
        """A price that far from mark, in whole value units."""
        return Decimal(self.mark() * (10_000 + basis_points) // 10_000) / WAD

    def edge(self, side: int = 1) -> int:
        """The furthest price from mark, above or below, that a fill may have; wad."""
        return self.mark() + side * (self.mark() * self.limits.price_band // BILLION)

    def mark(self) -> int:
        return self.market.mark(SYMBOL)

    def terms(self) -> Any:
        """The instrument's view."""
        return self.clearinghouse.call("instrumentOf", self.index_in_registry)

    # Acts ------------------------------------------------------------------------------------------------------

    def fund(self, seat: Seat, amount: int) -> Seat:
        """Mints and deposits whole settlement tokens."""
        self.market.fund(Trader(seat.key), seat.account, USDC=amount)
        return seat

    def seat(self, role: str, funds: int = 100_000, sub_account: int = 0) -> Seat:
        """A funded account."""
        return self.fund(Seat.named(role, sub_account), funds)

    def sinking_seat(self, role: str) -> Seat:
        """An account that a fall of the price has brought below maintenance margin."""
        sinking = self.seat(role, funds=5_000)
        self.trade(sinking, self.seat(f"counterpart of {role}"), 5, self.price)
        self.market.set_price(SYMBOL, self.price * Decimal("0.8"))
        margin = self.margin_of(sinking)
        assert margin.equity < margin.maintenanceMargin
        return sinking

    def order(self, seat: Seat, size: Decimal | int | str, price: Decimal | int, **changes: Any) -> Order:
        """An order good for an hour, its nonce fresh."""
        order = Order(
            account=seat.account,
            signer=seat.address,
            instrument=self.instrument,
            size=int(Decimal(size) * WAD),
            limit=int(price * WAD),
            flags=OrderFlags.NONE,
            expiry=self.evm.timestamp + 3600,
            nonce=next(self._nonces),
        )
        return replace(order, **changes)

    def other_order(self, seat: Seat, size: Decimal | str, **changes: Any) -> Order:
        """The same in the other instrument, at its mark."""
        terms = {"instrument": self.other_instrument, "limit": self.market.mark(OTHER_SYMBOL)} | changes
        return self.order(seat, size, 0, **terms)

    def signed(self, seat: Seat, size: Decimal | int | str, price: Decimal | int, **changes: Any) -> SignedOrder:
        return self.domain.sign(self.order(seat, size, price, **changes), seat.key)

    def stop(
        self, seat: Seat, size: Decimal | int | str, price: Decimal | int, trigger: Decimal | int, **changes: Any
    ) -> SignedOrder:
        """Signed now: armed at an index of `trigger` or less, unless `above` or `on_mark` say otherwise."""
        terms = {"above": False, "since": self.evm.timestamp}
        terms |= {name: changes.pop(name) for name in ("above", "since", "on_mark") if name in changes}
        order = triggered(self.order(seat, size, price, **changes), int(trigger * WAD), **terms)
        return self.domain.sign(order, seat.key)

    def arm(self, signed: SignedOrder) -> Receipt:
        return self.exchange.transact("arm", signed, sender=self.evm.address_of("executor"))

    def armed_at(self, signed: SignedOrder) -> int:
        return int(self.exchange.call("armedAt", self.domain.hash(signed.order)))

    def legs(self, seat: Seat, group: int, *orders: Order) -> list[SignedOrder]:
        """Orders that are filled together or not at all."""
        return [self.domain.sign(leg, seat.key) for leg in as_legs(orders, group)]

    def settle(self, orders: Sequence[SignedOrder], matches: Sequence[Match]) -> Receipt:
        return self.exchange.transact("settle", *settlement(orders, matches), sender=self.evm.address_of("matcher"))

    def cross(self, taker: SignedOrder, maker: SignedOrder, size: Decimal | int | None = None) -> Receipt:
        """One match of two orders; of all the taker's size unless said."""
        amount = abs(taker.order.size) if size is None else int(size * WAD)
        return self.settle([taker, maker], [Match(0, 1, amount)])

    def trade(self, buyer: Seat, seller: Seat, size: Decimal | int | str, price: Decimal | int) -> Receipt:
        """The buyer takes from the seller."""
        return self.cross(self.signed(buyer, size, price), self.signed(seller, -Decimal(size), price))

    def trade_exactly(self, buyer: Seat, seller: Seat, size: int, price: int) -> Receipt:
        """The same with size and price in wad."""
        return self.trade(buyer, seller, Decimal(size) / WAD, Decimal(price) / WAD)

    # What became of it -----------------------------------------------------------------------------------------

    def size_of(self, seat: Seat) -> int:
        return self.size_of_account(seat.account)

    def size_of_account(self, account: int) -> int:
        """Position in the desk's instrument, wad."""
        positions = self.clearinghouse.call("accountOf", account).positions
        return sum(position.size for position in positions if position.instrument == self.instrument)

    def cash_of(self, seat: Seat) -> int:
        return int(self.clearinghouse.call("cashOf", seat.account))

    def margin_of(self, seat: Seat) -> Any:
        return self.clearinghouse.call("marginOf", seat.account)

    def status(self, order: Order) -> tuple[int, int]:
        """Filled size, and the reason for which the order is dead."""
        filled, reason = self.exchange.call("orderStatus", order)
        return filled, reason


def skips(receipt: Receipt) -> list[tuple[int, int]]:
    """(nonce, reason) of each skipped match."""
    return [(event.nonce, event.reason) for event in receipt.events("OrderSkipped")]
