"""What came of it: liquidations, money kept and lost, and reconciliation, read from the chain after the replay."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from eth_utils import keccak

from ballast.chain.contracts import System
from ballast.chain.ids import account_id
from ballast.chain.logs import Event, EventReader
from ballast.reconcile import Reconciliation, reconcile
from scripts.demo.board import OPTIONS_ON, Board
from scripts.demo.operators import Operator
from scripts.demo.population import DATED
from scripts.demo.report import Sample, Summary
from scripts.demo.requirement import Arithmetic
from scripts.demo.stage import Stage

WAD = 10**18
FARTHEST_BREACH = 240


@dataclass(frozen=True)
class Findings:
    """Everything the summary is made of. Amounts wad."""

    events: list[Event]
    started_at: list[int]
    breach_to_bid: list[int]
    equity_at_start: int
    equity_at_end: int
    bad_debt: int
    insurance_used: int
    reconciliation: Reconciliation
    margin_saved: float
    accounts_with_options: int
    expiries_settled: Mapping[str, float]
    positions_settled: int
    starts: Mapping[str, int]
    bids: Mapping[str, int]
    blocks: int

    def summary(
        self, crisis: str, accounts: int, samples: Sequence[Sample], seconds: float, seeds: dict[str, int]
    ) -> Summary:
        liquidated = {event.arguments["account"] for event in self.events if event.name == "AuctionStarted"}
        waits = self.breach_to_bid or [0]
        return Summary(
            crisis=crisis,
            accounts=accounts,
            liquidations=len(self.started_at),
            accounts_liquidated=len(liquidated),
            equity_kept_by_owners=self.equity_at_end / WAD,
            equity_kept_share=self.equity_at_end / self.equity_at_start if self.equity_at_start else 1.0,
            bad_debt=self.bad_debt / WAD,
            insurance_used=self.insurance_used / WAD,
            socialised=0.0,
            worst_health=min((min(sample.health, default=np.inf) for sample in samples), default=np.inf),
            reconciled=self.reconciliation.holds,
            checks=len(self.reconciliation.checks),
            breach_to_bid_blocks_p50=float(np.percentile(waits, 50)),
            breach_to_bid_blocks_p95=float(np.percentile(waits, 95)),
            margin_saved_vs_isolated=self.margin_saved,
            accounts_with_options=self.accounts_with_options,
            expiries_settled=dict(self.expiries_settled),
            positions_settled=self.positions_settled,
            keeper_starts=dict(self.starts),
            keeper_bids=dict(self.bids),
            blocks=self.blocks,
            seconds=round(seconds, 1),
            seeds=seeds,
        )


def find(stage: Stage, operators: Sequence[Operator], arithmetic: Arithmetic, system: System, board: Board) -> Findings:
    """Reads the whole history back, and reconciles it."""
    head = system.connection.head()
    events = EventReader(system, ["Auctions", "InsuranceFund"]).read(stage.record.block, head.number)
    auctions = [event for event in events if event.contract == "Auctions"]
    starts = [event for event in auctions if event.name == "AuctionStarted"]
    return Findings(
        events=auctions,
        started_at=[time_of(stage, event.block) for event in starts],
        breach_to_bid=breach_to_bid(stage, starts, auctions),
        equity_at_start=sum(event.arguments["equity"] for event in starts),
        equity_at_end=equity_at_end(stage, starts, auctions),
        bad_debt=bad_debt(stage),
        insurance_used=sum(event.arguments["paid"] for event in events if event.name == "Drawn"),
        reconciliation=reconcile(system, head),
        margin_saved=margin_saved(stage, arithmetic),
        accounts_with_options=sum(trader.book in DATED for trader in stage.traders),
        expiries_settled=settlement_prices(stage, board),
        positions_settled=len(stage.node.request("eth_getLogs", settled_positions(stage))),
        starts=by_operator(stage, operators, starts),
        bids=bids_by_operator(operators, auctions),
        blocks=head.number,
    )


def settlement_prices(stage: Stage, board: Board) -> dict[str, float]:
    """Of the near expiry, by underlying."""
    prices = {
        symbol: stage.view("Expiries", "settlementPriceOf", board.underlyings[symbol], board.near)
        for symbol in OPTIONS_ON
    }
    return {symbol: price / WAD for symbol, price in prices.items() if price}


def settled_positions(stage: Stage) -> dict[str, Any]:
    """The query for what was settled of accounts."""
    return {
        "fromBlock": hex(stage.record.block),
        "address": stage.address("Clearinghouse"),
        "topics": ["0x" + keccak(text="PositionSettled(uint256,uint24,int256,uint256,int256)").hex()],
    }


def time_of(stage: Stage, block: int) -> int:
    return int(stage.node.request("eth_getBlockByNumber", hex(block), False)["timestamp"], 16)


def breach_to_bid(stage: Stage, starts: Sequence[Event], auctions: Sequence[Event]) -> list[int]:
    """Blocks from an account's breach of maintenance margin to its first bid, for each auction that had one."""
    waits = []
    for start in starts:
        account = start.arguments["account"]
        bids = [
            e.block
            for e in auctions
            if e.name == "BidTaken" and e.arguments["auctionId"] == start.arguments["auctionId"]
        ]
        if bids:
            waits.append(min(bids) - breach_block(stage, account, start.block))
    return waits


def breach_block(stage: Stage, account: int, started: int) -> int:
    """The block from which on the account was liquidatable until its auction started."""
    block = started - 1
    while block > started - FARTHEST_BREACH and is_liquidatable(stage, account, block - 1):
        block -= 1
    return block


def is_liquidatable(stage: Stage, account: int, block: int) -> bool:
    margin = stage.view("Clearinghouse", "marginOf", account, block=hex(block))
    return bool(margin.equity + margin.haltBonus < margin.maintenanceMargin)


def equity_at_end(stage: Stage, starts: Sequence[Event], auctions: Sequence[Event]) -> int:
    """What the owners had when their auctions ended, or have now where one is still live."""
    ended = {e.arguments["auctionId"]: e.arguments["equity"] for e in auctions if e.name == "AuctionEnded"}
    kept = 0
    for start in starts:
        equity = ended.get(start.arguments["auctionId"])
        if equity is None:
            equity = stage.view("Clearinghouse", "marginOf", start.arguments["account"]).equity
        kept += max(0, equity)
    return kept


def bad_debt(stage: Stage) -> int:
    """Loss that nobody covered, or all who hold cash did, and debt that stands in accounts worth less than nothing."""
    accounts = [account_id(trader.key.address) for trader in stage.traders]
    under_water = sum(max(0, -stage.view("Clearinghouse", "marginOf", account).equity) for account in accounts)
    borne_by_all = stage.view("Clearinghouse", "claims").outstanding
    return int(stage.view("Clearinghouse", "vaultState").uncoveredLoss + borne_by_all) + under_water


def margin_saved(stage: Stage, arithmetic: Arithmetic) -> float:
    """Share of initial margin that one portfolio an account saves against isolated legs, over all books as opened."""
    together = apart = 0
    for trader in stage.traders:
        portfolio = arithmetic.portfolio(trader.deposits, trader.sizes)
        together += arithmetic.assess(portfolio).initial_margin
        apart += arithmetic.isolated_margin(portfolio)
    return 1 - together / apart if apart else 0.0


def by_operator(stage: Stage, operators: Sequence[Operator], starts: Sequence[Event]) -> dict[str, int]:
    senders = Counter(
        stage.node.request("eth_getTransactionByHash", event.transaction)["from"].lower() for event in starts
    )
    return {operator.name: senders[operator.key.address.lower()] for operator in operators}


def bids_by_operator(operators: Sequence[Operator], auctions: Sequence[Event]) -> dict[str, int]:
    bidders = Counter(event.arguments["bidder"] for event in auctions if event.name == "BidTaken")
    return {operator.name: bidders[account_id(operator.key.address)] for operator in operators}
