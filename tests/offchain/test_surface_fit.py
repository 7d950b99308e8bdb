"""Smiles fitted to quotes: exact where quotes are, and free of arbitrage where they are not.

Arbitrage is looked for here in prices alone: calls by strike must fall and be convex, and rise with expiry.
"""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from ballast.risk.expiry import ExpiryLimits, check_calendar, check_surface
from ballast.risk.surface.arbitrage import durrleman, examine, local_minima
from ballast.risk.surface.chains import TooFewQuotes, load_chains, select_quotes
from ballast.risk.surface.fit import ArbitrageLeft, FitSettings, NoExpiryFitted, fit_smile, fit_surface
from ballast.risk.surface.report import stored_surface
from ballast.risk.surface.svi import Smile
from tests.support.smiles import DAY, FAR, NEAR, NOON, call_prices, quoted_chain

# Axel Vogt's smile a year before expiry: looks harmless, implies a negative density (Gatheral and Jacquier 2014, 4.3).
VOGT = Smile(a=-0.0410, b=0.1331, rho=0.3060, m=0.3586, s=0.4153)


def has_butterfly(smile, years):
    """Whether three neighbouring strikes on a fine grid make a butterfly that costs less than nothing."""
    spread = float(np.sqrt(smile.variance(np.zeros(1))[0] * years))
    strikes = np.exp(np.linspace(-6, 6, 6_001) * spread)
    slopes = np.diff(call_prices(smile, years, np.log(strikes))) / np.diff(strikes)
    noise = 1e-15 / np.diff(strikes).min()
    return bool(np.any(np.diff(slopes) < -noise) or np.any(slopes > noise) or np.any(slopes < -1 - noise))


def has_calendar(near, near_years, far, far_years):
    """Whether an option on the same share of the forward costs less with more time."""
    k = np.linspace(-3, 3, 3_001)
    return bool(np.any(call_prices(far, far_years, k) < call_prices(near, near_years, k) - 1e-15))


@pytest.fixture(scope="module")
def shipped():
    """The shipped snapshot, fitted: both currencies, 11 expiries each."""
    return [fit_surface(chain) for chain in load_chains()]


# Exact


@pytest.mark.parametrize(
    ("smile", "days"),
    [(NEAR, 30), (FAR, 200), (Smile(0.2, 8.0, 0.1, 0.005, 0.02), 1), (Smile(-0.1, 1.2, 0.2, 0.05, 0.3), 60)],
)
def test_fit__quotes_of_a_smile__recovers_its_parameters_to_the_last_digit(smile, days):
    (fitted,) = fit_surface(quoted_chain((smile, days), half_spread=0.001)).smiles
    assert fitted.smile.integers() == pytest.approx(smile.integers(), abs=20)
    assert fitted.error < 1e-8 and fitted.inside == 1
    assert fitted.premium == pytest.approx(0.01)


def test_fit__noisy_quotes__stays_within_the_noise():
    chain = quoted_chain((NEAR, 30), half_spread=0.01)
    noise = 1 + np.random.default_rng(5).uniform(-0.02, 0.02, len(chain))
    (fitted,) = fit_surface(replace(chain, bid=chain.bid * noise, ask=chain.ask * noise)).smiles
    k = np.linspace(-0.2, 0.2, 41)
    assert np.abs(fitted.smile.volatility(k) - NEAR.volatility(k)).max() < 0.006


def test_fit__one_quote_far_off_and_wide__weighs_little():
    chain = quoted_chain((NEAR, 30), half_spread=0.002)
    row = int(np.flatnonzero(~chain.is_call)[8])
    ask = chain.ask.copy()
    ask[row] *= 1.5
    (fitted,) = fit_surface(replace(chain, ask=ask)).smiles
    assert fitted.worst > 0.03
    k = np.linspace(-0.2, 0.2, 41)
    assert np.abs(fitted.smile.volatility(k) - NEAR.volatility(k)).max() < 0.001


# Free of arbitrage


def test_checks__smiles_with_known_arbitrage__are_found_in_prices_and_by_examine():
    assert has_butterfly(VOGT, 1.0) and not examine(VOGT, 1.0).is_free
    assert not has_butterfly(NEAR, 30 / 365) and examine(NEAR, 30 / 365).is_free
    assert has_calendar(NEAR, 0.5, FAR, 0.3) and examine(FAR, 0.3, (NEAR, 0.5)).calendar < 0
    assert not has_calendar(NEAR, 0.08, FAR, 0.5) and examine(FAR, 0.5, (NEAR, 0.08)).is_free


def test_examine__wing_beyond_two__is_found():
    steep = Smile(0.05, 2.0, 0.5, 0.0, 0.5)
    assert examine(steep, 1.0).wings == pytest.approx(-1.0)
    assert not examine(steep, 1.0).is_free


def test_examine__far_wing_below_the_nearer_one__is_found():
    narrow = Smile(2.0, 0.05, 0.0, 0.0, 0.1)
    findings = examine(narrow, 1.0, (NEAR, 0.1))
    assert findings.calendar_wings == pytest.approx(0.05 - 0.9 * 1.3 * 0.1)
    assert findings.calendar > 0 and not findings.is_free


def test_local_minima__between_points_of_the_grid__are_found_and_their_values():
    def dips(k):
        return 1 - np.exp(-(((k - 0.137) / 0.3) ** 2)) - 2 * np.exp(-(((k + 1.311) / 0.3) ** 2))

    where, values = local_minima(dips, np.linspace(-3, 3, 25))
    found = dict(zip(np.round(where, 3), values, strict=True))
    assert found[-1.311] == pytest.approx(-1, abs=1e-5) and found[0.137] == pytest.approx(0, abs=1e-5)


def test_durrleman__against_the_density_of_prices__agrees():
    k, step, years = np.linspace(-0.5, 0.5, 11), 1e-4, 0.25
    strikes = np.exp(k)[:, None] * (1 + step * np.array([-1, 0, 1]))
    calls = call_prices(FAR, years, np.log(strikes))
    density = (calls @ np.array([1, -2, 1])) / (step * np.exp(k)) ** 2
    w = FAR.variance(k) * years
    d2 = -k / np.sqrt(w) - np.sqrt(w) / 2
    g = density * np.exp(k) * np.sqrt(2 * np.pi * w) * np.exp(d2**2 / 2)
    assert durrleman(FAR, k, years) == pytest.approx(g, rel=1e-4)


def test_fit__quotes_with_a_butterfly__repaired_near_them():
    (fitted,) = fit_surface(quoted_chain((VOGT, 365), reach=5.0, half_spread=0.002)).smiles
    assert not has_butterfly(fitted.smile, 1.0)
    assert fitted.findings.is_free
    assert 1e-6 < fitted.error < 0.001


def test_fit__quotes_with_a_calendar__repaired_near_them():
    lower = replace(FAR, a=FAR.a - 0.03)
    surface = fit_surface(quoted_chain((NEAR, 60), (lower, 70)))
    near, far = surface.smiles
    assert has_calendar(NEAR, 60 / 365, lower, 70 / 365)
    assert not has_calendar(near.smile, 60 / 365, far.smile, 70 / 365)
    assert not has_butterfly(far.smile, 70 / 365)
    assert near.error < 1e-8 < far.error < 0.1


def test_fit__quotes_below_the_lowest_volatility__kept_above_it():
    (fitted,) = fit_surface(quoted_chain((Smile(0.0016, 0.0004, 0.0, 0.0, 0.1), 200), half_spread=0.001)).smiles
    assert 0.0025 < fitted.smile.lowest_variance < 0.0027


def test_fit__quotes_with_a_kink__are_as_wide_at_the_vertex_as_the_chain_asks():
    (fitted,) = fit_surface(quoted_chain((Smile(0.0225, 0.3, 0.0, 0.0, 1e-6), 0.5), half_spread=0.002)).smiles
    check_surface(stored_surface(fitted), fitted.quotes.tenor, ExpiryLimits())
    assert fitted.smile.s < 3e-4


def test_fit__spreads_narrower_than_half_a_point__weigh_alike():
    chain = quoted_chain((NEAR, 30), half_spread=0.002)
    tilted = np.where(chain.strike > chain.forward, 1.01, 0.99)
    narrow = np.where(chain.strike > chain.forward, 0.01, 1.0)
    middle, half = (chain.bid + chain.ask) / 2 * tilted, (chain.ask - chain.bid) / 2
    even, uneven = (fit_surface(replace(chain, bid=middle - h, ask=middle + h)) for h in (half, half * narrow))
    k = np.linspace(-0.2, 0.2, 9)
    assert uneven.smiles[0].smile.volatility(k) == pytest.approx(even.smiles[0].smile.volatility(k), abs=2e-5)


def test_fit__the_shipped_snapshot__no_arbitrage_in_the_quantised_surfaces(shipped):
    for surface in shipped:
        smiles = [(fitted.smile, fitted.quotes.years) for fitted in surface.smiles]
        assert len(smiles) == 11
        assert all(smile == smile.quantised() for smile, _ in smiles)
        assert not any(has_butterfly(smile, years) for smile, years in smiles)
        assert not any(has_calendar(*near, *far) for near, far in pairwise(smiles))


def test_fit__the_shipped_snapshot__passes_what_the_chain_asks_of_surfaces(shipped):
    for surface in shipped:
        stored = [(stored_surface(fitted), fitted.quotes.tenor) for fitted in surface.smiles]
        for word, tenor in stored:
            check_surface(word, tenor, ExpiryLimits())
        for (near, near_tenor), (far, far_tenor) in pairwise(stored):
            check_calendar(near, near_tenor, far, far_tenor)


def test_fit__the_shipped_snapshot__error_below_half_the_spread(shipped):
    for fitted in (fitted for surface in shipped for fitted in surface.smiles):
        assert fitted.error < 0.5 * np.median(fitted.quotes.ask - fitted.quotes.bid)
        assert fitted.inside > 0.9
        assert fitted.worst < 0.03


# Refused


def test_fit_surface__an_expiry_with_too_few_quotes__left_out_with_its_reason():
    chain = quoted_chain((NEAR, 30), (FAR, 200))
    bid = np.where(chain.expiry == chain.expiries[0], 0.0, chain.bid)
    surface = fit_surface(replace(chain, bid=bid))
    assert [fitted.quotes.expiry for fitted in surface.smiles] == [NOON + 200 * DAY]
    assert isinstance(surface.refused[NOON + 30 * DAY], TooFewQuotes)


def test_fit_surface__no_expiry_fits__refused():
    chain = quoted_chain((NEAR, 30))
    with pytest.raises(NoExpiryFitted, match="without a bid"):
        fit_surface(replace(chain, bid=np.zeros(len(chain))))


def test_fit_smile__no_smile_above_the_expiry_before__refused():
    near, far = (quoted_chain((smile, days)) for smile, days in ((Smile(0.1, 12.0, 0.3, 0.0, 0.2), 60), (FAR, 70)))
    before = fit_surface(near).smiles[0]
    before = replace(before, smile=replace(before.smile, b=40.0))
    with pytest.raises(ArbitrageLeft):
        fit_smile(select_quotes(far, far.expiries[0]), before, FitSettings())
