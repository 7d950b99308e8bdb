"""Everybody acts at random on the whole protocol; after every act, everything that must hold holds."""

from dataclasses import replace
from random import Random

import pytest

from tests.invariants import protocol
from tests.invariants.protocol import Protocol
from tests.support.codec import changed
from tests.support.evm import Revert

ACTS_A_RUN = 750


@pytest.fixture
def run(system, market):
    return Protocol(system, market, Random(1))


@pytest.mark.parametrize("seed", range(4))
def test_random_acts__of_everybody__every_invariant_holds(run, seed):
    run.random.seed(seed)
    before = run.picture()
    for _ in range(ACTS_A_RUN):
        name, mine, receipt = run.act()
        after = run.picture()
        protocol.check_all(name, mine, receipt, before, after)
        before = after

    assert run.done["trade"] > 20
    assert run.done["start"] > 0
    assert run.done["bid"] > 0


def test_flat_account__whatever_happened__leaves_with_all_it_has(run):
    """I25, I26: no oracle, no pause and no auction stands in the way of paying in, or of leaving flat."""
    for _ in range(60):
        run.act()
    owner = protocol.trader("leaver")
    run.market.fund(owner, USDC=1_000, WETH=1)
    for symbol in ("USDC", "WETH"):
        token = run.system.tokens[symbol]
        run.transact(owner, "withdraw", owner.account, run.system.record.assets[symbol], 2**256 - 1, owner.address)
        assert token.call("balanceOf", owner.address) == run.market.units(symbol, 1_000 if symbol == "USDC" else 1)


def test_checks__on_tampered_pictures__fail(run):
    """Each check can fail: a wei in the books, a falling index, a hurt bystander, a raised requirement."""
    run.market.trade(protocol.TRADERS[0], run.room.dealer, "ETH", 1)
    before = run.picture()
    account = protocol.TRADERS[0].account
    poorer = changed(before.margins[account], equity=before.margins[account].equity - 10**9)
    broke = changed(before.margins[account], equity=before.margins[account].maintenanceMargin - 1)
    hurt = replace(before, margins={**before.margins, account: poorer})
    fallen = replace(before, margins={**before.margins, account: broke})
    vault = changed(before.vault, supplyIndex=before.vault.supplyIndex - 1)

    with pytest.raises(AssertionError, match="I3a"):
        protocol.check_conservation(replace(before, imbalance=1))
    with pytest.raises(AssertionError, match="I2"):
        protocol.check_conservation(replace(before, views={account: before.views[account]}))
    with pytest.raises(AssertionError, match="I17"):
        protocol.check_indices(before, replace(before, vault=vault))
    with pytest.raises(AssertionError, match="I7"):
        protocol.check_others_unhurt("trade", set(), before, hurt)
    with pytest.raises(AssertionError, match="I5"):
        protocol.check_others_unhurt("donate", set(), before, hurt)
    with pytest.raises(AssertionError, match="I13"):
        protocol.check_risk_rules("deposit", {account}, before, hurt)
    with pytest.raises(AssertionError, match="I6"):
        protocol.check_risk_rules("trade", {account}, before, fallen)
    with pytest.raises(AssertionError, match="I31"):
        protocol.check_no_liquidation_by_parameter("guard", before, fallen)


def test_act__refused_in_an_unexpected_way__fails_the_run(run, monkeypatch):
    def panics(*_):
        raise Revert("Panic")

    monkeypatch.setattr(protocol, "ACTS", {"trade": panics})
    with pytest.raises(Revert):
        run.act()
