"""What the oracle hub needs done, as a function of what was read."""

from dataclasses import replace

import pytest

from ballast.keeper.upkeep import (
    ACCOUNTS_A_SETTLEMENT,
    ChoreKind,
    ExpiryView,
    OracleView,
    UpkeepPolicy,
    chores,
    expiry_chores,
    settlement_chores,
)

WAD = 10**18
NOW = 1_700_000_000
ETH, BTC = 2, 1
STALE = 2
POLICY = UpkeepPolicy(poke_every=60, refresh_every=60, drift_bps=50)
QUIET = OracleView(
    underlying=ETH,
    index=2_500 * WAD,
    stable=2_500 * WAD,
    refreshed_at=NOW - 600,
    quoted=2_500 * WAD,
    state=0,
    second_price=2_500 * WAD,
    second_published_at=NOW - 600,
    second_report=(2_500 * WAD, NOW - 600),
    newest_report_at=NOW - 600,
    pending_level=0,
    stable_delay=1_800,
)


def decided(*views, **more):
    return [(chore.kind, chore.subject) for chore in chores(views, NOW, POLICY, **more)]


def view(**changes):
    return replace(QUIET, **changes)


POKE, REFRESH = (ChoreKind.POKE, ETH), (ChoreKind.REFRESH, 1 << ETH)


def test_chores__nothing_moved__none():
    assert decided(QUIET) == []


def test_chores__second_source_reported_again__poked():
    assert decided(view(second_report=(2_500 * WAD, NOW - 5))) == [POKE]


@pytest.mark.parametrize(
    "changes",
    [
        {"second_report": None},
        {"second_published_at": None, "second_report": None},
        {"second_report": (2_600 * WAD, NOW - 600)},
        {"second_report": (2_600 * WAD, NOW - 700)},
        {"second_report": (2_600 * WAD, NOW + 1)},
    ],
    ids=["silent", "none configured", "cached already", "rolled back", "future-dated"],
)
def test_chores__second_source_tells_nothing_new__not_poked(changes):
    assert decided(view(**changes)) == []


@pytest.mark.parametrize(("price", "expected"), [(2_512, []), (2_513, [POKE]), (2_487, [POKE])])
def test_chores__cached_price_young__poked_only_where_it_moved(price, expected):
    assert decided(view(second_published_at=NOW - 20, second_report=(price * WAD, NOW - 5))) == expected


@pytest.mark.parametrize(("quoted", "expected"), [(2_512, []), (2_513, [REFRESH]), (2_487, [REFRESH])])
def test_chores__price_moved_and_nobody_acted__refreshed(quoted, expected):
    assert decided(view(quoted=quoted * WAD)) == expected


@pytest.mark.parametrize(("elapsed", "expected"), [(899, []), (900, [REFRESH])])
def test_chores__stable_price_behind__refreshed_before_a_move_stops_counting(elapsed, expected):
    assert decided(view(stable=2_400 * WAD, refreshed_at=NOW - elapsed)) == expected


def test_chores__stable_price_has_arrived__left_alone():
    assert decided(view(refreshed_at=NOW - 10**6)) == []


def test_chores__step_refused_in_a_view__its_clock_is_started():
    assert decided(view(state=STALE, newest_report_at=NOW - 30)) == [REFRESH]


def test_chores__all_sources_silent__not_refreshed_in_vain():
    assert decided(view(state=STALE, second_report=None, newest_report_at=0)) == []


@pytest.mark.parametrize(("elapsed", "expected"), [(59, []), (60, [REFRESH])])
def test_chores__step_waiting__seen_each_minute(elapsed, expected):
    assert decided(view(pending_level=3_500 * WAD, refreshed_at=NOW - elapsed)) == expected


def test_chores__several_due__one_refresh_of_all_after_the_pokes():
    moved = view(quoted=2_600 * WAD, second_report=(2_600 * WAD, NOW - 5))
    assert decided(moved, replace(moved, underlying=BTC)) == [
        POKE,
        (ChoreKind.POKE, BTC),
        (ChoreKind.REFRESH, 1 << ETH | 1 << BTC),
    ]


def test_chores__settlement_token_due__refreshed_without_being_asked_for():
    assert decided(view(underlying=0, quoted=WAD, index=WAD * 98 // 100)) == [(ChoreKind.REFRESH, 0)]


def test_chores__under_way__not_repeated():
    moved = view(quoted=2_600 * WAD, second_report=(2_600 * WAD, NOW - 5))
    assert decided(moved, under_way=["oracle-poke 0x2"]) == [REFRESH]
    assert decided(moved, under_way=["oracle-refresh 0x2"]) == [POKE]


def test_expiry_chores__minute_due__observed_before_anything_is_recorded():
    views = [ExpiryView(1, None, True), ExpiryView(2, 17, False), ExpiryView(3, None, False)]
    found = [(chore.kind, chore.subject, chore.reason) for chore in expiry_chores(views)]
    assert found == [
        (ChoreKind.OBSERVE, 2, "minute 17 of its window"),
        (ChoreKind.FINALISE, 1, "its price is known"),
    ]


def test_expiry_chores__under_way__not_repeated():
    views = [ExpiryView(1, None, True), ExpiryView(2, 17, False)]
    assert expiry_chores(views, [chore.purpose for chore in expiry_chores(views)]) == []


def test_settlement_chores__whoever_holds_what_has_its_price__settled():
    held = {7: [1, 2], 5: [2], 6: [3]}
    (chore,) = settlement_chores(held, [2])
    assert (chore.kind, chore.subject, chore.accounts) == (ChoreKind.SETTLE, 5, (5, 7))


def test_settlement_chores__without_a_price_or_holders__none():
    assert settlement_chores({7: [1]}, []) == []
    assert settlement_chores({}, [1]) == []


def test_settlement_chores__many_accounts__some_a_transaction_and_none_twice():
    held = {account: [1] for account in range(40)}
    found = settlement_chores(held, [1])
    assert [len(chore.accounts) for chore in found] == [ACCOUNTS_A_SETTLEMENT, ACCOUNTS_A_SETTLEMENT, 8]
    assert sorted(account for chore in found for account in chore.accounts) == list(range(40))
    assert settlement_chores(held, [1], [found[1].purpose]) == [found[0], found[2]]
