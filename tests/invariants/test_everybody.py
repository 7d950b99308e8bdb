"""Everybody acts at random on the whole protocol, bad tokens and roles too; after each act all that must hold holds."""

from collections import Counter

import pytest

from tests.invariants import fairness, protocol
from tests.invariants.everybody import Everybody, act_and_check, deploy_for_everybody, everybody
from tests.invariants.makers import EXECUTOR
from tests.invariants.waterfall import ALL, SAVER
from tests.support.evm import Revert
from tests.support.system import DAY, HOUR

CI = (1_000, (1, 2, 3, 6, 8))
NIGHTLY = (2_600, (2, *range(100, 108)))
YEAR = 365 * DAY
# What is refused, as it should be, nearly always; and a write-off needs an account of nothing but debt.
RARE = {"trespass", "intrude", "write_off", "forge"}
EVENTS = {
    "PositionSettled",
    "InstrumentCleared",
    "settled by signers",
    *(
        f"{holder} in {phase} auction"
        for holder in ("future", "holder", "writer")
        for phase in ("a solvent", "an insolvent")
    ),
    "BidTaken",
    "LossShared",
    "LossSocialised",
    "Converted",
    "BountyPaid",
    "ClaimCollected",
    "Drawn",
    "OrderSkipped",
}
LEAST_EVENTS = 1
REFUSALS = {"leave InsufficientLiquidity", "enact AccessManagerNotReady", "trespass AccessManagedUnauthorized"}
REFUSALS |= {"intrude NotAuthorised", "deposit_hostile TransferShortfall", "trade_dated InstrumentExpired"}
REFUSALS |= {"forge NotSigner", "sign_settlement AverageCounts", "finalise TooFewObservations"}
RARE_REFUSALS = {"leave CashHeldBack", "redeem RedemptionWhileShortfallOpen", "deposit_hostile Locked"}


@pytest.fixture(scope="module")
def stage():
    return deploy_for_everybody()


def act_in_many_runs(stage, acts, seeds):
    """Returns how often each act was done, each refusal met and each event seen."""
    done, refused, seen = Counter(), Counter(), Counter()
    for seed in seeds:
        with stage.evm.rolled_back():
            run = everybody(stage, seed)
            seen += act_and_check(run, acts, fairness.check_all)
            assert run.acted == acts
            assert_settlement_has_no_order(run)
            done, refused = done + run.done, refused + run.refused
    assert done.total() + refused.total() == acts * len(seeds)
    assert done.total() > acts * len(seeds) // 2
    return run.acts, done, refused, seen


def assert_settlement_has_no_order(run):
    """I28: whoever is settled first, and with whom, all have the same in the end; of what is over nothing is left."""
    run.market.advance(2 * HOUR)
    for one in run.over:
        one.publish_settlement(run.market.prices[one.symbol])
    in_turn, at_once = run.random.sample(run.accounts, len(run.accounts)), run.random.sample(run.accounts, 5)
    batches = [
        [[account] for account in in_turn],
        [at_once, [account for account in in_turn if account not in at_once]],
    ]
    outcomes = [outcome_of_settling(run, each) for each in batches]
    assert outcomes[0] == outcomes[1], "I28: settled in another order, somebody has something else"
    over = {index for index, one in run.market.instruments.items() if one not in run.market.live}
    assert len(over) >= len(run.market.instruments) // len(run.market.series)
    for view in outcomes[0][-1]:
        left = (view.openInterest, view.clearedSize, view.clearedQuote)
        assert view.index not in over or left == (0, 0, 0), f"I28: {left} is left of {view.index}"


def outcome_of_settling(run, batches):
    """What everybody, the vault and every instrument has after these are settled, batch by batch."""
    house = run.system.clearinghouse
    with run.system.evm.rolled_back():
        for batch in batches:
            house.transact("settle", batch, sender=EXECUTOR.address)
        views = house.call_each("accountOf", run.accounts)
        held = [(view.cash, sorted(map(tuple, view.positions))) for view in views]
        return held, house.call("vaultState"), house.call_each("instrumentOf", run.market.instruments)


def assert_everything_happened(acts, done, refused, seen, least, refusals):
    assert {name for name in acts if done[name] < least} <= RARE, done
    assert {name for name in EVENTS if seen[name] < LEAST_EVENTS} == set(), seen
    assert {name for name in refusals if refused[name] < 1} == set(), refused


def test_three_thousand_acts__of_everybody__every_invariant_holds(stage):
    assert CI[0] * len(CI[1]) >= 3_000
    assert_everything_happened(*act_in_many_runs(stage, *CI), least=2, refusals=REFUSALS)


@pytest.mark.nightly
def test_twenty_thousand_acts__of_everybody__every_invariant_holds(stage):
    assert NIGHTLY[0] * len(NIGHTLY[1]) >= 20_000
    assert_everything_happened(*act_in_many_runs(stage, *NIGHTLY), least=10, refusals=REFUSALS | RARE_REFUSALS)


def test_decades__after_random_acts__books_hold_and_the_flat_leave(stage):
    """Nobody touches anything for thirty years; then all indices catch up at once."""
    with stage.evm.rolled_back():
        run = everybody(stage, 11)
        run.market.fund(SAVER, WETH=2)
        act_and_check(run, 120, fairness.check_all)
        before = run.picture()
        run.market.advance(30 * YEAR)
        run.transact(EXECUTOR, "distributeFees")
        fairness.check_all(protocol.Act("pass_time", set()), before, run.picture())
        assert run.picture().vault.borrowIndex > before.vault.borrowIndex
        view, house = run.system.clearinghouse.call("accountOf", SAVER.account), run.system.clearinghouse
        for leg in view.collaterals:
            run.transact(SAVER, "withdraw", SAVER.account, leg.asset, ALL, SAVER.address)
        assert not house.call("accountOf", SAVER.account).collaterals
        act_and_check(run, 120, fairness.check_all)


def test_act__refused_in_an_unexpected_way__fails_the_run(stage, monkeypatch):
    def panics(*_):
        raise Revert("Panic")

    with stage.evm.rolled_back():
        run = everybody(stage, 1)
        monkeypatch.setattr(Everybody, "acts", {"leave": panics})
        with pytest.raises(Revert):
            act_and_check(run, 1, fairness.check_all)
