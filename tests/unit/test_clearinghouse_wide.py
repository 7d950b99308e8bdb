"""How many underlyings the positions of one account may have."""

from __future__ import annotations

import pytest

from ballast.chain.ids import perp_of
from tests.support.evm import reverts
from tests.support.system import Market, deploy_system, trader
from tests.support.wide import TRADED, wide_book, wide_network

LONG, SHORT = trader("long"), trader("short")


@pytest.fixture
def market() -> Market:
    """Both hold a perpetual of each of the eight."""
    market = Market(deploy_system(wide_network(), wide_book()))
    for who in (LONG, SHORT):
        market.fund(who, USDC=1_000_000)
    for underlying in range(1, TRADED + 1):
        market.trade(LONG, SHORT, perpetual(market, underlying), 1)
    return market


def perpetual(market: Market, underlying: int) -> int:
    return int(market.system.clearinghouse.call("instrumentIndexOf", perp_of(underlying)))


def test_fill__ninth_underlying__refused(market: Market) -> None:
    with reverts("TooManyUnderlyings"):
        market.trade(LONG, SHORT, perpetual(market, TRADED + 1), 1)


def test_fill__ninth_underlying_after_another_is_closed__accepted(market: Market) -> None:
    market.trade(SHORT, LONG, perpetual(market, 1), 1)
    market.trade(LONG, SHORT, perpetual(market, TRADED + 1), 1)


def test_fill__more_of_the_eight__accepted(market: Market) -> None:
    market.trade(LONG, SHORT, perpetual(market, TRADED), 1)
    held = market.system.clearinghouse.call("accountOf", LONG.account).positions
    assert len(held) == TRADED


def test_deposit__collateral_of_a_ninth_underlying__accepted(market: Market) -> None:
    market.fund(LONG, T9=1)
    assert market.system.clearinghouse.call("marginOf", LONG.account).equity > 0
