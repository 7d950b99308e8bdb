"""`ballast order` on a real node: signed orders as files, settled, cancelled and looked up."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount

from tests.integration.conftest import Ballast, Stage

WAD = 10**18


def size_of(stage: Stage, key: LocalAccount) -> int:
    account = int(key.address, 16) << 96
    return sum(one.size for one in stage.bench.contracts["Clearinghouse"].call("accountOf", account).positions)


def test_submit__two_orders_that_cross__fill(
    stage: Stage, traders: tuple[LocalAccount, LocalAccount], ballast: Ballast, signed: Callable[..., Path]
) -> None:
    buyer, seller = traders
    offers = [signed(seller, "PERP:ETH", "-0.5", "2500", "--post-only", "--nonce", str(n)) for n in (1, 2)]
    bid = signed(buyer, "PERP:ETH", "+1", "2501", "--fill-or-kill")
    result = ballast(seller, "order", "submit", str(bid), *map(str, offers), "--json")
    assert result.exit_code == 0, result.output
    orders = json.loads(result.output)["orders"]
    assert [int(one["filled"]) for one in orders] == [WAD, WAD // 2, WAD // 2]
    assert {one["reason"] for one in orders} == {"filled"}
    assert (size_of(stage, buyer), size_of(stage, seller)) == (WAD, -WAD)


def test_submit__orders_that_do_not_cross__says_why(
    traders: tuple[LocalAccount, LocalAccount], ballast: Ballast, signed: Callable[..., Path]
) -> None:
    bid, offer = signed(traders[0], "PERP:ETH", "+1", "2400"), signed(traders[1], "PERP:ETH", "-1", "2500")
    result = ballast(traders[0], "order", "submit", str(bid), str(offer))
    assert result.exit_code == 3
    assert "OrdersDoNotCross" in result.output


def test_submit__nothing_filled__exit_status_1(
    traders: tuple[LocalAccount, LocalAccount], ballast: Ballast, signed: Callable[..., Path]
) -> None:
    bid = signed(traders[0], "PERP:ETH", "+1", "2500", "--reduce-only")
    result = ballast(traders[0], "order", "submit", str(bid), str(signed(traders[1], "PERP:ETH", "-1", "2500")))
    assert result.exit_code == 1


@pytest.mark.parametrize(
    ("which", "reason"),
    [(("--nonce", "7"), "cancelled"), (("--below", "8"), "cancelled"), (("--all",), "other epoch")],
)
def test_cancel__an_order__is_dead(
    traders: tuple[LocalAccount, LocalAccount],
    ballast: Ballast,
    signed: Callable[..., Path],
    which: tuple[str, ...],
    reason: str,
) -> None:
    buyer = traders[0]
    bid = signed(buyer, "PERP:ETH", "+1", "2500", "--nonce", "7")
    result = ballast(buyer, "order", "cancel", f"{buyer.address}/0", *which)
    assert result.exit_code == 0, result.output
    result = ballast(buyer, "order", "status", str(bid), "--watch", "--json")
    assert [one["reason"] for one in json.loads(result.output)["orders"]] == [reason]


def test_cancel__not_said_which__is_wrong_usage(traders: tuple[LocalAccount, LocalAccount], ballast: Ballast) -> None:
    assert ballast(traders[0], "order", "cancel", f"{traders[0].address}/0").exit_code == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda order: order["order"].update(limit="1"), "changed after signing"),
        (lambda order: order.update(chainId=1), "of chain 1"),
        (lambda order: order.pop("signature"), "no signed order"),
    ],
)
def test_status__tampered_file__says_what_is_wrong(
    traders: tuple[LocalAccount, LocalAccount],
    ballast: Ballast,
    signed: Callable[..., Path],
    change: Callable[[Any], Any],
    words: str,
) -> None:
    file = signed(traders[0], "PERP:ETH", "+1", "2500")
    document = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document))
    result = ballast(traders[0], "order", "status", str(file))
    assert result.exit_code == 3
    assert words in " ".join(result.output.split())


@pytest.mark.parametrize(
    "arguments",
    [
        ("PERP:ETH", "0", "2500"),
        ("PERP:ETH", "1", "0"),
        ("ETH", "1", "2500"),
        ("PERP:ETH", "1", "x"),
        ("PERP:ETH", "1", "0.0000000000000000001"),
    ],
)
def test_sign__no_order__is_wrong_usage(
    traders: tuple[LocalAccount, LocalAccount], ballast: Ballast, arguments: tuple[str, ...]
) -> None:
    assert ballast(traders[0], "order", "sign", *arguments).exit_code == 2
