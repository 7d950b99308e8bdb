"""24-hour joint moves: windows, wicks, the volatility filter, winsorising."""

import numpy as np
import pytest

from ballast.risk.history import HistoryError, HourlyHistory
from ballast.risk.moves import DAY, MoveSettings, ewma_volatility, joint_moves, without_wicks

HOURS = 24 * 200


def history(hourly_moves, symbols=("BTC", "ETH"), start=0):
    closes = 100 * np.exp(np.cumsum(hourly_moves, axis=0))
    time = start + 3600 * np.arange(1, len(closes) + 1)
    return HourlyHistory(tuple(symbols), time, closes, {})


def walk(seed=7, symbols=2, scale=0.01):
    return np.random.default_rng(seed).normal(scale=scale, size=(HOURS, symbols))


def test_traded_moves__overlap_every_hour__are_simple_returns():
    prices = history(walk())
    moves = joint_moves(prices, MoveSettings())
    hour = int((moves.window_end[500] - prices.time[0]) // 3600)
    assert np.all(np.diff(moves.window_end) == 3600)
    assert moves.traded[500] == pytest.approx(prices.closes[hour] / prices.closes[hour - 24] - 1, rel=1e-12)


def test_ewma_volatility__steady_hourly_moves__is_their_daily_size():
    steady = np.where(np.arange(HOURS) % 2, 0.01, -0.01)
    volatility = ewma_volatility(np.cumsum(steady), MoveSettings())
    assert np.isnan(volatility[: 30 * 24]).all()
    assert volatility[30 * 24 :] == pytest.approx(0.01 * np.sqrt(24), rel=1e-9)


def test_ewma_volatility__after_a_shock__decays_by_the_daily_factor():
    logs = np.zeros(HOURS)
    logs[HOURS // 2 :] = 0.3
    variance = ewma_volatility(logs, MoveSettings()) ** 2
    shock = HOURS // 2
    assert variance[shock + 24] / variance[shock] == pytest.approx(0.94, rel=1e-9)


def test_ewma_volatility__looks_at_nothing_later():
    moves = walk(symbols=1)[:, 0]
    changed = moves.copy()
    changed[3000:] *= 5
    before, after = (ewma_volatility(np.cumsum(m), MoveSettings()) for m in (moves, changed))
    assert np.array_equal(before[:3000], after[:3000], equal_nan=True)
    assert after[3001] > before[3001]


def test_filtered_moves__wild_and_calm_halves__speak_of_one_market():
    hourly = walk()
    hourly[HOURS // 2 :] *= 4
    moves = joint_moves(history(hourly), MoveSettings())
    half = len(moves) // 2
    calm, wild = (part[:, 0].std() for part in (moves.filtered[: half - 400], moves.filtered[half + 400 :]))
    assert moves.traded[half + 400 :, 0].std() > 3 * moves.traded[: half - 400, 0].std()
    assert wild == pytest.approx(calm, rel=0.15)


def test_filtered_moves__beyond_the_tail__drawn_back_to_it():
    hourly = walk()
    hourly[2000, 0] = -1.2
    loose, tight = (joint_moves(history(hourly), MoveSettings(winsor_tail=tail)).filtered[:, 0] for tail in (0.0, 0.01))
    assert loose.min() < 1.5 * tight.min()
    assert (tight == tight.min()).sum() >= 0.009 * len(tight)


def test_without_wicks__one_bar_wick__drawn_back__standing_fall_kept():
    closes = np.array([100.0, 100.0, 60.0, 100.0, 100.0, 70.0, 70.0, np.nan, 70.0])
    smooth = without_wicks(closes, 0.05)
    assert smooth[2] == pytest.approx(95.0)
    assert np.array_equal(np.delete(smooth, 2), np.delete(closes, 2), equal_nan=True)


def test_unfiltered_symbol__excluded_span__is_unknown_and_the_rest_winsorised_only():
    settings = MoveSettings(excluded_unfiltered=(("1970-03-01", "1970-03-03"),))
    prices = history(walk(scale=0.001), symbols=("BTC", "USDT"))
    moves = joint_moves(prices, settings)
    opens = moves.window_end - DAY
    excluded = (opens >= 59 * DAY) & (opens < 61 * DAY)
    assert excluded.sum() == 48
    assert np.array_equal(np.isnan(moves.filtered[:, 1]), excluded)
    middle = np.argsort(np.abs(moves.traded[:, 1]))[: len(moves) // 2]
    known = middle[~excluded[middle]]
    assert moves.filtered[known, 1] == pytest.approx(moves.traded[known, 1], abs=1e-7)
    assert list(moves.is_filtered) == [True, False]


def test_known__portfolio_without_the_stablecoin__judged_on_all_windows():
    moves = joint_moves(
        history(walk(), symbols=("BTC", "USDT")), MoveSettings(excluded_unfiltered=(("1970-03-01", "1970-03-03"),))
    )
    assert len(moves.known(np.array([1.0, 0.0]))) == len(moves)
    assert len(moves.known(np.array([1.0, 1.0]))) == len(moves) - 48


def test_missing_price__windows_that_touch_it__left_out():
    prices = history(walk())
    gap = prices.time[3000]
    prices.closes[3000] = np.nan
    moves = joint_moves(prices, MoveSettings())
    assert gap not in moves.window_end
    assert gap + DAY not in moves.window_end
    with pytest.raises(HistoryError):
        moves.index_of(int(gap))


def test_joint_moves__history_shorter_than_the_burn_in__refused():
    with pytest.raises(HistoryError):
        joint_moves(history(walk()[: 24 * 30]), MoveSettings())


def test_hourly_history__clock_with_a_hole__refused():
    prices = history(walk())
    with pytest.raises(HistoryError):
        HourlyHistory(prices.symbols, np.delete(prices.time, 5), np.delete(prices.closes, 5, axis=0), {})
