"""The library of auctions: the twin's integers, and the properties the rules promise."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from ballast.risk import auction as twin
from ballast.risk.auction import WAD, AuctionParameters, Phase, Sale
from tests.support.evm import Contract, Evm

DRAWS = 3_000
PARAMETERS = AuctionParameters()
MINIMUM_FRACTION = PARAMETERS.minimum_fraction * 10**9


@pytest.fixture(scope="module")
def library() -> Contract:
    return Evm().deploy("AuctionMathHarness")


def magnitude(draw: random.Random, largest: int = 10**32) -> int:
    """Small, middling and huge numbers alike."""
    return draw.randrange(10 ** draw.randrange(1, len(str(largest)) + 1))


def any_sale(draw: random.Random) -> Sale:
    """An account below its target: E < R, m ≤ maintenance ≤ R."""
    fixed = draw.choice([0, 1, 20 * WAD, magnitude(draw)])
    maintenance = fixed + magnitude(draw)
    target = maintenance + magnitude(draw, maintenance + 1)
    equity = target - 1 - magnitude(draw, 3 * target + 10)
    proceeds = draw.choice([0, magnitude(draw)])
    phase = draw.choice([Phase.SOLVENT, Phase.INSOLVENT, Phase.EXHAUSTED])
    if phase == Phase.SOLVENT and equity <= proceeds:
        phase = Phase.INSOLVENT
    rate = draw.choice([0, 1, WAD // 50, WAD // 5, WAD, draw.randrange(WAD + 1)])
    return Sale(phase, rate, equity, proceeds, target, maintenance, fixed)


def any_parameters(draw: random.Random) -> AuctionParameters:
    start = draw.randrange(10**8 + 1)
    return replace(
        PARAMETERS,
        start_discount=start,
        knee_discount=draw.randrange(start, 5 * 10**8 + 1),
        seconds_to_knee=draw.randrange(60, 86_401),
        seconds_to_full=draw.randrange(600, 604_801),
        premium_seconds=draw.randrange(600, 86_401),
        solvent_again=draw.randrange(10**8, 10**9 + 1),
    )


def test_clock__random_inputs__is_the_twin_s_to_the_wei(library: Contract) -> None:
    """I16."""
    draw = random.Random(1)
    for _ in range(DRAWS):
        equity, maintenance, fastest = magnitude(draw) - magnitude(draw), magnitude(draw), draw.randrange(1, 65)
        assert library.call("clockSpeed", equity, maintenance, fastest) == twin.clock_speed(
            equity, maintenance, fastest
        )
        parameters, elapsed = any_parameters(draw), draw.randrange(700_000) * WAD + draw.randrange(WAD)
        assert library.call("discount", elapsed, parameters) == twin.discount(elapsed, parameters)
        seconds = parameters.premium_seconds
        assert library.call("premiumRate", elapsed, seconds) == twin.premium_rate(elapsed, seconds)


def test_sale__random_inputs__is_the_twin_s_to_the_wei(library: Contract) -> None:
    """I16."""
    draw = random.Random(2)
    for _ in range(DRAWS):
        sale, parameters, fraction = any_sale(draw), any_parameters(draw), draw.choice([WAD, draw.randrange(WAD) + 1])
        whole = fraction == WAD
        assert library.call("nextPhase", sale, parameters) == twin.next_phase(sale, parameters)
        assert library.call("price", sale, whole) == (twin.price(sale, whole), twin.price_per_equity(sale, whole))
        assert library.call("fractions", sale, MINIMUM_FRACTION) == twin.fractions(sale, MINIMUM_FRACTION)
        assert library.call("settlement", sale, fraction) == twin.settlement(sale, fraction)


def test_discount__at_its_corners__is_what_the_parameters_say(library: Contract) -> None:
    def at(seconds: int) -> int:
        return library.call("discount", seconds * WAD, PARAMETERS)

    assert [at(0), at(450), at(900), at(900 + 7_200), at(900 + 14_400), at(10**9)] == [
        2 * WAD // 100,
        21 * WAD // 100,
        40 * WAD // 100,
        70 * WAD // 100,
        WAD,
        WAD,
    ]


def test_clock_speed__by_depth__is_the_square_and_capped(library: Contract) -> None:
    def speed(equity: int) -> int:
        return library.call("clockSpeed", equity * WAD, 100 * WAD, 16)

    assert [speed(e) for e in (200, 100, 50, 25, 24, 1, 0, -5)] == [
        WAD // 4,
        WAD,
        4 * WAD,
        16 * WAD,
        16 * WAD,
        16 * WAD,
        16 * WAD,
        16 * WAD,
    ]


def test_fractions__largest_bid__brings_the_account_to_its_target_and_no_further(library: Contract) -> None:
    """I9: E − R does not fall, and reaches 0 at the largest fraction, to a few wei."""
    draw = random.Random(3)
    reached = 0
    for _ in range(DRAWS):
        sale = any_sale(draw)
        _, most = library.call("fractions", sale, MINIMUM_FRACTION)
        if most == WAD or sale.target > 10**30 or sale.proceeds < sale.target:
            continue
        after = twin.after_bid(sale, bid(sale, most))
        reached += 1
        tolerance = 3 + abs(sale.for_sale) // WAD + sale.target // WAD
        assert -3 <= after.equity - after.target <= tolerance
    assert reached > 50


def bid(sale: Sale, fraction: int) -> twin.Outcome:
    return twin.outcome(
        sale, fraction, 0, insured=lambda amount: amount, premium_left=10**40, parameters=replace(PARAMETERS)
    )


def test_bid__partial__never_lowers_equity_less_target() -> None:
    """I9."""
    draw = random.Random(4)
    for _ in range(DRAWS):
        sale = any_sale(draw)
        least, most = twin.fractions(sale, MINIMUM_FRACTION)
        if most == WAD and least == WAD:
            continue
        after = twin.after_bid(sale, bid(sale, draw.randrange(least, most + 1)))
        assert after.equity - after.target >= sale.equity - sale.target - 3


def split(sale: Sale, whole: int, pieces: int, draw: random.Random) -> tuple[Sale, int]:
    """Sells `whole` in pieces; the sale afterwards and what its takers gained."""
    left, gain = WAD, 0
    for piece in range(pieces):
        target_left = WAD - whole if piece == pieces - 1 else left - (left - (WAD - whole)) * draw.randrange(1, 9) // 10
        fraction = WAD - target_left * WAD // left
        done = exact(sale, fraction)
        gain += sale.for_sale * fraction // WAD - done.payment + done.reward
        sale, left = twin.after_bid(sale, done), target_left
    return sale, gain


def exact(sale: Sale, fraction: int) -> twin.Outcome:
    """A bid of exactly this fraction, whatever the smallest one is."""
    payment, reward, _ = twin.settlement(sale, fraction)
    from_proceeds = min(reward, sale.proceeds)
    return twin.Outcome(fraction, payment, reward, from_proceeds, reward - from_proceeds, 0, 0)


@pytest.mark.parametrize("whole", [WAD, 6 * WAD // 10])
def test_bid__however_split__leaves_account_and_takers_where_one_bid_would(whole: int) -> None:
    """I15, and the attack of splitting a bid: equal to a few wei a bid."""
    draw = random.Random(5)
    for _ in range(1_000):
        sale = replace(any_sale(draw), fixed=20 * WAD)
        scale = max(1, 10**27 // max(1, abs(sale.equity), sale.target))
        sale = replace(sale, maintenance=sale.maintenance * scale + 20 * WAD, target=sale.target * scale + 20 * WAD)
        once, gain_once = split(sale, whole, 1, draw)
        often, gain_often = split(sale, whole, 5, draw)
        # A fraction is a multiple of 1e-18: what five of them leave differs by as many such parts of the whole.
        tolerance = 40 + 40 * max(abs(sale.for_sale), sale.target) // WAD
        assert abs(once.equity - often.equity) <= tolerance
        assert abs(gain_once - gain_often) <= tolerance


def test_concession__while_insolvent__is_the_premium_alone_whatever_equity_there_is() -> None:
    """Hovering around zero: a flicker of E to 0 does not hand the equity that came back to the next bidder."""
    flickered = Sale(Phase.INSOLVENT, 0, 49 * WAD, 0, 110 * WAD, 100 * WAD, WAD)
    assert twin.price(flickered, takes_whole=False) == 49 * WAD
    assert twin.price(replace(flickered, equity=-49 * WAD), takes_whole=False) == -49 * WAD
    assert twin.price(replace(flickered, phase=Phase.EXHAUSTED), takes_whole=False) == 0
