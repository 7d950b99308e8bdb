"""What the demo lists and quotes: accepted by the expiries' own rules, whatever happened that day."""

from datetime import UTC, datetime

import numpy as np
import pytest

from ballast.chain.instruments import expiry_of, parse_instrument
from ballast.risk.expiry import Expiries
from ballast.risk.history import load_crisis
from ballast.risk.pricing import Surface
from scripts.demo.board import OPTIONS_ON, Board, Quotes, last_friday, rounded

CRISES = ("2020-03-12", "2021-05-19", "2022-05-11", "2022-11-08", "2024-08-05")
UNDERLYINGS = {"BTC": 1, "ETH": 2, "LINK": 3}
LISTED_AS = Surface(0, 640_000_000, 0, 0, 0, 10**9)


def day_of(crisis):
    return int(np.datetime64(crisis.name, "s").astype(int))


def scene(name):
    crisis = load_crisis(name)
    first = int(np.searchsorted(crisis.open_time, day_of(crisis)))
    prices = {symbol: float(bars.close[first]) for symbol, bars in crisis.bars.items()}
    return crisis, first, Board.of(crisis, prices, UNDERLYINGS)


@pytest.mark.parametrize("name", CRISES)
def test_surfaces__of_a_whole_crisis__accepted_by_the_expiries(name):
    """Levels, steps, and arbitrage within and across expiries, at every publication."""
    crisis, first, board = scene(name)
    quotes = Quotes(crisis, board)
    every = max(1, 300 // crisis.bar_seconds)
    for symbol in OPTIONS_ON:
        expiries = Expiries(surfaces=dict.fromkeys(board.expiries, LISTED_AS))
        for bar in range(first, len(crisis.open_time), every):
            now = int(crisis.open_time[bar]) + crisis.bar_seconds
            quoted = quotes.surfaces(bar, now)
            reports = [(expiry, quoted[board.key(symbol, expiry)]) for expiry in board.expiries if expiry > now]
            assert expiries.submit(reports, now, now) == [expiry for expiry, _ in reports]
            if board.far - now < 7 * 86_400:
                break


def test_volatility__in_a_crash__rises():
    crisis, first, board = scene("2021-05-19")
    quotes = Quotes(crisis, board)
    calm, worst = (quotes.volatility("ETH", bar) for bar in (first, first + 14 * 60))
    assert 0.5 < calm < worst < 3.0


def test_board__its_instruments__one_expiry_within_the_day_and_one_a_month_off():
    crisis, _, board = scene("2021-05-19")
    assert board.near - day_of(crisis) == 8 * 3600
    assert datetime.fromtimestamp(board.far, UTC).isoformat() == "2021-05-28T08:00:00+00:00"
    instruments = board.instruments()
    assert len(instruments) == 2 * (2 + 2 * (5 + 6))
    for label, instrument in instruments.items():
        assert parse_instrument(label, UNDERLYINGS.__getitem__) == instrument
        assert expiry_of(instrument) in board.expiries
    assert board.option("ETH", board.far, 0.9, 3_381, is_put=True) == "PUT:ETH:2021-05-28:3050"
    assert board.future("BTC", board.near) == "FUTURE:BTC:2021-05-19"


@pytest.mark.parametrize(("price", "strike"), [(42_916, 43_000), (3_381, 3_400), (194.2, 195), (7_913, 7_900)])
def test_rounded__to_what_people_list(price, strike):
    assert rounded(price) == strike


def test_last_friday__less_than_a_week_off__the_next_month_s():
    of = [datetime.fromtimestamp(last_friday(int(np.datetime64(day, "s").astype(int))), UTC).date().isoformat()
          for day in ("2021-05-19", "2021-05-24", "2020-03-12")]  # fmt: skip
    assert of == ["2021-05-28", "2021-06-25", "2020-03-27"]
