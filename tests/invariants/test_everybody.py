"""Everybody acts at random on the whole protocol, bad tokens and roles too; after each act all that must hold holds."""

from collections import Counter
from random import Random

import pytest

from tests.invariants import fairness, protocol
from tests.invariants.everybody import Everybody, act_and_check, deploy_for_everybody
from tests.invariants.makers import EXECUTOR
from tests.invariants.waterfall import ALL, SAVER
from tests.support.evm import Revert
from tests.support.system import DAY, Market

CI = (800, (1, 3, 4, 5))
NIGHTLY = (2_600, range(100, 108))
YEAR = 365 * DAY
# What is refused, as it should be, nearly always; and a write-off needs an account of nothing but debt.
RARE = {"trespass", "intrude", "write_off"}
EVENTS = {
    "BidTaken",
    "LossShared",
    "LossSocialised",
    "Converted",
    "BountyPaid",
    "ClaimCollected",
    "Drawn",
    "OrderSkipped",
}
LEAST_EVENTS = 2
REFUSALS = {"leave InsufficientLiquidity", "enact AccessManagerNotReady", "trespass AccessManagedUnauthorized"}
REFUSALS |= {"intrude NotAuthorised", "deposit_hostile TransferShortfall"}
RARE_REFUSALS = {"leave CashHeldBack", "redeem RedemptionWhileShortfallOpen", "deposit_hostile Locked"}


@pytest.fixture(scope="module")
def stage():
    return deploy_for_everybody()


def act_in_many_runs(stage, acts, seeds):
    """Returns how often each act was done, each refusal met and each event seen."""
    done, refused, seen = Counter(), Counter(), Counter()
    for seed in seeds:
        with stage.evm.rolled_back():
            run = Everybody(stage, Market(stage), Random(seed))
            seen += act_and_check(run, acts, fairness.check_all)
            assert run.acted == acts
            done, refused = done + run.done, refused + run.refused
    assert done.total() + refused.total() == acts * len(seeds)
    assert done.total() > acts * len(seeds) // 2
    return run.acts, done, refused, seen


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
        run = Everybody(stage, Market(stage), Random(11))
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
        run = Everybody(stage, Market(stage), Random(1))
        monkeypatch.setattr(Everybody, "acts", {"leave": panics})
        with pytest.raises(Revert):
            act_and_check(run, 1, fairness.check_all)
