"""A smile, its quantised parameters and what the chain stores of it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ballast.risk.pricing import Surface
from ballast.risk.surface.svi import NotASmile, Smile, WordOutOfRange, smile_of, surface_of

SMALL = Smile(0.1, 0.1, 0.0, 0.0, 0.1)


@st.composite
def smiles(draw):
    b, s = draw(st.floats(1e-3, 20)), draw(st.floats(1e-3, 4))
    rho, m = draw(st.floats(-0.99, 0.99)), draw(st.floats(-3, 3))
    lowest = draw(st.floats(0.01, 2))
    return Smile(lowest - b * s * np.sqrt(1 - rho**2), b, rho, m, s)


def test_surface_of__a_smile__rounds_each_parameter_to_the_nearest():
    stored = surface_of(Smile(0.1234567894, 0.5, -0.2500000006, 0.0, 0.1), 0.0123456789, 1_780_000_000)
    assert stored == Surface(12_345_679, 123_456_789, 500_000_000, -250_000_001, 0, 100_000_000, 1_780_000_000)
    assert smile_of(stored) == Smile(0.123456789, 0.5, -0.250000001, 0.0, 0.1)


@given(smiles(), st.floats(-0.5, 2), st.integers(0, 2**32 - 1))
def test_surface_of__any_smile__comes_back_from_its_word(smile, premium, published_at):
    stored = surface_of(smile, premium, published_at)
    back = Surface.unpack(stored.pack())
    assert back == stored
    assert smile_of(back) == smile.quantised()
    assert abs(back.premium / 1e9 - premium) <= 0.5e-9 + 1e-15


@pytest.mark.parametrize(
    ("field", "smile", "premium", "published_at"),
    [
        ("premium", SMALL, 2.2, 0),
        ("a", replace(SMALL, a=600.0), 0.0, 0),
        ("b", replace(SMALL, b=1_100.0), 0.0, 0),
        ("m", replace(SMALL, m=-550.0), 0.0, 0),
        ("s", replace(SMALL, s=1_100.0), 0.0, 0),
        ("published_at", SMALL, 0.0, 2**32),
    ],
)
def test_surface_of__parameter_beyond_its_bits__refused_by_name(field, smile, premium, published_at):
    with pytest.raises(WordOutOfRange) as refused:
        surface_of(smile, premium, published_at)
    assert refused.value.field == field


@given(smiles())
def test_quantised__any_smile__moves_the_variance_by_less_than_its_bound(smile):
    k = np.linspace(-3, 3, 121)
    moved = np.abs(smile.quantised().variance(k) - smile.variance(k))
    assert np.all(moved <= smile.quantisation_bound(k) + 1e-13)
    assert smile.quantised().quantised() == smile.quantised()


def test_quantisation_bound__of_a_usual_smile__is_far_below_a_hundredth_of_a_point():
    smile = Smile(0.05, 0.9, -0.3, 0.02, 0.12)
    k = np.linspace(-1, 1, 41)
    in_volatility = smile.quantisation_bound(k) / (2 * smile.volatility(k))
    assert in_volatility.max() < 1e-8


@given(smiles())
def test_derivatives__any_smile__are_the_slopes_of_the_variance(smile):
    k, step = np.linspace(-2, 2, 17), 1e-4 * smile.s
    up, down = smile.derivatives(k + step), smile.derivatives(k - step)
    scale = smile.b / smile.s
    assert smile.derivatives(k).first == pytest.approx((up.value - down.value) / (2 * step), abs=1e-6 * smile.b + 1e-7)
    assert smile.derivatives(k).second == pytest.approx((up.first - down.first) / (2 * step), abs=1e-5 * scale + 1e-6)


@pytest.mark.parametrize(
    "parameters",
    [
        (0.1, -0.1, 0.0, 0.0, 0.1),
        (0.1, 0.1, 1.1, 0.0, 0.1),
        (0.1, 0.1, 0.0, 0.0, 0.0),
        (-0.1, 0.1, 0.0, 0.0, 0.1),
        (float("nan"), 0.1, 0.0, 0.0, 0.1),
    ],
    ids=["opens downwards", "rho", "width", "variance below zero", "not a number"],
)
def test_smile__parameters_of_none__refused(parameters):
    with pytest.raises(NotASmile):
        Smile(*parameters)


def test_volatility__outside_what_the_chain_takes__is_clamped():
    steep = Smile(0.0001, 50.0, 0.0, 0.0, 1e-5)
    assert steep.volatility(np.array([0.0, 3.0])).tolist() == [0.05, 5.0]
