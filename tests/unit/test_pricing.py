"""The pricing contracts: the twin's integers, whatever they are asked."""

from math import exp, isqrt
from random import Random

import pytest

from ballast.risk import pricing
from ballast.risk.pricing import WAD, Surface, call_price, cumulative, exp_wad, ln_wad, put_price
from tests.support.evm import Contract, Evm
from tools import normal_table

DRAWS = 5_000
PRICE_LIMIT = 2**118


@pytest.fixture(scope="module")
def evm() -> Evm:
    return Evm()


@pytest.fixture(scope="module")
def library(evm: Evm) -> Contract:
    return evm.deploy("PricingHarness")


def any_price(random: Random) -> int:
    return random.choice([0, 1, PRICE_LIMIT - 1, random.getrandbits(random.randint(1, 118)), random.getrandbits(70)])


def any_terms(random: Random) -> tuple[int, int, int, int]:
    """Forward, strike, volatility and tenor: near the money as often as anywhere."""
    forward = any_price(random)
    near = min(round(forward * exp(random.uniform(-3, 3))), PRICE_LIMIT - 1)
    volatility = random.choice([5 * WAD // 100, 5 * WAD, random.randint(5 * WAD // 100, 5 * WAD)])
    tenor = random.choice([1, 60, 86_400, random.randint(1, 10**8), 2**32 - 1])
    return forward, random.choice([near, near, any_price(random)]), volatility, tenor


def any_surface(random: Random) -> Surface:
    def signed(bits: int) -> int:
        return random.getrandbits(random.randint(1, bits)) - 2 ** (bits - 1) * random.randint(0, 1)

    return Surface(signed(31), signed(39), random.getrandbits(40), signed(31), signed(39), random.getrandbits(40), 7)


def test_normal_table__committed_source__is_what_the_tool_writes() -> None:
    assert normal_table.TARGET.read_text() == normal_table.source()


def test_normal_table__deployed_code__is_the_twins_table(evm: Evm, library: Contract) -> None:
    code = b"\0" + pricing.encode_normal_table()
    found = evm.code_at(library.call("table"))
    assert found[: len(code)] == code
    assert not any(found[len(code) :])  # the EVM's own padding


def test_normal_table__called__does_nothing(evm: Evm, library: Contract) -> None:
    assert evm.execute(evm.deployer, library.call("table"), b"\1" * 32) == b""


def test_cumulative__any_position__equals_the_twin(library: Contract) -> None:
    random = Random(1)
    positions = [random.randint(-pricing.TOP // 20, pricing.TOP * 21 // 20) for _ in range(DRAWS)]
    ends = [start + step for start in range(0, pricing.TOP + 1, 1 << 32) for step in (-1, 0)]
    positions += [*ends, -(2**200), 2**200]
    assert list(library.call("cumulatives", positions)) == [cumulative(position) for position in positions]


def test_call__any_terms__equals_the_twin(library: Contract) -> None:
    random = Random(2)
    terms = [any_terms(random) for _ in range(DRAWS)]
    assert list(library.call("calls", terms)) == [call_price(*term) for term in terms]


def test_put__any_terms__is_the_call_less_the_forward_plus_the_strike(library: Contract) -> None:
    random = Random(3)
    terms = [any_terms(random) for _ in range(DRAWS)]
    expected = [put_price(*term) for term in terms]
    assert min(expected) >= 0
    assert list(library.call("puts", terms)) == expected


def test_volatility__any_surface__equals_the_twin(library: Contract) -> None:
    random = Random(4)
    for _ in range(DRAWS // 20):
        surface = any_surface(random)
        points = [random.randint(-100 * WAD, 100 * WAD) for _ in range(10)]
        points += [random.randint(-WAD, WAD) for _ in range(10)]
        expected = [surface.volatility(point) for point in points]
        assert list(library.call("volatilities", surface.pack(), points)) == expected


def test_volatility__flat_surface__is_the_root_of_its_variance(library: Contract) -> None:
    random = Random(7)
    billionths = [round(10 ** random.uniform(0, 11)) for _ in range(DRAWS // 20)]
    squares = [root**2 // 10**9 for root in range(10**6 * 49, 10**6 * 5_001, 10**6 * 52)]
    for variance in [*billionths, *squares]:
        expected = min(max(isqrt(variance * 10**9 * WAD), WAD // 20), 5 * WAD)
        surface = Surface(0, variance, 0, 0, 0, 0, 7)
        assert list(library.call("volatilities", surface.pack(), [0, WAD])) == [expected, expected]


def test_volatility__wings_alone__is_the_root_of_the_distance(library: Contract) -> None:
    random = Random(8)
    for _ in range(DRAWS // 20):
        smoothing = random.choice([0, 1, round(10 ** random.uniform(0, 10))])
        points = [random.choice([-1, 1]) * round(10 ** random.uniform(0, 19.4)) for _ in range(20)]
        distances = [isqrt(point**2 + (smoothing * 10**9) ** 2) for point in points]
        expected = [min(max(isqrt(distance * WAD), WAD // 20), 5 * WAD) for distance in distances]
        surface = Surface(0, 0, 10**9, 0, 0, smoothing, 7)
        assert list(library.call("volatilities", surface.pack(), points)) == expected


def test_surface__packed_and_unpacked__unchanged() -> None:
    random = Random(5)
    for _ in range(DRAWS):
        surface = any_surface(random)
        assert Surface.unpack(surface.pack()) == surface


def test_logarithm_and_exponential__any_value__equal_the_twin(library: Contract) -> None:
    random = Random(6)
    values = [random.getrandbits(random.randint(1, 254)) | 1 for _ in range(DRAWS)]
    assert list(library.call("logarithms", values)) == [ln_wad(value) for value in values]
    powers = [random.randint(-45 * WAD, 135 * WAD) for _ in range(DRAWS)]
    assert list(library.call("exponentials", powers)) == [exp_wad(power) for power in powers]
