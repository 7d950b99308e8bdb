"""The margin rules Ballast is compared with: each figure by hand, or as its exchange publishes it."""

from dataclasses import replace

import numpy as np
import pytest

from ballast.risk.surface.chains import load_chains, nearest_chain
from ballast.risk.surface.fit import fit_surface
from ballast.risk.surface.svi import smile_of
from scripts.bench.rivals import Deribit, Span
from scripts.bench.structures import FAR, INDEX, NEAR, SURFACES, Kind, Leg, structures

ETH = INDEX["ETH"]
PERP = Leg(Kind.PERP, "ETH", 1.0)
TOKEN = Leg(Kind.TOKEN, "ETH", 1.0)
FUTURE = Leg(Kind.FUTURE, "ETH", 1.0, FAR)
FORWARD = FUTURE.forward
CALL = Leg(Kind.CALL, "ETH", 1.0, NEAR, 1_650.0)


def sold(leg, times=1.0):
    return replace(leg, size=-times * leg.size)


def legs_of(name):
    return next(structure.legs for structure in structures() if structure.name == name)


# The market


def test_surfaces__written_as_integers__are_those_of_the_shipped_snapshot():
    fitted = fit_surface(nearest_chain(load_chains(), "ETH", None))
    smiles = {each.quotes.expiry: each for each in fitted.smiles}
    assert fitted.index == pytest.approx(ETH)
    for expiry, stored in SURFACES.items():
        k = smiles[expiry].quotes.k
        assert smile_of(stored).volatility(k) == pytest.approx(smiles[expiry].volatility, abs=2e-4)
        assert stored.premium / 1e9 == pytest.approx(smiles[expiry].premium, abs=1e-8)
        assert stored.published_at == fitted.time


def test_leg__call_less_put__is_forward_less_strike():
    put = replace(CALL, kind=Kind.PUT)
    assert CALL.value() - put.value() == pytest.approx(CALL.forward - 1_650)
    assert CALL.delta - put.delta == pytest.approx(1)
    assert CALL.value(-0.1, 0.9) - put.value(-0.1, 0.9) == pytest.approx(0.9 * CALL.forward - 1_650)


def test_structures__ten_of_them__hedged_straddle_has_no_delta_and_pair_no_value():
    assert len(structures()) == 10
    assert sum(leg.delta for leg in legs_of("hedged straddle")) == pytest.approx(0, abs=0.005)
    assert sum(leg.value() for leg in legs_of("pair of perps")) == pytest.approx(0, abs=5)


# SPAN


def test_span__scenarios__are_sixteen():
    assert len(list(Span().scenarios())) == 16


def test_span__one_perp__is_the_price_scan_range():
    assert Span().margin([PERP]) == Span().margin([sold(PERP)]) == pytest.approx(0.16 * ETH)


def test_span__extreme_move__counts_where_its_share_is_more():
    wide = replace(Span(), extreme_move=3.0)
    assert wide.margin([PERP]) == pytest.approx(0.48 * 0.35 * ETH)


def test_span__sold_option__loses_at_the_range_with_volatility_up():
    shocked = CALL.value(0.16, 1.3 * CALL.volatility)
    assert Span().margin([sold(CALL)]) == pytest.approx(shocked - CALL.value())


def test_span__sold_option_far_out__pays_the_minimum():
    far_out = replace(CALL, strike=6_000.0)
    assert Span().margin([sold(far_out)]) == pytest.approx(0.01 * ETH)


def test_span__two_expiries__spread_charge_on_what_is_hedged():
    scan = 0.16 * (FORWARD - 0.6 * ETH)
    assert Span().margin([FUTURE, sold(PERP, 0.6)]) == pytest.approx(scan + 0.015 * ETH * 0.6)


def test_span__two_underlyings__add_up():
    bitcoin = Leg(Kind.PERP, "BTC", -0.01)
    assert Span().margin([PERP, bitcoin]) == pytest.approx(0.16 * (ETH + 0.01 * INDEX["BTC"]))


# Deribit


def test_deribit__published_example__worst_case_and_roll_shock():
    """The example of private/pme/simulate: 0.314538364 BTC in the perpetual, −0.001187534 in a future 11 days away;
    worst case 0.05968587238095239 BTC at −16 %, where a coin is worth 84 % as much, roll shock 0.00315725898 BTC."""
    mark = FORWARD / ETH
    perp = Leg(Kind.PERP, "ETH", 0.314538364)
    future = Leg(Kind.FUTURE, "ETH", -0.001187534, FAR)
    worst = Deribit().worst_case([perp, replace(future, size=future.size / mark)])
    assert worst / ETH == pytest.approx(0.05968587238095239 * 0.84, rel=1e-9)
    nearby = replace(Deribit(), annual_move=0.0)
    assert nearby.roll_shock([perp, future]) / ETH == pytest.approx(0.00315725898, rel=1e-9)


def test_deribit__roll_shock__grows_with_time_beyond_its_minimum():
    assert Deribit().roll_shock([PERP]) == pytest.approx(0.01 * ETH)
    assert Deribit().roll_shock([FUTURE]) == pytest.approx(0.075 * FUTURE.years * ETH)
    assert Deribit().roll_shock([TOKEN]) == 0


def test_deribit__volatility_shocks__follow_tenor_and_floor():
    rule = Deribit()
    power = (30 / CALL.days) ** 0.13
    assert CALL.days > 30
    assert rule.shocked_volatility(CALL, 1) == pytest.approx(CALL.volatility * (1 + 0.5 * power))
    assert rule.shocked_volatility(CALL, -1) == pytest.approx(CALL.volatility * (1 - 0.25 * power))
    assert rule.shocked_volatility(CALL, 0) == CALL.volatility
    assert replace(rule, least_volatility_up=2.0).shocked_volatility(CALL, 1) == 2.0


@pytest.mark.parametrize(("move", "side"), [(0.16, 1), (-0.16, -1), (0.04, 1), (0.0, 1), (-0.08, 0)])
def test_deribit__worst_case__is_no_less_than_any_bucket(move, side):
    legs = [sold(CALL), sold(replace(CALL, kind=Kind.PUT))]
    loss = -sum(leg.change(move, lambda option: Deribit().shocked_volatility(option, side)) for leg in legs)
    assert Deribit().worst_case(legs) >= loss


def test_deribit__nine_buckets__a_sold_butterfly_loses_most_at_an_inner_one():
    middle, wings = replace(CALL, strike=1_780.0, size=200.0), (1_650.0, 1_910.0)
    legs = [middle, *(replace(CALL, strike=strike, size=-100.0) for strike in wings)]
    ends = replace(Deribit(), buckets=1)
    assert Deribit().worst_case(legs) > 1.05 * ends.worst_case(legs) > 0


def test_deribit__extended_table__counts_beyond_the_dampener():
    sold_calls = [replace(CALL, strike=4_400.0, size=-20_000.0)]
    main_only = replace(Deribit(), extended_moves=()).worst_case(sold_calls)
    ratio = 5.0 / 0.16
    loss = -sold_calls[0].change(5.0, lambda option: Deribit().shocked_volatility(option, 1))
    assert Deribit().worst_case(sold_calls) > main_only
    assert replace(Deribit(), extended_moves=(5.0,)).worst_case(sold_calls) == pytest.approx(
        max(main_only, loss / ratio - (ratio - 1) * 100_000)
    )
    small = [replace(sold_calls[0], size=-10.0)]
    assert Deribit().worst_case(small) == replace(Deribit(), extended_moves=()).worst_case(small)


def test_deribit__box__needs_nothing_as_all_options_hedge():
    assert Deribit().margin(legs_of("box")) == pytest.approx(0, abs=1e-6)
    assert np.isclose(sum(leg.delta for leg in legs_of("box")), 0)
