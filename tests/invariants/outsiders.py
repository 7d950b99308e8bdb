"""Tokens and feeds that misbehave, and roles that set what they may and what they may not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ballast.chain.codec import encode_call
from ballast.deployment.roles import RESTRICTED
from tests.support.evm import Receipt, Revert

if TYPE_CHECKING:
    from tests.invariants.everybody import Everybody

MARGIN = {"InitialMarginShortfall", "RiskNotReduced", "BelowMaintenanceMargin", "AccountInLiquidation"}
HOSTILE = ("CallbackToken", "FreezingToken", "RebasingToken", "FeeToken")
MISBEHAVIOUR = {"Locked", "NotModule", "Frozen", "ERC20InsufficientBalance", "TransferShortfall"}
EXPECTED = {
    "deposit_hostile": MISBEHAVIOUR | {"DepositCapExceeded", "DepositsPaused"},
    "withdraw_hostile": MISBEHAVIOUR | MARGIN | {"InsufficientBalance", "ZeroAmount"},
    "misbehave": {"ERC20InsufficientBalance"},
    "enact": {"AccessManagerNotReady", "AccessManagerExpired", "ParameterOutOfBounds", "FeeOutOfBounds"},
    "trespass": {"AccessManagedUnauthorized"},
}
WEEK = 7 * 86_400
BILLION = 10**9
# Of the risk role, within its bounds or, where the last says so, beyond them.
SETTINGS: list[tuple[str, str, tuple[Any, ...], bool]] = [
    ("Exchange", "setFees", (500_000, 100_000), True),
    ("Exchange", "setFees", (10**8, 0), False),
    ("Exchange", "setBounty", (400_000, 600), True),
    ("Clearinghouse", "setDepositCap", (3, 10**24, 86_400), True),
    ("Clearinghouse", "setOutflowLimit", (1, 5_000 * 10**18, 86_400), True),
    ("Clearinghouse", "setOpenInterestCap", (2, 60_000 * 10**18), True),
    ("Clearinghouse", "setInterestCurve", ((0, 10**8, BILLION, 8 * 10**8, 10**8),), True),
    ("InsuranceFund", "setOutflowLimit", (BILLION, BILLION), True),
    ("InsuranceFund", "setUnderlyingOutflowLimit", (1, BILLION // 10), True),
    ("InsuranceFund", "setCooldown", (2 * 86_400,), True),
    ("InsuranceFund", "setCooldown", (60,), False),
]


def deposit_hostile(run: Everybody, mine: set[int]) -> Receipt:
    owner, (token, asset) = run.owner(mine), run.random.choice(run.hostile)
    amount = run.random.randint(1, 10**6)
    token.transact("approve", run.system.clearinghouse, 2**256 - 1, sender=owner.address)
    return run.transact(owner, "deposit", owner.account, asset, amount)


def withdraw_hostile(run: Everybody, mine: set[int]) -> Receipt | None:
    bad = {asset for _, asset in run.hostile}
    views = run.system.clearinghouse.call_each("accountOf", [owner.account for owner in run.traders])
    pairs = zip(run.traders, views, strict=True)
    held = [(owner, leg.asset) for owner, view in pairs for leg in view.collaterals if leg.asset in bad]
    if not held:
        return None
    owner, asset = run.random.choice(held)
    mine.add(owner.account)
    return run.transact(owner, "withdraw", owner.account, asset, run.random.randint(1, 10**4), owner.address)


def misbehave(run: Everybody, mine: set[int]) -> Receipt:
    """A token freezes, calls back, burns what the vault holds, or sends it more."""
    house, owner = run.system.clearinghouse, run.random.choice(run.traders)
    calling, freezing, rebasing, fee = (token for token, _ in run.hostile)
    back = encode_call(house.abi, "withdraw", (owner.account, 0, 1, calling.address))
    contract, function, arguments = run.random.choice(
        [
            (calling, "setCallback", (house, back)),
            (calling, "setCallback", ("0x" + "00" * 20, b"")),
            (freezing, "setFrozen", (owner.address, run.random.random() < 0.5)),
            (freezing, "setFrozen", (house, run.random.random() < 0.3)),
            (rebasing, "burn", (house, run.random.randint(1, 10**5))),
            (rebasing, "mint", (house, run.random.randint(1, 10**20))),
            (fee, "mint", (house, 1)),
        ]
    )
    return contract.transact(function, *arguments)


def misreport(run: Everybody, mine: set[int]) -> Receipt:
    """A first source reports nothing, less than nothing, the future or the past; the second one stays as it is."""
    feed = run.system.feeds[run.random.choice(list(run.opening))][0]
    now, good = run.system.evm.timestamp, feed.call("latestRoundData")[1]
    answer, time = run.random.choice([(0, now), (-1, now), (good, now + 3_600), (good, now - 2 * WEEK)])
    return feed.transact("report", answer, time)


def announce(run: Everybody, mine: set[int]) -> None:
    """A role schedules something; what waits already is not announced again."""
    waiting = {place for place, _ in run.announced}
    place = run.random.choice([place for place in range(len(SETTINGS)) if place not in waiting] or [None])
    if place is None:
        return
    contract, function, arguments, _ = SETTINGS[place]
    role = RESTRICTED[contract][function].name.lower()
    run.system.schedule(role, run.system.contract(contract), function, *arguments)
    run.announced.append((place, run.system.evm.timestamp + getattr(run.system.network.roles, role).delay))


def enact(run: Everybody, mine: set[int]) -> None:
    """A role does what it has announced, or tries to before its delay is over."""
    if not run.announced:
        return
    place, ready = chosen = run.random.choice(run.announced)
    contract, function, arguments, within = SETTINGS[place]
    role = RESTRICTED[contract][function].name.lower()
    try:
        run.system.execute(role, run.system.contract(contract), function, *arguments)
    except Revert as refusal:
        if refusal.name == "AccessManagerExpired":
            run.announced.remove(chosen)
        raise
    run.announced.remove(chosen)
    run.enacted.append((ready, run.system.evm.timestamp, within))


def trespass(run: Everybody, mine: set[int]) -> Receipt:
    """Somebody without a role calls what only roles may."""
    contract, function, arguments, _ = run.random.choice(SETTINGS)
    return run.system.contract(contract).transact(function, *arguments, sender=run.random.choice(run.traders).address)


ACTS = (deposit_hostile, withdraw_hostile, misbehave, misreport, announce, enact, trespass)
