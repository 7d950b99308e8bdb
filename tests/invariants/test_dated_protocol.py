"""Everybody acts at random in futures and options too; then they expire and settle, in any order, amid more of it."""

from random import Random

import pytest

from tests.invariants import checks
from tests.invariants.dated import DatedProtocol
from tests.invariants.protocol import LIQUIDATORS, TRADERS
from tests.support.evm import reverts

BEFORE, AFTER = 250, 60


@pytest.fixture
def run(system, market):
    return DatedProtocol(system, market, Random(1))


def act_and_check(run, count):
    before = run.picture()
    for _ in range(count):
        act = run.act()
        after = run.picture()
        checks.check_all(act, before, after)
        before = after


@pytest.mark.parametrize("seed", [2, 5, 9])
def test_i28__random_acts_then_settlement_amid_them__every_invariant_holds(run, seed):
    run.random.seed(seed)
    act_and_check(run, BEFORE)
    assert run.done["trade_dated"] > 20
    run.dated.expire(run.market.prices["ETH"])
    settled = {view.index for view in run.picture().dated}

    owners = [*TRADERS, *LIQUIDATORS, run.room.dealer]
    run.random.shuffle(owners)
    for owner in owners:
        act_and_check(run, AFTER // len(owners))
        before = run.picture()
        run.dated.settle(owner)
        after = run.picture()
        checks.check_conservation(after)
        checks.check_others_unhurt("settle", {owner.account}, before, after)
        assert not settled & {leg.index for leg in after.views[owner.account].positions}

    run.dated.settle(*owners)
    for view in run.picture().dated:
        assert (view.openInterest, view.clearedSize, view.clearedQuote) == (0, 0, 0)
    for instrument in settled:
        with reverts("InstrumentExpired"):
            run.market.trade(TRADERS[0], run.room.dealer, instrument, 1, 10**18)
