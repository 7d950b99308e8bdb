"""Futures and options of several expiries in the long run: signers and observers, and acts that only these know."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING

from ballast.chain.quorum import QuorumDomain, ReportBatch, SignedReport, submit_arguments
from ballast.risk.expiry import BUCKET, DAY, WINDOW, ExpiryLimits, Window
from ballast.risk.pricing import Surface
from tests.invariants.protocol import ExpiryPicture
from tests.support.dated import OBSERVER, DatedMarket, steeper
from tests.support.evm import Receipt
from tests.support.expiries import SMILE
from tests.support.system import HOUR, WAD, Market, development_key, publish_reports

if TYPE_CHECKING:
    from tests.invariants.everybody import Everybody

STEP = Decimal("0.001")
# Of an underlying: strikes, the steps of the largest trade, and how many days after the listings its expiries are.
LISTED: dict[str, tuple[tuple[int, ...], int, tuple[int, ...]]] = {
    "ETH": ((2_000, 2_500, 3_000), 3_000, (1, 3, 8, 15, 300)),
    "BTC": ((32_000, 40_000, 50_000), 200, (2, 5, 12, 300)),
}
HOURS_A_LISTING = 60
STEP_INTERVAL = ExpiryLimits().step_interval
NEAR, MOST_LISTED = 30 * DAY, 24
AWAKE = 0.4  # of the times at which signers publish
STRANGERS = (1, 2)  # of the development accounts: they hold roles, and sign nothing
CALMEST, WILDEST = 6 * SMILE.a // 10, 16 * SMILE.a // 10
MARGIN = {"InitialMarginShortfall", "RiskNotReduced", "BelowMaintenanceMargin", "AccountInLiquidation"}
MARKET = {"OracleNotUsable", "ReduceOnlyInstrument", "OpenInterestCapExceeded", "OutsidePriceBand"}
EXPECTED = {
    "trade_dated": MARGIN | MARKET | {"InstrumentExpired"},
    "publish": {"NothingNewer"},
    "sign_settlement": {"FallbackNotDue", "AverageCounts", "SettlementPriceOutOfBounds", "NothingNewer"},
    "finalise": {"NotExpired", "TooFewObservations", "AlreadySettled"},
    "forge": {"NotSigner"},
}


@dataclass
class DatedWorld(Market):
    """The outside world with several expiries of two underlyings, whose signers and observers sleep at times."""

    random: Random = field(default_factory=Random)
    series: list[DatedMarket] = field(default_factory=list)
    windows: dict[int, Window] = field(default_factory=dict)
    reliability: dict[int, float] = field(default_factory=dict)
    published: dict[int, int] = field(default_factory=dict)
    instruments: dict[int, DatedMarket] = field(default_factory=dict)

    def list_all(self) -> None:
        """Governance lists every expiry, one after the other; then the run begins."""
        terms = [(symbol, days) for symbol, (_, _, all_days) in LISTED.items() for days in all_days]
        lead = len(terms) * HOURS_A_LISTING // 24 + 2
        for place, (symbol, days) in enumerate(terms):
            self.list_one(symbol, lead + days - place * HOURS_A_LISTING // 24)
        self.advance(DAY)

    def list_one(self, symbol: str, days: int) -> None:
        """An expiry so many days from now, its listing's delays among them; some are observed badly."""
        smile = next((one.smile for one in self.live if one.symbol == symbol), SMILE)
        one = DatedMarket(self, LISTED[symbol][0], smile, symbol=symbol, days=days)
        self.series = sorted([*self.series, one], key=lambda listed: listed.key)
        self.reliability[one.key] = self.random.choice([1.0, 0.95, 0.3])
        self.windows[one.key] = Window()
        options = [name(strike) for strike in one.strikes for name in (one.call, one.put)]
        self.instruments |= dict.fromkeys([one.future, *options], one)
        super().advance(STEP_INTERVAL)
        self.publish()

    @property
    def live(self) -> list[DatedMarket]:
        return [one for one in self.series if one.expiry > self.system.evm.timestamp]

    def advance(self, seconds: int = HOUR) -> None:
        """On the way observers fill buckets, prices drift; at the end the signers publish, if they are awake."""
        clock = self.system.evm
        end = clock.timestamp + seconds
        for at, one in self._observations(end):
            if at - clock.timestamp > BUCKET:
                super().advance(at - clock.timestamp)
            clock.advance(max(0, at - clock.timestamp))
            if self.random.random() < 0.1:
                drift = Decimal(self.random.randint(985, 1_015)) / 1_000
                self.set_price(one.symbol, (self.prices[one.symbol] * drift).quantize(Decimal("0.01")))
            self._observe(one)
        super().advance(end - clock.timestamp)
        if self.live and seconds >= STEP_INTERVAL and self.random.random() < AWAKE:
            self.publish()

    def _observations(self, end: int) -> list[tuple[int, DatedMarket]]:
        """When somebody observes which expiry, up to then."""
        now = self.system.evm.timestamp
        due = [
            (at, one)
            for one in self.series
            for at in range(one.expiry - WINDOW, one.expiry, BUCKET)
            if now < at <= end and self.random.random() < self.reliability.get(one.key, 0)
        ]
        return sorted(due, key=lambda entry: entry[0])

    def _observe(self, one: DatedMarket) -> None:
        receipt = self.system.expiries.transact("observe", one.underlying, one.expiry, sender=OBSERVER.address)
        bucket = (self.system.evm.timestamp - one.expiry + WINDOW) // BUCKET
        self.windows[one.key] = self.windows[one.key].add(bucket, receipt.result)

    def publish(self, smiles: dict[str, Surface] | None = None) -> Receipt:
        """The signers publish the surface of every live expiry, one smile an underlying."""
        wanted = [(one, (smiles or {}).get(one.symbol, one.smile)) for one in self.live]
        reports = [SignedReport.of_surface(one.key, smile.pack()) for one, smile in wanted]
        receipt = publish_reports(self.system, self.system.expiries, *reports)
        for one, smile in wanted:
            one.smile = smile
            self.published[one.key] = replace(smile, published_at=self.system.evm.timestamp).pack()
        return receipt

    def pictures(self) -> dict[int, ExpiryPicture]:
        """Of every expiry, by key."""
        quotes = self.system.expiries.call("quotesOf", [one.key for one in self.series])
        return {
            one.key: ExpiryPicture(quote, self.published[one.key], self.windows[one.key].price)
            for one, quote in zip(self.series, quotes, strict=True)
        }


# Acts ---------------------------------------------------------------------------------------------------------------


def trade_dated(run: Everybody, mine: set[int]) -> Receipt:
    """At about its mark: within the band, which for options is a part of the index. Some are over already."""
    owner = run.owner(mine)
    mine.add(run.room.dealer.account)
    symbol, of_all = run.random.choice(list(LISTED)), run.market.series
    live = [one for one in run.market.live if one.symbol == symbol]
    one = run.random.choice(live if live and run.random.random() < 0.9 else of_all)
    instrument = run.random.choice([index for index, named in run.market.instruments.items() if named is one])
    mark, index = run.market.mark(instrument), int(run.market.prices[one.symbol] * WAD)
    price = max(1, mark + index * run.random.randint(-20, 20) // 10_000)
    size = STEP * run.random.randint(1, LISTED[one.symbol][1])
    return run.market.trade(*run.sides(owner), instrument, size, price)


def publish(run: Everybody, mine: set[int]) -> Receipt:
    """Volatility moves by a few points at most, as the bounds on steps let it."""
    smiles = {}
    for one in run.market.live:
        moved = steeper(one.smile, Decimal(run.random.randint(-8, 8)) / 100)
        smiles.setdefault(one.symbol, moved if CALMEST < moved.a < WILDEST else one.smile)
    return run.market.publish(smiles)


def sign_settlement(run: Everybody, mine: set[int]) -> Receipt:
    """The signers say what an expiry settles at, where they have a say, about where its index is."""
    one = run.random.choice(run.over or run.market.series)
    price = int(run.market.prices[one.symbol] * WAD) * run.random.choice([985, 1_000, 1_015, 1_200]) // 1_000
    report = SignedReport.of_settlement(one.key, price)
    receipt = publish_reports(run.system, run.system.expiries, report)
    run.market.windows[one.key] = replace(run.market.windows[one.key], is_settled=True, last=price)
    return receipt


def finalise(run: Everybody, mine: set[int]) -> Receipt:
    one = run.random.choice(run.over or run.market.series)
    return run.system.expiries.transact("finalise", one.underlying, one.expiry, sender=OBSERVER.address)


def settle(run: Everybody, mine: set[int]) -> Receipt:
    """Anybody settles what has expired of some accounts."""
    accounts = run.random.sample(run.accounts, run.random.randint(1, 4))
    mine.update(accounts)
    return run.system.clearinghouse.transact("settle", accounts, sender=OBSERVER.address)


def expire(run: Everybody, mine: set[int]) -> None:
    """Time passes until into the window of the next expiry, or until it is over, or its signers may speak."""
    expiry = min((one.expiry for one in run.market.live), default=None)
    if expiry is not None and expiry < run.system.evm.timestamp + NEAR:
        at = expiry + run.random.choice([-WINDOW - 60, -WINDOW // 2, -60, 0, HOUR])
        run.market.advance(max(12, at - run.system.evm.timestamp))


def roll(run: Everybody, mine: set[int]) -> None:
    """Governance lists another expiry, which takes its delays, where hardly one is near."""
    near = [one for one in run.market.live if one.expiry < run.system.evm.timestamp + NEAR]
    symbol, days = run.random.choice(list(LISTED)), run.random.randint(4, 9)
    day = (run.system.evm.timestamp // DAY + days) * DAY
    taken = any(one.symbol == symbol and one.expiry // DAY == day // DAY for one in run.market.series)
    if len(near) < 2 and not taken and len(run.market.series) < MOST_LISTED:
        run.market.list_one(symbol, days)


def forge(run: Everybody, mine: set[int]) -> Receipt:
    """Strangers sign a surface or a settlement price."""
    system, one = run.system, run.random.choice(run.market.series)
    surface = SignedReport.of_surface(one.key, steeper(one.smile, Decimal("0.2")).pack())
    report = run.random.choice([surface, SignedReport.of_settlement(one.key, WAD)])
    feed = system.quorum_feed
    batch = ReportBatch(feed.call("epoch"), system.evm.timestamp, [report])
    keys = sorted(map(development_key, STRANGERS), key=lambda key: int(key.address, 16))
    signatures = [QuorumDomain(system.evm.chain_id, feed.address).sign(batch, key) for key in keys]
    return system.expiries.transact("submit", *submit_arguments(batch, signatures))


ACTS = (trade_dated, publish, sign_settlement, finalise, settle, expire, roll, forge)
