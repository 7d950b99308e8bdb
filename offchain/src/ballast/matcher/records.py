"""What the engine remembers, what it is told, and what it tells: all integers and text, so that a journal holds it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any, ClassVar

from ballast.chain.orders import Order, OrderFlags, SignedOrder

# ---- commands: everything that changes the engine, in the order in which it happened


@dataclass(frozen=True)
class Command:
    """One entry of the journal."""

    kinds: ClassVar[dict[str, type[Command]]] = {}

    def __init_subclass__(cls) -> None:
        Command.kinds[cls.__name__] = cls

    def as_dict(self) -> dict[str, Any]:
        return {"kind": type(self).__name__, **asdict(self)}

    @staticmethod
    def of(entry: dict[str, Any]) -> Command:
        """The inverse of `as_dict`, after a way through JSON.

        Raises:
            ValueError: There is no such command, or it has other fields.
        """
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in entry.items()
        }
        try:
            return Command.kinds[values.pop("kind")](**values)
        except (KeyError, TypeError) as fault:
            raise ValueError(f"{entry!r} is no command: {fault!r}") from None


@dataclass(frozen=True)
class Accept(Command):
    """An order enters. `order` holds the fields of `Order`, integers as decimal text; `time` is wall clock, ms."""

    hash: str
    order: dict[str, Any]
    signature: str
    time: int


@dataclass(frozen=True)
class Withdraw(Command):
    """The signer takes back what is not matched yet."""

    hash: str


@dataclass(frozen=True)
class Clock(Command):
    """The chain's time, Unix seconds: what expired before is dead."""

    time: int


@dataclass(frozen=True)
class Drop(Command):
    """The matcher gives an order up, such as one that makes a settlement fail."""

    hash: str
    reason: str


@dataclass(frozen=True)
class Cut(Command):
    """Fills that are about to be sent in one transaction."""

    fills: tuple[int, ...]


@dataclass(frozen=True)
class Filled(Command):
    """The chain filled an order, up to `total` (wad); `batch` is whose transaction did, None where it was another's."""

    hash: str
    total: int
    block: int
    batch: int | None = None


@dataclass(frozen=True)
class Killed(Command):
    """The chain says that an order is dead."""

    hash: str
    reason: str
    block: int


@dataclass(frozen=True)
class Conclude(Command):
    """A batch will do no more than it did up to a block: mined, failed, or replaced."""

    batch: int
    block: int
    transaction: str


@dataclass(frozen=True)
class Rewind(Command):
    """Blocks above `block` are not of the chain any more."""

    block: int


@dataclass(frozen=True)
class Ask(Command):
    """A taker asks for quotes of several legs together.

    Attributes:
        legs: `instrument` and signed `size` of each, decimal text, as the taker is to trade them.
        orders: His signed legs likewise, each `hash`, `order`, `signature`; none where he signs later.
        time: Wall clock, ms.
        until: The first ms at which no quote is taken any more.
    """

    legs: tuple[dict[str, str], ...]
    orders: tuple[dict[str, Any], ...]
    time: int
    until: int


@dataclass(frozen=True)
class Answer(Command):
    """A maker's quote: signed orders against all legs of a request, in its order. `time` is wall clock, ms."""

    request: int
    orders: tuple[dict[str, Any], ...]
    time: int


@dataclass(frozen=True)
class Take(Command):
    """A taker who had asked without signing signs: the best quote within his limits is matched at once."""

    request: int
    orders: tuple[dict[str, Any], ...]
    time: int


@dataclass(frozen=True)
class Close(Command):
    """A request's time is over, wall clock, ms: the best quote is matched, where the taker had signed."""

    request: int
    time: int


# ---- records


class OrderState(Enum):
    LIVE = "live"
    HELD = "held"  # another order of its group is about to be settled
    DEAD = "dead"


@dataclass(frozen=True)
class ChainFill:
    """A step of an order's total on chain; `used` of it was expected from `batch`. Sizes wad."""

    block: int
    size: int
    batch: int | None
    used: int


@dataclass
class OrderRecord:
    """An order from its acceptance on. Sizes are positive, wad.

    Attributes:
        time: When it was accepted, wall clock, ms.
        receipt: Running hash of all that was accepted, this order the last of it.
        filled: On chain.
        pending: Matched, and not known to be settled or not.
        died_at: The block that killed it; None where no block did, and none can bring it back.
        request: Number of the request for quotes whose leg it is; 0 where it is an order of a book.
    """

    hash: str
    signed: SignedOrder
    sequence: int
    time: int
    receipt: str
    state: OrderState = OrderState.LIVE
    reason: str = ""
    died_at: int | None = None
    filled: int = 0
    pending: int = 0
    chain_fills: list[ChainFill] = field(default_factory=list)
    request: int = 0

    @property
    def order(self) -> Order:
        return self.signed.order

    @property
    def size(self) -> int:
        return abs(self.order.size)

    @property
    def buys(self) -> bool:
        return self.order.size > 0

    @property
    def open(self) -> int:
        """What is in the book while it lives, wad."""
        return max(0, self.size - self.filled - self.pending)

    @property
    def owner(self) -> int:
        return self.order.account >> 96

    @property
    def group(self) -> Hashable:
        """What one cancels other with; legs do not."""
        return (self.order.account, self.order.group) if self.order.group and not self.request else None

    @property
    def fill_or_kill(self) -> bool:
        return bool(self.order.flags & OrderFlags.FILL_OR_KILL)

    @property
    def post_only(self) -> bool:
        return bool(self.order.flags & OrderFlags.POST_ONLY)


@dataclass
class RequestRecord:
    """A request for quotes from its opening on.

    Attributes:
        legs: (instrument, signed size as the taker trades it, wad).
        time: When it was opened, wall clock, ms; `until` the first ms at which no quote is taken.
        closed_at: When its time was over, or the taker signed, ms.
        taker: Hashes of the taker's orders, in the order of the legs; none before he signed.
        quotes: The same of each quote, in the order of arrival.
    """

    id: int
    legs: tuple[tuple[int, int], ...]
    time: int
    until: int
    closed_at: int | None = None
    taker: tuple[str, ...] = ()
    quotes: list[tuple[str, ...]] = field(default_factory=list)

    def package_of(self, key: str) -> tuple[str, ...]:
        """The orders that are filled with one of its orders or not at all, itself included; none where it has none."""
        return next((one for one in (self.taker, *self.quotes) if key in one), ())

    def forget(self, key: str) -> None:
        """No more of the package of an order."""
        if key in self.taker:
            self.taker = ()
        self.quotes = [one for one in self.quotes if key not in one]


class FillState(Enum):
    CROSSED = "crossed"
    SENT = "sent"
    SETTLED = "settled"
    DROPPED = "dropped"


@dataclass
class FillRecord:
    """Two orders that were matched. Size, price and what of it the chain settled, wad.

    Attributes:
        unit: Fills of one unit are settled together or not at all.
    """

    id: int
    unit: int
    instrument: int
    taker: str
    maker: str
    size: int
    price: int
    state: FillState = FillState.CROSSED
    batch: int | None = None
    settled: int = 0
    transaction: str = ""


@dataclass
class BatchRecord:
    """Fills sent together. `left` is what of each order its transaction may still settle, `done` what it did, wad.

    Attributes:
        concluded_at: The block up to which all is known; None while it is under way.
        reopened: Whether a re-organisation undid it: its transaction may be mined again.
    """

    id: int
    fills: tuple[int, ...]
    left: dict[str, int]
    done: dict[str, int] = field(default_factory=dict)
    concluded_at: int | None = None
    reopened: bool = False


@dataclass
class Changes:
    """What a command changed: levels by (instrument, is it bids, price) with the size now there; keys of all else."""

    levels: dict[tuple[int, bool, int], int] = field(default_factory=dict)
    orders: list[str] = field(default_factory=list)
    fills: list[int] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)
