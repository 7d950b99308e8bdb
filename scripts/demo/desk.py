"""What operators do with what they won: trade out of its risk against the market makers, so as to bid again.

Without it a liquidator's capital is spent after its first bids. Each turn brings an operator's net exposure to every
underlying back to nothing, by signed orders that pay the makers a spread; collateral won is kept, hedged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ballast.chain.ids import account_id, perp_of
from ballast.chain.orders import Match, OrderDomain, SignedOrder, limit_order, settle_calldata
from scripts.demo.operators import Operator
from scripts.demo.population import TOKEN_OF, UNDERLYINGS, key_of
from scripts.demo.requirement import STEPS
from scripts.demo.stage import DAY, MAKERS, Stage, decimals_of

WAD = 10**18
# Of the price, to the maker.
SPREAD = WAD // 2_000
LEAST_NOTIONAL = 500 * WAD


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
            maker = key_of(self.seed, f"maker {self.nonce % MAKERS}")
            orders = [order for pair in self._hedges(operator, timestamp) for order in pair]
            if orders:
                matches = [Match(k, k + 1, abs(orders[k].order.size)) for k in range(0, len(orders), 2)]
                call = (self.stage.address("Exchange"), settle_calldata(orders, matches))
                self.stage.post([(maker.address, call)], gas=5_000_000)

    def _hedges(self, operator: Operator, timestamp: int) -> Iterator[tuple[SignedOrder, SignedOrder]]:
        domain = OrderDomain(self.stage.record.chain_id, self.stage.address("Exchange"))
        maker = key_of(self.seed, f"maker {self.nonce % MAKERS}")
        exposure = self._exposure(operator)
        for name in UNDERLYINGS:
            index, step = self.stage.record.instruments[f"PERP:{name}"], round(STEPS[name] * WAD)
            mark = self.stage.view("Clearinghouse", "markOf", index)
            size = -(exposure[name] // step) * step
            if abs(size) * mark // WAD < LEAST_NOTIONAL:
                continue
            self.nonce += 1
            limit = mark + (SPREAD if size > 0 else -SPREAD) * mark // WAD
            instrument, expiry = perp_of(self.stage.record.underlyings[name]), timestamp + DAY
            taking = limit_order(operator.key.address, instrument, size, limit, expiry, self.nonce)
            making = limit_order(maker.address, instrument, -size, limit, expiry, self.nonce)
            yield domain.sign(taking, operator.key), domain.sign(making, maker)

    def _exposure(self, operator: Operator) -> dict[str, int]:
        """Net units of each underlying, wad."""
        view = self.stage.view("Clearinghouse", "accountOf", account_id(operator.key.address))
        exposure: dict[str, int] = {}
        size_of = {leg.index: leg.size for leg in view.positions}
        held = {leg.asset: leg.amount for leg in view.collaterals}
        for name, token in TOKEN_OF.items():
            exposure[name] = size_of.get(self.stage.record.instruments[f"PERP:{name}"], 0)
            exposure[name] += held.get(self.stage.record.assets[token], 0) * 10 ** (18 - decimals_of(self.stage, token))
        return exposure
