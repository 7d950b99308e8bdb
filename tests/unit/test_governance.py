"""What roles can do at most: bounds hold even against them (I30), the guardian only lowers risk (I24), and no act of a
role touches what users own (I32)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ballast.deployment.roles import RESTRICTED
from ballast.risk.expiry import TIME_OF_DAY
from tests.support.evm import reverts
from tests.support.expiries import SMILE
from tests.support.system import DAY, HOUR, Market, System, publish_by_quorum, trader, wad

BILLION = 10**9
DEPOSITOR, BUYER, SELLER = trader("depositor"), trader("buyer"), trader("seller")
LONGEST_PAUSE = 7 * DAY

CURVE = {"baseRate": 0, "kinkRate": 10**8, "fullRate": BILLION, "kink": 8 * 10**8, "reserveFactor": 10**8}
LIMITS = {
    "openInterestCap": wad(1_000),
    "openInterestValueCap": wad(10_000_000),
    "priceBand": 10**7,
    "basisLimit": 5 * 10**6,
    "basisWindow": 600,
    "minimumSampleNotional": 1_000,
}
Arguments = Callable[[System], tuple[Any, ...]]


def auction_terms(system: System) -> dict[str, int]:
    return system.network.auctions.as_struct()


def oracle_limits(system: System) -> dict[str, int]:
    return system.network.underlyings["ETH"].limits.as_struct()


def expiry_limits(system: System) -> dict[str, Any]:
    return system.network.expiries.limits.as_struct() | {"bounty": 10**6}


def day_after_tomorrow(system: System) -> int:
    """An expiry that lies within governance's delay."""
    return (system.evm.timestamp // DAY + 1) * DAY + TIME_OF_DAY


def only_expiry(system: System) -> int:
    """The one that `prepare` has listed."""
    return int(system.expiries.call("expiriesOf", 2)[0])


def grown_book(system: System) -> bytes:
    return replace(system.book, fixed_charge=30 * BILLION).encode()


def swapped_sources(system: System) -> tuple[Any, ...]:
    return 2, system.contract("second source ETH"), system.contract("first source ETH")


WATERFALL = {"conversionThreshold": BILLION // 10, "conversionDiscount": BILLION // 100, "lossShare": 0}
ACTS: dict[tuple[str, str], Arguments] = {
    ("Clearinghouse", "setMarginEngine"): lambda system: (system.margin_engine,),
    ("Clearinghouse", "setOracleHub"): lambda system: (system.oracle_hub,),
    ("Clearinghouse", "setTreasury"): lambda system: (system.holder("guardian"), 0),
    ("Clearinghouse", "listAsset"): lambda system: (system.evm.deploy("MockToken", "NEW", 18), 1),
    ("Clearinghouse", "listPerp"): lambda system: (4, 15, wad(1)),
    ("Clearinghouse", "listFuture"): lambda system: (2, only_expiry(system), 15, wad(1)),
    ("Clearinghouse", "listOptions"): lambda system: (2, only_expiry(system), [wad(2_500)], 15, wad(1)),
    ("Clearinghouse", "setExpiries"): lambda system: (system.expiries,),
    ("Clearinghouse", "setInterestCurve"): lambda system: (CURVE,),
    ("Clearinghouse", "setWaterfall"): lambda system: (WATERFALL,),
    ("Clearinghouse", "setDepositCap"): lambda system: (1, 0, 0),
    ("Clearinghouse", "setOutflowLimit"): lambda system: (1, 0, DAY),
    ("Clearinghouse", "setOpenInterestCap"): lambda system: (1, 0),
    ("Clearinghouse", "setUnderlyingLimits"): lambda system: (4, LIMITS),
    ("Clearinghouse", "pauseDeposits"): lambda system: (1, system.evm.timestamp + DAY),
    ("Clearinghouse", "setReduceOnly"): lambda system: (1, system.evm.timestamp + DAY),
    ("MarginEngine", "setRiskBook"): lambda system: (grown_book(system),),
    ("MarginEngine", "setShockMultiplier"): lambda system: (2, 3 * BILLION),
    ("OracleHub", "setSources"): swapped_sources,
    ("OracleHub", "setFallbackSource"): lambda system: (system.quorum_feed,),
    ("OracleHub", "setLimits"): lambda system: (2, oracle_limits(system)),
    ("OracleHub", "setSettlementMemory"): lambda system: (0,),
    ("OracleHub", "serveFromFallback"): lambda system: (2,),
    ("QuorumFeed", "setSigners"): lambda system: ([system.holder("risk")], 1),
    ("QuorumFeed", "setMaxAge"): lambda system: (600,),
    ("Expiries", "listExpiry"): lambda system: (2, day_after_tomorrow(system) + 30 * DAY, SMILE.pack()),
    ("Expiries", "setOracles"): lambda system: (system.oracle_hub, system.quorum_feed),
    ("Expiries", "setLimits"): lambda system: (expiry_limits(system),),
    ("Exchange", "setFees"): lambda system: (0, 0),
    ("Exchange", "setBounty"): lambda system: (0, 60),
    ("Auctions", "setParameters"): lambda system: (auction_terms(system),),
    ("InsuranceFund", "setOutflowLimit"): lambda system: (BILLION, BILLION),
    ("InsuranceFund", "setUnderlyingOutflowLimit"): lambda system: (2, BILLION),
    ("InsuranceFund", "setCooldown"): lambda system: (DAY,),
}
ONLY_ONCE = {("Clearinghouse", "connect"), ("InsuranceFund", "connect")}


def prepare(system: System, market: Market, contract: str, function: str) -> None:
    """The state in which an act is possible."""
    if function == "listPerp":
        market.act_as("risk", system.clearinghouse, "setUnderlyingLimits", 4, LIMITS)
    if function in ("listFuture", "listOptions"):
        expiry = day_after_tomorrow(system) + 30 * DAY
        market.act_as("governance", system.expiries, "listExpiry", 2, expiry, SMILE.pack())
    if function == "serveFromFallback":
        limits = system.network.underlyings["ETH"].limits
        system.evm.advance(limits.halt_age + limits.fallback_delay + 1)
        publish_by_quorum(system.quorum_feed, {2: 2_500})


def act(system: System, market: Market, contract: str, function: str, arguments: tuple[Any, ...]) -> None:
    role = RESTRICTED[contract][function].name.lower()
    if function == "serveFromFallback":
        system.schedule(role, system.contract(contract), function, *arguments)
        system.evm.advance(system.network.roles.fallback.delay)
        publish_by_quorum(system.quorum_feed, {2: 2_500})
        system.execute(role, system.contract(contract), function, *arguments)
    else:
        market.act_as(role, system.contract(contract), function, *arguments)


def holdings(system: System) -> list[Any]:
    """What three users own, and where every token is."""
    owned = []
    for who in (DEPOSITOR, BUYER, SELLER):
        view = system.clearinghouse.call("accountOf", who.account)
        owned.append((view.cash, view.collaterals, [(leg.index, leg.size, leg.quote) for leg in view.positions]))
    places = [system.clearinghouse.address, *(system.holder(role) for role in ("governance", "risk", "guardian"))]
    return owned + [[token.call("balanceOf", place) for place in places] for token in system.tokens.values()]


def test_i32__acts__cover_the_reviewed_table():
    table = {(contract, function) for contract, functions in RESTRICTED.items() for function in functions}
    assert set(ACTS) | ONLY_ONCE == table


@pytest.mark.parametrize(("contract", "function"), sorted(ACTS))
def test_i32__act_of_any_role__leaves_what_users_own(system: System, market: Market, contract: str, function: str):
    market.fund(DEPOSITOR, USDC=5_000, WETH=2)
    market.fund(BUYER, USDC=10_000)
    market.fund(SELLER, USDC=10_000)
    market.trade(BUYER, SELLER, "ETH", 1)
    before = holdings(system)
    prepare(system, market, contract, function)
    act(system, market, contract, function, ACTS[contract, function](system))
    assert holdings(system) == before, f"I32: {contract}.{function} moved something"
    system.clearinghouse.transact(
        "withdraw", DEPOSITOR.account, 0, 5_000 * 10**6, DEPOSITOR.address, sender=DEPOSITOR.address
    )
    assert system.tokens["USDC"].call("balanceOf", DEPOSITOR.address) == 5_000 * 10**6


TOO_FAR: list[tuple[str, str, Arguments, str]] = [
    ("Clearinghouse", "setTreasury", lambda s: (s.holder("risk"), BILLION + 1), "ParameterOutOfBounds"),
    ("Clearinghouse", "setInterestCurve", lambda s: (CURVE | {"fullRate": 2 * BILLION + 1},), "ParameterOutOfBounds"),
    ("Clearinghouse", "setInterestCurve", lambda s: (CURVE | {"kinkRate": BILLION + 1},), "ParameterOutOfBounds"),
    ("Clearinghouse", "setInterestCurve", lambda s: (CURVE | {"kink": BILLION},), "ParameterOutOfBounds"),
    ("Clearinghouse", "setInterestCurve", lambda s: (CURVE | {"reserveFactor": BILLION},), "ParameterOutOfBounds"),
    *(
        (
            "Clearinghouse",
            "setWaterfall",
            lambda s, name=name: (WATERFALL | {name: BILLION // 5 + 1},),
            "ParameterOutOfBounds",
        )
        for name in ("conversionThreshold", "conversionDiscount", "lossShare")
    ),
    ("Clearinghouse", "setDepositCap", lambda s: (1, wad(60_000), DAY - 1), "ParameterOutOfBounds"),
    ("Clearinghouse", "setDepositCap", lambda s: (0, wad(1), DAY), "ParameterOutOfBounds"),
    ("Clearinghouse", "setUnderlyingLimits", lambda s: (2, LIMITS | {"priceBand": 10**8 + 1}), "ParameterOutOfBounds"),
    ("Clearinghouse", "setUnderlyingLimits", lambda s: (2, LIMITS | {"basisLimit": 6 * 10**7}), "ParameterOutOfBounds"),
    ("Clearinghouse", "setUnderlyingLimits", lambda s: (2, LIMITS | {"basisWindow": 59}), "ParameterOutOfBounds"),
    ("Clearinghouse", "listAsset", lambda s: (s.tokens["WETH"], 2), "AlreadyListed"),
    ("Clearinghouse", "listPerp", lambda s: (2, 15, wad(1)), "InstrumentAlreadyListed"),
    ("MarginEngine", "setRiskBook", lambda s: (s.book.encode()[:-1],), "InvalidRiskBook"),
    ("MarginEngine", "setShockMultiplier", lambda s: (2, 3 * BILLION + 1), "ShockMultiplierOutOfBounds"),
    ("MarginEngine", "setShockMultiplier", lambda s: (2, BILLION // 2 - 1), "ShockMultiplierOutOfBounds"),
    ("OracleHub", "setLimits", lambda s: (2, oracle_limits(s) | {"maxAge": 3 * DAY}), "LimitOutOfBounds"),
    ("OracleHub", "setLimits", lambda s: (2, oracle_limits(s) | {"stepBps": 6_000}), "LimitOutOfBounds"),
    ("OracleHub", "setSettlementMemory", lambda s: (301,), "LimitOutOfBounds"),
    ("OracleHub", "serveFromFallback", lambda s: (1,), "NotHaltedLongEnough"),
    ("QuorumFeed", "setSigners", lambda s: ([s.holder("risk")], 0), "InvalidThreshold"),
    ("QuorumFeed", "setMaxAge", lambda s: (601,), "MaxAgeOutOfBounds"),
    ("Expiries", "listExpiry", lambda s: (2, day_after_tomorrow(s) + 1, SMILE.pack()), "ExpiryOffGrid"),
    ("Expiries", "listExpiry", lambda s: (2, day_after_tomorrow(s), SMILE.pack()), "ExpiryTooNear"),
    ("Expiries", "setLimits", lambda s: (expiry_limits(s) | {"maxAge": 2 * DAY},), "LimitOutOfBounds"),
    ("Exchange", "setFees", lambda s: (5 * 10**6 + 1, 0), "FeeOutOfBounds"),
    ("Exchange", "setBounty", lambda s: (2 * 10**6 + 1, 60), "BountyOutOfBounds"),
    ("Exchange", "setBounty", lambda s: (0, 59), "BountyTimeOutOfBounds"),
    ("Auctions", "setParameters", lambda s: (auction_terms(s) | {"startDiscount": 2 * 10**8},), "ParameterOutOfBounds"),
    ("Auctions", "setParameters", lambda s: (auction_terms(s) | {"secondsToKnee": 1},), "ParameterOutOfBounds"),
    ("InsuranceFund", "setOutflowLimit", lambda s: (0, BILLION), "ParameterOutOfBounds"),
    ("InsuranceFund", "setOutflowLimit", lambda s: (BILLION, 0), "ParameterOutOfBounds"),
    ("InsuranceFund", "setUnderlyingOutflowLimit", lambda s: (2, BILLION + 1), "ParameterOutOfBounds"),
    ("InsuranceFund", "setCooldown", lambda s: (31 * DAY,), "ParameterOutOfBounds"),
]


@pytest.mark.parametrize(("contract", "function", "arguments", "error"), TOO_FAR)
def test_i30__value_out_of_bounds__refused_to_its_own_role(
    system: System, market: Market, contract: str, function: str, arguments: Arguments, error: str
):
    with reverts(error):
        act(system, market, contract, function, arguments(system))


def test_i30__shock_multiplier__rises_five_percent_an_hour_at_most(system: System):
    system.act_as("multiplier", system.margin_engine, "setShockMultiplier", 2, 3 * BILLION)
    assert system.margin_engine.call("shockMultiplierOf", 2) == BILLION
    system.evm.advance(HOUR)
    assert system.margin_engine.call("shockMultiplierOf", 2) == BILLION * 105 // 100


@pytest.mark.parametrize(("function", "subject"), [("pauseDeposits", 1), ("setReduceOnly", 2)])
def test_i24__guardian__cannot_act_for_longer_than_a_week(system: System, function: str, subject: int):
    last = system.evm.timestamp + LONGEST_PAUSE
    with reverts("ParameterOutOfBounds", bound=last):
        system.act_as("guardian", system.clearinghouse, function, subject, last + 1)
    system.act_as("guardian", system.clearinghouse, function, subject, last)


def test_i24__guardian__cannot_pause_deposits_of_cash(system: System):
    with reverts("ParameterOutOfBounds"):
        system.act_as("guardian", system.clearinghouse, "pauseDeposits", 0, system.evm.timestamp + 1)


def test_i24__guardian_key_stolen__positions_close_and_users_leave(system: System, market: Market):
    market.fund(BUYER, USDC=10_000, WETH=1)
    market.fund(SELLER, USDC=10_000)
    market.trade(BUYER, SELLER, "ETH", 1)
    until = system.evm.timestamp + LONGEST_PAUSE
    for asset in (1, 2, 3):
        system.act_as("guardian", system.clearinghouse, "pauseDeposits", asset, until)
    for instrument in (1, 2, 3):
        system.act_as("guardian", system.clearinghouse, "setReduceOnly", instrument, until)
    market.fund(SELLER, USDC=1)
    market.trade(SELLER, BUYER, "ETH", 1)
    house = system.clearinghouse
    house.transact("withdraw", BUYER.account, 1, wad(1), BUYER.address, sender=BUYER.address)
    assert system.tokens["WETH"].call("balanceOf", BUYER.address) == wad(1)


def test_i24__reduce_only__ends_by_itself(system: System, market: Market):
    market.fund(BUYER, USDC=10_000)
    market.fund(SELLER, USDC=10_000)
    system.act_as("guardian", system.clearinghouse, "setReduceOnly", 2, system.evm.timestamp + HOUR)
    with reverts("ReduceOnlyInstrument"):
        market.trade(BUYER, SELLER, "ETH", 1)
    market.advance(HOUR + 1)
    market.trade(BUYER, SELLER, "ETH", 1)
    assert len(system.clearinghouse.call("accountOf", BUYER.account).positions) == 1


def test_i24__paused_deposits__still_let_holders_below_initial_margin_add(system: System, market: Market):
    market.fund(BUYER, USDC=1_000, WETH="0.1")
    market.fund(SELLER, USDC=50_000)
    market.trade(BUYER, SELLER, "ETH", 1)
    market.set_price("ETH", 2_200)
    system.act_as("guardian", system.clearinghouse, "pauseDeposits", 1, system.evm.timestamp + HOUR)
    with reverts("DepositsPaused", asset=1):
        market.fund(SELLER, WETH=1)
    market.fund(BUYER, WETH=1)
    assert system.clearinghouse.call("accountOf", BUYER.account).collaterals[0].amount == wad("1.1")


def test_i30__risk_book__blends_in_over_a_day(system: System, market: Market):
    market.act_as("risk", system.margin_engine, "setRiskBook", grown_book(system))
    assert system.margin_engine.call("riskBooks").weightOfCurrent == 0
    system.evm.advance(DAY // 2)
    assert system.margin_engine.call("riskBooks").weightOfCurrent == wad("0.5")
