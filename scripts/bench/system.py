"""A deployed system on Anvil, and acts on it whose gas is measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils import keccak

from ballast.chain.artifacts import checkout_root, load_artifacts
from ballast.chain.codec import encode_call
from ballast.chain.ids import account_id, perp_of
from ballast.chain.orders import Match, OrderDomain, limit_order, settlement
from ballast.deployment import Builder, load_network
from ballast.deployment.config import Aggregator, Network, Source
from ballast.deployment.contract import Contract
from ballast.deployment.listing import InstrumentTerms
from ballast.deployment.rpc import RpcBackend
from ballast.risk.book import Book
from scripts.anvil import Anvil

WAD = 10**18
DAY = 86_400
GENESIS = 1_700_000_000
ALL = ("ETH", "BTC", "LINK", "USDT")
TOKENS = {"ETH": "WETH", "BTC": "WBTC", "LINK": "LINK", "USDT": "USDT"}
DECIMALS = {"USDC": 6, "WETH": 18, "WBTC": 8, "LINK": 18, "USDT": 6}
SIZES = {"ETH": 10.0, "BTC": 0.5, "LINK": 1_000.0, "USDT": 20_000.0}
COLLATERAL = {"WETH": 2.0, "WBTC": 0.2, "LINK": 300.0, "USDT": 5_000.0}
PRICES = {"USDC": 1.0, "ETH": 2_500.0, "BTC": 40_000.0, "LINK": 25.0, "USDT": 1.0}
TRANSACTION = 21_000
COLD_CALL = 2_600
"""What a call to a contract costs that the transaction has not met (EIP-2929); its own target is met at no charge."""


@dataclass(frozen=True)
class Figure:
    """One measurement. `target` is what it is meant to stay under; `rival` what others need for the like."""

    name: str
    gas: int
    target: int = 0
    rival: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {"gas": self.gas, "target": self.target or None, "rival": self.rival or None}


class BenchSystem:
    """A deployed system with a fourth underlying that has a perpetual too, and users made on demand."""

    def __init__(self, node: Anvil) -> None:
        self.node = node
        # Blocks are a second apart, however long they take: what an oracle remembers must not depend on the machine.
        node.request("anvil_setBlockTimestampInterval", 1)
        local, book = load_network(checkout_root() / "config" / "networks" / "local.yaml")
        self.network = self.network_like(local)
        builder = Builder(self.network, self.book_like(book), RpcBackend.connect(node.url))
        self.record, self.contracts = builder.deploy(), builder.contracts
        self.nonce = 0
        self.move_time(DAY)
        self.report()

    def network_like(self, local: Network) -> Network:
        """What is deployed, made of the local network."""
        return four_perps(local)

    def book_like(self, local: Book) -> Book:
        """The risk book, made of the local one."""
        return local

    def move_time(self, seconds: int) -> None:
        self.node.request("evm_setNextBlockTimestamp", hex(self.now() + seconds))
        self.node.request("evm_mine")

    def now(self) -> int:
        return int(self.node.request("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def report(self, **changes: float) -> None:
        """Every feed reports, and the hub caches the second sources."""
        abi, sender = load_artifacts(checkout_root())["MockAggregator"].abi, self.node.request("eth_accounts")[0]
        for symbol, feeds in self.record.feeds.items():
            answer = round(PRICES[symbol] * changes.get(symbol, 1.0) * 10**8)
            for feed in feeds:
                data = "0x" + encode_call(abi, "report", [answer, self.now()]).hex()
                self.node.request("eth_sendTransaction", {"from": sender, "to": feed, "data": data})
            if len(feeds) > 1:
                self.contracts["OracleHub"].transact("poke", self.record.underlyings[symbol])

    def user(self, role: str, deposits: Mapping[str, float]) -> LocalAccount:
        """Somebody with a key, gas and deposits."""
        key: LocalAccount = Account.from_key(keccak(text=f"bench {role}"))
        self.node.request("anvil_impersonateAccount", key.address)
        self.node.request("anvil_setBalance", key.address, hex(10**21))
        for symbol, amount in deposits.items():
            self.deposit(key, symbol, amount)
        return key

    def token(self, symbol: str) -> Contract:
        hub = self.contracts["Clearinghouse"]
        abi = load_artifacts(checkout_root())["MockToken"].abi
        return Contract(hub.backend, "MockToken", self.record.tokens[symbol], abi, hub.errors)

    def deposit(self, owner: LocalAccount, symbol: str, amount: float) -> int:
        """Gas of the deposit alone."""
        units = round(amount * 10 ** DECIMALS[symbol])
        token = self.token(symbol)
        token.transact("mint", owner.address, units)
        token.transact("approve", self.contracts["Clearinghouse"], units, sender=owner.address)
        asset = self.record.assets[symbol]
        return self.act("Clearinghouse", "deposit", account_id(owner.address), asset, units, sender=owner)

    def act(self, contract: str, function: str, *arguments: Any, sender: LocalAccount) -> int:
        return self.contracts[contract].transact(function, *arguments, sender=sender.address).gas_used

    def trade(self, taker: LocalAccount, maker: LocalAccount, sizes: Mapping[str, float]) -> int:
        """Gas of a settlement of one pair of orders a size, of perpetuals at the opening prices."""
        terms = [(perp_of(self.record.underlyings[symbol]), size, PRICES[symbol]) for symbol, size in sizes.items()]
        return self.cross(
            taker,
            maker,
            [(perp, round(size * 10**9) * 10**9, round(limit * 10**9) * 10**9) for perp, size, limit in terms],
        )

    def cross(self, taker: LocalAccount, maker: LocalAccount, terms: Sequence[tuple[int, int, int]]) -> int:
        """Gas of a settlement of one pair of orders an (instrument, size, limit), wad."""
        domain = OrderDomain(self.record.chain_id, self.record.contracts["Exchange"].address)
        orders, matches = [], []
        for instrument, size, limit in terms:
            self.nonce += 1
            for key, signed_size in ((taker, size), (maker, -size)):
                order = limit_order(key.address, instrument, signed_size, limit, GENESIS + 1_000 * DAY, self.nonce)
                orders.append(domain.sign(order, key))
            matches.append(Match(len(orders) - 2, len(orders) - 1, abs(size)))
        return self.act("Exchange", "settle", *settlement(orders, matches), sender=maker)

    def cold_view(self, contract: str, function: str, *arguments: Any) -> int:
        """Gas of a view called as a transaction of its own, less what any transaction pays for being one."""
        target = self.contracts[contract]
        data = target.encode(function, *arguments)
        sender = self.node.request("eth_accounts")[0]
        request = {"from": sender, "to": target.address, "data": "0x" + data.hex(), "gas": hex(16_000_000)}
        sent, receipt = self.node.request("eth_sendTransaction", request), None
        while receipt is None:
            receipt = self.node.request("eth_getTransactionReceipt", sent)
        calldata = sum(16 if byte else 4 for byte in data)
        return int(receipt["gasUsed"], 16) - TRANSACTION - calldata

    def oracle_part(self) -> int:
        """Gas that the newest transaction spent in the oracle hub, calling it included."""
        transaction = self.node.request("eth_getBlockByNumber", "latest", False)["transactions"][-1]
        trace = self.node.request("debug_traceTransaction", transaction, {"tracer": "callTracer"})
        return COLD_CALL + gas_in(trace, self.contracts["OracleHub"].address.lower())


def oracle_apart(name: str, whole: int, oracle: int, target: int, rival: str) -> list[Figure]:
    """An act without its oracle, which is what the target is for; the oracle; and both."""
    return [
        Figure(name, whole - oracle, target, rival),
        Figure(f"{name}.oracle", oracle),
        Figure(f"{name}.with_oracle", whole),
    ]


def gas_in(call: Mapping[str, Any], address: str) -> int:
    """Gas of the outermost calls to a contract in a trace."""
    if call["to"] == address:
        return int(call["gasUsed"], 16)
    return sum(gas_in(inner, address) for inner in call.get("calls", []))


def four_perps(network: Network) -> Network:
    """The local network with USDT as a fourth underlying: collateral with six decimals, and a perpetual."""
    if "USDT" in network.underlyings:
        return network
    link, tokens = network.underlyings["LINK"], network.collaterals
    dollar = Source(chainlink=Aggregator(price="1"))
    perp = InstrumentTerms.model_construct(size_step=WAD, open_interest_cap=10**7 * WAD)
    trading = link.trading.model_copy(update={"open_interest_cap": 10**8 * WAD}) if link.trading else None
    usdt = link.model_copy(update={"id": 4, "first": dollar, "second": dollar, "perp": perp, "trading": trading})
    collateral = tokens["LINK"].model_copy(update={"underlying": "USDT", "decimals": 6})
    return network.model_copy(
        update={
            "underlyings": {**network.underlyings, "USDT": usdt},
            "collaterals": {**tokens, "USDT": collateral},
        }
    )
