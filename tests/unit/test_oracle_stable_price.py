"""The stable price follows stored indices, over time, within its rate."""

import pytest

from ballast.risk.oracle import advance_stable_price
from tests.support.oracle import ETH, HOUR, LIMITS, USDC, WAD, OracleBench

ETH_USD = 3000 * WAD


@pytest.fixture
def bench() -> OracleBench:
    return OracleBench()


def test_stable_price__index_moved_just_now__has_not_moved(bench: OracleBench) -> None:
    bench.evm.advance(HOUR)
    bench.publish_all()
    bench.publish(ETH, 3300 * WAD)
    assert bench.refresh().stable == ETH_USD
    assert bench.quote().stable == ETH_USD, "not within the same second either"


def test_stable_price__time_passes__follows_the_index_stored_before(bench: OracleBench) -> None:
    bench.publish(ETH, 3060 * WAD)
    bench.refresh()
    bench.evm.advance(HOUR // 4)
    bench.publish(ETH, 2800 * WAD)
    assert bench.refresh().stable == ETH_USD + 15 * WAD, "a quarter of the way to the stored 3060, not towards 2800"


def test_stable_price__far_index__moves_no_faster_than_its_rate(bench: OracleBench) -> None:
    bench.publish(ETH, 4500 * WAD)
    bench.refresh()
    bench.evm.advance(HOUR // 2)
    bench.publish_all()
    assert bench.refresh().stable == ETH_USD * 105 // 100, "10 % an hour"


def test_stable_price__long_silence__counts_no_longer_than_its_delay(bench: OracleBench) -> None:
    bench.publish(ETH, 4500 * WAD)
    bench.refresh()
    bench.evm.advance(30 * HOUR)
    bench.publish_all()
    assert bench.quote().stable == ETH_USD * 110 // 100


def test_stable_price__index_stands__arrives_and_stays(bench: OracleBench) -> None:
    bench.publish(ETH, 3150 * WAD)
    bench.refresh()
    bench.evm.advance(LIMITS.stable_delay)
    bench.publish(USDC, WAD)
    bench.publish(ETH, 3150 * WAD)
    assert bench.refresh().stable == 3150 * WAD
    bench.evm.advance(60)
    assert bench.refresh().stable == 3150 * WAD


def test_stable_price__falls__rounded_towards_where_it_was() -> None:
    assert advance_stable_price(stable=1000, index=900, elapsed=7, delay=1000, rate_bps=20_000) == 1000
    assert advance_stable_price(stable=1000, index=900, elapsed=19, delay=1000, rate_bps=20_000) == 999
