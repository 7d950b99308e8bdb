"""A whole Ballast system, and what tests do with it: fund, trade, move prices and time.

In the in-process EVM, unless another chain is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from itertools import count
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils import keccak

from ballast.chain import codec
from ballast.chain.ids import account_id
from ballast.chain.orders import Match, OrderDomain, OrderFlags, SignedOrder, limit_order, settlement
from ballast.chain.quorum import QuorumDomain, ReportBatch, SignedReport, submit_arguments
from ballast.deployment.backend import Backend
from ballast.deployment.builder import Builder
from ballast.deployment.config import Network, read_network
from ballast.deployment.record import DeploymentRecord
from ballast.risk.book import Book
from tests.support.backend import EvmBackend
from tests.support.book import plain_book
from tests.support.evm import ROOT, Chain, Contract, Evm, Receipt

WAD = 10**18
HOUR, DAY = 3_600, 86_400
DEVELOPMENT_MNEMONIC = "test test test test test test test test test test test junk"
QUORUM_ACCOUNTS = (5, 6, 7)
LOCAL = ROOT / "config" / "networks" / "local.yaml"


def wad(amount: Decimal | int | str) -> int:
    """A decimal in wad; exact."""
    scaled = Decimal(amount) * WAD
    assert scaled == scaled.to_integral_value(), f"{amount} has more than 18 decimals"
    return int(scaled)


@dataclass(frozen=True)
class Trader:
    """Somebody with a key. `account` is the id of sub-account 0."""

    key: LocalAccount

    @property
    def address(self) -> str:
        return str(self.key.address)

    @property
    def account(self) -> int:
        return account_id(self.address)

    def sub_account(self, index: int, *, isolated: bool = False) -> int:
        return account_id(self.address, index, isolated=isolated)


def development_key(number: int) -> LocalAccount:
    """Account `number` of Anvil's well-known mnemonic, which the local network's roles and signers are."""
    Account.enable_unaudited_hdwallet_features()
    found: LocalAccount = Account.from_mnemonic(DEVELOPMENT_MNEMONIC, account_path=f"m/44'/60'/0'/0/{number}")
    return found


def trader(role: str) -> Trader:
    """A stable trader for a role, such as `depositor` or `liquidator`."""
    return Trader(Account.from_key(keccak(text=role)))


@dataclass(frozen=True)
class System:
    """A deployment on a chain. Contracts by their own names; tokens, ids and feeds by symbol."""

    evm: Chain
    builder: Builder
    record: DeploymentRecord

    def contract(self, name: str) -> Contract:
        entry = self.record.contracts[name]
        return self.evm.contract(entry.artifact, entry.address)

    @property
    def network(self) -> Network:
        return self.builder.network

    @property
    def book(self) -> Book:
        return self.builder.book

    @cached_property
    def authority(self) -> Contract:
        return self.contract("Authority")

    @cached_property
    def margin_engine(self) -> Contract:
        return self.contract("MarginEngine")

    @cached_property
    def oracle_hub(self) -> Contract:
        return self.contract("OracleHub")

    @cached_property
    def quorum_feed(self) -> Contract:
        return self.contract("QuorumFeed")

    @cached_property
    def expiries(self) -> Contract:
        return self.contract("Expiries")

    @cached_property
    def clearinghouse(self) -> Contract:
        return self.contract("Clearinghouse")

    @cached_property
    def exchange(self) -> Contract:
        return self.contract("Exchange")

    @cached_property
    def auctions(self) -> Contract:
        return self.contract("Auctions")

    @cached_property
    def insurance_fund(self) -> Contract:
        return self.contract("InsuranceFund")

    @cached_property
    def lens(self) -> Contract:
        return self.contract("Lens")

    @cached_property
    def tokens(self) -> Mapping[str, Contract]:
        return {symbol: self.evm.contract("MockToken", at) for symbol, at in self.record.tokens.items()}

    @cached_property
    def feeds(self) -> Mapping[str, list[Contract]]:
        """The mock aggregators behind each underlying: first source, then second."""
        return {
            symbol: [self.evm.contract("MockAggregator", address) for address in addresses]
            for symbol, addresses in self.record.feeds.items()
        }

    def holder(self, role: str) -> str:
        """Who holds `governance`, `risk`, `multiplier` or `guardian`."""
        return getattr(self.network.roles, role).holders[0]

    def act_as(self, role: str, contract: Contract, function: str, *arguments: Any) -> None:
        """An act of a role, after its delay where it has one. The clock moves by the delay; feeds stand still."""
        self.schedule(role, contract, function, *arguments)
        self.evm.advance(getattr(self.network.roles, role).delay)
        self.execute(role, contract, function, *arguments)

    def schedule(self, role: str, contract: Contract, function: str, *arguments: Any) -> None:
        """Announces an act of a role, where the role has a delay."""
        if getattr(self.network.roles, role).delay:
            data = codec.encode_call(contract.abi, function, arguments)
            self.authority.transact("schedule", contract.address, data, 0, sender=self.holder(role))

    def execute(self, role: str, contract: Contract, function: str, *arguments: Any) -> None:
        """Does what was scheduled, or what needs no schedule."""
        data = codec.encode_call(contract.abi, function, arguments)
        self.authority.transact("execute", contract.address, data, sender=self.holder(role))


@dataclass
class Market:
    """A system's users and its outside world."""

    system: System
    prices: dict[str, Decimal] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._nonces = count(1)
        for symbol, underlying in self.system.network.underlyings.items():
            feed = underlying.first.chainlink
            self.prices.setdefault(symbol, Decimal(feed.price if feed and feed.price else 1))

    # The outside world -----------------------------------------------------------------------------------------

    def report(self, symbol: str, price: Decimal | str, rank: int | None = None) -> None:
        """Feeds of an underlying (all, or the one of that rank) report a price as of now."""
        for place, feed in enumerate(self.system.feeds[symbol]):
            if rank in (None, place):
                answer = int(Decimal(price) * 10 ** feed.call("decimals"))
                feed.transact("report", answer, self.system.evm.timestamp)

    def set_price(self, symbol: str, price: Decimal | int | str) -> None:
        """Every feed of an underlying agrees on a new price, and the hub knows it. The stable price lags behind."""
        self.prices[symbol] = Decimal(price)
        self._publish(symbol)

    def advance(self, seconds: int = HOUR) -> None:
        """Time passes and every feed reports its price again."""
        self.system.evm.advance(seconds)
        for symbol in self.prices:
            self._publish(symbol)

    def settle_stable_prices(self) -> None:
        """Time passes until every stable price has caught up with its index."""
        for _ in range(14 * 24):
            quotes, _ = self.system.oracle_hub.call("quotesOf", self._all_underlyings())
            if all(quote.stable == quote.index for quote in quotes):
                return
            self.advance(HOUR)
        raise AssertionError("the stable prices do not catch up")

    def act_as(self, role: str, contract: Contract, function: str, *arguments: Any) -> None:
        """As `System.act_as`, and every feed reports its price again after the delay."""
        self.system.schedule(role, contract, function, *arguments)
        self.advance(getattr(self.system.network.roles, role).delay)
        self.system.execute(role, contract, function, *arguments)

    def _publish(self, symbol: str) -> None:
        hub, underlying = self.system.oracle_hub, self.system.record.underlyings[symbol]
        self.report(symbol, self.prices[symbol])
        if len(self.system.feeds[symbol]) > 1:
            hub.transact("poke", underlying)
        hub.transact("refresh", 1 << underlying if underlying else 0)

    def _all_underlyings(self) -> int:
        return sum(1 << number for number in self.system.record.underlyings.values() if number)

    # Users -----------------------------------------------------------------------------------------------------

    def units(self, symbol: str, amount: Decimal | int | str) -> int:
        """Whole tokens in the token's own units."""
        return int(Decimal(amount) * 10 ** self.system.tokens[symbol].call("decimals"))

    def mint(self, owner: Trader, symbol: str, amount: Decimal | int | str) -> int:
        """Tokens in the owner's wallet, approved to the clearinghouse. Returns the token units."""
        token, units = self.system.tokens[symbol], self.units(symbol, amount)
        token.transact("mint", owner.address, units)
        token.transact("approve", self.system.clearinghouse, 2**256 - 1, sender=owner.address)
        return units

    def fund(self, owner: Trader, account: int | None = None, **amounts: Decimal | int | str) -> None:
        """Mints and deposits whole tokens: `fund(depositor, USDC=10_000, WETH="1.5")`."""
        for symbol, amount in amounts.items():
            units = self.mint(owner, symbol, amount)
            target = owner.account if account is None else account
            asset = self.system.record.assets[symbol]
            self.system.clearinghouse.transact("deposit", target, asset, units, sender=owner.address)

    def instrument(self, symbol: str | int) -> int:
        """Registry index of an underlying's perpetual; of another instrument it is what names it."""
        if isinstance(symbol, int):
            return symbol
        return self.system.record.instruments[f"PERP:{symbol}"]

    def mark(self, symbol: str | int) -> int:
        """Mark price of an underlying's perpetual, or of another instrument, wad."""
        return self.system.clearinghouse.call("markOf", self.instrument(symbol))

    def order(
        self,
        owner: Trader,
        symbol: str | int,
        size: Decimal | int | str,
        price: int,
        *,
        flags: OrderFlags = OrderFlags.NONE,
        account: int | None = None,
        lifetime: int = DAY,
    ) -> SignedOrder:
        """A signed order: whole units (positive buys), price in wad."""
        account = owner.account if account is None else account
        instrument = self.system.clearinghouse.call("instrumentOf", self.instrument(symbol)).id
        epoch = self.system.exchange.call("epochOf", account)
        expiry = self.system.evm.timestamp + lifetime
        order = limit_order(
            owner.address,
            instrument,
            wad(size),
            price,
            expiry,
            next(self._nonces),
            account=account,
            flags=flags,
            epoch=epoch,
        )
        return OrderDomain(self.system.evm.chain_id, self.system.exchange.address).sign(order, owner.key)

    def trade(
        self, buyer: Trader, seller: Trader, symbol: str | int, size: Decimal | int | str, price: int | None = None
    ) -> Receipt:
        """The buyer takes the seller's order of that size, at mark unless a price (wad) is given."""
        price = self.mark(symbol) if price is None else price
        buy, sell = self.order(buyer, symbol, size, price), self.order(seller, symbol, -Decimal(size), price)
        orders, matches = settlement([buy, sell], [Match(taker=0, maker=1, size=wad(size))])
        return self.system.exchange.transact("settle", orders, matches)


def publish_by_quorum(feed: Contract, prices: Mapping[int, Decimal | int | str]) -> None:
    """The local network's quorum signers publish prices, by underlying id, as of now."""
    submit_reports(feed, feed, *(SignedReport(underlying, wad(price)) for underlying, price in prices.items()))


def publish_reports(system: System, target: Contract, *reports: SignedReport) -> Receipt:
    """The same signers publish anything, as of now, to the contract that takes it."""
    return submit_reports(system.quorum_feed, target, *reports)


def submit_reports(feed: Contract, target: Contract, *reports: SignedReport) -> Receipt:
    """The same, where there is no whole system yet."""
    batch = ReportBatch(feed.call("epoch"), feed.evm.timestamp, reports)
    domain = QuorumDomain(feed.evm.chain_id, feed.address)
    signatures = [domain.sign(batch, development_key(number)) for number in QUORUM_ACCOUNTS]
    complete = domain.aggregate(batch, signatures, feed.call("signers"), feed.call("threshold"))
    return target.transact("submit", *submit_arguments(batch, complete))


def local_network() -> Network:
    """The shipped configuration of development chains, under the in-process EVM's chain id."""
    return read_network(LOCAL).model_copy(update={"chain_id": 1})


def deploy_system(network: Network | None = None, book: Book | None = None) -> System:
    """A fresh EVM with the local network and the plain book, deposit caps ramped up and every price reported."""
    evm = Evm()
    return deploy_on(evm, EvmBackend(evm), network or local_network(), book)


def deploy_on(chain: Chain, backend: Backend, network: Network, book: Book | None = None) -> System:
    """As `deploy_system`, on any chain."""
    builder = Builder(network, book or plain_book(), backend)
    system = System(chain, builder, builder.deploy())
    chain.advance(max(collateral.cap_ramp for collateral in network.collaterals.values()))
    Market(system).advance(0)
    return system
