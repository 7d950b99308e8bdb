"""`ballast waterfall show` against a real chain, from health to an insolvent auction."""

import json

import pytest

WAD = 10**18
USDC = 10**6


@pytest.fixture
def standing(stage, reading):
    """What is told of the account, or of the protocol."""

    def told(of_account=True):
        account = [f"0x{stage.account >> 96:040x}/0"] if of_account else []
        status, output = reading("waterfall", "show", *account, "--json")
        assert status == 0
        return json.loads(output)

    return told


def insure(stage, amount):
    """Somebody buys shares of the fund."""
    token, fund = stage.bench.token("USDC"), stage.bench.contracts["InsuranceFund"]
    token.transact("mint", stage.bidder.address, amount * USDC)
    token.transact("approve", fund, amount * USDC, sender=stage.bidder.address)
    fund.transact("deposit", amount * USDC, stage.bidder.address, sender=stage.bidder.address)


def test_show__prices_fall__account_goes_down_step_by_step(stage, standing):
    assert standing()["step"] == "healthy"
    stage.crash(0.93)
    called = standing()
    margin = stage.bench.contracts["Clearinghouse"].call("marginOf", stage.account)
    assert called["step"] in ("margin call", "liquidatable")
    assert int(called["missing"]) == margin.initialMargin - margin.equity + margin.stableGap + margin.untrustedGain

    stage.crash()
    assert standing()["step"] == "liquidatable"
    stage.bench.contracts["Auctions"].transact("start", stage.account, 0, sender=stage.bidder.address)
    live = standing()
    assert (live["step"], live["auction"]["clock_stands"]) == ("solvent auction", False)


def test_show__auction_runs__terms_are_the_contracts(stage, standing, reading):
    stage.crash()
    auctions = stage.bench.contracts["Auctions"]
    auctions.transact("start", stage.account, 0, sender=stage.bidder.address)
    stage.bench.move_time(120)
    told, view = standing()["auction"], auctions.call("auctionOf", stage.account)

    assert int(told["rate"]) == view.discount > 2 * WAD // 100
    assert int(told["price"]) == view.price
    assert int(told["largest_fraction"]) == view.maxFraction
    assert told["clock_seconds"] == view.elapsed // WAD > 120
    assert "discount now" in reading("waterfall", "show", f"0x{stage.account >> 96:040x}/0")[1]
    assert [row["account"] for row in standing(of_account=False)["auctions"]] == [hex(stage.account)]

    stage.bench.move_time(301)
    assert standing()["auction"]["clock_stands"] is True


def test_show__account_owes_more_than_it_has__shortfall_and_what_is_held_back(stage, standing, reading):
    insure(stage, 100)
    stage.crash(0.82)
    stage.crash(0.66)
    auctions, fund = stage.bench.contracts["Auctions"], stage.bench.contracts["InsuranceFund"]
    auctions.transact("start", stage.account, 0, sender=stage.bidder.address)
    account, protocol = standing(), standing(of_account=False)
    vault = stage.bench.contracts["Clearinghouse"].call("vaultState")

    assert account["step"] == "insolvent auction"
    assert int(protocol["open_shortfall"]) == auctions.call("openShortfall") > 0
    assert int(protocol["reserves"]) == fund.call("reserves")
    assert int(protocol["outflow_left"]) == fund.call("available") < fund.call("reserves")
    beyond = auctions.call("openShortfall") - fund.call("reserves")
    assert int(protocol["held_back_share"]) == -(-beyond * WAD // vault.totalCash) > 0
    assert "they lack" in reading("waterfall", "show")[1]


def test_show__loss_beyond_the_fund__who_shared_it_is_told(stage, standing, reading):
    """Longs of every perpetual fail; the shorts, who gained, pay."""
    stage.crash(0.82)
    stage.crash(0.66)
    auctions = stage.bench.contracts["Auctions"]
    auctions.transact("start", stage.account, 0, sender=stage.bidder.address)
    assert standing(of_account=False)["loss_shares"] == []
    terms = (
        stage.account,
        stage.bidder_account,
        auctions.call("auctionOf", stage.account).id,
        stage.bench.contracts["Clearinghouse"].call("accountOf", stage.account).positionNonce,
        WAD,
        WAD // 10,
        WAD,
    )
    auctions.transact("bid", terms, sender=stage.bidder.address)
    shares = standing(of_account=False)["loss_shares"]

    assert shares
    assert all(int(share["short"]) > 0 for share in shares)
    assert {int(share["long"]) for share in shares} == {0}
    assert "shorts paid" in reading("waterfall", "show")[1]


def test_show__fund_has_paid__what_counts_for_each_underlying_is_told(stage, standing, reading):
    insure(stage, 1_000)
    stage.crash(0.82)
    stage.crash(0.66)
    auctions, fund = stage.bench.contracts["Auctions"], stage.bench.contracts["InsuranceFund"]
    auctions.transact("start", stage.account, 0, sender=stage.bidder.address)
    nonce = stage.bench.contracts["Clearinghouse"].call("accountOf", stage.account).positionNonce
    live = auctions.call("auctionOf", stage.account).id
    terms = (stage.account, stage.bidder_account, live, nonce, WAD, WAD // 10, WAD)
    assert "What the fund pays" not in reading("waterfall", "show")[1]
    auctions.transact("bid", terms, sender=stage.bidder.address)

    outflows = {row["underlying"]: row for row in standing(of_account=False)["outflows"]}
    paid = {number for number, row in outflows.items() if int(row["paid_lately"])}
    assert paid
    for number, row in outflows.items():
        view = fund.call("outflowOf", number)
        assert (int(row["paid_lately"]), int(row["left"])) == (view.paidLately, view.left)
        assert int(row["fraction"]) == 15 * WAD // 100
    assert "What the fund pays" in reading("waterfall", "show")[1]


def test_show__redemption_asked_for__is_listed_until_it_lapses(stage, standing, reading):
    insure(stage, 100)
    fund = stage.bench.contracts["InsuranceFund"]
    shares = fund.call("balanceOf", stage.bidder.address)
    fund.transact("requestRedemption", shares // 2, sender=stage.bidder.address)
    (told,) = standing(of_account=False)["redemptions"]

    assert (told["holder"].lower(), int(told["shares"])) == (stage.bidder.address.lower(), shares // 2)
    assert told["ready_at"] < told["lapses_at"]
    assert "redemptions pending" in reading("waterfall", "show")[1]
    stage.bench.move_time(told["lapses_at"] - stage.bench.now() + 1)
    assert standing(of_account=False)["redemptions"] == []
