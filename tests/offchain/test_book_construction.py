"""The first risk book: rebuilt from the shipped history, judged, and held to the rules it was built by."""

import json
from dataclasses import replace

import numpy as np
import pytest

from ballast.errors import ConfigurationError
from ballast.risk.book import WAD, Row, first_book
from ballast.risk.construction import ConstructionSettings, build_book, load_terms, window_end_of
from ballast.risk.history import HistoryError, load_history
from ballast.risk.portfolios import Portfolio, expected_shortfall, losses_of, mean_of_worst, pair_portfolios
from ballast.risk.quality import BookRefused, assess_quality, coverage, historical_multipliers, price_moves, scan
from ballast.risk.stress import FIRST_STRESS, StressDay

NAMED_DAYS = {"2020-03-12", "2021-05-19", "2022-05-11", "2022-06-13", "2022-11-09", "2023-03-11", "2024-08-05"}
RISKY = 3


@pytest.fixture(scope="module")
def history():
    return load_history()


@pytest.fixture(scope="module")
def built(history):
    return build_book(history)


@pytest.fixture(scope="module")
def quality(built):
    return assess_quality(built.book, built.moves)


@pytest.fixture(scope="module")
def covered(built, history):
    return coverage(built.book, history, built.moves)


def outright(at, sign):
    weights = np.zeros(4)
    weights[at] = sign
    return weights


def historical_scan(book, weights):
    rows = price_moves(book)[: len(book.historical)]
    return max(0.0, mean_of_worst(losses_of(rows, weights), book.tail_rows))


def softened(book, share):
    """The book with every price shock shrunk to `share`."""
    shrunk = tuple(
        replace(u, price_shocks=tuple(int(shock * share) for shock in u.price_shocks)) for u in book.underlyings
    )
    return replace(book, underlyings=shrunk)


def test_build_book__shipped_history__is_the_committed_book(built):
    committed = first_book()
    assert built.book == committed
    assert json.loads(built.book.to_json())["metadata"] == committed.metadata


def test_first_book__shape__64_rows_9_by_3_nodes(built):
    book = built.book
    assert (len(book.rows), book.tail_rows) == (64, 4)
    assert {(len(u.price_shocks), len(u.volatility_shocks)) for u in book.underlyings} == {(9, 3)}
    assert [u.symbol for u in book.underlyings] == ["BTC", "ETH", "LINK", "USDT"]


def test_first_book__named_days_and_a_gap_of_each__are_stress_rows(built):
    names = [row.name for row in built.book.stress]
    assert {name[:10] for name in names} >= NAMED_DAYS
    for symbol in ("BTC", "ETH", "LINK"):
        assert {f"{symbol} falls alone", f"{symbol} rises alone"} <= set(names)
    assert "USDT falls alone" in names


def test_first_book__gap_rows__leave_the_companions_where_they_are(built):
    for row in built.book.stress:
        if row.name.endswith("alone"):
            moved = [u.symbol for u, node in zip(built.book.underlyings, row.nodes, strict=True) if node != u.base_node]
            assert moved == [row.name.split()[0]]


def test_first_book__historical_rows__are_days_that_do_not_overlap(built):
    ends = np.array([window_end_of(row.name) for row in built.book.historical])
    assert np.all(np.diff(ends) >= 86_400)


def test_first_book__historical_rows__lie_on_the_node_next_to_what_happened(built):
    grids = [np.array(u.price_shocks)[1:-1] / WAD for u in built.book.underlyings]
    shocks = price_moves(built.book)
    for at, row in enumerate(built.book.historical):
        filtered = np.nan_to_num(built.moves.filtered[built.moves.index_of(window_end_of(row.name))])
        nearest = [grid[np.argmin(np.abs(grid - move))] for grid, move in zip(grids, filtered, strict=True)]
        assert shocks[at] == pytest.approx(nearest)


def test_first_book__volatility_nodes__up_in_large_falls_only(built):
    for row in built.book.rows:
        for u, node in zip(built.book.underlyings[:RISKY], row.nodes, strict=False):
            fell_far = u.price_shocks.index(u.price_shock(node)) <= 2
            assert (u.volatility_shock(node) > 0) == fell_far


@pytest.mark.parametrize("at", range(RISKY))
@pytest.mark.parametrize("sign", [1, -1])
def test_stress_rows__outright_position__raise_its_scan_by_at_most_a_tenth(built, at, sign):
    weights = outright(at, sign)
    assert scan(built.book, weights) <= 1.1 * historical_scan(built.book, weights) * (1 + 1e-9)


def test_stress_days__pairs_at_ratio_one__raise_their_scan_by_at_most_a_tenth(built):
    days = price_moves(built.book)[len(built.book.historical) :][: len(FIRST_STRESS.days)]
    weights = np.array([row.weight for row in built.book.stress[: len(FIRST_STRESS.days)]]) / 1e9
    for portfolio in pair_portfolios(built.moves):
        if portfolio.group == "ratio 1" and portfolio.weights.sum() == 0 and portfolio.weights[3] == 0:
            worst = (losses_of(days, portfolio.weights) * weights).max()
            assert worst <= 1.1 * historical_scan(built.book, portfolio.weights) * (1 + 1e-9)


def test_listing__first_book__every_collateral_may_be_listed(built):
    built.book.check_listing()
    assert all(0 < built.book.listing_requirement(asset) < WAD for asset in built.book.assets[1:])


def test_quality__first_book__every_pair_at_ratio_and_beta_in_all_signs(built, quality):
    assert len(quality.judged) == 8 + 6 * 3 * 4
    assert quality.worst >= 0.9
    quality.require()


def test_quality__ratio__is_the_mean_of_the_worst_rows_over_the_shortfall(built, quality):
    pair = next(p for p in pair_portfolios(built.moves) if p.group == "ratio 1")
    judged = next(ratio for ratio in quality.judged if ratio.portfolio == pair.name)
    rows = price_moves(built.book)[: len(built.book.historical)] @ -pair.weights
    assert judged.on_nodes == pytest.approx(np.sort(rows)[-4:].mean())
    history = -(np.nan_to_num(built.moves.filtered) @ pair.weights)
    worst = np.sort(history)[-int(np.ceil(len(history) / 100)) :]
    assert judged.history == pytest.approx(worst.mean())
    assert judged.fit == pytest.approx(judged.on_nodes / judged.history)


def test_quality__portfolios_the_rows_were_not_fitted_to__stay_above_the_least_ratio(quality):
    assert len(quality.held_out) == 300
    assert min(ratio.fit for ratio in quality.held_out) >= 0.9


def test_quality__shocks_a_fifth_too_small__refused(built):
    with pytest.raises(BookRefused) as refused:
        assess_quality(softened(built.book, 0.8), built.moves).require()
    assert refused.value.least == 0.9
    assert all(ratio.worst < 0.9 for ratio in refused.value.failures)


def test_quality__falls_without_their_worst_day__refused(built):
    base = tuple(u.base_node for u in built.book.underlyings)
    worst = int(np.argmin(price_moves(built.book)[: len(built.book.historical)].sum(axis=1)))
    rows = list(built.book.historical)
    rows[worst] = Row(rows[worst].name, base)
    with pytest.raises(BookRefused):
        assess_quality(replace(built.book, historical=tuple(rows)), built.moves).require()


def test_coverage__counts_losses_beyond_the_scan(built, covered):
    lines = {line.portfolio: line for line in covered}
    long_btc = lines["long BTC"]
    beyond = -built.moves.traded[:, 0] > scan(built.book, outright(0, 1))
    assert long_btc.exceeded == pytest.approx(beyond.mean())
    assert long_btc.exceeded_historical >= long_btc.exceeded
    assert {line.kind for line in lines.values()} == {"directional", "hedged", "basis"}


def test_coverage__every_portfolio__exceeded_in_less_than_half_a_percent(covered):
    assert max(line.exceeded for line in covered) < 0.005


def test_multipliers__within_bounds_and_rise_by_at_most_five_percent_an_hour(built):
    multipliers = historical_multipliers(built.moves)
    assert multipliers.min() >= 0.5 and multipliers.max() <= 3
    assert np.all(multipliers[1:] <= multipliers[:-1] * 1.05 * (1 + 1e-12))
    assert np.all(multipliers[:, RISKY] == 1)


def test_expected_shortfall__hundred_losses__mean_of_the_worst_ones():
    losses = np.arange(1.0, 101.0)
    assert expected_shortfall(losses, 0.99) == 100.0
    assert expected_shortfall(losses, 0.95) == 98.0
    assert expected_shortfall(losses[:10], 0.99) == 10.0


def test_losses_of__short_leg__gains_when_it_falls():
    pair = Portfolio("pair", "ratio 1", np.array([1.0, -0.5]))
    assert losses_of(np.array([[-0.1, -0.2]]), pair.weights) == pytest.approx([0.0])


def test_build_book__stress_day_without_prices__refused(history):
    unknown = replace(FIRST_STRESS, days=(StressDay("a day before all prices", "2018-01-01T00:00"),))
    with pytest.raises(HistoryError):
        build_book(history, settings=ConstructionSettings(stress=unknown))


def test_build_book__terms_of_other_underlyings__refused(history):
    terms = load_terms()
    with pytest.raises(ConfigurationError):
        build_book(history, replace(terms, underlyings=terms.underlyings[:3]))


def test_load_terms__no_terms_file__refused(tmp_path):
    (tmp_path / "terms.json").write_text('{"name": "first"}')
    with pytest.raises(ConfigurationError):
        load_terms(tmp_path / "terms.json")
