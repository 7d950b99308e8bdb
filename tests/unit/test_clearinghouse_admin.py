"""Setters: bounded in code, for roles alone, read back as set; none changes an account's health in its own block."""

import pytest

from tests.support.clearing import BILLION, NOBODY, Fill, borrow, drive
from tests.support.evm import reverts
from tests.support.system import DAY, HOUR, Market, System, trader, wad

STRANGER, OWNER, MAKER = trader("stranger"), trader("owner"), trader("maker")
CURVE = {"baseRate": 1, "kinkRate": 2, "fullRate": 3, "kink": BILLION // 2, "reserveFactor": BILLION // 4}
LIMITS = {
    "openInterestCap": wad(1),
    "openInterestValueCap": wad(2),
    "priceBand": BILLION // 50,
    "basisLimit": BILLION // 100,
    "basisWindow": 300,
    "minimumSampleNotional": 7,
}
SETTERS = {
    "connect": ("governance", (STRANGER.address,) * 3),
    "setMarginEngine": ("governance", (STRANGER.address,)),
    "setOracleHub": ("governance", (STRANGER.address,)),
    "setTreasury": ("governance", (STRANGER.address, 1)),
    "setInterestCurve": ("risk", (CURVE,)),
    "setWaterfall": ("risk", ({"conversionThreshold": 0, "conversionDiscount": 0, "lossShare": 0},)),
    "listAsset": ("governance", (STRANGER.address, 1)),
    "setDepositCap": ("risk", (1, 1, DAY)),
    "setOutflowLimit": ("risk", (1, 1, DAY)),
    "pauseDeposits": ("guardian", (1, 0)),
    "listPerp": ("governance", (4, 1, 1)),
    "setOpenInterestCap": ("risk", (2, 1)),
    "setUnderlyingLimits": ("risk", (2, LIMITS)),
    "setReduceOnly": ("guardian", (1, 0)),
}


@pytest.mark.parametrize("setter", SETTERS)
def test_setter__called_by_a_stranger__refused_I32(system: System, setter: str):
    with reverts("AccessManagedUnauthorized", caller=STRANGER.address):
        system.clearinghouse.transact(setter, *SETTERS[setter][1], sender=STRANGER.address)


@pytest.mark.parametrize(
    ("setter", "arguments", "name"),
    [
        ("setTreasury", (STRANGER.address, BILLION + 1), "insuranceShare"),
        ("setInterestCurve", (CURVE | {"fullRate": 2 * BILLION + 1},), "fullRate"),
        ("setInterestCurve", (CURVE | {"kinkRate": 4},), "kinkRate"),
        ("setInterestCurve", (CURVE | {"baseRate": 3},), "baseRate"),
        ("setInterestCurve", (CURVE | {"kink": 0},), "kink"),
        ("setInterestCurve", (CURVE | {"kink": BILLION},), "kink"),
        ("setInterestCurve", (CURVE | {"reserveFactor": BILLION // 2 + 1},), "reserveFactor"),
        ("listAsset", (STRANGER.address, 0), "underlying"),
        ("setDepositCap", (0, 1, DAY), "asset"),
        ("setDepositCap", (1, wad(60_000), DAY - 1), "rampSeconds"),
        ("pauseDeposits", (0, 0), "asset"),
        ("listPerp", (0, 1, 1), "underlying"),
        ("listPerp", (9, 1, 1), "basisWindow"),
        ("setUnderlyingLimits", (1, LIMITS | {"priceBand": BILLION // 10 + 1}), "priceBand"),
        ("setUnderlyingLimits", (1, LIMITS | {"basisLimit": BILLION // 20 + 1}), "basisLimit"),
        ("setUnderlyingLimits", (1, LIMITS | {"basisWindow": 59}), "basisWindow"),
        ("setUnderlyingLimits", (1, LIMITS | {"basisWindow": DAY + 1}), "basisWindow"),
    ],
)
def test_setter__out_of_bounds__refused_I30(system: System, setter: str, arguments: tuple, name: str):
    with reverts("ParameterOutOfBounds", name=name.encode().ljust(32, b"\0")):
        system.act_as(SETTERS[setter][0], system.clearinghouse, setter, *arguments)


@pytest.mark.parametrize("setter", ["pauseDeposits", "setReduceOnly"])
def test_guardian__longer_than_a_week__refused_I24(system: System, setter: str):
    week = system.evm.timestamp + 7 * DAY
    with reverts("ParameterOutOfBounds", value=week + 1, bound=week):
        system.act_as("guardian", system.clearinghouse, setter, 1, week + 1)
    system.act_as("guardian", system.clearinghouse, setter, 1, week)


def test_setters__read_back_as_set(system: System):
    house = system.clearinghouse
    system.act_as("risk", house, "setInterestCurve", CURVE)
    system.act_as("risk", house, "setUnderlyingLimits", 1, LIMITS)
    system.act_as("risk", house, "setOutflowLimit", 1, 5, DAY)
    system.act_as("governance", house, "setTreasury", STRANGER.address, 3)
    system.act_as("guardian", house, "pauseDeposits", 1, system.evm.timestamp + HOUR)
    assert house.call("interestCurve").as_dict() == CURVE
    assert house.call("underlyingLimitsOf", 1)[0].as_dict() == LIMITS
    assert house.call("outflowLimitOf", 1).as_dict() == {"capacity": 5, "available": 5, "refillPeriod": DAY}
    assert tuple(house.call("treasury")) == (STRANGER.address, 3)
    assert house.call("depositsPausedUntil", 1) == system.evm.timestamp + HOUR


def test_connect__again__refused(system: System):
    with reverts("AlreadyConnected"):
        system.act_as("governance", system.clearinghouse, "connect", *(STRANGER.address,) * 3)


def test_initialise__again_or_alone__refused(system: System):
    arguments = (STRANGER.address,) * 4
    with reverts("AlreadyInitialised"):
        system.clearinghouse.transact("initialise", *arguments)
    with reverts("AlreadyInitialised"):
        system.evm.deploy("ClearinghouseAdmin").transact("initialise", *arguments)


def test_engine_and_hub__replaced_by_nobody__refused(system: System):
    for setter in ("setMarginEngine", "setOracleHub"):
        with reverts("ZeroAddress"):
            system.act_as("governance", system.clearinghouse, setter, NOBODY)


def test_list_asset__twice_or_too_fine__refused(system: System):
    with reverts("AlreadyListed", token=system.tokens["WETH"].address):
        system.act_as("governance", system.clearinghouse, "listAsset", system.tokens["WETH"], 1)
    with reverts("ParameterOutOfBounds", value=19, bound=18):
        system.act_as("governance", system.clearinghouse, "listAsset", system.evm.deploy("FineToken"), 1)


@pytest.mark.parametrize(("others", "underlying"), [(0, 9), (10, 2)])
def test_set_deposit_cap__asset_that_the_risk_book_does_not_know__refused(system: System, others: int, underlying: int):
    """Attack "one wei of a token as a shield": who holds what cannot be margined could not be liquidated. Either its
    underlying is not in the book, or it has more assets before it than the book has."""
    for number in range(others + 1):
        token = system.evm.deploy("MockToken", f"NEW{number}", 18)
        system.act_as("governance", system.clearinghouse, "listAsset", token, underlying)
    asset = system.clearinghouse.call("assetCount") - 1
    with reverts("AssetNotInBook", asset=asset):
        system.act_as("risk", system.clearinghouse, "setDepositCap", asset, 1, DAY)
    system.act_as("risk", system.clearinghouse, "setDepositCap", asset, 0, 0)
    assert system.clearinghouse.call("assetOf", asset).cap == 0


def test_list_perp__twice__refused(system: System):
    with reverts("InstrumentAlreadyListed", index=1):
        system.act_as("governance", system.clearinghouse, "listPerp", system.record.underlyings["BTC"], 1, 1)


def test_set_on_unlisted__refused(system: System):
    with reverts("UnknownInstrument", instrument=9):
        system.act_as("risk", system.clearinghouse, "setOpenInterestCap", 9, 1)
    with reverts("UnknownAsset", asset=9):
        system.act_as("risk", system.clearinghouse, "setOutflowLimit", 9, 1, 1)


def in_its_own_block(system: System, market: Market, setter: str, account: int) -> tuple[object, object]:
    """The account's margin just before and just after a setter, its delay over."""
    role, arguments = SETTERS[setter]
    house, holder = system.clearinghouse, system.holder(role)
    data = bytes(system.builder.contracts["Clearinghouse"].encode(setter, *arguments))
    delay = getattr(system.network.roles, role).delay
    if delay:
        system.authority.transact("schedule", house.address, data, 0, sender=holder)
    market.advance(delay)
    before = house.call("marginOf", account)
    system.authority.transact("execute", house.address, data, sender=holder)
    return before, house.call("marginOf", account)


@pytest.mark.parametrize("setter", [name for name, (role, _) in SETTERS.items() if role != "governance"])
def test_setter__in_its_own_block__changes_nobodys_margin_I31(system: System, market: Market, setter: str):
    borrow(market, OWNER, 5_000)
    market.fund(MAKER, USDC=100_000)
    fill = Fill(market.instrument("ETH"), wad(1), market.mark("ETH") * 1_004 // 1_000)
    drive(system, system.exchange).settle([MAKER.account, OWNER.account], fill)
    system.evm.advance(200)
    before, after = in_its_own_block(system, market, setter, OWNER.account)
    assert after == before
    assert before.maintenanceMargin > 0
