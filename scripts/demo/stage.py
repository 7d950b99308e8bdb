"""Sets the stage: the system deployed, a funded population, every book opened by matched signed orders."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from math import ceil
from pathlib import Path
from typing import Any

from ballast.chain import codec
from ballast.chain.artifacts import checkout_root, load_artifacts
from ballast.chain.contracts import describe_data, load_abi
from ballast.chain.ids import account_id, perp_of
from ballast.chain.orders import Match, OrderDomain, SignedOrder, limit_order, settle_calldata
from ballast.deployment.builder import Builder
from ballast.deployment.config import Network, load_network
from ballast.deployment.record import DeploymentRecord
from ballast.deployment.rpc import RpcBackend
from ballast.risk.book import Book
from scripts.anvil import Anvil
from scripts.demo.population import UNDERLYINGS, Trader, key_of

WAD = 10**18
DAY = 86_400
ETHER = hex(1_000 * WAD)
# Each with all the legs of its book. A dealer's margin check prices some fifty positions.
TRADERS_A_SETTLEMENT = {"maker": 5, "dealer": 1}
SENDS_A_BLOCK = 150
MOST_GAS = 16_000_000
MAKERS = 4
# Market makers of futures and options, apart from those of perpetuals: they hold many more positions.
DEALERS = 2
MAKER_CASH = 60_000_000
FUND_CASH = 1_000_000
# Sender, and address and calldata.
Transaction = tuple[str, tuple[str, bytes]]


@dataclass
class Stage:
    """A deployed system on a chain of one's own, and its cast."""

    node: Anvil
    record: DeploymentRecord
    book: Book
    traders: list[Trader] = field(default_factory=list)
    nonces: dict[str, int] = field(default_factory=dict)

    @property
    def instruments(self) -> Mapping[str, int]:
        """Registry indices by label."""
        return self.record.instruments

    def address(self, contract: str) -> str:
        return self.record.contracts[contract].address

    def abi(self, contract: str) -> codec.Abi:
        return load_abi(contract)

    def encode(self, contract: str, function: str, *arguments: Any) -> tuple[str, bytes]:
        """Address and calldata."""
        return self.address(contract), codec.encode_call(self.abi(contract), function, arguments)

    def view(self, contract: str, function: str, *arguments: Any, block: str = "latest") -> Any:
        """Result of a view at a block."""
        to, data = self.encode(contract, function, *arguments)
        answer = self.node.request("eth_call", {"to": to, "data": "0x" + data.hex()}, block)
        return codec.decode_result(self.abi(contract), function, len(arguments), bytes.fromhex(answer[2:]))

    def send(self, transactions: Sequence[Transaction]) -> None:
        """Sends (sender, (to, data)) from impersonated accounts, many a block; every one must succeed."""
        for start in range(0, len(transactions), SENDS_A_BLOCK):
            part = transactions[start : start + SENDS_A_BLOCK]
            hashes = self.post(part)
            receipts: list[Any] = [None]
            while None in receipts:
                self.node.request("evm_mine")
                receipts = self.node.batch([("eth_getTransactionReceipt", [found]) for found in hashes])
            for receipt, (who, (to, _)) in zip(receipts, part, strict=True):
                if int(receipt["status"], 16) != 1:
                    raise RuntimeError(f"a transaction from {who} to {to} failed: {self._reason(receipt)}")

    def post(self, transactions: Sequence[Transaction], gas: int = MOST_GAS) -> list[Any]:
        """Sends without waiting, each sender's in order. Returns the hashes."""
        requests: list[tuple[str, list[Any]]] = []
        for sender, (to, data) in transactions:
            if sender not in self.nonces:
                self.nonces[sender] = int(self.node.request("eth_getTransactionCount", sender, "pending"), 16)
            sent = {"from": sender, "to": to, "data": "0x" + data.hex(), "gas": hex(gas)}
            # Anvil answers a batch's requests side by side: without a nonce two of one sender's would collide.
            requests.append(("eth_sendTransaction", [{**sent, "nonce": hex(self.nonces[sender])}]))
            self.nonces[sender] += 1
        return self.node.batch(requests)

    def _reason(self, receipt: Any) -> str:
        trace = self.node.request("debug_traceTransaction", receipt["transactionHash"], {"tracer": "callTracer"})
        data = bytes.fromhex(trace.get("output", "0x")[2:])
        return describe_data(data) or trace.get("error", receipt["transactionHash"])


def configuration() -> tuple[Network, Book]:
    """The local network's."""
    return load_network(checkout_root() / "config" / "networks" / "local.yaml")


def at_prices(network: Network, prices: Mapping[str, float]) -> Network:
    """The configuration for a day of other prices: caps in units keep the value they have at its own."""
    underlyings, collaterals = {}, {}
    cheaper = {symbol: max(1, ceil(float(_price(network, symbol)) / price)) for symbol, price in prices.items()}
    for symbol, underlying in network.underlyings.items():
        changed = {
            name: part.model_copy(update={"open_interest_cap": part.open_interest_cap * cheaper[symbol]})
            for name in ("trading", "perp")
            if symbol in cheaper and (part := getattr(underlying, name)) is not None
        }
        underlyings[symbol] = underlying.model_copy(update=changed)
    for token, collateral in network.collaterals.items():
        cap = int(collateral.deposit_cap) * cheaper.get(collateral.underlying, 1)
        collaterals[token] = collateral.model_copy(update={"deposit_cap": str(cap)})
    return network.model_copy(update={"underlyings": underlyings, "collaterals": collaterals})


def _price(network: Network, symbol: str) -> str:
    feed = network.underlyings[symbol].first.chainlink
    assert feed is not None and feed.price is not None, "the local network's feeds have opening prices"
    return feed.price


def deploy(node: Anvil, network: Network, book: Book, prices: Mapping[str, float], folder: Path) -> Stage:
    """Deploys a configuration with feeds at the crisis' opening prices."""
    underlyings = {}
    for symbol, underlying in network.underlyings.items():
        sources = {
            rank: source.model_copy(
                update={"chainlink": source.chainlink.model_copy(update={"price": f"{prices[symbol]:.8f}"})}
            )
            for rank in ("first", "second")
            if (source := getattr(underlying, rank)) is not None and source.chainlink is not None and symbol in prices
        }
        underlyings[symbol] = underlying.model_copy(update=sources)
    network = network.model_copy(update={"underlyings": underlyings})
    record = Builder(network, book, RpcBackend.connect(node.url)).deploy()
    (folder / "deployment.json").parent.mkdir(parents=True, exist_ok=True)
    record.write(folder / "deployment.json")
    return Stage(node, record, book)


def set_clock(node: Anvil, timestamp: int) -> None:
    """The next block has this time."""
    node.request("evm_setNextBlockTimestamp", hex(timestamp))


def report_prices(
    stage: Stage, prices: Mapping[str, float], timestamp: int, ranks: Sequence[int] = (0, 1)
) -> list[Transaction]:
    """Transactions that make feeds report, by underlying symbol."""
    sender = stage.node.request("eth_accounts")[0]
    abi = load_artifacts(checkout_root())["MockAggregator"].abi
    return [
        (sender, (feeds[rank], codec.encode_call(abi, "report", [round(prices[symbol] * 10**8), timestamp])))
        for symbol, feeds in stage.record.feeds.items()
        for rank in ranks
        if rank < len(feeds) and symbol in prices
    ]


def fund(stage: Stage, deposits: Sequence[tuple[str, Mapping[str, float]]]) -> None:
    """Mints, approves and deposits for many owners: (owner, whole tokens by symbol)."""
    wanted = [
        (owner, symbol, units_of(stage, symbol, amount)) for owner, part in deposits for symbol, amount in part.items()
    ]
    provide(stage, wanted, "Clearinghouse")
    stage.send(
        [
            (owner, stage.encode("Clearinghouse", "deposit", account_id(owner), stage.record.assets[symbol], units))
            for owner, symbol, units in wanted
        ]
    )


def fund_insurance(stage: Stage, owner: str, amount: float) -> None:
    """Mints, approves and deposits into the insurance fund."""
    units = units_of(stage, "USDC", amount)
    provide(stage, [(owner, "USDC", units)], "InsuranceFund")
    stage.send([(owner, stage.encode("InsuranceFund", "deposit", units, owner))])


def provide(stage: Stage, wanted: Sequence[tuple[str, str, int]], spender: str) -> None:
    """Mints tokens to their owners, who approve the spender: (owner, symbol, units)."""
    abi = load_artifacts(checkout_root())["MockToken"].abi
    minter, tokens = stage.node.request("eth_accounts")[0], stage.record.tokens
    # Transactions of different senders have no order within a block: one kind a round.
    stage.send(
        [(minter, (tokens[symbol], codec.encode_call(abi, "mint", [who, units]))) for who, symbol, units in wanted]
    )
    allowed = [(who, (tokens[symbol], [stage.address(spender), units])) for who, symbol, units in wanted]
    stage.send([(who, (token, codec.encode_call(abi, "approve", arguments))) for who, (token, arguments) in allowed])


def units_of(stage: Stage, symbol: str, amount: float) -> int:
    return int(amount * 10 ** decimals_of(stage, symbol))


def decimals_of(stage: Stage, symbol: str) -> int:
    return {"USDC": 6, "WBTC": 8}.get(symbol, 18)


def impersonate(stage: Stage, owners: Sequence[str]) -> None:
    """Lets the node send for these accounts, which pay gas; orders are signed with real keys all the same."""
    stage.node.batch([("anvil_impersonateAccount", [owner]) for owner in owners])
    stage.node.batch([("anvil_setBalance", [owner, ETHER]) for owner in owners])


def open_books(stage: Stage, prices: Mapping[str, float], dated: Mapping[str, int], timestamp: int, seed: int) -> None:
    """Every position comes into being by two signed orders that match: the trader's and a market maker's.

    Args:
        dated: Ids of futures and options by label. They trade at their marks.
    """
    domain = OrderDomain(stage.record.chain_id, stage.address("Exchange"))
    ids = {name: perp_of(stage.record.underlyings[name]) for name in UNDERLYINGS} | dict(dated)
    limits = {name: round(prices[name] * 10**8) * 10**10 for name in UNDERLYINGS}
    limits |= {label: stage.view("Clearinghouse", "markOf", stage.instruments[label]) for label in dated}
    books: dict[str, list[list[tuple[SignedOrder, SignedOrder]]]] = defaultdict(list)
    nonce = 0
    for number, trader in enumerate(stage.traders):
        role = f"dealer {number % DEALERS}" if trader.sizes.keys() & dated.keys() else f"maker {number % MAKERS}"
        maker, book = key_of(seed, role), []
        for name, size in trader.sizes.items():
            nonce += 1
            units = round(size * 10**6) * 10**12
            taking = limit_order(trader.key.address, ids[name], units, limits[name], timestamp + DAY, nonce)
            making = limit_order(maker.address, ids[name], -units, limits[name], timestamp + DAY, nonce)
            book.append((domain.sign(taking, trader.key), domain.sign(making, maker)))
        if book:
            books[role].append(book)
    calls = [
        (key_of(seed, role).address, (stage.address("Exchange"), _settle([*chain(*of_role[start : start + count])])))
        for role, of_role in books.items()
        for count in [TRADERS_A_SETTLEMENT[role.split()[0]]]
        for start in range(0, len(of_role), count)
    ]
    stage.send(calls)


def _settle(pairs: Sequence[tuple[SignedOrder, SignedOrder]]) -> bytes:
    orders = [order for pair in pairs for order in pair]
    matches = [Match(2 * k, 2 * k + 1, abs(pair[0].order.size)) for k, pair in enumerate(pairs)]
    return settle_calldata(orders, matches)
