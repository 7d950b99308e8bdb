"""The `ballast` command against a real chain."""

import json

import pytest
from click.testing import CliRunner

from ballast.cli.main import main
from ballast.reconcile import reconcile

WAD = 10**18


def label(account):
    return f"0x{account >> 96:040x}/0"


def test_reconcile__untouched_system__is_exact_to_the_wei(reading):
    status, output = reading("reconcile", "--json")
    report = json.loads(output)

    assert status == 0
    assert report["reconciled"] is True
    assert report["failures"] == []
    assert report["checks"] > 40


def test_reconcile__after_a_liquidation__is_exact_to_the_wei(stage, reading):
    stage.crash()
    auctions, clearinghouse = stage.bench.contracts["Auctions"], stage.bench.contracts["Clearinghouse"]
    auctions.transact("start", stage.account, stage.bidder_account, sender=stage.bidder.address)
    terms = (
        stage.account,
        stage.bidder_account,
        auctions.call("auctionOf", stage.account).id,
        clearinghouse.call("accountOf", stage.account).positionNonce,
        WAD,
        WAD // 10,
        WAD,
    )
    auctions.transact("bid", terms, sender=stage.bidder.address)

    assert reading("reconcile")[0] == 0


def test_reconcile__fees_distributed_and_interest_accrued__is_exact_to_the_wei(stage, reading):
    clearinghouse = stage.bench.contracts["Clearinghouse"]
    stage.bench.move_time(40 * 86_400)
    clearinghouse.transact("distributeFees", sender=stage.bidder.address)
    stage.bench.move_time(86_400)

    assert clearinghouse.call("cashOf", stage.bench.contracts["InsuranceFund"].call("account")) > 0
    assert reading("reconcile")[0] == 0


def test_reconcile__tampered_storage__names_the_difference(stage):
    system = stage.system()
    held = stage.bench.token("USDC").call("balanceOf", stage.bench.contracts["Clearinghouse"])
    thief = stage.bench.contracts["Clearinghouse"].address
    stage.node.request("anvil_impersonateAccount", thief)
    stage.node.request("anvil_setBalance", thief, hex(WAD))
    stage.bench.token("USDC").transact("transfer", stage.bidder.address, held // 2, sender=thief)

    failures = reconcile(system).failures
    assert [failure.invariant for failure in failures] == ["I1"]
    assert failures[0].difference < 0


def test_account_show__explains_the_margin(stage, reading):
    status, output = reading("account", "show", label(stage.account), "--json")
    report = json.loads(output)
    parts = [int(holding["contribution"]) for holding in report["holdings"]]

    assert status == 0
    assert report["state"] == "healthy"
    assert sum(parts) + int(report["charges"]["fixedCharge"]) == int(report["margin"]["maintenanceMargin"])
    assert len(report["holdings"]) == 8
    assert "health factor" in reading("account", "show", label(stage.account))[1]


def test_account_show__nothing_there__says_so(reading):
    status, output = reading("account", "show", "0x00000000000000000000000000000000000000aa")

    assert status == 3
    assert "holds nothing" in output


def test_account_show__malformed__is_wrong_usage(reading):
    assert reading("account", "show", "0xnonsense")[0] == 2


def test_markets__lists_every_instrument(reading):
    status, output = reading("markets", "--json")
    markets = json.loads(output)["markets"]

    assert status == 0
    assert [market["instrument"] for market in markets] == ["PERP:BTC", "PERP:ETH", "PERP:LINK", "PERP:USDT"]
    assert all(market["oracle_state"] == "ok" for market in markets)


def test_whatif__nothing_changed__equals_the_chain(stage, reading):
    status, output = reading("whatif", label(stage.account), "--json")
    report = json.loads(output)
    margin = stage.bench.contracts["Clearinghouse"].call("marginOf", stage.account)

    assert status == 0
    assert report["before"] == report["after"]
    assert int(report["before"]["maintenance_margin"]) == margin.maintenanceMargin
    assert int(report["before"]["equity"]) == margin.equity


def test_whatif__hedge_lowers_and_fall_worsens(stage, reading):
    hedged = json.loads(reading("whatif", label(stage.account), "--leg", "PERP:ETH:-10", "--json")[1])
    fallen = json.loads(reading("whatif", label(stage.account), "--shock", "ETH=-30%", "--json")[1])

    assert int(hedged["after"]["maintenance_margin"]) < int(hedged["before"]["maintenance_margin"])
    assert int(fallen["after"]["health_factor"]) < int(fallen["before"]["health_factor"])


@pytest.mark.parametrize("arguments", [("--leg", "PERP:ETH"), ("--leg", "SWAP:ETH:1"), ("--shock", "ETH=much")])
def test_whatif__malformed__is_wrong_usage(stage, reading, arguments):
    assert reading("whatif", label(stage.account), *arguments)[0] == 2


def test_auctions__live_one__is_listed(stage, reading):
    stage.crash()
    auctions = stage.bench.contracts["Auctions"]
    auctions.transact("start", stage.account, 0, sender=stage.bidder.address)
    (row,) = json.loads(reading("auctions", "--json")[1])["auctions"]

    assert int(row["account"], 16) == stage.account
    assert row["insolvent"] is False


def test_any_command__no_deployment_file__says_what_to_do(stage):
    environment = {"BALLAST_RPC_URL": stage.node.url, "BALLAST_DEPLOYMENT": "nowhere.json"}
    result = CliRunner().invoke(main, ["markets"], env=environment)

    assert result.exit_code == 3
    assert "./dev deploy" in result.output


def test_keeper_run__no_key__says_what_to_set(stage, reading, tmp_path):
    status, output = reading("keeper", "run", "--once", "--database", str(tmp_path / "k.sqlite"))

    assert status == 3
    assert "BALLAST_KEYSTORE" in output


def test_keeper_run__watch_only_once__reports(stage, reading, tmp_path):
    stage.crash()
    database = str(tmp_path / "keeper.sqlite")
    status, output = reading("keeper", "run", "--watch-only", "--once", "--json", "--database", database)

    assert status == 0
    assert hex(stage.account) in output

    head = stage.system().connection.head().number
    told = json.loads(reading("keeper", "status", "--json", "--database", database)[1])
    assert (told["handled"], told["block"]) == (head, head)
    assert f"block {head} handled" in reading("keeper", "status", "--database", database)[1]
