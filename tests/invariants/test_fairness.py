"""Each check of `fairness` can fail: pictures and acts of a sound run, tampered with in one place."""

from dataclasses import replace

import pytest

from ballast.chain.codec import Record
from tests.invariants import checks, fairness, protocol
from tests.invariants.everybody import deploy_for_everybody, everybody
from tests.invariants.protocol import Act, Protocol
from tests.support.codec import changed
from tests.support.evm import Log, Receipt, Revert

ACCOUNT, BIDDER = protocol.TRADERS[0].account, protocol.LIQUIDATORS[0].account
WAD = 10**18


@pytest.fixture
def before(system, market):
    """The trader is long one ETH, of cash alone."""
    run = Protocol(system, market, protocol.Random(1))
    run.transact(protocol.TRADERS[0], "withdraw", ACCOUNT, 1, 2**256 - 1, protocol.TRADERS[0].address)
    market.trade(protocol.TRADERS[0], run.room.dealer, "ETH", 1)
    return run.picture()


def told(name, **values):
    return Receipt(None, (Log("", name, Record(list(values), list(values.values()))),), 0)


def with_margin(picture, account, **values):
    return replace(picture, margins={**picture.margins, account: changed(picture.margins[account], **values)})


def with_view(picture, account, **values):
    return replace(picture, views={**picture.views, account: changed(picture.views[account], **values)})


def bid(**values):
    terms = {"account": ACCOUNT, "bidder": BIDDER, "fraction": WAD // 2, "payment": 1, "fromInsurance": 0}
    return told("BidTaken", **(terms | values))


def test_scan_of_a_union__above_the_sum__fails_I12(before):
    most = before.margins[BIDDER].scan + before.margins[ACCOUNT].scan // 2
    fairness.check_scan_of_union(bid(), before, with_margin(before, BIDDER, scan=most))
    with pytest.raises(AssertionError, match="I12"):
        fairness.check_scan_of_union(bid(), before, with_margin(before, BIDDER, scan=most + 10**16))


def test_fund__paying_where_the_account_is_paid__fails_I11(before):
    poorer = replace(before, reserves=before.reserves - 100)
    fairness.check_fund(bid(payment=0, fromInsurance=100), before, poorer)
    for receipt in (bid(fromInsurance=100), told("Donated")):
        with pytest.raises(AssertionError, match="I11"):
            fairness.check_fund(receipt, before, poorer)


def test_bidder__gaining_more_than_the_premium__fails_I10(before):
    sale = bid(payment=0, reward=1, equityForSale=-1, discount=0, fraction=WAD)
    needy = with_margin(before, ACCOUNT, equity=-1)
    premium = before.margins[ACCOUNT].maintenanceMargin
    rich = with_margin(needy, BIDDER, equity=before.margins[BIDDER].equity + premium)
    checks.check_auction("bid", sale, needy, rich)
    richer = with_margin(needy, BIDDER, equity=before.margins[BIDDER].equity + premium + 10**7)
    with pytest.raises(AssertionError, match="I10"):
        checks.check_auction("bid", sale, needy, richer)


def test_auction__started_at_maintenance_margin__fails_I8(before):
    begun, margin = told("AuctionStarted", account=ACCOUNT), before.margins[ACCOUNT].maintenanceMargin
    checks.check_auction("start", begun, with_margin(before, ACCOUNT, equity=margin - 1), before)
    for found in (
        with_margin(before, ACCOUNT, equity=margin),
        with_margin(before, ACCOUNT, equity=0, haltBonus=margin),
    ):
        with pytest.raises(AssertionError, match="I8"):
            checks.check_auction("start", begun, found, before)


def test_bid__at_the_liquidation_end_margin__fails_I8(before):
    needy = with_margin(before, ACCOUNT, equity=before.margins[ACCOUNT].liquidationEndMargin)
    with pytest.raises(AssertionError, match="I8"):
        checks.check_auction("bid", bid(equityForSale=1, discount=0), needy, needy)


def test_bid__that_leaves_the_account_worse_off__fails_I9(before):
    sale, needy = bid(equityForSale=1, discount=0), with_margin(before, ACCOUNT, equity=10**6)
    worse = with_margin(needy, ACCOUNT, equity=10**6 - 100)
    checks.check_auction("bid", sale, needy, needy)
    checks.check_auction("bid", sale, needy, with_view(worse, ACCOUNT, positions=[]))
    with pytest.raises(AssertionError, match="I9"):
        checks.check_auction("bid", sale, needy, worse)


def test_bid__paid_by_the_fund_and_by_the_bidder__fails_I11(before):
    needy = with_margin(before, ACCOUNT, equity=-1)
    checks.check_auction("bid", bid(equityForSale=-1, discount=0, payment=0, fromInsurance=1), needy, needy)
    with pytest.raises(AssertionError, match="I11"):
        checks.check_auction("bid", bid(equityForSale=-1, discount=0, payment=1, fromInsurance=1), needy, needy)


def test_bystander__paying_more_than_his_part_of_a_loss__fails_I7(before):
    index = before.markets["ETH"].view.index
    shared = told("LossShared", instrument=index, longs=True, perUnit=5 * 10**9, amount=1)
    equity = before.margins[ACCOUNT].equity
    due = with_margin(before, ACCOUNT, equity=equity - 5 * 10**9)
    checks.check_others_unhurt("bid", set(), before, due, shared)
    for receipt, picture in ((None, due), (shared, with_margin(before, ACCOUNT, equity=equity - 6 * 10**9))):
        with pytest.raises(AssertionError, match="I7"):
            checks.check_others_unhurt("bid", set(), before, picture, receipt)
    wrong_side = told("LossShared", instrument=index, longs=False, perUnit=5 * 10**9, amount=1)
    with pytest.raises(AssertionError, match="I23"):
        checks.check_authority("socialise", before, due, wrong_side)


@pytest.mark.parametrize("change", [{"index": 0}, {"stable": 0}, {"index": 2_501 * WAD}])
def test_quote__that_nobody_reported__fails_I21(before, change):
    place = list(before.markets).index("ETH")
    quotes = [changed(quote, **change) if at == place else quote for at, quote in enumerate(before.quotes)]
    fairness.check_quotes(before, before)
    with pytest.raises(AssertionError, match="I21"):
        fairness.check_quotes(before, replace(before, quotes=tuple(quotes)))


def test_order__filled_beyond_its_size__fails_I22(before):
    signed = replace(before, orders={(ACCOUNT, 7): WAD})
    fairness.check_orders(told("OrderFilled", account=ACCOUNT, nonce=7, filled=WAD), signed)
    with pytest.raises(AssertionError, match="I22"):
        fairness.check_orders(told("OrderFilled", account=ACCOUNT, nonce=7, filled=WAD + 1), signed)


def test_conversion__dearer_than_its_discount__fails_I23(before):
    sold = told("Converted", account=ACCOUNT, payment=98 * 10**6, discount=WAD // 50)
    open_now = replace(before, discount=WAD // 50)
    equity = before.margins[ACCOUNT].equity
    fairness.check_conversion(sold, open_now, with_margin(before, ACCOUNT, equity=equity - 2 * WAD))
    for earlier, lost in ((open_now, 3 * WAD), (before, 2 * WAD)):
        with pytest.raises(AssertionError, match="I23"):
            fairness.check_conversion(sold, earlier, with_margin(before, ACCOUNT, equity=equity - lost))


@pytest.mark.parametrize("name", ["equity", "maintenanceMargin", "initialMargin"])
def test_guardian__changing_a_margin__fails_I24(before, name):
    other = with_margin(before, ACCOUNT, **{name: getattr(before.margins[ACCOUNT], name) + 1})
    fairness.check_guardian("guard", before, before)
    with pytest.raises(AssertionError, match="I24"):
        fairness.check_guardian("guard", before, other)


def test_guardian__raising_a_cap__fails_I24(before):
    eth = before.markets["ETH"]
    raised = replace(eth, view=changed(eth.view, openInterestCap=eth.view.openInterestCap + 1))
    with pytest.raises(AssertionError, match="I24"):
        fairness.check_guardian("guard", before, replace(before, markets={**before.markets, "ETH": raised}))


def refusal(name, **values):
    return Revert(name, Record(list(values), list(values.values())))


@pytest.mark.parametrize(
    "why",
    [
        refusal("CashHeldBack", least=1),
        refusal("InsufficientLiquidity", asset=0, available=2, requested=1),
        refusal("InsufficientLiquidity", asset=1, available=0, requested=1),
        refusal("OutflowLimitExceeded", asset=0, available=2, requested=1),
        refusal("InitialMarginShortfall"),
        refusal("OracleNotUsable"),
    ],
)
def test_exit__refused_without_need__fails_I25(before, why):
    with pytest.raises(AssertionError, match="I25"):
        fairness.check_exit(Act("leave", {ACCOUNT}, refusal=why), before)


def test_exit__refused_for_want_of_tokens_or_in_a_shortfall__is_as_it_should_be(before):
    short = replace(before, shortfall=before.reserves + 1)
    fairness.check_exit(Act("leave", {ACCOUNT}, refusal=refusal("CashHeldBack", least=1)), short)
    empty = refusal("InsufficientLiquidity", asset=0, available=0, requested=1)
    fairness.check_exit(Act("leave", {ACCOUNT}, refusal=empty), before)


def test_closing_or_repaying__refused__fails_I26(before):
    kept = Act("shrink", {ACCOUNT}, refusal=refusal("RiskNotReduced", account=ACCOUNT))
    with pytest.raises(AssertionError, match="I26"):
        fairness.check_open_acts(kept, before, before)
    fairness.check_open_acts(kept, with_margin(before, ACCOUNT, equity=0), before)
    unpaid = Act("repay", {ACCOUNT}, refusal=refusal("ZeroAmount"))
    fairness.check_open_acts(unpaid, before, before)
    with pytest.raises(AssertionError, match="I26"):
        fairness.check_open_acts(unpaid, with_view(before, ACCOUNT, cash=-1), before)


def test_closing__at_a_cost_beyond_fees__fails_I13(before):
    shrunk = Act("shrink", {ACCOUNT})
    equity = before.margins[ACCOUNT].equity
    fairness.check_open_acts(shrunk, before, with_margin(before, ACCOUNT, equity=equity - WAD))
    with pytest.raises(AssertionError, match="I13"):
        fairness.check_open_acts(shrunk, before, with_margin(before, ACCOUNT, equity=equity - 3 * WAD))


@pytest.mark.parametrize("entry", [(100, 99, True), (100, 100, False)])
def test_role__early_or_beyond_bounds__fails_I30(before, entry):
    fairness.check_roles("enact", before, replace(before, enacted=((100, 100, True),)))
    with pytest.raises(AssertionError, match="I30"):
        fairness.check_roles("enact", before, replace(before, enacted=(entry,)))


@pytest.mark.parametrize("name", ["enact", "guard", "shift_multiplier"])
@pytest.mark.parametrize(
    "change", [{"positions": []}, {"cash": 0}, {"collaterals": [Record(["asset", "amount"], [1, 1])]}]
)
def test_role__touching_what_users_own__fails_I32(before, name, change):
    with pytest.raises(AssertionError, match="I32"):
        fairness.check_roles(name, before, with_view(before, ACCOUNT, **change))


# Expiries -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stage():
    return deploy_for_everybody()


@pytest.fixture
def held(stage):
    """The trader has bought a call of the first expiry, which has come; nobody is settled."""
    with stage.evm.rolled_back():
        run = everybody(stage, 2)
        one = first_of(run)
        run.market.reliability[one.key] = 1
        stage.evm.advance(60)
        run.market.publish()
        run.market.trade(protocol.TRADERS[0], run.room.dealer, one.call(2_000), 1)
        run.market.advance(one.expiry - stage.evm.timestamp)
        yield run


def first_of(run):
    """The expiry of ETH that comes first."""
    return min((one for one in run.market.series if one.symbol == "ETH"), key=lambda one: one.expiry)


def with_expiry(picture, key, **values):
    return replace(picture, expiries={**picture.expiries, key: replace(picture.expiries[key], **values)})


def test_surface__that_no_signer_published__fails_I21(held):
    picture, key = held.picture(), held.market.live[0].key
    fairness.check_expiries(picture, picture)
    forged = changed(picture.expiries[key].quote, surface=picture.expiries[key].surface + 1)
    with pytest.raises(AssertionError, match="I21"):
        fairness.check_expiries(picture, with_expiry(picture, key, quote=forged))


def test_settlement_price__that_nobody_observed__fails_I21(held):
    picture, key = held.picture(), first_of(held).key
    other = picture.expiries[key].price + 1
    with pytest.raises(AssertionError, match="I21"):
        fairness.check_expiries(picture, with_expiry(picture, key, price=other))


def test_settlement_price__changed_afterwards__fails_I28(held):
    picture, key = held.picture(), first_of(held).key
    other = picture.expiries[key].price + 1
    moved = changed(picture.expiries[key].quote, fixedPart=other)
    with pytest.raises(AssertionError, match="I28"):
        fairness.check_expiries(picture, with_expiry(picture, key, price=other, quote=moved))


@pytest.mark.parametrize("wrong", ["price", "value"])
def test_position__settled_at_something_else__fails_I28(held, wrong):
    before = held.picture()
    receipt = held.system.clearinghouse.transact("settle", [ACCOUNT])
    fairness.check_settlement(receipt, before, held.picture())
    [settled] = receipt.events("PositionSettled")
    assert settled.value == settled.price > 0
    terms = {name: getattr(settled, name) for name in ("account", "instrument", "price", "value")}
    with pytest.raises(AssertionError, match="I28"):
        fairness.check_settlement(told("PositionSettled", **terms | {wrong: terms[wrong] + 1}), before, before)


def test_position__gone_without_being_settled__fails_I23(held):
    before = held.picture()
    receipt = held.system.clearinghouse.transact("settle", [ACCOUNT])
    after = held.picture()
    checks.check_authority("settle", before, after, receipt)
    for other in (
        None,
        told("PositionSettled", account=BIDDER, instrument=receipt.events("PositionSettled")[0].instrument),
    ):
        with pytest.raises(AssertionError, match="I23"):
            checks.check_authority("settle", before, after, other)
