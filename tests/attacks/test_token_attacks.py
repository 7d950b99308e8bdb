"""Tokens that misbehave: refused with a typed error, or harmless to everybody who does not hold them."""

import pytest

from ballast.chain.codec import encode_call
from tests.support.clearing import list_tokens
from tests.support.evm import Contract, reverts
from tests.support.system import Market, System, trader, wad

HOLDER, BYSTANDER = trader("holder"), trader("bystander")
WETH = 1


def listed(system: System, market: Market, artifact: str) -> tuple[Contract, int]:
    """The token listed; the holder has 1,000 units of it in his wallet, approved."""
    token = system.evm.deploy(artifact)
    asset = list_tokens(market, token)[0]
    token.transact("mint", HOLDER.address, 1_000)
    token.transact("approve", system.clearinghouse, 2**256 - 1, sender=HOLDER.address)
    return token, asset


def deposit(system: System, asset: int, amount: int = 1_000):
    return system.clearinghouse.transact("deposit", HOLDER.account, asset, amount, sender=HOLDER.address)


def withdraw(system: System, asset: int, amount: int, to: str = HOLDER.address):
    return system.clearinghouse.transact("withdraw", HOLDER.account, asset, amount, to, sender=HOLDER.address)


def test_fee_on_transfer__refused(system: System, market: Market):
    token, asset = listed(system, market, "FeeToken")
    with reverts("TransferShortfall", token=token.address, expected=1_000, received=990):
        deposit(system, asset)


def test_false_return__refused(system: System, market: Market):
    token, asset = listed(system, market, "FalseToken")
    with reverts("SafeERC20FailedOperation", token=token.address):
        deposit(system, asset)


def test_no_return__works(system: System, market: Market):
    token, asset = listed(system, market, "SilentToken")
    deposit(system, asset)
    withdraw(system, asset, 400)
    assert token.call("balanceOf", HOLDER.address) == 400
    assert system.clearinghouse.call("assetOf", asset).total == 600


@pytest.mark.parametrize("act", ["deposit", "withdraw", "batch", "realise", "unlock", "lock"])
def test_callback__into_the_clearinghouse__refused(system: System, market: Market, act: str):
    token, asset = listed(system, market, "CallbackToken")
    deposit(system, asset, 500)
    arguments = {
        "deposit": (HOLDER.account, asset, 1),
        "withdraw": (HOLDER.account, asset, 1, token.address),
        "batch": ([],),
        "realise": (HOLDER.account,),
    }.get(act, ())
    call = encode_call(system.clearinghouse.abi, act, arguments)
    token.transact("setCallback", system.clearinghouse, call)
    expected = "NotModule" if act in ("lock", "unlock") else "Locked"
    with reverts(expected):
        deposit(system, asset, 1)
    with reverts(expected):
        withdraw(system, asset, 1)


def test_callback__reading_while_leaving__sees_what_is_left(system: System, market: Market):
    """Read-only re-entrancy: everything is written before a token moves out."""
    token, asset = listed(system, market, "CallbackToken")
    deposit(system, asset)
    probe = system.evm.deploy("BooksProbe", system.clearinghouse)
    token.transact("setCallback", probe, encode_call(probe.abi, "look", (HOLDER.account,)))
    withdraw(system, asset, 400)
    assert probe.call("seenAmount") == 600


def test_frozen_holder__blocks_himself_alone(system: System, market: Market):
    token, asset = listed(system, market, "FreezingToken")
    market.fund(HOLDER, WETH=1)
    deposit(system, asset)
    token.transact("setFrozen", HOLDER.address, True)
    with reverts("Frozen", holder=HOLDER.address):
        withdraw(system, asset, 1)
    withdraw(system, asset, 1_000, BYSTANDER.address)
    withdraw(system, WETH, wad(1))
    assert token.call("balanceOf", BYSTANDER.address) == 1_000


def test_rebase__down__hurts_its_last_holders_alone(system: System, market: Market):
    token, asset = listed(system, market, "RebasingToken")
    market.fund(BYSTANDER, USDC=100, WETH=1)
    deposit(system, asset)
    token.transact("burn", system.clearinghouse, 600)
    withdraw(system, asset, 400)
    with reverts("ERC20InsufficientBalance"):
        withdraw(system, asset, 1)
    system.clearinghouse.transact("withdraw", BYSTANDER.account, 0, 10**8, BYSTANDER.address, sender=BYSTANDER.address)
    assert system.tokens["USDC"].call("balanceOf", BYSTANDER.address) == 10**8


def test_rebase__up__is_a_donation_I5(system: System, market: Market):
    token, asset = listed(system, market, "RebasingToken")
    deposit(system, asset)
    token.transact("mint", system.clearinghouse, 10**24)
    assert system.clearinghouse.call("accountOf", HOLDER.account).collaterals[0].amount == 1_000


def test_first_depositor__inflation_by_donation__gains_nothing_I5(system: System, market: Market):
    market.fund(HOLDER, USDC="0.000001")
    system.tokens["USDC"].transact("mint", system.clearinghouse, 10**12)
    market.fund(BYSTANDER, USDC=1)
    assert system.clearinghouse.call("cashOf", BYSTANDER.account) == wad(1)
    assert system.clearinghouse.call("cashOf", HOLDER.account) == 10**12


def test_self_transfer__to_the_vault_itself__is_a_gift_to_nobody(system: System, market: Market):
    market.fund(HOLDER, USDC=100)
    withdraw(system, 0, 10**6, system.clearinghouse.address)
    assert system.clearinghouse.call("cashOf", HOLDER.account) == wad(99)
    assert system.clearinghouse.call("vaultState").tokens == 99 * 10**6
