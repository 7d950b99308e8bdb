"""Admission of options against the chain itself: its edge is the chain's edge."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ballast.chain.connection import Connection
from ballast.chain.contracts import Deployment, System
from ballast.chain.ids import future_of, option_of, perp_of
from ballast.chain.orders import Match, OrderDomain, SignedOrder, as_legs, limit_order, settle_calldata
from ballast.deployment.config import read_network
from ballast.matcher.admission import Admission, Exposure
from ballast.matcher.refusals import Refused
from ballast.matcher.requests import MOST_LEGS
from ballast.matcher.settler import MOST_GAS
from ballast.risk.book import first_book
from tests.support.dated import STEP_EXPONENT, DatedMarket
from tests.support.edges import is_settled_by_the_chain, largest
from tests.support.evm import decode_log
from tests.support.node import node_evm
from tests.support.system import LOCAL, Market, Trader, deploy_on, trader, wad

TAKER, HEDGED, MAKER = trader("edge taker"), trader("hedged taker"), trader("edge maker")
STEP = 10**STEP_EXPONENT
# More than any of them can afford.
MOST = 1_000 * 10**18 // STEP


def to_bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


@dataclass(frozen=True)
class Options:
    """Options of one expiry on a real node. `hedged` holds a future of it."""

    dated: DatedMarket
    system: System

    @property
    def domain(self) -> OrderDomain:
        return OrderDomain(self.system.deployment.chain_id, self.system.address("Exchange"))

    def signed(self, who: Trader, legs: list[tuple[int, bool, int]]) -> list[SignedOrder]:
        """Orders of (strike, is it a put, size) at mark; several are filled together."""
        dated = self.dated
        orders = [
            limit_order(
                who.address,
                option_of(dated.underlying, dated.expiry, wad(strike), is_put=is_put),
                size,
                dated.mark(dated.put(strike) if is_put else dated.call(strike)),
                expiry=dated.expiry,
                nonce=number,
            )
            for number, (strike, is_put, size) in enumerate(legs, 1_000)
        ]
        return [self.domain.sign(one, who.key) for one in (as_legs(orders, 7) if len(orders) > 1 else orders)]


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Options]:
    with node_evm() as evm:
        market = Market(deploy_on(evm, evm.backend(), read_network(LOCAL), first_book()))
        dated = DatedMarket(market)
        for who, amount in ((TAKER, 3_000), (HEDGED, 3_000), (MAKER, 5_000_000)):
            market.fund(who, USDC=amount)
        market.trade(HEDGED, MAKER, dated.future, 3)
        file = tmp_path_factory.mktemp("options") / "deployment.json"
        dated.system.record.write(Path(file))
        yield Options(dated, System(Connection(evm.node.url), Deployment.load(file)))


@pytest.mark.parametrize(
    ("who", "legs"),
    [
        (TAKER, [(2_500, False, 1)]),
        (TAKER, [(2_500, False, -1)]),
        (TAKER, [(2_000, True, -1)]),
        (HEDGED, [(3_000, False, -1)]),
        (HEDGED, [(2_500, True, 1)]),
        (TAKER, [(2_500, False, -1), (3_000, False, 1)]),
        (TAKER, [(2_500, False, 1), (2_500, True, 1)]),
    ],
)
def test_admit__largest_order_for_options_that_is_granted__is_the_largest_that_settles(
    options: Options, who: Trader, legs: list[tuple[int, bool, int]]
) -> None:
    """To one size step: bought, sold, sold against a future that hedges, and as legs of a spread and of a straddle."""
    admission = Admission(options.system)

    def package(owner: Trader, steps: int) -> list[SignedOrder]:
        return options.signed(owner, [(strike, is_put, side * steps * STEP) for strike, is_put, side in legs])

    def is_granted(steps: int) -> bool:
        taken = package(who, steps)
        try:
            if len(taken) > 1:
                admission.admit_legs(taken, Exposure())
            else:
                admission.admit(taken[0], Exposure())
        except Refused as refusal:
            assert refusal.code == "margin", refusal
            return False
        return True

    def settles(steps: int) -> bool:
        return is_settled_by_the_chain(options.system, package(who, steps), package(MAKER, -steps))

    assert largest(is_granted, MOST) == largest(settles, MOST) > 1


def test_settle__as_many_legs_as_a_request_may_have__fits_into_a_transaction(options: Options) -> None:
    """Calls and puts of three strikes, the future and the perpetual, for accounts that have none of the options."""
    dated = options.dated
    strikes = [(strike, is_put) for strike in dated.strikes for is_put in (False, True)]
    instruments = [option_of(dated.underlying, dated.expiry, wad(one), is_put=is_put) for one, is_put in strikes]
    instruments += [future_of(dated.underlying, dated.expiry), perp_of(dated.underlying)]
    assert len(instruments) == MOST_LEGS

    def package(who: Trader, side: int) -> list[SignedOrder]:
        orders = [
            limit_order(
                who.address,
                one,
                side * wad("0.1"),
                dated.mark(int(dated.system.clearinghouse.call("instrumentIndexOf", one))),
                dated.expiry,
                number,
            )
            for number, one in enumerate(instruments, 2_000)
        ]
        return [options.domain.sign(one, who.key) for one in as_legs(orders, 9)]

    takers, makers = package(TAKER, 1), package(MAKER, -1)
    matches = [Match(place, MOST_LEGS + place, wad("0.1")) for place in range(MOST_LEGS)]
    data = "0x" + settle_calldata([*takers, *makers], matches).hex()
    node = options.dated.system.evm.node
    before = node.request("evm_snapshot")
    request = {"from": node.request("eth_accounts")[0], "to": options.domain.exchange, "data": data}
    mined = node.request("eth_sendTransactionSync", request | {"gas": hex(MOST_GAS)})
    node.request("evm_revert", before)
    told = [decode_log(log["address"], [*map(to_bytes, log["topics"])], to_bytes(log["data"])) for log in mined["logs"]]
    assert sum(one is not None and one.name == "OrderFilled" for one in told) == 2 * MOST_LEGS
    assert int(mined["gasUsed"], 16) < MOST_GAS // 4
