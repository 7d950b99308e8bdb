"""A matcher on a real chain: orders in over HTTP, settled by transactions, over restarts, offenders and forks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount
from fastapi.testclient import TestClient

from ballast.chain.ids import account_id, perp_of
from ballast.chain.order_files import order_document
from ballast.chain.orders import Match, OrderFlags, settlement
from ballast.errors import ReorganisedBelow
from tests.integration.conftest import Stage
from tests.support.floor import WAD, Exchange

PRICE = 2_500.0


@pytest.fixture
def exchange(stage: Stage, tmp_path: Path) -> Exchange:
    return Exchange.on(stage, tmp_path)


@pytest.fixture
def buyer(stage: Stage) -> LocalAccount:
    return stage.bench.user("floor buyer", {"USDC": 50_000})


@pytest.fixture
def seller(stage: Stage) -> LocalAccount:
    return stage.bench.user("floor seller", {"USDC": 50_000})


def post(client: TestClient, document: Any) -> Any:
    answer = client.post("/orders", json=document)
    assert answer.status_code == 201, answer.text
    return answer.json()


def refused(client: TestClient, document: Any) -> str:
    answer = client.post("/orders", json=document)
    assert answer.status_code >= 400, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == answer.status_code
    return str(answer.json()["code"])


def test_orders_that_cross__settle_on_chain_and_the_socket_sees_it(
    exchange: Exchange, buyer: LocalAccount, seller: LocalAccount
) -> None:
    with exchange.open() as client, client.websocket_connect("/ws") as socket:
        account = hex(account_id(buyer.address))
        socket.send_json({"op": "subscribe", "channels": ["book:PERP:ETH", "trades:PERP:ETH", f"orders:{account}"]})
        heard = [socket.receive_json() for _ in range(3)]
        assert {one["type"] for one in heard} == {"snapshot"}

        offer = post(client, exchange.document(seller, -1, PRICE, flags=OrderFlags.POST_ONLY))
        assert client.get("/book/PERP:ETH").json()["asks"] == [[str(2_500 * WAD), str(WAD)]]
        taken = post(client, exchange.document(buyer, 0.4, PRICE + 1))
        assert (offer["receipt"]["sequence"], taken["receipt"]["sequence"]) == (1, 2)
        (trade,) = taken["trades"]
        assert (trade["price"], trade["size"], trade["state"]) == (str(2_500 * WAD), str(4 * WAD // 10), "crossed")

        exchange.settle()
        (trade,) = client.get(f"/orders/{taken['order']['hash']}").json()["trades"]
        assert (trade["state"], trade["settled"]) == ("settled", trade["size"])
        assert trade["transaction"].startswith("0x")
        rest = client.get(f"/orders/{offer['order']['hash']}").json()["order"]
        assert (rest["filled"], rest["open"], rest["pending"]) == (str(4 * WAD // 10), str(6 * WAD // 10), "0")

        numbers: dict[str, list[int]] = {}
        states = []
        while "settled" not in states:
            message = socket.receive_json()
            numbers.setdefault(message["channel"], []).append(message["sequence"])
            states += [message["trade"]["state"]] if "trade" in message else []
        assert states == ["crossed", "sent", "settled"]
        assert all(seen == [*range(1, len(seen) + 1)] for seen in numbers.values()), "a gap"
    assert (exchange.size_of(buyer), exchange.size_of(seller)) == (4 * WAD // 10, -4 * WAD // 10)


def test_restart__between_match_and_settlement__nothing_is_lost(
    exchange: Exchange, buyer: LocalAccount, seller: LocalAccount
) -> None:
    with exchange.open() as client:
        offer = post(client, exchange.document(seller, -1, PRICE))
        post(client, exchange.document(buyer, 0.4, PRICE))
    with exchange.open() as client:
        assert client.get("/book/PERP:ETH").json()["asks"] == [[str(2_500 * WAD), str(6 * WAD // 10)]]
        again = client.get(f"/orders/{offer['order']['hash']}").json()
        assert again["receipt"] == offer["receipt"]
        exchange.settle()
    with exchange.open() as client:
        assert client.get(f"/orders/{offer['order']['hash']}").json()["order"]["filled"] == str(4 * WAD // 10)
        post(client, exchange.document(buyer, 0.6, PRICE))
        exchange.settle()
    assert (exchange.size_of(buyer), exchange.size_of(seller)) == (WAD, -WAD)


def test_restart__between_sending_and_looking__settles_once(
    exchange: Exchange, buyer: LocalAccount, seller: LocalAccount
) -> None:
    with exchange.open() as client:
        exchange.look()
        post(client, exchange.document(seller, -1, PRICE))
        taken = post(client, exchange.document(buyer, 0.4, PRICE))
        exchange.look()
    with exchange.open() as client:
        exchange.settle()
        (trade,) = client.get(f"/orders/{taken['order']['hash']}").json()["trades"]
        assert trade["state"] == "settled"
    assert exchange.size_of(buyer) == 4 * WAD // 10


def test_batch__one_account_cannot_pay_any_more__the_others_settle_and_its_counterparty_stands_again(
    exchange: Exchange, buyer: LocalAccount, seller: LocalAccount
) -> None:
    bench = exchange.stage.bench
    offender = bench.user("floor offender", {"USDC": 2_000})
    with exchange.open() as client:
        first = post(client, exchange.document(seller, -1, PRICE))
        second = post(client, exchange.document(seller, -1, PRICE + 1))
        bad = post(client, exchange.document(offender, 1, PRICE))
        good = post(client, exchange.document(buyer, 1, PRICE + 1))
        bench.act(
            "Clearinghouse",
            "withdraw",
            account_id(offender.address),
            0,
            1_990 * 10**6,
            offender.address,
            sender=offender,
        )
        exchange.settle()
        dropped = client.get(f"/orders/{bad['order']['hash']}").json()["order"]
        assert (dropped["state"], dropped["filled"]) == ("dead", "0")
        assert "InitialMarginShortfall" in dropped["reason"]
        assert client.get(f"/orders/{good['order']['hash']}").json()["order"]["filled"] == str(WAD)
        assert client.get(f"/orders/{second['order']['hash']}").json()["order"]["filled"] == str(WAD)
        again = client.get(f"/orders/{first['order']['hash']}").json()["order"]
        assert (again["state"], again["open"]) == ("live", str(WAD))
        assert client.get("/book/PERP:ETH").json()["asks"] == [[str(2_500 * WAD), str(WAD)]]
    assert (exchange.size_of(buyer), exchange.size_of(offender)) == (WAD, 0)


def test_fork__undoes_a_settlement__orders_go_back_and_settle_once(
    exchange: Exchange, buyer: LocalAccount, seller: LocalAccount
) -> None:
    node = exchange.stage.node
    with exchange.open() as client:
        exchange.look()
        post(client, exchange.document(seller, -1, PRICE))
        taken = post(client, exchange.document(buyer, 1, PRICE))
        before = node.request("evm_snapshot")
        exchange.settle()
        assert exchange.size_of(buyer) == WAD
        node.request("evm_revert", before)
        node.request("anvil_mine", hex(2))
        with pytest.raises(ReorganisedBelow):
            exchange.look()
        shown = client.get(f"/orders/{taken['order']['hash']}").json()["order"]
        assert (shown["state"], shown["filled"], shown["pending"]) == ("live", "0", str(WAD))
        exchange.look()
        node.request("anvil_mine", hex(20))
        exchange.settle()
        assert client.get(f"/orders/{taken['order']['hash']}").json()["order"]["filled"] == str(WAD)
    assert (exchange.size_of(buyer), exchange.size_of(seller)) == (WAD, -WAD)


def test_chain__cancels_and_fills_by_others__leave_the_book(
    exchange: Exchange, buyer: LocalAccount, seller: LocalAccount
) -> None:
    bench = exchange.stage.bench
    with exchange.open() as client:
        exchange.look()
        cancelled, signed = exchange.signed(seller, -1, PRICE), exchange.signed(seller, -1, PRICE + 1)
        later = exchange.signed(seller, -1, PRICE + 2)
        for one in (cancelled, signed, later):
            post(client, order_document(one, exchange.domain))
        bench.act("Exchange", "cancel", cancelled.order.account, cancelled.order.nonce, sender=seller)
        taker = exchange.signed(buyer, 0.3, PRICE + 1)
        bench.act("Exchange", "settle", *settlement([taker, signed], [Match(0, 1, WAD)]), sender=buyer)
        exchange.look()
        assert client.get("/book/PERP:ETH").json()["asks"] == [
            [str(2_501 * WAD), str(7 * WAD // 10)],
            [str(2_502 * WAD), str(WAD)],
        ]
        bench.act("Exchange", "advanceEpoch", later.order.account, sender=seller)
        exchange.look()
        assert client.get("/book/PERP:ETH").json()["asks"] == []
        shown = client.get("/orders/0x" + exchange.domain.hash(cancelled.order).hex()).json()["order"]
        assert (shown["state"], shown["reason"]) == ("dead", "cancelled")


def test_withdraw__signed__leaves_the_book_and_cannot_come_back(
    exchange: Exchange, buyer: LocalAccount, seller: LocalAccount
) -> None:
    with exchange.open() as client:
        signed = exchange.signed(seller, -1, PRICE)
        post(client, order_document(signed, exchange.domain))
        account, nonce = signed.order.account, signed.order.nonce
        path = f"/orders/{account}/{nonce}"
        for key, code in ((buyer, "not-authorised"), (None, "bad-signature")):
            body = exchange.withdrawal(key or seller, account, nonce if key else nonce + 1)
            answer = client.request("DELETE", path, json=body)
            assert (answer.status_code, answer.json()["code"]) == (403, code)
        answer = client.request("DELETE", path, json=exchange.withdrawal(seller, account, nonce))
        assert answer.json()["order"]["reason"] == "withdrawn"
        assert client.get("/book/PERP:ETH").json()["asks"] == []
        assert refused(client, order_document(signed, exchange.domain)) == "already-known"


def test_submit__what_could_not_settle__is_refused_with_its_reason(
    exchange: Exchange, buyer: LocalAccount, seller: LocalAccount
) -> None:
    stage = exchange.stage
    stranger, poor = stage.bench.user("floor stranger", {}), stage.bench.user("floor poor", {"USDC": 200})
    now = stage.bench.now()
    wrong_signer = exchange.document(buyer, 1, PRICE)
    wrong_signer["signature"] = exchange.document(stranger, 1, PRICE)["signature"]
    changed, elsewhere = exchange.document(buyer, 1, PRICE), {**exchange.document(buyer, 1, PRICE), "chainId": 1}
    changed["order"] = {**changed["order"], "limit": str(2_501 * WAD)}
    unlisted = replace(exchange.signed(buyer, 1, PRICE).order, instrument=perp_of(200))
    cases = {
        "bad-signature": wrong_signer,
        "hash-mismatch": changed,
        "other-exchange": elsewhere,
        "margin": exchange.document(poor, 5, PRICE),
        "price-band": exchange.document(buyer, 1, PRICE * 1.02),
        "size-step": exchange.document(buyer, 0.00000001, PRICE),
        "expired": exchange.document(buyer, 1, PRICE, expiry=now - 1),
        "other-epoch": exchange.document(buyer, 1, PRICE, epoch=7),
        "nothing-to-reduce": exchange.document(buyer, 1, PRICE, flags=OrderFlags.REDUCE_ONLY),
        "unsupported-terms": exchange.document(buyer, 1, PRICE, flags=OrderFlags.MULTI_LEG),
        "signer-not-authorised": order_document(
            exchange.domain.sign(replace(exchange.signed(buyer, 1, PRICE).order, signer=stranger.address), stranger),
            exchange.domain,
        ),
        "instrument-not-listed": order_document(exchange.domain.sign(unlisted, buyer), exchange.domain),
        "unfillable": exchange.document(buyer, 1, PRICE, flags=OrderFlags.FILL_OR_KILL),
        "malformed": {**exchange.document(buyer, 1, PRICE), "note": "hello"},
    }
    with exchange.open() as client:
        assert {code: refused(client, document) for code, document in cases.items()} == {code: code for code in cases}
        post(client, exchange.document(seller, -1, PRICE))
        assert refused(client, exchange.document(seller, 1, PRICE)) == "self-trade"
        assert refused(client, exchange.document(buyer, 1, PRICE, flags=OrderFlags.POST_ONLY)) == "post-only"
        assert client.get("/book/PERP:ETH").json()["asks"] == [[str(2_500 * WAD), str(WAD)]]
    assert exchange.size_of(buyer) == exchange.size_of(seller) == 0


def test_submit__margin_for_one_order_and_not_for_two__the_second_is_refused(
    exchange: Exchange, seller: LocalAccount
) -> None:
    thin = exchange.stage.bench.user("floor thin", {"USDC": 2_000})
    with exchange.open() as client:
        post(client, exchange.document(thin, 2.5, PRICE - 5))
        assert refused(client, exchange.document(thin, 2.5, PRICE - 6)) == "margin"
        assert refused(client, exchange.document(thin, 0.2, 40_000.0, "BTC")) == "margin"
        post(client, exchange.document(thin, -1, PRICE + 5))


def test_instruments__as_listed__with_the_band_that_admission_takes(exchange: Exchange, buyer: LocalAccount) -> None:
    with exchange.open() as client:
        found = {one["instrument"]: one for one in client.get("/instruments").json()["instruments"]}
        highest = int(found["PERP:ETH"]["highest"])
        order = replace(exchange.signed(buyer, 1, PRICE).order, limit=highest + 10**9)
        assert refused(client, order_document(exchange.domain.sign(order, buyer), exchange.domain)) == "price-band"
        order = replace(order, limit=highest)
        post(client, order_document(exchange.domain.sign(order, buyer), exchange.domain))
