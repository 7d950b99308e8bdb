"""Everybody acts at random on the whole protocol; after every act, everything that must hold holds."""

from dataclasses import replace
from random import Random

import pytest

from ballast.chain.codec import Record
from tests.invariants import checks, protocol
from tests.invariants.protocol import Act, Protocol
from tests.support.codec import changed
from tests.support.evm import Log, Receipt, Revert

ACTS_A_RUN = 750
RARE = {"repay", "write_off", "call", "poke", "intrude"}


@pytest.fixture
def run(system, market):
    return Protocol(system, market, Random(1))


@pytest.mark.parametrize("seed", [4])
def test_random_acts__of_everybody__every_invariant_holds(run, seed):
    run.random.seed(seed)
    before = run.picture()
    for _ in range(ACTS_A_RUN):
        act = run.act()
        after = run.picture()
        checks.check_all(act, before, after)
        before = after

    assert run.done["trade"] > 20
    assert min(run.done[name] for name in protocol.ACTS if name not in RARE) > 0, run.done
    assert run.refused["intrude NotAuthorised"] > 0


def test_flat_account__whatever_happened__leaves_with_all_it_has(run):
    """I25, I29: no auction and no pause stands in the way of leaving flat."""
    owner, house = protocol.trader("leaver"), run.system.clearinghouse
    run.market.fund(owner, USDC=1_000, WETH=1)
    for _ in range(60):
        run.act()
    until = run.system.evm.timestamp + 600
    for number, symbol in enumerate(protocol.SYMBOLS, start=1):
        run.system.act_as("guardian", house, "setReduceOnly", run.market.instrument(symbol), until)
        run.system.act_as("guardian", house, "pauseDeposits", number, until)
    cash = house.call("cashOf", owner.account)
    assert cash >= 1_000 * 10**18

    for symbol, units in (("USDC", cash // 10**12), ("WETH", 10**18)):
        run.transact(owner, "withdraw", owner.account, run.system.record.assets[symbol], 2**256 - 1, owner.address)
        assert run.system.tokens[symbol].call("balanceOf", owner.address) == units


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
        checks.check_conservation(replace(before, imbalance=1))
    with pytest.raises(AssertionError, match="I2"):
        checks.check_conservation(replace(before, views={account: before.views[account]}))
    eth = before.markets["ETH"]
    crowded = replace(eth, view=changed(eth.view, openInterest=eth.view.openInterest + 1))
    with pytest.raises(AssertionError, match="I2: open interest"):
        checks.check_conservation(replace(before, markets={**before.markets, "ETH": crowded}))
    with pytest.raises(AssertionError, match="I17"):
        checks.check_indices(before, replace(before, vault=vault), None)
    with pytest.raises(AssertionError, match="I7"):
        checks.check_others_unhurt("trade", set(), before, hurt)
    with pytest.raises(AssertionError, match="I5"):
        checks.check_others_unhurt("donate", set(), before, hurt)
    with pytest.raises(AssertionError, match="I13"):
        checks.check_risk_rules("deposit", {account}, before, hurt)
    with pytest.raises(AssertionError, match="I6"):
        checks.check_risk_rules("trade", {account}, before, fallen)
    with pytest.raises(AssertionError, match="I31"):
        checks.check_no_liquidation_by_parameter("guard", before, fallen)


def test_checks_of_time_and_authority__on_tampered_pictures__fail(run):
    """Each of these can fail too: a second accrual, funding beyond its clamp, a second price, a stranger's act."""
    run.market.trade(protocol.TRADERS[0], run.room.dealer, "ETH", 1)
    before, account = run.picture(), protocol.TRADERS[0].account
    vault = changed(before.vault, borrowIndex=before.vault.borrowIndex + 1)
    poorer = changed(before.margins[account], equity=before.margins[account].equity - 10**9)
    short = changed(before.margins[account], equity=0)
    closed = changed(before.views[account], positions=[])
    eth = before.markets["ETH"]
    paid = replace(eth, view=changed(eth.view, cumulativeFunding=eth.view.cumulativeFunding + 2))
    pushed = replace(eth, view=changed(eth.view, basis=-eth.basis_limit - 1))
    fixed = Log("", "QuoteFixed", Record(["underlying"], [1]))
    holding = changed(before.views[account], collaterals=[Record(["asset", "amount"], [2, 1])])
    needy = replace(before, margins={**before.margins, account: short}, views={**before.views, account: holding})
    refused = Act("deposit", {account}, refusal=Revert("DepositsPaused", Record(["asset"], [2])))

    with pytest.raises(AssertionError, match="I18"):
        checks.check_accrual_once(before, replace(before, vault=vault))
    with pytest.raises(AssertionError, match="I18"):
        checks.check_accrual_once(before, replace(before, markets={**before.markets, "ETH": paid}))
    for tampered in (paid, pushed):
        with pytest.raises(AssertionError, match="I19"):
            checks.check_funding(before, replace(before, markets={**before.markets, "ETH": tampered}))
    with pytest.raises(AssertionError, match="I20"):
        checks.check_prices_fixed(Receipt(None, (fixed, fixed), 0))
    with pytest.raises(AssertionError, match="I23"):
        checks.check_authority("intrude", before, replace(before, margins={**before.margins, account: poorer}))
    with pytest.raises(AssertionError, match="I23"):
        checks.check_authority("realise", before, replace(before, views={**before.views, account: closed}))
    with pytest.raises(AssertionError, match="I29"):
        checks.check_pauses(refused, needy)


def test_act__refused_in_an_unexpected_way__fails_the_run(run, monkeypatch):
    def panics(*_):
        raise Revert("Panic")

    monkeypatch.setattr(protocol, "ACTS", {"trade": panics})
    with pytest.raises(Revert):
        run.act()
