"""Basis and funding: one clamped sample a block, a ramp with no weight in its own block, funding in closed form."""

import pytest

from tests.support.clearing import BILLION, Fill, Module, cash_of, drive, imbalance, position_of
from tests.support.evm import reverts
from tests.support.system import DAY, HOUR, Market, System, trader, wad

TAKER, MAKER = trader("taker"), trader("maker")
BOTH = [TAKER.account, MAKER.account]
MARK = wad(2_500)
BASIS_LIMIT = BILLION * 5 // 1_000
WINDOW = 600
FUNDING_PERIOD = 8 * HOUR


@pytest.fixture
def exchange(system: System, market: Market) -> Module:
    market.fund(TAKER, USDC=100_000)
    market.fund(MAKER, USDC=100_000)
    return drive(system, system.exchange)


@pytest.fixture
def eth(market: Market) -> int:
    return market.instrument("ETH")


def basis_of(system: System, eth: int) -> int:
    return int(system.clearinghouse.call("instrumentOf", eth).basis)


def funding_of(system: System, eth: int) -> int:
    return int(system.clearinghouse.call("instrumentOf", eth).cumulativeFunding)


def sample(exchange: Module, eth: int, premium: int) -> None:
    """A fill at that premium over the index, 1e9 is one, large enough to count."""
    exchange.settle(BOTH, Fill(eth, wad(1), MARK + MARK * premium // BILLION))


def ramp_integral(elapsed: int, start: int, target: int) -> int:
    """2 · window · ∫ basis dt."""
    if elapsed <= WINDOW:
        return 2 * WINDOW * start * elapsed + (target - start) * elapsed**2
    return WINDOW**2 * (start + target) + 2 * WINDOW * target * (elapsed - WINDOW)


def test_sample__in_its_own_block__has_no_weight(system: System, market: Market, exchange: Module, eth: int):
    sample(exchange, eth, BASIS_LIMIT)
    assert (basis_of(system, eth), market.mark("ETH")) == (0, MARK)
    assert funding_of(system, eth) == 0


def test_sample__ramps_over_the_window(system: System, market: Market, exchange: Module, eth: int):
    sample(exchange, eth, 4_000_000)
    system.evm.advance(WINDOW // 4)
    assert basis_of(system, eth) == 1_000_000
    system.evm.advance(WINDOW)
    assert basis_of(system, eth) == 4_000_000
    assert market.mark("ETH") == MARK * 1_004 // 1_000


def test_sample__first_fill_of_a_block_alone_counts(system: System, exchange: Module, eth: int):
    sample(exchange, eth, 1_000_000)
    sample(exchange, eth, 5_000_000)
    system.evm.advance(WINDOW)
    assert basis_of(system, eth) == 1_000_000


def test_sample__too_small_a_fill__does_not_count(system: System, exchange: Module, eth: int):
    exchange.settle(BOTH, Fill(eth, wad("0.399"), MARK + MARK // 1_000))
    system.evm.advance(WINDOW)
    assert basis_of(system, eth) == 0


@pytest.mark.parametrize("sign", [1, -1])
def test_sample__beyond_the_limit__clamped_I19(system: System, exchange: Module, eth: int, sign: int):
    sample(exchange, eth, sign * 2 * BASIS_LIMIT)
    system.evm.advance(WINDOW)
    assert basis_of(system, eth) == sign * BASIS_LIMIT


def test_funding__closed_form__long_pays_short(system: System, market: Market, exchange: Module, eth: int):
    sample(exchange, eth, BASIS_LIMIT)
    elapsed = 3 * HOUR
    market.advance(elapsed)
    expected = MARK * ramp_integral(elapsed, 0, BASIS_LIMIT) // (2 * WINDOW * BILLION * FUNDING_PERIOD)
    assert funding_of(system, eth) == expected
    before = [cash_of(system, account) for account in BOTH]
    for account in BOTH:
        system.clearinghouse.transact("realise", account)
    mark = market.mark("ETH")
    paid = MARK * 1_005 // 1_000 + expected - mark
    assert cash_of(system, TAKER.account) == before[0] - paid
    assert cash_of(system, MAKER.account) == before[1] + paid
    assert imbalance(system, BOTH) == 0


@pytest.mark.parametrize("seconds", [1, 8 * HOUR, 40 * 365 * DAY])
def test_funding__any_length__within_the_clamp_I19(system: System, exchange: Module, eth: int, seconds: int):
    sample(exchange, eth, 2 * BASIS_LIMIT)
    system.evm.advance(seconds)
    assert 0 <= funding_of(system, eth) <= MARK * BASIS_LIMIT * seconds // (BILLION * FUNDING_PERIOD)


def test_accrue_funding__twice_in_a_block__as_once_I18(system: System, market: Market, exchange: Module, eth: int):
    sample(exchange, eth, 3_000_000)
    market.advance(HOUR)
    first = system.clearinghouse.transact("accrueFunding", eth)
    state = system.clearinghouse.call("instrumentOf", eth)
    second = system.clearinghouse.transact("accrueFunding", eth)
    assert system.clearinghouse.call("instrumentOf", eth) == state
    assert [len(receipt.events("FundingAccrued")) for receipt in (first, second)] == [1, 0]
    assert first.events("FundingAccrued")[0].cumulativeFunding == state.cumulativeFunding > 0


def test_accrue_funding__in_between__only_brings_the_index_up_to_date(
    system: System, market: Market, exchange: Module, eth: int
):
    sample(exchange, eth, BASIS_LIMIT)
    market.advance(HOUR)
    with system.evm.rolled_back():
        market.advance(HOUR)
        undisturbed = funding_of(system, eth)
    system.clearinghouse.transact("accrueFunding", eth)
    market.advance(HOUR)
    assert undisturbed - 1 <= funding_of(system, eth) <= undisturbed, "at an unchanged index, but for rounding"


def test_accrue_funding__index_moved__later_funding_follows_it(
    system: System, market: Market, exchange: Module, eth: int
):
    sample(exchange, eth, BASIS_LIMIT)
    market.advance(HOUR)
    market.set_price("ETH", 2_750)
    system.clearinghouse.transact("accrueFunding", eth)
    before = funding_of(system, eth)
    market.advance(8 * HOUR)
    assert funding_of(system, eth) - before == wad(2_750) * BASIS_LIMIT // BILLION


def test_accrue_funding__unknown_instrument__refused(system: System):
    with reverts("UnknownInstrument", instrument=9):
        system.clearinghouse.transact("accrueFunding", 9)


def test_realise__by_anyone__moves_value_to_cash_and_nothing_else(
    system: System, market: Market, exchange: Module, eth: int
):
    exchange.settle(BOTH, Fill(eth, wad(2), MARK))
    market.set_price("ETH", 2_600)
    nonce = system.clearinghouse.call("accountOf", TAKER.account).positionNonce
    equity = system.clearinghouse.call("marginOf", TAKER.account).equity
    receipt = system.clearinghouse.transact("realise", TAKER.account, sender=MAKER.address)
    assert cash_of(system, TAKER.account) == wad(100_200)
    assert position_of(system, TAKER.account).value == 0
    assert system.clearinghouse.call("marginOf", TAKER.account).equity == equity
    assert system.clearinghouse.call("accountOf", TAKER.account).positionNonce == nonce
    assert receipt.events("Realised")[0].value == wad(200)
    assert system.clearinghouse.transact("realise", TAKER.account).events("Realised") == []


def test_realise__value_with_a_fraction_of_a_wei__rounded_down_on_both_sides_I14(
    system: System, market: Market, exchange: Module, eth: int
):
    """Else two accounts of one person could make a wei an act between them."""
    market.set_price("ETH", "2500.12345678")
    sample(exchange, eth, 1_234_567)
    exchange.settle(BOTH, Fill(eth, wad("0.001"), MARK))
    market.advance(301)
    mark, funding = market.mark("ETH"), funding_of(system, eth)
    fractions = 0
    for who in (TAKER, MAKER):
        held, before = position_of(system, who.account), cash_of(system, who.account)
        system.clearinghouse.transact("realise", who.account)
        value = held.size * mark // 10**18 + held.quote - -(-held.size * funding // 10**18)
        assert cash_of(system, who.account) - before == value
        fractions += held.size * mark % 10**18
    assert fractions > 0


def test_realise__at_a_stale_price__moves_nothing(system: System, market: Market, exchange: Module, eth: int):
    """A gain that nobody vouches for any more does not become cash, which bears interest and is taken out."""
    exchange.settle(BOTH, Fill(eth, wad(2), MARK))
    market.set_price("ETH", 2_600)
    del market.prices["ETH"]
    market.advance(27 * HOUR)
    receipt = system.clearinghouse.transact("realise", TAKER.account)
    assert receipt.events("Realised") == []
    assert cash_of(system, TAKER.account) == wad(100_000)
    assert position_of(system, TAKER.account).value == wad(200)


def test_realise__in_liquidation__refused(system: System, exchange: Module):
    drive(system, system.auctions).run(("startLiquidation", TAKER.account, 0, 0))
    with reverts("AccountInLiquidation", account=TAKER.account):
        system.clearinghouse.transact("realise", TAKER.account)
