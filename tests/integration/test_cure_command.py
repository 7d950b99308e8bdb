"""`ballast cures` against a real chain: what it proposes is done, and the contracts agree that it cured."""

import json

import pytest

from ballast.chain.margin_calls import read_margin_call
from ballast.risk.cure_terms import CostModel, Goal, Kind

WAD = 10**18


@pytest.fixture
def called(stage):
    """Prices fell: the account is below initial margin."""
    stage.crash(0.9)
    return stage


def label(account):
    return f"0x{account >> 96:040x}/0"


def surplus(stage):
    margin = stage.bench.contracts["Clearinghouse"].call("marginOf", stage.account)
    return margin.equity - margin.stableGap - margin.untrustedGain - margin.initialMargin


def test_cures__margin_call__ranked_by_cost_and_each_cures(called, reading):
    status, output = reading("cures", label(called.account), "--json")
    report = json.loads(output)
    cures = report["cures"]

    assert status == 0
    assert int(report["missing"]) == -surplus(called)
    assert [int(cure["cost"]) for cure in cures] == sorted(int(cure["cost"]) for cure in cures)
    assert {"deposit", "close"} <= {cure["name"] for cure in cures}
    assert all(int(c["after"]["new_risk_equity"]) >= int(c["after"]["initial_margin"]) for c in cures)
    assert "deposit" in reading("cures", label(called.account))[1]


def test_cures__cash_proposed__deposited_cures_and_one_less_does_not(called):
    """Interest runs on between the two: one USDC, where the twin is exact to the millionth."""
    system = called.system()
    call = read_margin_call(system, called.account, system.connection.head(), {0: 10**6 * WAD})
    cash = next(
        cure for cure in call.cures(Goal(), CostModel()) if {act.choice.kind for act in cure.acts} == {Kind.DEPOSIT}
    )
    called.bench.deposit(called.stretched, "USDC", cash.capital / WAD - 1)
    assert surplus(called) < 0
    called.bench.deposit(called.stretched, "USDC", 2)
    assert surplus(called) >= 0


def test_cures__trades_proposed__settled_at_mark_by_the_contracts_and_they_cure(called):
    """From below maintenance margin too, as initial margin is met afterwards."""
    system = called.system()
    call = read_margin_call(system, called.account, system.connection.head(), {})
    trades = call.cures(Goal(), CostModel())[0].acts
    maker = called.bench.user("maker", {})
    terms = [(act.choice.subject, act.amount, act.choice.price) for act in trades]

    assert surplus(called) < 0
    assert all(act.choice.kind != Kind.DEPOSIT for act in trades)
    called.bench.cross(called.stretched, maker, terms)
    assert surplus(called) >= 0


def test_cures__only_some_tokens_at_hand__only_they_are_deposited(called, reading):
    cures = json.loads(reading("cures", label(called.account), "--have", "USDC=100000", "--json")[1])["cures"]
    deposits = {act["act"].rpartition(" ")[2] for cure in cures for act in cure["acts"] if act["kind"] == "deposit"}

    assert deposits == {"USDC"}


def test_cures__health_wanted__is_reached(called, reading):
    arguments = ("--target-health", "1.6", "--have", "USDC=1000000", "--json")
    cures = json.loads(reading("cures", label(called.account), *arguments)[1])["cures"]

    assert cures
    assert all(int(cure["after"]["health_factor"]) >= 16 * WAD // 10 for cure in cures)


def test_cures__enough_margin__says_so(stage, reading):
    status, output = reading("cures", label(stage.account))

    assert status == 0
    assert "has what it needs" in output


def test_cures__in_liquidation__only_deposits(stage, reading):
    stage.crash()
    stage.bench.contracts["Auctions"].transact("start", stage.account, 0, sender=stage.bidder.address)
    cures = json.loads(reading("cures", label(stage.account), "--json")[1])["cures"]

    assert {act["kind"] for cure in cures for act in cure["acts"]} == {"deposit"}


@pytest.mark.parametrize("arguments", [("--have", "USDC=much"), ("--slippage", "much")])
def test_cures__malformed__is_wrong_usage(stage, reading, arguments):
    assert reading("cures", label(stage.account), *arguments)[0] == 2
