"""Admission against the chain itself: its edge is the chain's edge; contracts sign; silence kills."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from eth_account.signers.local import LocalAccount
from eth_utils import to_checksum_address

from ballast.chain.artifacts import checkout_root, load_artifacts
from ballast.chain.codec import encode_constructor
from ballast.chain.ids import account_id
from ballast.chain.order_files import order_document
from ballast.chain.orders import OrderFlags, SignedOrder, triggered
from ballast.matcher.admission import Admission, Exposure
from ballast.matcher.refusals import Refused
from tests.integration.conftest import Stage
from tests.support.edges import is_settled_by_the_chain, largest
from tests.support.floor import WAD, Exchange

PRICE = 2_500.0


@pytest.fixture
def exchange(stage: Stage, tmp_path: Path) -> Exchange:
    return Exchange.on(stage, tmp_path)


@pytest.mark.parametrize(
    ("held", "side", "symbol"), [(0.0, 1, "ETH"), (0.0, -1, "BTC"), (2.0, 1, "BTC"), (-2.0, -1, "ETH")]
)
def test_admit__largest_order_that_is_granted__is_the_largest_that_settles(
    exchange: Exchange, held: float, side: int, symbol: str
) -> None:
    """To one size step."""
    bench, prices = exchange.stage.bench, {"ETH": PRICE, "BTC": 40_000.0}
    maker, trader = (
        bench.user("edge maker", {"USDC": 5_000_000}),
        bench.user("edge trader", {"USDC": 3_000, "WETH": 1.0}),
    )
    if held:
        bench.trade(trader, maker, {"ETH": held})
    admission = Admission(exchange.system)
    step = exchange.system.read("Clearinghouse", "instrumentOf", bench.record.instruments[f"PERP:{symbol}"]).sizeStep

    def order(steps: int) -> SignedOrder:
        plain = exchange.signed(trader, 1, prices[symbol], symbol).order
        return exchange.domain.sign(replace(plain, size=side * steps * step), trader)

    def is_granted(steps: int) -> bool:
        try:
            admission.admit(order(steps), Exposure())
        except Refused as refusal:
            assert refusal.code == "margin"
            return False
        return True

    def settles(steps: int) -> bool:
        plain = exchange.signed(maker, 1, prices[symbol], symbol).order
        other = exchange.domain.sign(replace(plain, size=-side * steps * step), maker)
        return is_settled_by_the_chain(exchange.system, [order(steps)], [other])

    most = 100 * WAD // step
    assert largest(is_granted, most) == largest(settles, most) > 1


def test_admit__contract_that_signs__is_asked(exchange: Exchange) -> None:
    bench, node = exchange.stage.bench, exchange.stage.node
    key, seller = bench.user("wallet key", {}), bench.user("wallet seller", {"USDC": 50_000})
    artifact = load_artifacts(checkout_root())["MockWallet"]
    data = "0x" + (artifact.bytecode + encode_constructor(artifact.abi, [key.address])).hex()
    sender = node.request("eth_accounts")[0]
    request = {"from": sender, "data": data, "gas": hex(3_000_000)}
    wallet = to_checksum_address(node.request("eth_sendTransactionSync", request)["contractAddress"])
    fund(exchange, wallet)
    plain = exchange.signed(key, 1, PRICE).order
    order = replace(plain, account=account_id(wallet), signer=wallet)
    good, bad = exchange.domain.sign(order, key), exchange.domain.sign(order, seller)
    with exchange.open() as client:
        answer = client.post("/orders", json=order_document(bad, exchange.domain))
        assert answer.json()["code"] == "bad-signature"
        assert client.post("/orders", json=order_document(good, exchange.domain)).status_code == 201
        client.post("/orders", json=exchange.document(seller, -1, PRICE))
        exchange.settle()
        shown = client.get("/orders/0x" + exchange.domain.hash(order).hex()).json()["order"]
        assert shown["filled"] == str(WAD)


def fund(exchange: Exchange, wallet: str) -> None:
    """Settlement tokens into a contract's account, in its name."""
    bench, node = exchange.stage.bench, exchange.stage.node
    node.request("anvil_impersonateAccount", wallet)
    node.request("anvil_setBalance", wallet, hex(10**20))
    token, clearinghouse = bench.token("USDC"), bench.contracts["Clearinghouse"]
    token.transact("mint", wallet, 50_000 * 10**6)
    token.transact("approve", clearinghouse, 50_000 * 10**6, sender=wallet)
    clearinghouse.transact("deposit", account_id(wallet), 0, 50_000 * 10**6, sender=wallet)


def test_sweep__owner_fell_silent__its_resting_orders_leave(exchange: Exchange) -> None:
    bench = exchange.stage.bench
    seller = bench.user("silent seller", {"USDC": 50_000})
    with exchange.open() as client:
        bench.act("Exchange", "keepAlive", account_id(seller.address), bench.now() + 60, sender=seller)
        exchange.look()
        made = client.post("/orders", json=exchange.document(seller, -1, PRICE)).json()
        exchange.look()
        assert client.get("/book/PERP:ETH").json()["asks"] != []
        bench.move_time(120)
        exchange.look()
        assert client.get("/book/PERP:ETH").json()["asks"] == []
        shown = client.get(f"/orders/{made['order']['hash']}").json()["order"]
        assert shown["reason"] == "owner silent"


def test_fill_or_kill__over_two_makers__settles_whole_or_leaves(exchange: Exchange) -> None:
    bench = exchange.stage.bench
    buyer, makers = (
        bench.user("whole buyer", {"USDC": 50_000}),
        [bench.user(f"whole maker {number}", {"USDC": 50_000}) for number in (1, 2)],
    )
    with exchange.open() as client:
        exchange.look()
        for maker in makers:
            client.post("/orders", json=exchange.document(maker, -1, PRICE))
        whole = client.post("/orders", json=exchange.document(buyer, 2, PRICE, flags=OrderFlags.FILL_OR_KILL)).json()
        assert len(whole["trades"]) == 2
        bench.act("Exchange", "advanceEpoch", account_id(makers[0].address), sender=makers[0])
        exchange.settle()
        shown = client.get(f"/orders/{whole['order']['hash']}").json()["order"]
        assert (shown["state"], shown["filled"]) == ("dead", "0")
        assert client.get("/book/PERP:ETH").json()["asks"] == [[str(2_500 * WAD), str(WAD)]]
        again = client.post("/orders", json=exchange.document(buyer, 1, PRICE, flags=OrderFlags.FILL_OR_KILL)).json()
        exchange.settle()
        assert client.get(f"/orders/{again['order']['hash']}").json()["order"]["filled"] == str(WAD)
    assert exchange.size_of(buyer) == WAD


def test_order_that_sleeps__before_it_is_armed__is_not_taken(exchange: Exchange) -> None:
    bench = exchange.stage.bench
    buyer: LocalAccount = bench.user("sleeping buyer", {"USDC": 50_000})
    since = bench.now()
    order = triggered(exchange.signed(buyer, 1, PRICE).order, 2_400 * WAD, above=True, since=since)
    signed = exchange.domain.sign(order, buyer)
    with exchange.open() as client:
        document = order_document(signed, exchange.domain)
        assert client.post("/orders", json=document).json()["code"] == "not-armed"
        bench.move_time(60)
        bench.report()
        bench.act("Exchange", "arm", signed, sender=buyer)
        assert client.post("/orders", json=document).status_code == 201
