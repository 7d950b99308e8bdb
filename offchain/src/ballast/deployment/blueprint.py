"""The steps of a deployment, in order, from a network's configuration: pure, nothing is sent from here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from eth_utils.crypto import keccak

from ballast.chain import codec
from ballast.chain.artifacts import Artifact
from ballast.chain.ids import future_of
from ballast.deployment.backend import Backend
from ballast.deployment.config import (
    Aggregator,
    Collateral,
    Network,
    Source,
    Token,
    Underlying,
)
from ballast.deployment.contract import Contract, ErrorCatalogue
from ballast.deployment.create2 import create2_address
from ballast.deployment.listing import STRIKES_A_CALL, Instrument, ListedExpiry
from ballast.deployment.plan import ABSENT, Creation, Requirement, Setting, Step, comparable
from ballast.deployment.record import DeploymentRecord
from ballast.deployment.roles import RESTRICTED, RoleId
from ballast.errors import ConfigurationError
from ballast.risk.book import Book
from ballast.risk.pricing import Surface

NO_ADDRESS = "0x" + "00" * 20
NOT_LISTED = 0
"""`ExpiryPhase.None`."""


class Blueprint:
    """Every contract a network's deployment has, and every step that makes and configures them.

    Args:
        artifacts: Compiled contracts by name.
        book: The risk book to activate.
        record: Of the deployment that stands, where there is one.

    Raises:
        ConfigurationError: A contract is not compiled.
    """

    def __init__(
        self,
        network: Network,
        book: Book,
        backend: Backend,
        artifacts: Mapping[str, Artifact],
        record: DeploymentRecord | None = None,
    ) -> None:
        self.network, self.book = network, book
        self._backend, self._artifacts, self._record = backend, artifacts, record
        self.contracts: dict[str, Contract] = {}
        self.creations: dict[str, Creation] = {}
        self.steps: list[Step] = []
        self._errors = ErrorCatalogue(artifact.abi for artifact in artifacts.values())
        parts = (self._tokens, self._feeds, self._core, self._prices, self._expiries, self._risk, self._markets)
        for part in (*parts, self._dated, self._terms):
            part()
        self._roles()

    # Contracts -------------------------------------------------------------------------------------------------

    def token(self, symbol: str) -> Contract:
        return self.contracts[f"token {symbol}"]

    def feed(self, symbol: str, rank: str) -> Contract:
        """The Chainlink-like feed that is an underlying's `first` or `second` source."""
        return self.contracts[f"{rank} feed {symbol}"]

    def _create(self, name: str, artifact: str, *arguments: Any) -> Contract:
        compiled = self._artifact(artifact)
        code = compiled.bytecode + codec.encode_constructor(compiled.abi, comparable(arguments))
        salt = keccak(text=f"ballast/{self.network.network}/{self.network.salt}/{name}")
        contract = Contract(self._backend, name, create2_address(salt, code), compiled.abi, self._errors)
        creation = Creation(contract, artifact, arguments, salt, code)
        self.contracts[name] = contract
        self.creations[name] = creation
        self.steps.append(creation)
        return contract

    def _existing(self, name: str, artifact: str, address: str) -> Contract:
        self.contracts[name] = Contract(self._backend, name, address, self._artifact(artifact).abi, self._errors)
        return self.contracts[name]

    def _artifact(self, name: str) -> Artifact:
        try:
            return self._artifacts[name]
        except KeyError:
            raise ConfigurationError(f"contract {name} is not compiled: run `./dev build`") from None

    def _set(
        self,
        name: str,
        contract: Contract,
        function: str,
        arguments: Sequence[Any],
        expected: Any,
        read: Callable[[], Any],
    ) -> None:
        self.steps.append(Setting(name, contract, function, tuple(arguments), read, expected))

    # Parts -----------------------------------------------------------------------------------------------------

    def _tokens(self) -> None:
        tokens = {self.network.settlement_symbol: self.network.settlement_token, **self.network.collaterals}
        for symbol, token in tokens.items():
            if token.address:
                contract = self._existing(f"token {symbol}", "MockToken", token.address)
            else:
                contract = self._create(f"token {symbol}", "MockToken", symbol, token.decimals)
            self._require_decimals(symbol, contract, token.decimals)

    def _feeds(self) -> None:
        for symbol, rank, aggregator in self._aggregators():
            name = f"{rank} feed {symbol}"
            if aggregator.address:
                contract = self._existing(name, "MockAggregator", aggregator.address)
            else:
                arguments = (f"{symbol} / USD {rank}", aggregator.decimals, aggregator.opening_answer)
                contract = self._create(name, "MockAggregator", *arguments)
            self._require_decimals(name, contract, aggregator.decimals)

    def _aggregators(self) -> Iterable[tuple[str, str, Aggregator]]:
        for symbol, underlying in self.network.underlyings.items():
            for rank, source in (("first", underlying.first), ("second", underlying.second)):
                if source is not None and source.chainlink is not None:
                    yield symbol, rank, source.chainlink

    def _core(self) -> None:
        network = self.network
        authority = self._create("Authority", "Authority", self._backend.deployer)
        explainer = self._create("MarginExplainer", "MarginExplainer")
        engine = self._create("MarginEngine", "MarginEngine", authority, explainer)
        quorum_feed = self._create("QuorumFeed", "QuorumFeed", authority)
        grace = (network.sequencer.feed, network.sequencer.grace) if network.sequencer else (NO_ADDRESS, 0)
        hub = self._create("OracleHub", "OracleHub", authority, *grace)
        for symbol, rank, _ in self._aggregators():
            feed, underlying = self.feed(symbol, rank), network.underlyings[symbol].id
            self._create(f"{rank} source {symbol}", "ChainlinkSource", feed, underlying)
        token = self.token(network.settlement_symbol)
        expiries = self._create("Expiries", "Expiries", authority, hub, quorum_feed, token)
        admin = self._create("ClearinghouseAdmin", "ClearinghouseAdmin")
        upkeep = self._create("ClearinghouseUpkeep", "ClearinghouseUpkeep", admin)
        reports = self._create("ClearinghouseReports", "ClearinghouseReports", upkeep)
        liquidation = self._create("ClearinghouseLiquidation", "ClearinghouseLiquidation", reports)
        trading = self._create("ClearinghouseTrading", "ClearinghouseTrading", liquidation)
        house = self._create("Clearinghouse", "Clearinghouse", trading, authority, token, engine, hub)
        exchange = self._create("Exchange", "Exchange", authority, house)
        fund = self._create("InsuranceFund", "InsuranceFund", authority, house, token)
        terms = self._record.contracts["Auctions"].arguments[-1] if self._record else network.auctions.as_struct()
        auctions = self._create("Auctions", "Auctions", authority, house, exchange, fund, terms)
        self._create("Lens", "Lens", house)
        self._set("connect the fund", fund, "connect", [auctions], auctions, lambda: fund.call("auctions"))
        modules = {"exchange": exchange, "auctions": auctions, "insuranceFund": fund}
        self._set(
            "connect the modules",
            house,
            "connect",
            list(modules.values()),
            modules,
            lambda: {name: house.call(name) for name in modules},
        )
        self._set("expiries", house, "setExpiries", [expiries], expiries, lambda: house.call("expiries"))

    # Parameters ------------------------------------------------------------------------------------------------

    def _prices(self) -> None:
        self._quorum()
        hub = self.contracts["OracleHub"]
        feed = self.contracts["QuorumFeed"]
        for symbol, underlying in self.network.underlyings.items():
            self._limits(hub, symbol, underlying)
            self._sources(hub, symbol, underlying)
        memory = self.network.settlement_memory
        self._set(
            "settlement memory", hub, "setSettlementMemory", [memory], memory, partial(hub.call, "settlementMemory")
        )
        self._set("fallback source", hub, "setFallbackSource", [feed], feed, lambda: hub.call("fallbackSource"))

    def _quorum(self) -> None:
        feed, quorum = self.contracts["QuorumFeed"], self.network.quorum_feed
        self._set(
            "quorum signers",
            feed,
            "setSigners",
            (quorum.signers, quorum.threshold),
            (quorum.signers, quorum.threshold),
            lambda: (feed.call("signers"), feed.call("threshold")),
        )
        self._set(
            "age of quorum reports", feed, "setMaxAge", [quorum.max_age], quorum.max_age, lambda: feed.call("maxAge")
        )

    def _limits(self, hub: Contract, symbol: str, underlying: Underlying) -> None:
        limits = underlying.limits.as_struct()
        read = partial(hub.call, "limitsOf", underlying.id)
        self._set(f"oracle limits of {symbol}", hub, "setLimits", (underlying.id, limits), limits, read)

    def _sources(self, hub: Contract, symbol: str, underlying: Underlying) -> None:
        sources = {
            "first": self._source(symbol, "first", underlying.first),
            "second": self._source(symbol, "second", underlying.second) if underlying.second else NO_ADDRESS,
        }

        def read() -> dict[str, Any]:
            record = hub.call("recordOf", underlying.id)
            return {"first": record.first, "second": record.second}

        arguments = (underlying.id, *sources.values())
        self._set(f"price sources of {symbol}", hub, "setSources", arguments, sources, read)

    def _source(self, symbol: str, rank: str, source: Source) -> Contract:
        """The contract behind a source. Where that is the quorum feed, its signers must have published first."""
        if not source.quorum:
            return self.contracts[f"{rank} source {symbol}"]
        feed, underlying = self.contracts["QuorumFeed"], self.network.underlyings[symbol].id
        self.steps.append(
            Requirement(
                f"quorum price of {symbol}",
                feed,
                True,
                lambda: feed.call("latestReport", underlying).price > 0,
                f"have {self.network.quorum_feed.threshold} signers publish {symbol} to {feed.address}, then run again",
            )
        )
        return feed

    def _expiries(self) -> None:
        expiries, terms = self.contracts["Expiries"], self.network.expiries
        limits = terms.limits.as_struct() | {"bounty": self.network.settlement_token.units(terms.limits.bounty)}
        self._set("limits of expiries", expiries, "setLimits", [limits], limits, lambda: expiries.call("limits"))
        for symbol, listed in terms.listed.items():
            for entry in listed:
                self._expiry(expiries, symbol, entry)

    def _expiry(self, expiries: Contract, symbol: str, entry: ListedExpiry) -> None:
        underlying, expiry = self.network.underlyings[symbol].id, entry.expiry
        self._set(
            f"list {symbol} of {entry.date}",
            expiries,
            "listExpiry",
            (underlying, expiry, entry.surface),
            True,
            lambda: expiries.call("phaseOf", underlying, expiry) != NOT_LISTED,
        )
        if entry.published:
            self._published(expiries, symbol, entry)

    def _published(self, expiries: Contract, symbol: str, entry: ListedExpiry) -> None:
        underlying, expiry = self.network.underlyings[symbol].id, entry.expiry
        what, enough = f"surface of {symbol} of {entry.date}", self.network.quorum_feed.threshold
        remedy = f"have {enough} signers publish the {what} to {expiries.address}, then run again"

        def read() -> bool:
            return Surface.unpack(expiries.call("expiryOf", underlying, expiry).surface).published_at > 0

        self.steps.append(Requirement(what, expiries, True, read, remedy, may_follow=True))

    def _risk(self) -> None:
        engine, blob = self.contracts["MarginEngine"], self.book.encode()
        self._set("risk book", engine, "setRiskBook", [blob], blob, lambda: engine.call("riskBooks").current)

    def _markets(self) -> None:
        house, network = self.contracts["Clearinghouse"], self.network
        for symbol, underlying in network.underlyings.items():
            if underlying.trading is not None:
                limits, number = underlying.trading.as_struct(), underlying.id
                read = partial(self._first_of, house, "underlyingLimitsOf", number)
                self._set(f"trading limits of {symbol}", house, "setUnderlyingLimits", (number, limits), limits, read)
        for symbol, perp in network.perps.items():
            number = network.underlyings[symbol].id
            listed = Instrument.perp(number, symbol, perp)
            terms = (number, perp.size_step_exponent, perp.open_interest_cap)
            self._instruments(f"list {listed.label}", house, "listPerp", terms, {listed.label: listed})
        for symbol, collateral in network.collaterals.items():
            self._collateral(house, symbol, collateral)
        self._outflow(house, network.settlement_symbol, network.settlement_token)

    def _dated(self) -> None:
        for symbol, listed in self.network.expiries.listed.items():
            for entry in listed:
                self._future(symbol, entry)
                self._options(symbol, entry)

    def _future(self, symbol: str, entry: ListedExpiry) -> None:
        if entry.future is None:
            return
        house, underlying, terms = self.contracts["Clearinghouse"], self.network.underlyings[symbol].id, entry.future
        future = Instrument.of(future_of(underlying, entry.expiry), symbol, terms)
        arguments = (underlying, entry.expiry, terms.size_step_exponent, terms.open_interest_cap)
        self._instruments(f"list {future.label}", house, "listFuture", arguments, {future.label: future})

    def _options(self, symbol: str, entry: ListedExpiry) -> None:
        """In calls of so many strikes that each fits a transaction with ease."""
        if entry.options is None:
            return
        house, underlying, terms = self.contracts["Clearinghouse"], self.network.underlyings[symbol].id, entry.options
        strikes = terms.all_strikes
        for start in range(0, len(strikes), STRIKES_A_CALL):
            part = strikes[start : start + STRIKES_A_CALL]
            options = entry.options_at(symbol, underlying, part)
            first, last = next(iter(options)), next(reversed(options))
            arguments = (underlying, entry.expiry, list(part), terms.size_step_exponent, terms.open_interest_cap)
            self._instruments(f"list {first} to {last}", house, "listOptions", arguments, options)

    def _instruments(
        self, name: str, house: Contract, function: str, arguments: Sequence[Any], listed: Mapping[str, Instrument]
    ) -> None:
        expected = {label: instrument.terms for label, instrument in listed.items()}

        def read() -> Any:
            found = {label: self._terms_of(house, instrument) for label, instrument in listed.items()}
            return ABSENT if ABSENT in found.values() else found

        self._set(name, house, function, arguments, expected, read)

    @staticmethod
    def _terms_of(house: Contract, instrument: Instrument) -> Any:
        index = house.call("instrumentIndexOf", instrument.id)
        if index == 0:
            return ABSENT
        view = house.call("instrumentOf", index)
        return {key: getattr(view, key) for key in instrument.terms}

    def _collateral(self, house: Contract, symbol: str, collateral: Collateral) -> None:
        asset, token = self.network.asset_ids[symbol], self.token(symbol)
        underlying = self.network.underlyings[collateral.underlying].id
        listed = {"token": token, "decimals": collateral.decimals, "underlying": underlying}

        def read() -> Any:
            if house.call("assetCount") <= asset:
                return ABSENT
            view = house.call("assetOf", asset)
            return {key: getattr(view, key) for key in listed}

        self._set(f"list {symbol}", house, "listAsset", (token, underlying), listed, read)
        self._outflow(house, symbol, collateral)
        cap = collateral.units(collateral.deposit_cap)
        self._set(
            f"deposit cap of {symbol}",
            house,
            "setDepositCap",
            (asset, cap, collateral.cap_ramp),
            cap,
            lambda: house.call("depositCapOf", asset).to,
        )

    def _outflow(self, house: Contract, symbol: str, token: Token) -> None:
        if token.outflow is None:
            return
        asset = self.network.asset_ids[symbol]
        limit = {"capacity": token.units(token.outflow.capacity), "refillPeriod": token.outflow.refill_period}

        def read() -> dict[str, Any]:
            view = house.call("outflowLimitOf", asset)
            return {key: getattr(view, key) for key in limit}

        self._set(f"outflow limit of {symbol}", house, "setOutflowLimit", (asset, *limit.values()), limit, read)

    def _require_decimals(self, symbol: str, token: Contract, decimals: int) -> None:
        remedy = f"correct the decimals of {symbol} in the configuration"
        self.steps.append(Requirement(f"decimals of {symbol}", token, decimals, lambda: token.call("decimals"), remedy))

    def _terms(self) -> None:
        """Fees, interest, auctions and the insurance fund."""
        house, exchange = self.contracts["Clearinghouse"], self.contracts["Exchange"]
        auctions, fund = self.contracts["Auctions"], self.contracts["InsuranceFund"]
        network, insurance = self.network, self.network.insurance
        curve, rates = network.interest.as_struct(), {"taker": network.fees.taker, "maker": network.fees.maker}
        treasury = {"account": network.treasury, "insuranceShare": network.fees.insurance_share}
        terms = network.auctions.as_struct()
        limits = {"hourlyFraction": insurance.hourly_fraction, "underlyingFraction": insurance.underlying_fraction}
        self._set("interest curve", house, "setInterestCurve", [curve], curve, lambda: house.call("interestCurve"))
        self._set("treasury", house, "setTreasury", list(treasury.values()), treasury, lambda: house.call("treasury"))
        bounty = {"most": network.fees.bounty, "time": network.fees.bounty_time}
        self._set("trading fees", exchange, "setFees", list(rates.values()), rates, lambda: exchange.call("fees"))
        self._set("bounties", exchange, "setBounty", list(bounty.values()), bounty, lambda: exchange.call("bounty"))
        self._set(
            "auction parameters",
            auctions,
            "setParameters",
            [terms],
            terms,
            lambda: auctions.call("latestParameters").parameters,
        )
        self._set(
            "outflow limit of the fund",
            fund,
            "setOutflowLimit",
            list(limits.values()),
            limits,
            lambda: {name: getattr(fund.call("outflowLimit"), name) for name in limits},
        )
        for symbol, underlying in network.underlyings.items():
            number, own = underlying.id, underlying.insurance_fraction
            if own is not None:
                read = partial(self._first_of, fund, "outflowOf", number)
                name = f"outflow limit of the fund for {symbol}"
                self._set(name, fund, "setUnderlyingOutflowLimit", (number, own), own, read)
        self._set(
            "cooldown of the fund",
            fund,
            "setCooldown",
            [insurance.cooldown],
            insurance.cooldown,
            lambda: fund.call("cooldown"),
        )

    @staticmethod
    def _first_of(contract: Contract, function: str, *arguments: Any) -> Any:
        return contract.call(function, *arguments)[0]

    # Roles -----------------------------------------------------------------------------------------------------

    def _roles(self) -> None:
        for target, functions in RESTRICTED.items():
            for role in RoleId:
                names = [name for name, holder in functions.items() if holder is role]
                if names and role is not RoleId.GOVERNANCE:
                    self._function_roles(self.contracts[target], role, names)
        for role in RoleId:
            if role is not RoleId.GOVERNANCE:
                terms = self.network.roles.of(role)
                self._grant(role, terms.holders, terms.delay)
        self._hand_over()

    def _function_roles(self, target: Contract, role: RoleId, functions: Sequence[str]) -> None:
        authority = self.contracts["Authority"]
        selectors = [target.selector(function) for function in functions]
        self._set(
            f"{target.name}: {', '.join(functions)} to {role.name.lower()}",
            authority,
            "setTargetFunctionRole",
            (target, selectors, int(role)),
            [int(role)] * len(functions),
            lambda: [authority.call("getTargetFunctionRole", target, selector) for selector in selectors],
        )

    def _grant(self, role: RoleId, holders: Iterable[str], delay: int) -> None:
        authority = self.contracts["Authority"]
        for holder in holders:
            self._set(
                f"grant {role.name.lower()} to {holder}",
                authority,
                "grantRole",
                (int(role), holder, delay),
                {"isMember": True, "executionDelay": delay},
                partial(authority.call, "hasRole", int(role), holder),
            )

    def _hand_over(self) -> None:
        """Last of all, since nothing can be set directly afterwards."""
        authority, deployer = self.contracts["Authority"], self._backend.deployer
        governance = self.network.roles.governance
        others = [holder for holder in governance.holders if holder != deployer]
        self._grant(RoleId.GOVERNANCE, others, governance.delay)
        if deployer in governance.holders:
            self._grant(RoleId.GOVERNANCE, [deployer], governance.delay)
            return
        self._set(
            "the deployer gives up governance",
            authority,
            "renounceRole",
            (int(RoleId.GOVERNANCE), deployer),
            {"isMember": False, "executionDelay": 0},
            lambda: authority.call("hasRole", int(RoleId.GOVERNANCE), deployer),
        )
