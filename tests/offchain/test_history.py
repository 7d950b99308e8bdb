"""Price history that ships with the package: every crisis window loads, and is what its name says."""

from datetime import UTC, datetime

import numpy as np
import pytest

from ballast.risk.history import Bars, Crisis, MalformedBars, UnknownCrisis, crisis_names, load_crisis

LOWEST_TRADE = {
    ("2020-03-12", "BTC"): 3782.13,
    ("2020-03-12", "ETH"): 86.0,
    ("2020-03-12", "LINK"): 0.0001,
    ("2021-05-19", "BTC"): 30000.0,
    ("2021-05-19", "ETH"): 1888.0,
    ("2021-05-19", "LINK"): 21.0,
    ("2022-05-11", "ETH"): 1800.0,
    ("2022-06-13", "ETH"): 881.56,
    ("2022-11-08", "BTC"): 15588.0,
    ("2023-03-11", "USDC"): 0.876576,
    ("2024-08-05", "ETH"): 2111.0,
}


def bars(**changes):
    arrays = {
        "open_time": np.array([0, 60]),
        "open": np.array([10.0, 11.0]),
        "high": np.array([12.0, 12.0]),
        "low": np.array([9.0, 10.0]),
        "close": np.array([11.0, 10.5]),
    }
    return Bars(symbol="BTC", bar_seconds=60, **(arrays | changes))


def test_load_crisis__every_name__covers_its_day_without_gaps():
    for name in crisis_names():
        crisis = load_crisis(name)
        day = int(datetime.fromisoformat(name).replace(tzinfo=UTC).timestamp())
        assert crisis.start <= day and day + 86_400 <= crisis.end
        assert np.all(np.diff(crisis.open_time) == crisis.bar_seconds)
        assert {"BTC", "ETH", "LINK"} <= set(crisis.symbols)


def test_load_crisis__known_lows__kept_as_traded():
    lows = {key: load_crisis(key[0]).bars[key[1]].low.min() for key in LOWEST_TRADE}
    assert lows == LOWEST_TRADE


def test_load_crisis__2021_05_19__by_the_minute_for_36_hours():
    crisis = load_crisis("2021-05-19")
    assert (crisis.bar_seconds, len(crisis.open_time)) == (60, 36 * 60)


def test_load_crisis__unknown_name__names_the_known():
    with pytest.raises(UnknownCrisis) as refused:
        load_crisis("1987-10-19")
    assert refused.value.name == "1987-10-19"
    assert "2021-05-19" in refused.value.known


@pytest.mark.parametrize(
    "changes",
    [
        {"close": np.array([11.0, 0.0]), "low": np.array([9.0, 0.0])},
        {"close": np.array([11.0, np.nan])},
        {"close": np.array([11.0, 13.0])},
        {"open_time": np.array([60, 0])},
        {"open_time": np.array([0, 60, 120])},
    ],
    ids=["zero price", "not a number", "close above high", "unordered", "lengths differ"],
)
def test_bars__malformed__refused(changes):
    assert len(bars()) == 2
    with pytest.raises(MalformedBars):
        bars(**changes)


def test_crisis__bars_at_different_times__refused():
    early, late = bars(), bars(open_time=np.array([60, 120]))
    with pytest.raises(MalformedBars):
        Crisis("2000-01-01", "two clocks", "nowhere", 60, {"BTC": early, "ETH": late})
