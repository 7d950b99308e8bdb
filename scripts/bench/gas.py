"""Gas by act and by portfolio, measured on Anvil with the system that is deployed everywhere else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eth_account.signers.local import LocalAccount

from ballast.chain.ids import account_id
from scripts.anvil import anvil
from scripts.bench.options import measure_options
from scripts.bench.system import (
    ALL,
    COLD_CALL,
    COLLATERAL,
    GENESIS,
    SIZES,
    TOKENS,
    WAD,
    BenchSystem,
    Figure,
    oracle_apart,
)


def measure_gas() -> list[Figure]:
    """All figures, in the order in which they are reported."""
    with anvil("--timestamp", str(GENESIS), "--gas-limit", "60000000") as node:
        bench = Bench(node)
        return [
            *bench.margin_checks(
                "1perp_1collateral", ("ETH",), 80_000, "Derive, perps on one underlying: 115–135k warm"
            ),
            *bench.margin_checks("4perps_4collaterals", ALL, 170_000, "Euler EVK, 5 collaterals: 210k"),
            *bench.settle_pair(),
            *bench.deposits(),
            *bench.liquidation(),
            *measure_options(),
        ]


class Bench(BenchSystem):
    """Users made on demand, for each figure some of its own."""

    # Figures -----------------------------------------------------------------------------------------------------

    def margin_checks(self, name: str, symbols: Sequence[str], target: int, rival: str) -> list[Figure]:
        """The whole check, and what of it is the oracle: the reading, and calling the hub for it."""
        maker = self.user(f"maker {name}", {"USDC": 5_000_000})
        deposits = {"USDC": 50_000.0, **{TOKENS[symbol]: COLLATERAL[TOKENS[symbol]] for symbol in symbols}}
        owner = self.user(f"owner {name}", deposits)
        self.trade(owner, maker, {symbol: SIZES[symbol] for symbol in symbols})
        underlyings = sum(1 << self.record.underlyings[symbol] for symbol in symbols)
        whole = self.cold_view("Clearinghouse", "marginOf", account_id(owner.address))
        oracle = self.cold_view("OracleHub", "quotesOf", underlyings) + COLD_CALL
        return oracle_apart(f"margin_check.{name}", whole, oracle, target, rival)

    def settle_pair(self) -> list[Figure]:
        """Two signed orders between accounts that hold the perpetual and USDC already, both margin checks."""
        taker, maker = (self.user(f"pair {side}", {"USDC": 500_000}) for side in ("taker", "maker"))
        self.trade(taker, maker, {"ETH": 5.0})
        self.move_time(60)
        self.report()
        gas = self.trade(taker, maker, {"ETH": 1.0})
        rival = "Derive: 649k (standard), 1.11M (PMRM 2), without its matching"
        return oracle_apart("settle_pair", gas, self.oracle_part(), 350_000, rival)

    def deposits(self) -> list[Figure]:
        owner = self.user("depositor", {})
        first = self.deposit(owner, "USDC", 1_000)
        self.move_time(60)
        repeat = self.deposit(owner, "USDC", 1_000)
        return [
            Figure("deposit_first", first, 120_000, "Derive: 135–140k"),
            Figure("deposit_repeat", repeat, 85_000, "Morpho Blue supply: 81k"),
        ]

    def liquidation(self) -> list[Figure]:
        """An account of four perps and four collaterals falls below maintenance margin and is taken in one bid."""
        maker, bidder = self.user("crash maker", {"USDC": 5_000_000}), self.user("bidder", {"USDC": 2_000_000})
        owner = self.user("crash owner", {"USDC": 1_000, **COLLATERAL})
        self.trade(owner, maker, {symbol: 1.3 * SIZES[symbol] for symbol in ALL})
        self.move_time(3_600)
        for step in (0.95, 0.9, 0.86, 0.82, 0.78, 0.74, 0.7):
            self.report(ETH=step, BTC=step, LINK=step)
            self.contracts["OracleHub"].transact("refresh", sum(1 << self.record.underlyings[name] for name in ALL))
            if self._margin(owner).equity < self._margin(owner).maintenanceMargin * 97 // 100:
                break
        account = account_id(owner.address)
        start = self.act("Auctions", "start", account, account_id(bidder.address), sender=bidder)
        start_oracle = self.oracle_part()
        auction = self.contracts["Auctions"].call("auctionOf", account)
        nonce = self.contracts["Clearinghouse"].call("accountOf", account).positionNonce
        terms = (account, account_id(bidder.address), auction.id, nonce, WAD, auction.minFraction, WAD)
        bid = self.act("Auctions", "bid", terms, sender=bidder)
        derive = "Derive, 1 / 8 options: 0.6–0.7M / 2.2–2.4M"
        return [
            *oracle_apart("start_4perps", start, start_oracle, 0, "Derive PMRM 2.1, 8 options: 1.5M"),
            *oracle_apart("bid_4perps", bid, self.oracle_part(), 700_000, derive),
        ]

    def _margin(self, owner: LocalAccount) -> Any:
        return self.contracts["Clearinghouse"].call("marginOf", account_id(owner.address))
