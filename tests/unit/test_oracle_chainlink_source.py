"""`ChainlinkSource`: one feed, scaled and checked."""

import pytest

from tests.support.evm import GENESIS_TIME, Contract, Evm, reverts
from tests.support.oracle import ETH, WAD

PRICE = 3000


@pytest.fixture
def evm() -> Evm:
    return Evm()


def source_of(evm: Evm, feed: Contract) -> Contract:
    return evm.deploy("ChainlinkSource", feed.address, ETH)


@pytest.mark.parametrize("decimals", [0, 6, 8, 18])
def test_latest_report__feed_of_any_decimals__scaled_to_wad(evm: Evm, decimals: int) -> None:
    feed = evm.deploy("UnrulyAggregator", decimals)
    feed.transact("report", PRICE * 10**decimals, GENESIS_TIME - 5)
    source = source_of(evm, feed)
    assert tuple(source.call("latestReport", ETH)) == (PRICE * WAD, 0, GENESIS_TIME - 5)
    assert source.call("scale") == 10 ** (18 - decimals)


def test_construct__more_decimals_than_wad__reverts(evm: Evm) -> None:
    feed = evm.deploy("UnrulyAggregator", 19)
    with reverts("UnsupportedDecimals", decimals=19):
        source_of(evm, feed)


def test_latest_report__other_underlying__reverts(evm: Evm) -> None:
    source = source_of(evm, evm.deploy("UnrulyAggregator", 8))
    with reverts("WrongUnderlying", requested=ETH + 1, served=ETH):
        source.call("latestReport", ETH + 1)


@pytest.mark.parametrize(
    ("round_id", "updated_at", "answered_in_round"), [(5, 0, 5), (5, GENESIS_TIME, 4)], ids=["no time", "carried over"]
)
def test_latest_report__round_incomplete__reverts(
    evm: Evm, round_id: int, updated_at: int, answered_in_round: int
) -> None:
    feed = evm.deploy("UnrulyAggregator", 8)
    feed.transact("setRound", round_id, PRICE * 10**8, GENESIS_TIME, updated_at, answered_in_round)
    with reverts("RoundIncomplete", roundId=round_id):
        source_of(evm, feed).call("latestReport", ETH)


@pytest.mark.parametrize("answer", [0, -1, -(2**255)])
def test_latest_report__answer_not_positive__reverts(evm: Evm, answer: int) -> None:
    feed = evm.deploy("UnrulyAggregator", 8)
    feed.transact("report", answer, GENESIS_TIME)
    with reverts("AnswerAtBound", answer=answer, least=0):
        source_of(evm, feed).call("latestReport", ETH)


@pytest.mark.parametrize("behind_proxy", [False, True])
def test_latest_report__answer_at_the_feeds_own_bounds__reverts(evm: Evm, behind_proxy: bool) -> None:
    feed = evm.deploy("BoundedAggregator", 8, 10 * 10**8, 10_000 * 10**8)
    shown = evm.deploy("AggregatorProxy", feed.address) if behind_proxy else feed
    source = source_of(evm, shown)
    for answer in (10 * 10**8, 10_000 * 10**8):
        feed.transact("report", answer, GENESIS_TIME)
        with reverts("AnswerAtBound", answer=answer, least=10 * 10**8, most=10_000 * 10**8):
            source.call("latestReport", ETH)
    feed.transact("report", 10 * 10**8 + 1, GENESIS_TIME)
    assert source.call("latestReport", ETH).price == 10 * WAD + 10**10


def test_construct__bounds_below_zero__least_answer_is_zero(evm: Evm) -> None:
    source = source_of(evm, evm.deploy("BoundedAggregator", 8, -5, 10**12))
    assert (source.call("leastAnswer"), source.call("mostAnswer")) == (0, 10**12)
