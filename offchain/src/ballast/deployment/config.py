"""One file a network: what a deployment is made of. Everything is checked before anything is sent.

Names are the contracts' own words. Secrets have no place here: signing keys stay in wallets (docs/deployment.md).
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from ballast.deployment.listing import Expiries, Instrument, InstrumentTerms
from ballast.deployment.roles import RoleId
from ballast.deployment.section import Section
from ballast.deployment.units import DEPLOYER, Address, Billionths, Holder, Seconds, Wad, scaled
from ballast.errors import ConfigurationError
from ballast.risk.book import Book, BookError

SHORTEST_GOVERNANCE_DELAY = 86_400
SHORTEST_RISK_DELAY = 3_600
SHORTEST_FALLBACK_DELAY = 600


class InvalidConfiguration(ConfigurationError):
    """A network's file breaks rules. `problems` lists every one found, each with the place it stands at."""

    def __init__(self, path: Path, problems: list[str]) -> None:
        self.path, self.problems = path, problems
        super().__init__("\n  ".join([f"{path}: {len(problems)} problem(s)", *problems]))


class Aggregator(Section):
    """A price feed with Chainlink's interface: one that exists, or (on test networks) one to deploy.

    Attributes:
        address: Of an existing feed. Exclusive with `price`.
        price: USD price a test feed opens with.
        decimals: Of the feed's answers; checked on chain.
    """

    address: Address | None = None
    price: str | None = None
    decimals: int = Field(default=8, ge=0, le=18)

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.address is None) == (self.price is None):
            raise ValueError("give either the address of a feed, or the price a test feed opens with")
        if self.price is not None and scaled(self.price, self.decimals) <= 0:
            raise ValueError("a price must be positive")
        return self

    @property
    def opening_answer(self) -> int:
        """What a test feed answers first, in its decimals."""
        return scaled(self.price or "0", self.decimals)


class Source(Section):
    """A price source of one underlying: a Chainlink-like feed, or the quorum feed."""

    chainlink: Aggregator | None = None
    quorum: bool = False

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.chainlink is not None) == self.quorum:
            raise ValueError("a source is either `chainlink: …` or `quorum: true`")
        return self


class OracleLimits(Section):
    """Limits of one underlying's prices; `IOracleHubAdmin` documents each."""

    max_age: Seconds
    second_max_age: Seconds
    halt_age: Seconds
    fallback_delay: Seconds
    step_bps: int = Field(ge=0)
    agreement_bps: int = Field(ge=0)
    stand_time: Seconds
    stand_bps: int = Field(ge=0)
    wide_bps: int = Field(ge=0)
    confidence_bps: int = Field(ge=0)
    stable_delay: Seconds
    stable_rate_bps: int = Field(ge=0)


class TradingLimits(Section):
    """Limits of all instruments of one underlying; `IClearinghouseAdmin` documents each."""

    open_interest_cap: Wad
    open_interest_value_cap: Wad
    price_band: Billionths
    basis_limit: Billionths
    basis_window: Seconds
    minimum_sample_notional: int = Field(ge=0)


class Underlying(Section):
    """A risk factor. Id 0 is the settlement token itself, which has neither trading limits nor a perpetual.
    `insurance_fraction`: of the insurance fund, what it pays out at once for this one, where not as for others."""

    id: int = Field(ge=0, le=255)
    first: Source
    second: Source | None = None
    limits: OracleLimits
    trading: TradingLimits | None = None
    perp: InstrumentTerms | None = None
    insurance_fraction: Billionths | None = None

    @model_validator(mode="after")
    def _perp_has_limits(self) -> Self:
        if self.perp is not None and self.trading is None:
            raise ValueError("a perpetual needs `trading` limits")
        if self.id == 0 and self.trading is not None:
            raise ValueError("the settlement token is not traded")
        return self


class OutflowLimit(Section):
    """A token bucket withdrawals draw from, in whole tokens."""

    capacity: str
    refill_period: Seconds


class Token(Section):
    """A token: one that exists, or (on test networks) one to deploy. `decimals` are checked on chain."""

    address: Address | None = None
    decimals: int = Field(ge=0, le=18)
    outflow: OutflowLimit | None = None

    def units(self, amount: str) -> int:
        """Whole tokens in the token's own units."""
        return scaled(amount, self.decimals)


class Collateral(Token):
    """A listed collateral token. Assets are numbered from 1 in the file's order.

    Attributes:
        underlying: Symbol of the risk factor it follows.
        deposit_cap: Whole tokens, reached after `cap_ramp`.
    """

    underlying: str
    deposit_cap: str
    cap_ramp: Seconds

    @model_validator(mode="after")
    def _amounts_fit(self) -> Self:
        for amount in (self.deposit_cap, *([self.outflow.capacity] if self.outflow else [])):
            self.units(amount)
        return self


class QuorumFeed(Section):
    """The signed price feed: `threshold` of `signers` must agree, on a batch not older than `max_age`."""

    signers: tuple[Holder, ...]
    threshold: int = Field(ge=1)
    max_age: Seconds

    @model_validator(mode="after")
    def _quorum(self) -> Self:
        if len(set(self.signers)) != len(self.signers):
            raise ValueError("a signer is named twice")
        if not len(self.signers) < 2 * self.threshold <= 2 * len(self.signers):
            raise ValueError(f"{self.threshold} of {len(self.signers)} is no majority")
        return self

    def as_deployed_by(self, deployer: str) -> QuorumFeed:
        """By ascending signer, as the contract wants them."""
        signers = sorted(_resolved(self.signers, deployer), key=lambda address: int(address, 16))
        return self.model_copy(update={"signers": tuple(signers)})


class Interest(Section):
    """Borrow rate a year by utilisation, and the part of it that goes to fees."""

    base_rate: Billionths
    kink_rate: Billionths
    full_rate: Billionths
    kink: Billionths
    reserve_factor: Billionths


class Fees(Section):
    """Of notional. `bounty` is what a triggered order pays its executor from `bounty_time` after it was armed.
    `insurance_share` is the fund's part of all fees; the treasury gets the rest."""

    taker: Billionths
    maker: Billionths
    bounty: Billionths
    bounty_time: Seconds
    insurance_share: Billionths


class Auctions(Section):
    """How liquidation auctions run; `AuctionParameters` documents each."""

    start_discount: Billionths
    knee_discount: Billionths
    minimum_fraction: Billionths
    solvent_again: Billionths
    seconds_to_knee: Seconds
    seconds_to_full: Seconds
    premium_seconds: Seconds
    observation_seconds: Seconds
    fastest_clock: int = Field(ge=1)
    bounty_rate: Billionths
    premium_fund_share: Billionths
    bounty_cap: Wad


class Insurance(Section):
    """`hourly_fraction`: of the fund, what it pays out at once. `underlying_fraction`: the same, for any one
    underlying. `cooldown`: from request to redemption."""

    hourly_fraction: Billionths
    underlying_fraction: Billionths
    cooldown: Seconds


class Sequencer(Section):
    """An L2's uptime feed, and how long after a restart prices stay halted."""

    feed: Address
    grace: Seconds


class Role(Section):
    """Who holds a role, and how long each of its acts lies in the open before it can be done."""

    holders: tuple[Holder, ...] = Field(min_length=1)
    delay: Seconds

    def as_deployed_by(self, deployer: str) -> Role:
        return self.model_copy(update={"holders": _resolved(self.holders, deployer)})


class Roles(Section):
    """Who governs. What each may do is the table in `ballast.deployment.roles`."""

    governance: Role
    risk: Role
    multiplier: Role
    guardian: Role
    fallback: Role

    @model_validator(mode="after")
    def _delays(self) -> Self:
        if self.governance.delay < SHORTEST_GOVERNANCE_DELAY:
            raise ValueError(f"governance.delay must be at least {SHORTEST_GOVERNANCE_DELAY} s")
        if self.risk.delay < SHORTEST_RISK_DELAY:
            raise ValueError(f"risk.delay must be at least {SHORTEST_RISK_DELAY} s")
        if self.fallback.delay < SHORTEST_FALLBACK_DELAY:
            raise ValueError(f"fallback.delay must be at least {SHORTEST_FALLBACK_DELAY} s")
        return self

    def as_deployed_by(self, deployer: str) -> Roles:
        return self.model_copy(update={name: role.as_deployed_by(deployer) for name, role in self})

    def of(self, role: RoleId) -> Role:
        found: Role = getattr(self, role.name.lower())
        return found


class Network(Section):
    """One network's deployment.

    Attributes:
        salt: Changing it makes a new set of contracts where the old one stands.
        settlement_token: USDC; asset 0.
        settlement_memory: How long its USD price may be remembered between reads.
        governance_by_key: Whether a plain key may govern; else verification wants a contract, such as a multisig.
        templates: Free space for YAML anchors.
        risk_book: Path of the book's JSON, relative to the file.
    """

    network: str = Field(pattern=r"^[a-z0-9-]+$")
    chain_id: int = Field(ge=1)
    salt: str
    risk_book: Path
    settlement_symbol: str
    settlement_token: Token
    settlement_memory: Seconds
    underlyings: dict[str, Underlying]
    collaterals: dict[str, Collateral]
    quorum_feed: QuorumFeed
    expiries: Expiries
    sequencer: Sequencer | None = None
    interest: Interest
    fees: Fees
    auctions: Auctions
    insurance: Insurance
    treasury: Holder
    roles: Roles
    governance_by_key: bool = False
    test_network: bool = False
    templates: Any = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = [
            *self._id_problems(),
            *self._collateral_problems(),
            *self._expiry_problems(),
            *self._test_problems(),
        ]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _id_problems(self) -> Iterable[str]:
        ids = [underlying.id for underlying in self.underlyings.values()]
        if len(set(ids)) != len(ids):
            yield "two underlyings have one id"
        settlement = self.underlyings.get(self.settlement_symbol)
        if settlement is None or settlement.id != 0:
            yield f"underlying {self.settlement_symbol} must exist and have id 0"

    def _collateral_problems(self) -> Iterable[str]:
        for symbol, collateral in self.collaterals.items():
            if collateral.underlying not in self.underlyings:
                yield f"collateral {symbol} follows {collateral.underlying}, which is no underlying"

    def _expiry_problems(self) -> Iterable[str]:
        try:
            self.settlement_token.units(self.expiries.limits.bounty)
        except ValueError as fault:
            yield f"the bounty: {fault}"
        for symbol, listed in self.expiries.listed.items():
            if symbol not in self.underlyings or symbol == self.settlement_symbol:
                yield f"expiries of {symbol}, which is no underlying that is traded"
            elif self.underlyings[symbol].trading is None and any(entry.has_instruments for entry in listed):
                yield f"futures and options of {symbol} need `trading` limits"
            if len({entry.date for entry in listed}) != len(listed):
                yield f"an expiry of {symbol} is listed twice"

    def _test_problems(self) -> Iterable[str]:
        if self.test_network:
            return
        tokens = {self.settlement_symbol: self.settlement_token, **self.collaterals}
        yield from (f"token {symbol} needs an address" for symbol, token in tokens.items() if token.address is None)
        for symbol, underlying in self.underlyings.items():
            feeds = [source.chainlink for source in (underlying.first, underlying.second) if source]
            if any(feed is not None and feed.address is None for feed in feeds):
                yield f"underlying {symbol} needs the address of its feed"

    def as_deployed_by(self, deployer: str) -> Network:
        """With the deployer's address where the file says `deployer`."""
        (treasury,) = _resolved((self.treasury,), deployer)
        roles, feed = self.roles.as_deployed_by(deployer), self.quorum_feed.as_deployed_by(deployer)
        return self.model_copy(update={"treasury": treasury, "roles": roles, "quorum_feed": feed})

    @property
    def asset_ids(self) -> dict[str, int]:
        """Asset id by token symbol; 0 is the settlement token."""
        return {symbol: asset for asset, symbol in enumerate([self.settlement_symbol, *self.collaterals])}

    @property
    def perps(self) -> dict[str, InstrumentTerms]:
        """Terms of perpetuals by underlying symbol, in the order they are listed."""
        return {symbol: found.perp for symbol, found in self.underlyings.items() if found.perp is not None}

    @property
    def instruments(self) -> dict[str, Instrument]:
        """Everything traded by label, in the order of listing: perpetuals, then by expiry futures and options."""
        perps = [Instrument.perp(self.underlyings[symbol].id, symbol, terms) for symbol, terms in self.perps.items()]
        found = {perp.label: perp for perp in perps}
        for symbol, listed in self.expiries.listed.items():
            for entry in listed:
                found |= entry.instruments(symbol, self.underlyings[symbol].id)
        return found


def _resolved(holders: tuple[str, ...], deployer: str) -> tuple[str, ...]:
    return tuple(deployer if holder == DEPLOYER else holder for holder in holders)


def load_network(path: Path | str) -> tuple[Network, Book]:
    """A network's configuration and the risk book it names.

    Raises:
        InvalidConfiguration: Something in the file is wrong, or the book does not fit it.
        ConfigurationError: A file is missing or unreadable.
    """
    path = Path(path)
    network = read_network(path)
    book = _read_book(path.parent / network.risk_book)
    if problems := list(book_problems(network, book)):
        raise InvalidConfiguration(path, problems)
    return network, book


def read_network(path: Path) -> Network:
    """A network's configuration alone.

    Raises:
        InvalidConfiguration: Something in the file is wrong.
        ConfigurationError: The file is missing or unreadable.
    """
    try:
        return Network.model_validate(_read_yaml(path))
    except ValidationError as fault:
        raise InvalidConfiguration(path, [_problem(error) for error in fault.errors()]) from None


def book_problems(network: Network, book: Book) -> Iterable[str]:
    """Where a risk book and a network's configuration speak of different things."""
    in_book = {underlying.id: underlying.symbol for underlying in book.underlyings}
    for symbol, underlying in network.underlyings.items():
        if underlying.id and in_book.get(underlying.id) != symbol:
            yield f"underlying {symbol} has id {underlying.id}, in the risk book that is {in_book.get(underlying.id)}"
    assets = {asset.id: asset for asset in book.assets}
    for symbol, asset_id in network.asset_ids.items():
        if asset_id not in assets or assets[asset_id].symbol != symbol:
            yield f"token {symbol} is asset {asset_id}, in the risk book that is another or none"
    try:
        book.check_listing()
    except BookError as fault:
        yield str(fault)


def configuration_hash(network: Network, book: Book) -> str:
    """Changes with any value of a configuration or its risk book, not with how the file is written."""
    content = network.model_dump_json(exclude={"templates", "risk_book"})
    return sha256(content.encode() + book.encode()).hexdigest()


def _read_yaml(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text())
    except FileNotFoundError:
        known = ", ".join(sorted(file.stem for file in path.parent.glob("*.yaml"))) or "none"
        raise ConfigurationError(f"{path}: no such file (networks there: {known})") from None
    except yaml.YAMLError as fault:
        raise ConfigurationError(f"{path}: not YAML: {fault}") from None


def _read_book(path: Path) -> Book:
    try:
        return Book.load(path)
    except (OSError, BookError) as fault:
        raise ConfigurationError(f"risk book {path}: {fault}") from None


def _problem(error: Any) -> str:
    place = ".".join(str(part) for part in error["loc"]) or "file"
    return f"{place}: {error['msg'].removeprefix('Value error, ')}"
