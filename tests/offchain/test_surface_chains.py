"""Option chains: what is no chain, which quotes count, how they are read and written."""

from dataclasses import replace

import numpy as np
import pandas
import pytest

from ballast.risk.surface.black76 import call_delta
from ballast.risk.surface.chains import (
    COLUMNS,
    ChainMissing,
    ExpiryTooNear,
    FilterSettings,
    MalformedChain,
    TooFewQuotes,
    load_chains,
    nearest_chain,
    read_chains,
    select_quotes,
    write_extract,
)
from tests.support.smiles import DAY, FAR, FORWARD, NEAR, NOON, quoted_chain

MONTH = NOON + 30 * DAY


@pytest.fixture
def chain():
    """One expiry a month away: 31 strikes, the 16th at the forward."""
    return quoted_chain((NEAR, 30))


def changed(chain, at, **values):
    """The chain with other values at the rows ``at``."""
    columns = {}
    for name, value in values.items():
        columns[name] = getattr(chain, name).copy()
        columns[name][at] = value
    return replace(chain, **columns)


def call_at(chain, place):
    """Row of the call at the ``place``-th strike above the forward."""
    return int(np.flatnonzero(chain.is_call & (chain.strike > FORWARD * 1.0001))[place])


# What is no chain


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"bid": np.nan}, "not a number"),
        ({"ask": -0.01}, "negative"),
        ({"mark_iv": np.inf}, "not a number"),
        ({"strike": 0.0}, "must be positive"),
        ({"forward": 0.0}, "must be positive"),
        ({"index": 0.0}, "must be positive"),
        ({"bid": 0.5, "ask": 0.4}, "bid above ask"),
        ({"expiry": NOON}, "expired"),
    ],
)
def test_chain__what_no_market_shows__refused_naming_the_option(chain, values, says):
    with pytest.raises(MalformedChain, match=says) as refused:
        changed(chain, 7, **values)
    assert "call of" in str(refused.value)


def test_chain__bid_without_an_ask__is_no_fault(chain):
    assert len(changed(chain, 7, bid=0.01, ask=0.0)) == len(chain)


# Which quotes count


def test_select_quotes__good_chain__takes_what_is_out_of_the_money_in_years_of_365_days(chain):
    quotes = select_quotes(chain, MONTH)
    assert len(quotes.k) == 31
    assert quotes.refused["in the money"] == 31
    assert quotes.years == 30 / 365
    assert quotes.mid == pytest.approx(NEAR.volatility(quotes.k), rel=1e-7)
    assert quotes.mark == pytest.approx(NEAR.volatility(quotes.k), rel=1e-12)
    assert quotes.ask - quotes.bid == pytest.approx(np.full(31, 0.008), rel=1e-5)
    assert (quotes.forward, quotes.index) == (FORWARD, pytest.approx(FORWARD / 1.01))
    assert np.all(np.diff(quotes.k) > 0)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"bid": 0.0}, "without a bid"),
        ({"ask": 0.0}, "without an ask"),
        ({"ask": 1.5}, "outside the bounds of a price"),
        ({"bid": 0.0001}, "a few ticks"),
        ({"bid": 0.001}, "too wide"),
    ],
)
def test_select_quotes__bad_quote__left_out_and_counted_by_reason(chain, values, reason):
    row = call_at(chain, 2)
    quotes = select_quotes(changed(chain, row, **values), MONTH)
    assert quotes.refused[reason] == 1
    assert len(quotes.k) == 30
    assert not np.any(np.isclose(quotes.k, np.log(chain.strike[row] / FORWARD)))


def test_select_quotes__strikes_beyond_two_percent_delta__left_out():
    wide = quoted_chain((FAR, 200), reach=5.0)
    quotes = select_quotes(wide, NOON + 200 * DAY, FilterSettings(tick=1e-6, widest=1.0))
    deviation = quotes.mid * np.sqrt(quotes.years)
    delta = call_delta(quotes.k, deviation)
    deltas = np.minimum(delta, 1 - delta)
    assert 0.02 <= deltas.min() < 0.03
    assert quotes.refused["deep in the wing"] == 31 - len(quotes.k) >= 4


def test_select_quotes__five_left__refused_with_the_reasons(chain):
    out = np.flatnonzero(np.abs(np.log(chain.strike / FORWARD)) > 0.02)
    with pytest.raises(TooFewQuotes) as refused:
        select_quotes(changed(chain, out, bid=0.0), MONTH)
    assert refused.value.used < refused.value.least == 6
    assert refused.value.refused["without a bid"] > 20


def test_select_quotes__nothing_below_the_forward__refused(chain):
    with pytest.raises(TooFewQuotes) as refused:
        select_quotes(changed(chain, ~chain.is_call, bid=0.0), MONTH)
    assert refused.value.used == 16


def test_select_quotes__expiry_in_five_hours__refused():
    with pytest.raises(ExpiryTooNear) as refused:
        select_quotes(quoted_chain((NEAR, 5 / 24)), NOON + 5 * 3_600)
    assert (refused.value.tenor, refused.value.least) == (5 * 3_600, 6 * 3_600)


def test_select_quotes__expiry_not_listed__refused(chain):
    with pytest.raises(ChainMissing):
        select_quotes(chain, MONTH + DAY)


# Reading and writing


def test_load_chains__the_shipped_snapshot__holds_both_currencies():
    shipped = {chain.currency: chain for chain in load_chains()}
    assert sorted(shipped) == ["BTC", "ETH"]
    assert [len(chain.expiries) for chain in shipped.values()] == [11, 11]
    assert shipped["BTC"].index_price == pytest.approx(61_755, abs=1)


def test_write_extract__round_trip__gives_the_same_chain_and_bytes(chain, tmp_path):
    path = write_extract([chain], tmp_path / "chain.csv.gz")
    (back,) = read_chains(path)
    assert (back.currency, back.time, back.expiries) == (chain.currency, chain.time, chain.expiries)
    assert back.bid == pytest.approx(chain.bid, rel=1e-9)
    assert np.array_equal(back.is_call, chain.is_call)
    assert write_extract([back], tmp_path / "again.csv.gz").read_bytes() == path.read_bytes()


def frame(chain):
    table = pandas.DataFrame({name: getattr(chain, name) for name in COLUMNS if name not in ("ts", "currency", "cp")})
    return table.assign(ts=chain.time, currency=chain.currency, cp=np.where(chain.is_call, "C", "P"))


def test_read_chains__parquet_of_two_snapshots__one_chain_each_by_time(chain, tmp_path):
    later = frame(chain).assign(ts=NOON + DAY, bid=np.nan)
    pandas.concat([later, frame(chain)]).to_parquet(tmp_path / "deribit_chain_BTC.parquet")
    first, second = read_chains(tmp_path)
    assert (first.time, second.time) == (NOON, NOON + DAY)
    assert len(first) == len(second) == len(chain)
    assert not second.bid.any()
    assert np.allclose(first.bid, chain.bid)


def test_read_chains__column_missing__refused_by_name(chain, tmp_path):
    frame(chain).drop(columns="forward").to_csv(tmp_path / "chain.csv", index=False)
    with pytest.raises(MalformedChain, match="columns missing: forward"):
        read_chains(tmp_path / "chain.csv")


def test_read_chains__text_for_a_price__refused(chain, tmp_path):
    frame(chain).assign(strike="high").to_csv(tmp_path / "chain.csv", index=False)
    with pytest.raises(MalformedChain, match="could not convert"):
        read_chains(tmp_path / "chain.csv")


def test_read_chains__empty_folder__refused(tmp_path):
    with pytest.raises(ChainMissing):
        read_chains(tmp_path)


def test_nearest_chain__by_time__else_the_last__else_refused(chain):
    later = replace(chain, time=NOON + DAY)
    assert nearest_chain([chain, later], "BTC", NOON + DAY // 3) is chain
    assert nearest_chain([chain, later], "BTC", None) is later
    with pytest.raises(ChainMissing, match="known: BTC"):
        nearest_chain([chain, later], "ETH", None)
