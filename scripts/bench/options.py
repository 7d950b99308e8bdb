"""Margin checks of accounts with many options, over four underlyings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from eth_account.signers.local import LocalAccount

from ballast.chain.ids import account_id, option_of
from ballast.deployment.config import Network
from ballast.deployment.roles import RoleId
from ballast.risk.book import Book
from ballast.risk.pricing import BILLION, Surface
from scripts.anvil import anvil
from scripts.bench.system import (
    ALL,
    COLD_CALL,
    DAY,
    GENESIS,
    PRICES,
    WAD,
    BenchSystem,
    Figure,
    four_perps,
    oracle_apart,
)

STRIKES_PER_CENT = (95, 105, 90, 110, 85, 115, 80, 120)
EXPIRY_DAYS = (8, 29)
NOTIONAL = 2_000
"""Of each option, value unit."""
TRADED_AT_ONCE = 4
SIZE_STEP_EXPONENT = 9
OPEN_INTEREST_CAP = 10**12 * WAD
TARGETS = {8: 250_000, 16: 350_000, 32: 600_000, 64: 1_150_000}
RIVALS = {8: "3.06M", 32: "10.5M", 64: "20.8M"}
"""Derive's PMRM 2.1, cold, one underlying, 33 scenarios."""


def measure_options() -> list[Figure]:
    """Figures of accounts of 8 to 64 options, and what one more option, expiry or scenario adds to them."""
    with anvil("--timestamp", str(GENESIS), "--gas-limit", "60000000") as node:
        bench = OptionBench(node)
        bench.list_options()
        checks = {count: bench.margin_checks(count) for count in TARGETS}
        scenarios = len(bench.book.rows)
    with anvil("--timestamp", str(GENESIS), "--gas-limit", "60000000") as node:
        halved = HalfBookBench(node)
        halved.list_options()
        fewer = halved.margin_checks(32)[0].gas
        scenarios -= len(halved.book.rows)
    gas = {count: figures[0].gas for count, figures in checks.items()}
    per_option = (gas[64] - gas[32]) // 32
    return [
        *(figure for figures in checks.values() for figure in figures),
        Figure("margin_check.per_option", per_option),
        Figure("margin_check.per_expiry", (gas[32] - gas[16] - 16 * per_option) // len(ALL)),
        Figure("margin_check.per_scenario", (gas[32] - fewer) // scenarios),
    ]


class OptionBench(BenchSystem):
    """Each of four underlyings lists two expiries of eight strikes."""

    def network_like(self, local: Network) -> Network:
        """Its roles act at once."""
        roles = {name: role.model_copy(update={"delay": 0}) for name, role in local.roles}
        return four_perps(local).model_copy(update={"roles": local.roles.model_copy(update=roles)})

    def book_like(self, local: Book) -> Book:
        self.book = local
        return local

    def list_options(self) -> None:
        governance, risk = (self.network.roles.of(role).holders[0] for role in (RoleId.GOVERNANCE, RoleId.RISK))
        today = self.now() // DAY * DAY
        self.expiries = [today + days * DAY + 8 * 3600 for days in EXPIRY_DAYS]
        surface = Surface(1_000_000, BILLION // 5, 3 * BILLION // 10, -BILLION // 5, BILLION // 100, 3 * BILLION // 10)
        for symbol in ALL:
            underlying = self.record.underlyings[symbol]
            for expiry in self.expiries:
                listed = (underlying, expiry, surface.pack() | self.now())
                self.contracts["Expiries"].transact("listExpiry", *listed, sender=governance)
                strikes = [strike_of(symbol, per_cent) for per_cent in STRIKES_PER_CENT]
                listed = (underlying, expiry, strikes, SIZE_STEP_EXPONENT, OPEN_INTEREST_CAP)
                self.contracts["Clearinghouse"].transact("listOptions", *listed, sender=risk)

    def margin_checks(self, count: int) -> list[Figure]:
        """As many options on each underlying, one expiry up to four, two above; every strike is another."""
        maker = self.user(f"maker {count}", {"USDC": 5_000_000})
        owner = self.user(f"owner {count}", {"USDC": 50_000})
        options = self.options(count // len(ALL))
        for first in range(0, len(options), TRADED_AT_ONCE):
            self.buy_and_sell(owner, maker, options[first : first + TRADED_AT_ONCE], first)
        whole = self.cold_view("Clearinghouse", "marginOf", account_id(owner.address))
        underlyings = sum(1 << self.record.underlyings[symbol] for symbol in ALL)
        oracle = self.cold_view("OracleHub", "quotesOf", underlyings) + COLD_CALL
        keys = sorted({instrument >> 200 & (2**48 - 1) for _, instrument in options})
        oracle += self.cold_view("Expiries", "quotesOf", keys) + COLD_CALL
        rival = f"Derive PMRM 2.1, one underlying, 33 scenarios: {RIVALS[count]}" if count in RIVALS else ""
        return oracle_apart(f"margin_check.{count}options", whole, oracle, TARGETS[count], rival)

    def options(self, count: int) -> list[tuple[str, int]]:
        """Symbol and instrument of each option held: calls and puts by turns."""
        expiries = self.expiries[: 1 if count <= 4 else 2]
        strikes = STRIKES_PER_CENT[: count // len(expiries)]
        return [
            (
                symbol,
                option_of(self.record.underlyings[symbol], expiry, strike_of(symbol, per_cent), is_put=place % 2 == 0),
            )
            for symbol in ALL
            for expiry in expiries
            for place, per_cent in enumerate(strikes)
        ]

    def buy_and_sell(
        self, owner: LocalAccount, maker: LocalAccount, options: Sequence[tuple[str, int]], first: int
    ) -> None:
        """Every third is sold, the others bought."""
        house, terms = self.contracts["Clearinghouse"], []
        for place, (symbol, instrument) in enumerate(options, first):
            size = round(NOTIONAL / PRICES[symbol] * BILLION) * BILLION
            mark = house.call("markOf", house.call("instrumentIndexOf", instrument))
            terms.append((instrument, size if place % 3 else -size, mark))
        self.cross(owner, maker, terms)


class HalfBookBench(OptionBench):
    """The same by a book with every other historical row."""

    def book_like(self, local: Book) -> Book:
        return super().book_like(replace(local, historical=local.historical[::2]))


def strike_of(symbol: str, per_cent: int) -> int:
    return round(PRICES[symbol] * per_cent * 10**7) * BILLION
