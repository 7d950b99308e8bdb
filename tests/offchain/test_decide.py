"""What a keeper decides, as functions of a snapshot."""

from dataclasses import replace

import pytest

from ballast.chain.ids import option_of, perp_of
from ballast.keeper.decide import PRICE_SLACK, AccountHealth, AuctionState, IntentKind, Policy, Snapshot, intents

WAD = 10**18
BIDDER, SICK, OTHER = 1 << 96, 2 << 96, 3 << 96


def health(account, **changes):
    base = AccountHealth(
        account=account,
        equity=900 * WAD,
        halt_bonus=0,
        maintenance=1_000 * WAD,
        initial=1_250 * WAD,
        fixed=20 * WAD,
        gross=10_000 * WAD,
        instruments=frozenset({perp_of(1)}),
        assets=frozenset({1}),
        position_nonce=5,
        in_liquidation=False,
        new_risk_equity=900 * WAD,
    )
    return replace(base, **changes)


RICH = health(
    BIDDER, equity=10**6 * WAD, new_risk_equity=10**6 * WAD, initial=0, maintenance=0, instruments=frozenset()
)
AUCTION = AuctionState(
    account=SICK,
    auction_id=4,
    insolvent=False,
    discount=WAD // 10,
    premium_rate=0,
    proceeds=0,
    price=810 * WAD,
    min_fraction=WAD // 10,
    max_fraction=WAD // 2,
    observed_at=1_000,
)
POLICY = Policy(bidder=BIDDER)


def snapshot(*accounts, auctions=(), unknown=(), timestamp=1_000):
    return Snapshot(
        9,
        timestamp,
        {entry.account: entry for entry in accounts},
        {auction.account: auction for auction in auctions},
        frozenset(unknown),
    )


def kinds(found):
    return [(intent.kind, intent.account) for intent in found]


def test_start__below_maintenance__deepest_first():
    deep = health(OTHER, equity=100 * WAD)

    assert kinds(intents(snapshot(health(SICK), deep), Policy())) == [
        (IntentKind.START, OTHER),
        (IntentKind.START, SICK),
    ]


def test_start__at_maintenance_exactly__nothing():
    assert intents(snapshot(health(SICK, equity=1_000 * WAD)), Policy()) == []


def test_start__halt_bonus_lifts_it_over_maintenance__nothing():
    assert intents(snapshot(health(SICK, halt_bonus=100 * WAD)), Policy()) == []


def test_start__already_in_liquidation__nothing():
    assert intents(snapshot(health(SICK, in_liquidation=True)), Policy()) == []


def test_unknown_accounts__are_never_acted_on_nor_hidden():
    seen = snapshot(unknown=[SICK])

    assert intents(seen, POLICY) == []
    assert seen.unknown == {SICK}


def test_bid__account_in_auction_could_not_be_read__nothing():
    """What cannot be read is no bargain."""
    found = intents(snapshot(RICH, auctions=[AUCTION], unknown=[SICK]), POLICY)
    assert IntentKind.BID not in [intent.kind for intent in found]


def test_write_off__only_debt_is_left():
    worthless = health(SICK, equity=-5 * WAD, maintenance=0, instruments=frozenset(), assets=frozenset())

    assert kinds(intents(snapshot(worthless), Policy())) == [(IntentKind.WRITE_OFF, SICK)]


def test_bid__profitable__names_what_it_saw():
    (bid,) = intents(snapshot(RICH, health(SICK, in_liquidation=True), auctions=[AUCTION]), POLICY)

    assert (bid.kind, bid.auction_id, bid.position_nonce) == (IntentKind.BID, 4, 5)
    assert bid.fraction == 6 * WAD // 10
    # 5.5 of profit and gas, of 80 that the whole would earn after hedging.
    assert bid.least_fraction == 55 * WAD // 800
    assert bid.highest_price == 9 * WAD // 10 + PRICE_SLACK
    # Half of 900 · 10 % discount, less half of 10,000 · 0.1 % hedging, less 0.5 of gas.
    assert bid.profit == 45 * WAD - 5 * WAD - WAD // 2


def test_bid__a_small_slice_is_for_sale__asks_for_more_than_the_contract_may_sell_by_then():
    small = replace(AUCTION, min_fraction=WAD // 20, max_fraction=WAD // 20)
    (bid,) = intents(
        snapshot(RICH, health(SICK, in_liquidation=True), auctions=[small]), replace(POLICY, least_profit=WAD)
    )

    assert bid.fraction == 3 * WAD // 20
    assert bid.profit == 4 * WAD - WAD // 2


def test_bid__capital_is_limited__takes_what_it_can_margin():
    poor = replace(RICH, equity=300 * WAD, new_risk_equity=300 * WAD)
    seen = snapshot(poor, health(SICK, in_liquidation=True), auctions=[replace(AUCTION, max_fraction=WAD)])
    (bid,) = intents(seen, replace(POLICY, least_profit=0))
    free = (300 - 20) * WAD * 9 // 10
    needed = (1_250 - 20 - 90) * WAD

    assert bid.fraction == free * WAD // needed


@pytest.mark.parametrize(
    ("bidder", "policy"),
    [
        (replace(RICH, new_risk_equity=20 * WAD), POLICY),
        (RICH, replace(POLICY, least_profit=40 * WAD)),
        (RICH, replace(POLICY, related=frozenset({SICK >> 96}))),
        (RICH, replace(POLICY, bidder=None)),
        (replace(RICH, instruments=frozenset(option_of(1, 1, strike, is_put=False) for strike in range(64))), POLICY),
        (replace(RICH, instruments=frozenset(perp_of(underlying) for underlying in range(2, 10))), POLICY),
        (replace(RICH, assets=frozenset(range(2, 10))), POLICY),
    ],
    ids=[
        "no capital",
        "profit too small",
        "related owner",
        "no bidder",
        "no slot for positions",
        "too many underlyings",
        "no slot for assets",
    ],
)
def test_bid__not_worth_it_or_not_possible__nothing(bidder, policy):
    seen = snapshot(bidder, health(SICK, in_liquidation=True), auctions=[AUCTION])

    assert [intent for intent in intents(seen, policy) if intent.kind is IntentKind.BID] == []


def test_bid__own_account__never():
    own = health(BIDDER | 7, in_liquidation=True)
    seen = snapshot(RICH, own, auctions=[replace(AUCTION, account=own.account)])

    assert [intent for intent in intents(seen, POLICY) if intent.kind is IntentKind.BID] == []


def test_bid__insolvent_auction__counts_the_premium():
    insolvent = replace(AUCTION, insolvent=True, premium_rate=WAD // 4, price=-350 * WAD, max_fraction=WAD)
    seen = snapshot(RICH, health(SICK, equity=-100 * WAD, in_liquidation=True), auctions=[insolvent])
    (bid,) = intents(seen, POLICY)

    assert bid.fraction == WAD
    assert bid.profit == 250 * WAD - 10 * WAD - WAD // 2


def test_bids__several_auctions__best_first():
    better = replace(AUCTION, account=OTHER, price=720 * WAD)
    sick = [health(account, in_liquidation=True) for account in (SICK, OTHER)]
    seen = snapshot(RICH, *sick, auctions=[AUCTION, better])

    assert kinds(intents(seen, POLICY)) == [(IntentKind.BID, OTHER), (IntentKind.BID, SICK)]
    assert kinds(intents(seen, replace(POLICY, bids_at_once=1))) == [(IntentKind.BID, OTHER)]


def test_bids__several_auctions__never_beyond_the_capital_together():
    poor = replace(RICH, equity=900 * WAD, new_risk_equity=900 * WAD)
    sick = [health(account, in_liquidation=True) for account in (SICK, OTHER)]
    auctions = [replace(AUCTION, account=account, max_fraction=WAD) for account in (SICK, OTHER)]
    found = intents(snapshot(poor, *sick, auctions=auctions), replace(POLICY, least_profit=0))
    needed = (1_250 - 20 - 90) * WAD

    assert len(found) == 1
    assert sum(bid.fraction for bid in found) * needed // WAD <= 900 * WAD


def test_poke__clock_would_stop__kept_running():
    idle = snapshot(health(SICK, in_liquidation=True), auctions=[AUCTION], timestamp=1_000 + POLICY.poke_every)

    assert kinds(intents(idle, Policy())) == [(IntentKind.POKE, SICK)]


def test_poke__left_to_another_keeper__nothing():
    idle = snapshot(health(SICK, in_liquidation=True), auctions=[AUCTION], timestamp=1_000_000)

    assert intents(idle, Policy(poke_every=None)) == []


def test_intents__under_way__are_not_repeated():
    seen = snapshot(health(SICK))
    (start,) = intents(seen, Policy())

    assert intents(seen, Policy(), {start.purpose}) == []
