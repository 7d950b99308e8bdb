"""Requests for quotes on a real chain: the best quote settles whole, and the next best where it cannot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount
from fastapi.testclient import TestClient

from ballast.chain.ids import account_id
from ballast.chain.order_files import parse_order
from ballast.chain.orders import Match, settlement
from tests.integration.conftest import Stage
from tests.support.floor import WAD, Exchange

# The taker buys ETH and sells BTC.
WANTED = (("ETH", 1.0, 2_505.0), ("BTC", -0.1, 39_900.0))


@dataclass(frozen=True)
class Players:
    taker: LocalAccount
    maker: LocalAccount
    other: LocalAccount


@pytest.fixture
def exchange(stage: Stage, tmp_path: Path) -> Exchange:
    return Exchange.on(stage, tmp_path)


@pytest.fixture
def players(stage: Stage) -> Players:
    roles = ("quote taker", "quote maker", "other maker")
    return Players(*(stage.bench.user(role, {"USDC": 5_000}) for role in roles))


def post(client: TestClient, path: str, document: Any) -> Any:
    answer = client.post(path, json=document)
    assert answer.status_code == 201, answer.text
    return answer.json()


def ask(exchange: Exchange, client: TestClient, taker: LocalAccount) -> Any:
    return post(client, "/rfq", {"seconds": 15, "orders": exchange.legs(taker, *WANTED)})


def quote(exchange: Exchange, client: TestClient, maker: LocalAccount, eth: float, btc: float) -> Any:
    return post(client, "/rfq/1/quotes", {"orders": against(exchange, maker, eth, btc)})


def against(exchange: Exchange, maker: LocalAccount, eth: float, btc: float) -> list[Any]:
    return exchange.legs(maker, ("ETH", -1.0, eth), ("BTC", 0.1, btc))


def sizes(exchange: Exchange, *keys: LocalAccount) -> list[tuple[int, int]]:
    """In ETH and BTC, in tenths."""
    return [(exchange.size_of(key) * 10 // WAD, exchange.size_of(key, "BTC") * 10 // WAD) for key in keys]


def request(client: TestClient) -> Any:
    return client.get("/rfq/1").json()


def test_request__over_restarts__the_best_quote_settles_whole_in_one_transaction(
    exchange: Exchange, players: Players
) -> None:
    with exchange.open() as client:
        exchange.look()
        asked = ask(exchange, client, players.taker)
        lost = quote(exchange, client, players.maker, 2_502, 39_990)
    with exchange.open() as client:
        shown = client.get(f"/orders/{asked['orders'][0]['hash']}").json()
        assert shown["receipt"] == asked["receipts"][0]
        won = quote(exchange, client, players.other, 2_503, 40_005)
        assert [int(one["cost"]) for one in request(client)["quotes"]] == [-1_497 * WAD, -14_975 * WAD // 10]
        exchange.look()
        assert request(client)["state"] == "open"
        exchange.wait(15)
    with exchange.open() as client:
        exchange.settle()
        assert request(client)["state"] == "settled"
        assert [one["state"] for one in request(client)["quotes"]] == ["dead", "settled"]
        trades = client.get("/trades").json()["trades"]
        assert len({one["transaction"] for one in trades}) == len({one["unit"] for one in trades}) == 1
        assert {one["maker"] for one in trades} == {one["hash"] for one in won["orders"]}
        reason = client.get(f"/orders/{lost['orders'][0]['hash']}").json()["order"]["reason"]
        assert reason == "the request is over"
    assert sizes(exchange, players.taker, players.other, players.maker) == [(10, -1), (-10, 1), (0, 0)]


def test_request__best_maker_cannot_pay_any_more__the_next_best_settles(exchange: Exchange, players: Players) -> None:
    bench, maker = exchange.stage.bench, players.maker
    with exchange.open() as client:
        exchange.look()
        ask(exchange, client, players.taker)
        bad = quote(exchange, client, maker, 2_501, 40_010)
        quote(exchange, client, players.other, 2_503, 40_000)
        withdrawn = account_id(maker.address), 0, 4_990 * 10**6, maker.address
        bench.act("Clearinghouse", "withdraw", *withdrawn, sender=maker)
        exchange.wait(15)
        exchange.settle()
        reason = client.get(f"/orders/{bad['orders'][0]['hash']}").json()["order"]["reason"]
        assert "InitialMarginShortfall" in reason
        assert request(client)["state"] == "settled"
    assert sizes(exchange, players.taker, players.other, maker) == [(10, -1), (-10, 1), (0, 0)]


def test_request__best_maker_cancels_a_leg_on_chain__the_next_best_settles(
    exchange: Exchange, players: Players
) -> None:
    with exchange.open() as client:
        exchange.look()
        ask(exchange, client, players.taker)
        best = quote(exchange, client, players.maker, 2_501, 40_010)
        quote(exchange, client, players.other, 2_503, 40_000)
        cancel_second_leg(exchange, players.maker, best)
        exchange.wait(15)
        exchange.settle()
        shown = client.get(f"/orders/{best['orders'][0]['hash']}").json()["order"]
        assert (shown["state"], shown["reason"]) == ("dead", "cancelled")
        assert request(client)["state"] == "settled"
    assert sizes(exchange, players.taker, players.other, players.maker) == [(10, -1), (-10, 1), (0, 0)]


def cancel_second_leg(exchange: Exchange, maker: LocalAccount, quoted: Any) -> None:
    account, nonce = account_id(maker.address), int(quoted["orders"][1]["nonce"])
    exchange.stage.bench.act("Exchange", "cancel", account, nonce, sender=maker)


def test_request__maker_cancels_after_the_batch_was_sent__legs_are_skipped_and_the_next_best_settles(
    exchange: Exchange, players: Players
) -> None:
    node = exchange.stage.node
    with exchange.open() as client:
        exchange.look()
        ask(exchange, client, players.taker)
        best = quote(exchange, client, players.maker, 2_501, 40_010)
        quote(exchange, client, players.other, 2_503, 40_000)
        exchange.wait(15)
        exchange.running.matcher.desk.close_due()
        node.request("evm_setAutomine", False)
        exchange.running.settler.step(exchange.running.settler.head())
        (pending,) = node.request("eth_getBlockByNumber", "pending", True)["transactions"]
        raw = node.request("eth_getRawTransactionByHash", pending["hash"])
        node.request("anvil_dropTransaction", pending["hash"])
        node.request("evm_setAutomine", True)
        cancel_second_leg(exchange, players.maker, best)
        node.request("eth_sendRawTransaction", raw)
        exchange.settle()
        assert request(client)["state"] == "settled"
        assert [one["state"] for one in request(client)["quotes"]] == ["dead", "settled"]
    assert sizes(exchange, players.taker, players.other, players.maker) == [(10, -1), (-10, 1), (0, 0)]


def test_request__settled_by_somebody_else__is_seen_and_ends(exchange: Exchange, players: Players) -> None:
    with exchange.open() as client:
        exchange.look()
        wanted, quoted = exchange.legs(players.taker, *WANTED), against(exchange, players.maker, 2_501, 40_010)
        post(client, "/rfq", {"seconds": 15, "orders": wanted})
        post(client, "/rfq/1/quotes", {"orders": quoted})
        orders = [parse_order(one, exchange.domain) for one in (*wanted, *quoted)]
        settled = settlement(orders, [Match(0, 2, WAD), Match(1, 3, WAD)])
        exchange.stage.bench.act("Exchange", "settle", *settled, sender=players.maker)
        exchange.look()
        assert request(client)["state"] == "settled"
        answer = client.post("/rfq/1/quotes", json={"orders": against(exchange, players.other, 2_500, 40_020)})
        assert answer.json()["code"] == "request-over"
    assert sizes(exchange, players.taker, players.maker) == [(10, -1), (-10, 1)]


def test_request__what_could_not_settle__is_refused_with_its_reason(exchange: Exchange, players: Players) -> None:
    poor = exchange.stage.bench.user("poor maker", {"USDC": 200})
    forged = against(exchange, players.other, 2_501, 40_000)
    honest = against(exchange, players.maker, 2_501, 40_000)
    with exchange.open() as client:
        answer = client.post("/rfq", json={"orders": exchange.legs(poor, *WANTED)})
        assert answer.json()["code"] == "margin"
        ask(exchange, client, players.taker)
        cases = {
            "margin": against(exchange, poor, 2_501, 40_000),
            "price-band": against(exchange, players.maker, 2_600, 40_000),
            "bad-signature": [
                {**one, "signature": other["signature"]} for one, other in zip(honest, forged, strict=True)
            ],
        }
        for code, orders in cases.items():
            assert client.post("/rfq/1/quotes", json={"orders": orders}).json()["code"] == code
        assert request(client)["quotes"] == []


def test_quotes__margin_for_one_and_not_for_two__one_of_each_request(exchange: Exchange, players: Players) -> None:
    thin = exchange.stage.bench.user("thin maker", {"USDC": 900})
    with exchange.open() as client:
        for _ in range(2):
            ask(exchange, client, players.taker)
        quote(exchange, client, thin, 2_501, 40_000)
        quote(exchange, client, thin, 2_502, 40_000)
        answer = client.post("/rfq/2/quotes", json={"orders": against(exchange, thin, 2_501, 40_000)})
        assert answer.json()["code"] == "margin"
