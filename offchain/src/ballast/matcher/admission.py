"""Whether an order may enter: what the chain would say of it if it were settled now.

Everything is read at one block, in as few round trips as can be. The chain decides again at settlement; what it would
refuse for certain is refused here with a reason, so that it costs nobody a failed transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ballast.chain.accounts import MarginRules, TwinDisagrees, read_account, read_rules
from ballast.chain.contracts import System
from ballast.chain.ids import ISOLATED_BIT, KIND_OPTION, kind_of
from ballast.chain.instruments import expiry_of, underlying_of
from ballast.chain.orders import DeadReason, Order, OrderDomain, OrderFlags, SignedOrder
from ballast.errors import ChainError, ChainUnreachable
from ballast.matcher.engine import Engine
from ballast.matcher.margin import Terms, Trade, worst_shortfall
from ballast.matcher.records import OrderRecord, OrderState
from ballast.matcher.refusals import Refused
from ballast.matcher.requests import MOST_LEGS
from ballast.matcher.signatures import is_accepted, is_recovered
from ballast.risk.margin_terms import MarginError, OracleState
from ballast.store import BlockRef

BILLION = 10**9
# What an order of the book may be besides a plain limit order. One with a trigger says so in further bits.
RESTING = OrderFlags.REDUCE_ONLY | OrderFlags.POST_ONLY | OrderFlags.FILL_OR_KILL
# Where a trigger's flags say which reports may arm it.
SINCE = 0xFFFFFFFFFF << 16
# Where a leg says how many there are.
LEGS_SHIFT = 8


@dataclass(frozen=True)
class Exposure:
    """What else an account has under way here.

    Attributes:
        packages: By request for quotes: the account's packages of legs there, one of which may be taken.
    """

    certain: tuple[Trade, ...] = ()
    possible: tuple[Trade, ...] = ()
    packages: tuple[tuple[tuple[Trade, ...], ...], ...] = ()

    @classmethod
    def of(cls, engine: Engine, account: int, request: int = 0) -> Exposure:
        """Matches that are not settled, and resting orders; of a group only the largest, as one of them is filled.

        Args:
            request: Whose packages are left out: what is asked about is one more of them.
        """
        records = engine.orders_of(account)
        certain = [_trade(one, one.pending) for one in records if one.pending]
        resting = [
            one
            for one in records
            if one.state is not OrderState.DEAD
            and one.open
            and not one.request
            and not one.order.flags & OrderFlags.REDUCE_ONLY
        ]
        possible = tuple(_trade(one, one.open) for one in _one_a_group(resting))
        return cls(tuple(certain), possible, _packages(engine, records, request))

    @property
    def instruments(self) -> set[int]:
        legs = (trade for choice in self.packages for package in choice for trade in package)
        return {trade.instrument for trade in (*self.certain, *self.possible, *legs)}


def _packages(
    engine: Engine, records: Iterable[OrderRecord], left_out: int
) -> tuple[tuple[tuple[Trade, ...], ...], ...]:
    found: dict[int, dict[str, tuple[Trade, ...]]] = {}
    for one in records:
        if one.request in (0, left_out) or one.state is OrderState.DEAD or one.pending:
            continue
        package = sorted((one, *engine.mates_of(one)), key=lambda leg: leg.sequence)
        legs = tuple(_trade(leg, leg.open) for leg in package)
        found.setdefault(one.request, {})[package[0].hash] = legs
    return tuple(tuple(choice.values()) for choice in found.values())


def _trade(record: OrderRecord, size: int) -> Trade:
    return Trade(record.order.instrument, size if record.buys else -size, record.order.limit)


def _one_a_group(records: Iterable[OrderRecord]) -> list[OrderRecord]:
    chosen: dict[Any, OrderRecord] = {}
    for record in records:
        key = (record.group, record.order.instrument, record.buys) if record.group else record.hash
        if key not in chosen or record.open * record.order.limit > chosen[key].open * chosen[key].order.limit:
            chosen[key] = record
    return list(chosen.values())


@dataclass(frozen=True)
class Market:
    """What the chain says of an order's instrument and account at a block."""

    instrument: Any
    mark: int
    quote: Any
    limits: Any
    account: Any
    fee_rate: int


class Admission:
    """Reads a deployment. Not to be shared between threads: its connection is one."""

    def __init__(self, system: System) -> None:
        self.system = system
        self._domain = OrderDomain(system.deployment.chain_id, system.address("Exchange"))
        self._indices: dict[int, int] = {}
        self._rules: tuple[str, MarginRules] | None = None

    def admit(self, signed: SignedOrder, exposure: Exposure) -> None:
        """Returns where the order may enter.

        Raises:
            Refused: It may not, or the chain cannot be read.
        """
        require_restable(signed.order)
        self._admit([signed], exposure)

    def admit_legs(self, package: Sequence[SignedOrder], exposure: Exposure) -> None:
        """The same of orders that are filled together: each may trade, and the account affords all of them as one.

        Raises:
            Refused: See `admit`.
        """
        require_legs([signed.order for signed in package])
        self._admit(package, exposure)

    def _admit(self, package: Sequence[SignedOrder], exposure: Exposure) -> None:
        try:
            block = self.system.connection.head()
            now = self.system.connection.timestamp(block)
            trades = []
            for signed in package:
                self._require_signature(signed, block)
                market = self._read_market(signed.order, block)
                require_tradable(signed.order, market, now)
                trades.append((signed.order, market.fee_rate))
            self._require_margin(trades, exposure, block)
        except ChainUnreachable as fault:
            raise Refused("chain-unavailable", str(fault)) from None
        except (ChainError, TwinDisagrees, MarginError) as fault:
            raise Refused("oracle-not-usable", str(fault)) from None

    def is_signed(self, signer: str, digest: bytes, signature: bytes) -> bool:
        """Whether it is the signer's, a contract's included.

        Raises:
            Refused: The chain cannot be read.
        """
        if is_recovered(signer, digest, signature):
            return True
        try:
            return is_accepted(self.system, signer, digest, signature, self.system.connection.head())
        except ChainError as fault:
            raise Refused("chain-unavailable", str(fault)) from None

    def _require_signature(self, signed: SignedOrder, block: BlockRef) -> None:
        digest, signer = self._domain.hash(signed.order), signed.order.signer
        if is_recovered(signer, digest, signed.signature):
            return
        if not is_accepted(self.system, signer, digest, signed.signature, block):
            raise Refused("bad-signature")

    def _index(self, instrument: int, block: BlockRef) -> int:
        """Place in the registry, which never changes; 0 where it is not listed."""
        if instrument not in self._indices:
            found = self.system.read("Clearinghouse", "instrumentIndexOf", instrument, block=block)
            if found == 0:
                return 0
            self._indices[instrument] = found
        return self._indices[instrument]

    def _read_market(self, order: Order, block: BlockRef) -> Market:
        index, underlying = self._index(order.instrument, block), underlying_of(order.instrument)
        if index == 0:
            raise Refused("instrument-not-listed")
        (filled, reason), fees, account, (limits, _), (quotes, _), instrument, mark = self.system.read_all(
            [
                ("Exchange", "orderStatus", [order]),
                ("Exchange", "fees", []),
                ("Clearinghouse", "accountOf", [order.account]),
                ("Clearinghouse", "underlyingLimitsOf", [underlying]),
                ("OracleHub", "quotesOf", [1 << underlying]),
                ("Clearinghouse", "instrumentOf", [index]),
                ("Clearinghouse", "markOf", [index]),
            ],
            block,
        )
        if reason != DeadReason.NONE:
            raise Refused(DeadReason(reason).name.lower().replace("_", "-"))
        if filled:
            raise Refused("nonce-in-use", "The order is filled in part: sign the rest anew.", filled=str(filled))
        return Market(instrument, mark, quotes[-1], limits, account, max(fees))

    def _require_margin(self, orders: Sequence[tuple[Order, int]], exposure: Exposure, block: BlockRef) -> None:
        """Of orders of one account with the fee of each, in 1e9 of notional."""
        instruments = sorted({*(order.instrument for order, _ in orders), *exposure.instruments})
        if self._rules is None or self._rules[0] != block.hash:
            self._rules = block.hash, read_rules(self.system, block)
        account = read_account(self.system, orders[0][0].account, block, instruments, self._rules[1])
        indices = [self._index(one, block) for one in instruments]
        marks = self.system.read_all([("Clearinghouse", "markOf", [index]) for index in indices], block)
        # A triggered order's taker pays a bounty besides, within what it accepts.
        rate = max(order.maxFee if order.trigger else fee for order, fee in orders)
        terms = Terms(rate, dict(zip(instruments, marks, strict=True)))
        trades = [Trade(order.instrument, order.size, order.limit) for order, _ in orders]
        found = worst_shortfall(account, trades, exposure.certain, exposure.possible, terms, exposure.packages)
        if found is not None:
            numbers = {"equity": str(found.equity), "required": str(found.required)}
            raise Refused("margin", rule=found.rule, **numbers)


def require_restable(order: Order) -> None:
    """Whether such an order can be in a book at all.

    Raises:
        Refused: It cannot.
    """
    if order.flags & OrderFlags.MULTI_LEG:
        raise Refused("unsupported-terms", "Orders of several legs do not rest in a book: ask for quotes with them.")
    _require_amounts(order)
    if order.flags & ~int(RESTING) != _trigger_bits(order) or (order.trigger and not _trigger_bits(order)):
        raise Refused("unsupported-terms")
    if order.flags & OrderFlags.POST_ONLY and order.flags & OrderFlags.FILL_OR_KILL:
        raise Refused("unsupported-terms", "An order cannot be post-only and fill-or-kill.")


def require_legs(orders: Sequence[Order]) -> None:
    """Whether orders are the legs of one package, all of them.

    Raises:
        Refused: They are not.
    """
    if not 2 <= len(orders) <= MOST_LEGS:
        raise Refused("unsupported-terms", f"Legs are two to {MOST_LEGS}.")
    flags = int(OrderFlags.MULTI_LEG) | len(orders) << LEGS_SHIFT
    for order in orders:
        if order.flags & ~int(OrderFlags.REDUCE_ONLY) != flags or order.trigger:
            raise Refused("unsupported-terms", "Each leg says how many there are, and may be reduce-only.")
        if (order.account, order.group) != (orders[0].account, orders[0].group) or not order.group:
            raise Refused("unsupported-terms", "Legs are of one account and of one group.")
        _require_amounts(order)
    if orders[0].account & ISOLATED_BIT and len({underlying_of(order.instrument) for order in orders}) > 1:
        raise Refused("account-bound")


def _require_amounts(order: Order) -> None:
    if order.size == 0:
        raise Refused("size-step", size="0")
    if order.limit == 0:
        raise Refused("price-band", "A limit is above 0.")


def _trigger_bits(order: Order) -> int:
    """What a trigger's flags have to be, as far as they are a trigger's; 0 without one."""
    side = order.flags & (OrderFlags.TRIGGER_ABOVE | OrderFlags.TRIGGER_BELOW)
    since = order.flags & SINCE
    if order.trigger == 0 or not since or side not in (OrderFlags.TRIGGER_ABOVE, OrderFlags.TRIGGER_BELOW):
        return 0
    return int(side | order.flags & OrderFlags.TRIGGER_ON_MARK | since)


def require_tradable(order: Order, market: Market, now: int) -> None:
    """The clearinghouse's rules for a fill, apart from margin.

    Raises:
        Refused: One of them fails.
    """
    instrument, account = market.instrument, market.account
    held = sum(one.size for one in account.positions if one.instrument == order.instrument)
    reduces = held != 0 and (held > 0) != (order.size > 0) and abs(order.size) <= abs(held)
    if order.size % instrument.sizeStep and order.size != -held:
        raise Refused("size-step", step=str(instrument.sizeStep))
    if expiry_of(order.instrument) and now >= expiry_of(order.instrument):
        raise Refused("instrument-expired")
    if market.quote.state == OracleState.HALTED:
        raise Refused("oracle-not-usable", "The underlying's oracle is halted.")
    if instrument.reduceOnly and not order.flags & OrderFlags.REDUCE_ONLY:
        raise Refused("instrument-reduce-only")
    if order.flags & OrderFlags.REDUCE_ONLY and not reduces:
        raise Refused("nothing-to-reduce", held=str(held))
    if account.inLiquidation:
        raise Refused("account-in-liquidation")
    bound = account.boundUnderlying if order.account & ISOLATED_BIT else 0
    if bound not in (0, underlying_of(order.instrument)):
        raise Refused("account-bound")
    if market.fee_rate > order.maxFee:
        raise Refused("fee-above-maximum", fee=str(market.fee_rate))
    _require_inside_band(order, market)


def _require_inside_band(order: Order, market: Market) -> None:
    scale = market.quote.index if kind_of(order.instrument) == KIND_OPTION else market.mark
    if abs(order.limit - market.mark) * BILLION > scale * market.limits.priceBand:
        widest = scale * market.limits.priceBand // BILLION
        raise Refused("price-band", mark=str(market.mark), furthest=str(widest))
