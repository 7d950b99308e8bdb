"""Orders as traders sign them (EIP-712), and settlements as anyone sends them.

All amounts are the contracts' integers: sizes and prices in wad, fees in 1e9 of notional.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from enum import IntEnum, IntFlag
from typing import Any

from eth_abi import encode
from eth_account.messages import SignableMessage, encode_typed_data
from eth_account.signers.local import LocalAccount
from eth_utils import keccak

from ballast.chain.ids import account_id
from ballast.errors import BallastError

MAX_FEE_RATE = 5_000_000
"""Highest fee the exchange can ever charge, 1e9 is one; the default of an order's own bound."""

_LEGS_SHIFT, _SINCE_SHIFT = 8, 16
_DOMAIN_NAME, _DOMAIN_VERSION = "Ballast Exchange", "1"
_FIELDS = (
    ("account", "uint256"),
    ("signer", "address"),
    ("instrument", "uint256"),
    ("size", "int128"),
    ("limit", "uint128"),
    ("flags", "uint256"),
    ("expiry", "uint40"),
    ("nonce", "uint64"),
    ("group", "uint64"),
    ("maxFee", "uint32"),
    ("trigger", "uint128"),
    ("epoch", "uint32"),
)
_TYPES = {"Order": [{"name": name, "type": kind} for name, kind in _FIELDS]}
_ORDER_ABI = f"({','.join(kind for _, kind in _FIELDS)})"
_SETTLE_ABI = (f"({_ORDER_ABI},bytes)[]", "(uint16,uint16,uint128)[]")
_SETTLE_SELECTOR = keccak(text=f"settle({','.join(_SETTLE_ABI)})")[:4]


class OrderListedTwice(BallastError):
    """A settlement names one (account, nonce) more than once."""


class OrderFlags(IntFlag):
    """What an order asks for besides size and limit. `triggered` and `as_legs` set those that come with numbers."""

    NONE = 0
    REDUCE_ONLY = 1
    POST_ONLY = 2
    FILL_OR_KILL = 4
    MULTI_LEG = 8
    TRIGGER_ABOVE = 16
    TRIGGER_BELOW = 32
    TRIGGER_ON_MARK = 64


class DeadReason(IntEnum):
    """Why an order cannot be filled, as `orderStatus` and `OrderSkipped` give it."""

    NONE = 0
    EXPIRED = 1
    CANCELLED = 2
    OTHER_EPOCH = 3
    NONCE_TAKEN = 4
    FILLED = 5
    SIGNER_NOT_AUTHORISED = 6
    SIGNATURE_REFUSED = 7
    NOTHING_TO_REDUCE = 8
    OWNER_SILENT = 9
    GROUP_TAKEN = 10
    CANNOT_FILL_WHOLE = 11
    NOT_ARMED = 12
    LEGS_NOT_WHOLE = 13


@dataclass(frozen=True)
class Order:
    """One order; fields and their order are those of the contract's struct.

    Attributes:
        account: Whose account trades.
        signer: The owner, or a delegate.
        size: Positive buys, negative sells, wad.
        limit: Worst price, wad.
        expiry: Last Unix second at which it can be filled.
        nonce: Free choice; fills are counted by (account, nonce).
        flags: `OrderFlags`, the number of legs in bits 8-15 and `triggered`'s second in bits 16-55.
        group: Orders of one cancel each other: the first that is filled kills the rest; legs are filled together. 0 is
            none.
        maxFee: (named as it is signed) Highest fee accepted, with a bounty, in 1e9 of notional.
        trigger: The order is dead until this price was reached and somebody has armed it, wad. 0 is none.
        epoch: The account's epoch now; the order is dead in any other.
    """

    account: int
    signer: str
    instrument: int
    size: int
    limit: int
    flags: int
    expiry: int
    nonce: int
    group: int = 0
    maxFee: int = MAX_FEE_RATE
    trigger: int = 0
    epoch: int = 0


@dataclass(frozen=True)
class SignedOrder:
    order: Order
    signature: bytes


@dataclass(frozen=True)
class Match:
    """A proposal to cross two orders of a list at the maker's limit. `size` is positive, wad."""

    taker: int
    maker: int
    size: int


@dataclass(frozen=True)
class OrderDomain:
    """What a signature is bound to: one exchange on one chain."""

    chain_id: int
    exchange: str

    def message(self, order: Order) -> SignableMessage:
        """What `order.signer` signs."""
        domain = {
            "name": _DOMAIN_NAME,
            "version": _DOMAIN_VERSION,
            "chainId": self.chain_id,
            "verifyingContract": self.exchange,
        }
        return encode_typed_data(domain_data=domain, message_types=_TYPES, message_data=asdict(order))

    def hash(self, order: Order) -> bytes:
        """The digest that names `order` in the exchange's events; equals `Exchange.hashOrder`."""
        message = self.message(order)
        return bytes(keccak(b"\x19" + message.version + message.header + message.body))

    def sign(self, order: Order, signer: LocalAccount) -> SignedOrder:
        return SignedOrder(order, bytes(signer.sign_message(self.message(order)).signature))


def limit_order(
    owner: str, instrument: int, size: int, limit: int, expiry: int, nonce: int, sub_account: int = 0, **others: Any
) -> Order:
    """An owner's plain limit order. `others` are further fields of `Order`."""
    fields: dict[str, Any] = {
        "account": account_id(owner, sub_account),
        "signer": owner,
        "flags": OrderFlags.NONE,
    } | others
    return Order(instrument=instrument, size=size, limit=limit, expiry=expiry, nonce=nonce, **fields)


def triggered(order: Order, price: int, *, above: bool, since: int, on_mark: bool = False) -> Order:
    """The order, dead until it is armed by a price of `price` (wad) or beyond.

    Args:
        above: Armed at that price or more; else at that or less.
        since: Unix second; only reports published after it arm. The time of signing, by the chain's clock.
        on_mark: The price is the instrument's mark; else its underlying's index.
    """
    side = OrderFlags.TRIGGER_ABOVE if above else OrderFlags.TRIGGER_BELOW
    mark = OrderFlags.TRIGGER_ON_MARK if on_mark else OrderFlags.NONE
    return replace(order, flags=int(order.flags | side | mark) | since << _SINCE_SHIFT, trigger=price)


def as_legs(orders: Sequence[Order], group: int) -> list[Order]:
    """Orders of one account, at least two, as legs that are filled whole in one settlement, or not at all.

    Args:
        group: A number that the account has used for no other group.
    """
    legs = OrderFlags.MULTI_LEG | len(orders) << _LEGS_SHIFT
    return [replace(order, flags=int(order.flags | legs), group=group) for order in orders]


def settlement(orders: Sequence[SignedOrder], matches: Sequence[Match]) -> tuple[list[SignedOrder], list[Match]]:
    """Orders ascending by (account, nonce), as the exchange wants them, and the matches pointing to them there.

    Raises:
        OrderListedTwice: Two of the orders share account and nonce.
    """
    keys = [(signed.order.account, signed.order.nonce) for signed in orders]
    if len(set(keys)) != len(keys):
        raise OrderListedTwice("an account's nonce is listed twice in one settlement")
    ascending = sorted(range(len(orders)), key=keys.__getitem__)
    place = {old: new for new, old in enumerate(ascending)}
    moved = [Match(place[match.taker], place[match.maker], match.size) for match in matches]
    return [orders[index] for index in ascending], moved


def trade_data(orders: Sequence[SignedOrder], matches: Sequence[Match]) -> bytes:
    """`data` of a batch's `Trade` act: a settlement, ABI-encoded.

    Raises:
        OrderListedTwice: Two of the orders share account and nonce.
    """
    ascending, moved = settlement(orders, matches)
    signed = [(_values(entry.order), entry.signature) for entry in ascending]
    return bytes(encode(_SETTLE_ABI, [signed, [_values(match) for match in moved]]))


def settle_calldata(orders: Sequence[SignedOrder], matches: Sequence[Match]) -> bytes:
    """Calldata of `Exchange.settle`.

    Raises:
        OrderListedTwice: Two of the orders share account and nonce.
    """
    return bytes(_SETTLE_SELECTOR) + trade_data(orders, matches)


def _values(entry: Order | Match) -> tuple[Any, ...]:
    return tuple(asdict(entry).values())
