"""What operators do with what they won: trade out of its risk against the market makers, so as to bid again.

Without it a liquidator's capital is spent after its first bids. Each turn brings an operator's net exposure to every
underlying back to nothing, by signed orders that pay the makers a spread; collateral won is kept, hedged; futures and
options are closed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from eth_account.signers.local import LocalAccount

from ballast.chain.ids import KIND_PERP, account_id, kind_of, perp_of
from ballast.chain.instruments import expiry_of
from ballast.chain.orders import Match, OrderDomain, SignedOrder, limit_order, settle_calldata
from ballast.risk.expiry import WINDOW
from scripts.demo.operators import Operator
from scripts.demo.population import TOKEN_OF, UNDERLYINGS, key_of
from scripts.demo.requirement import STEPS
from scripts.demo.stage import DAY, DEALERS, MAKERS, Stage, decimals_of

WAD = 10**18
# Of the price, to the maker.
SPREAD = WAD // 2_000
LEAST_NOTIONAL = 500 * WAD
Pair = tuple[SignedOrder, SignedOrder]


@dataclass
class Desk:
    """The operators' trading desks. `nonce` numbers their orders."""

    stage: Stage
    operators: Sequence[Operator]
    seed: int
    nonce: int = 1 << 32

    def work(self, timestamp: int) -> None:
        """Sends one settlement an operator with something to hedge; it is mined with the next block."""
        for operator in self.operators:
            view = self.stage.view("Clearinghouse", "accountOf", account_id(operator.key.address))
            self._settle([*self._closures(operator, view, timestamp)])
            self._settle([*self._hedges(operator, view, timestamp)])

    def _settle(self, pairs: Sequence[Pair]) -> None:
        """A pair holds the operator's order and the maker's, one maker's in all."""
        orders = [order for pair in pairs for order in pair]
        if orders:
            matches = [Match(k, k + 1, abs(orders[k].order.size)) for k in range(0, len(orders), 2)]
            call = (self.stage.address("Exchange"), settle_calldata(orders, matches))
            self.stage.post([(orders[1].order.signer, call)], gas=12_000_000)

    def _closures(self, operator: Operator, view: Any, timestamp: int) -> Iterator[Pair]:
        dealer = key_of(self.seed, f"dealer {self.nonce % DEALERS}")
        for leg in view.positions:
            if kind_of(leg.instrument) == KIND_PERP or expiry_of(leg.instrument) - timestamp < WINDOW:
                continue
            mark = self.stage.view("Clearinghouse", "markOf", leg.index)
            limit = max(1, mark - (SPREAD if leg.size > 0 else -SPREAD) * mark // WAD)
            yield self._pair(operator, dealer, leg.instrument, -leg.size, limit, timestamp)

    def _hedges(self, operator: Operator, view: Any, timestamp: int) -> Iterator[Pair]:
        maker = key_of(self.seed, f"maker {self.nonce % MAKERS}")
        exposure = self._exposure(view)
        for name in UNDERLYINGS:
            index, step = self.stage.record.instruments[f"PERP:{name}"], round(STEPS[name] * WAD)
            mark = self.stage.view("Clearinghouse", "markOf", index)
            size = -(exposure[name] // step) * step
            if abs(size) * mark // WAD < LEAST_NOTIONAL:
                continue
            limit = mark + (SPREAD if size > 0 else -SPREAD) * mark // WAD
            yield self._pair(operator, maker, perp_of(self.stage.record.underlyings[name]), size, limit, timestamp)

    def _pair(
        self, operator: Operator, maker: LocalAccount, instrument: int, size: int, limit: int, timestamp: int
    ) -> Pair:
        self.nonce += 1
        domain = OrderDomain(self.stage.record.chain_id, self.stage.address("Exchange"))
        taking = limit_order(operator.key.address, instrument, size, limit, timestamp + DAY, self.nonce)
        making = limit_order(maker.address, instrument, -size, limit, timestamp + DAY, self.nonce)
        return domain.sign(taking, operator.key), domain.sign(making, maker)

    def _exposure(self, view: Any) -> dict[str, int]:
        """Net units of each underlying in perps and collateral, wad."""
        exposure: dict[str, int] = {}
        size_of = {leg.index: leg.size for leg in view.positions}
        held = {leg.asset: leg.amount for leg in view.collaterals}
        for name, token in TOKEN_OF.items():
            exposure[name] = size_of.get(self.stage.record.instruments[f"PERP:{name}"], 0)
            exposure[name] += held.get(self.stage.record.assets[token], 0) * 10 ** (18 - decimals_of(self.stage, token))
        return exposure
