"""The insurance fund: shares, redemption in two steps, draws and their limit."""

from __future__ import annotations

from random import Random

import pytest

from ballast.risk.insurance import cover_parts
from tests.support.evm import Contract, reverts
from tests.support.liquidation import Room, money_flows
from tests.support.system import DAY, HOUR, WAD, Market, Trader, deploy_system, local_network, trader

SHARE = 10**12  # of one settlement token, in a fund that neither gained nor lost
COOLDOWN, WINDOW = 7 * DAY, 2 * DAY
BILLION = 10**9
USDC = 10**6
BTC, ETH = 1, 2


@pytest.fixture
def room(market: Market) -> Room:
    return Room(market)


@pytest.fixture
def fund(room: Room) -> Contract:
    return room.system.insurance_fund


@pytest.fixture
def insurer(room: Room) -> Trader:
    return room.insure(10_000)


def balance(room: Room, owner: str) -> int:
    return int(room.system.tokens["USDC"].call("balanceOf", owner))


def request_all(room: Room, insurer: Trader) -> int:
    shares = int(room.system.insurance_fund.call("balanceOf", insurer.address))
    room.system.insurance_fund.transact("requestRedemption", shares, sender=insurer.address)
    return shares


def drain(room: Room, owner_role: str = "owner", health: str = "-0.2") -> Trader:
    """An insolvent auction, which has a claim on the fund."""
    owner = room.long(owner_role)
    room.drop_to(owner, health)
    room.start(owner)
    return owner


def test_deposit__first__mints_shares_and_puts_the_tokens_into_the_clearinghouse(room: Room, fund: Contract) -> None:
    """I3a."""
    insurer = trader("insurer")
    units = room.market.mint(insurer, "USDC", 10_000)
    room.system.tokens["USDC"].transact("approve", fund, units, sender=insurer.address)
    with money_flows(room) as flows:
        receipt = fund.transact("deposit", units, insurer.address, sender=insurer.address)
    assert (flows.tokens, flows.cash["fund"]) == (units, 10_000 * WAD)
    assert receipt.result == fund.call("balanceOf", insurer.address) == 10_000 * SHARE
    assert (fund.call("totalAssets"), fund.call("reserves")) == (units, 10_000 * WAD)
    assert (balance(room, insurer.address), balance(room, fund.address)) == (0, 0)


def test_mint__by_shares__costs_what_the_preview_said(room: Room, fund: Contract, insurer: Trader) -> None:
    units = room.market.mint(insurer, "USDC", 50)
    room.system.tokens["USDC"].transact("approve", fund, units, sender=insurer.address)
    cost = fund.call("previewMint", 50 * SHARE)
    assert fund.transact("mint", 50 * SHARE, insurer.address, sender=insurer.address).result == cost == units


def test_total_assets__of_cash_below_a_token_unit__rounds_down(room: Room, fund: Contract, insurer: Trader) -> None:
    owner = drain(room, health="-0.123")
    room.bid(owner, room.liquidator(), WAD // 3)
    assert fund.call("reserves") % 10**12 != 0
    assert fund.call("totalAssets") == fund.call("reserves") // 10**12


def test_redeem__after_the_cooldown__pays_out(room: Room, fund: Contract, insurer: Trader) -> None:
    """I3a."""
    shares = request_all(room, insurer)
    room.market.advance(COOLDOWN)
    assert fund.call("maxRedeem", insurer.address) == shares
    with money_flows(room) as flows:
        fund.transact("redeem", shares, insurer.address, insurer.address, sender=insurer.address)
    assert (flows.tokens, flows.cash["fund"]) == (-10_000 * USDC, -10_000 * WAD)
    assert balance(room, insurer.address) == 10_000 * USDC
    assert fund.call("totalSupply") == 0
    assert fund.call("redemptionRequestOf", insurer.address).shares == 0


def test_withdraw__by_an_approved_spender__pays_out(room: Room, fund: Contract, insurer: Trader) -> None:
    request_all(room, insurer)
    spender = trader("spender").address
    fund.transact("approve", spender, 400 * SHARE, sender=insurer.address)
    room.market.advance(COOLDOWN)
    fund.transact("withdraw", 400 * USDC, spender, insurer.address, sender=spender)
    assert balance(room, spender) == 400 * USDC
    with reverts("ERC20InsufficientAllowance"):
        fund.transact("withdraw", 1, spender, insurer.address, sender=spender)


def test_redeem__without_request_early_or_late__reverts(room: Room, fund: Contract, insurer: Trader) -> None:
    def redeem() -> None:
        fund.transact("redeem", 1, insurer.address, insurer.address, sender=insurer.address)

    with reverts("RedemptionCoolingDown", holder=insurer.address, until=0):
        redeem()
    request_all(room, insurer)
    ready = fund.call("redemptionRequestOf", insurer.address).readyAt
    room.market.advance(COOLDOWN - 1)
    assert fund.call("maxRedeem", insurer.address) == fund.call("maxWithdraw", insurer.address) == 0
    with reverts("RedemptionCoolingDown", holder=insurer.address, until=ready):
        redeem()
    room.market.advance(1 + WINDOW)
    with room.rolled_back():
        redeem()
    room.market.advance(1)
    with reverts("RedemptionCoolingDown", holder=insurer.address, until=0):
        redeem()


def test_redeem__more_than_requested__reverts(room: Room, fund: Contract, insurer: Trader) -> None:
    fund.transact("requestRedemption", 5 * SHARE, sender=insurer.address)
    room.market.advance(COOLDOWN)
    with reverts("ERC4626ExceededMaxRedeem", shares=5 * SHARE + 1, max=5 * SHARE):
        fund.transact("redeem", 5 * SHARE + 1, insurer.address, insurer.address, sender=insurer.address)


def test_request__more_than_held__reverts(fund: Contract, insurer: Trader) -> None:
    with reverts("ERC20InsufficientBalance", needed=10_000 * SHARE + 1):
        fund.transact("requestRedemption", 10_000 * SHARE + 1, sender=insurer.address)


def test_redeem__while_an_auction_has_a_shortfall__reverts(room: Room, fund: Contract, insurer: Trader) -> None:
    request_all(room, insurer)
    room.market.advance(COOLDOWN)
    owner = drain(room)
    shortfall = room.auctions.call("openShortfall")
    assert shortfall > 0 == fund.call("maxRedeem", insurer.address)
    with reverts("RedemptionWhileShortfallOpen", openShortfall=shortfall):
        fund.transact("redeem", SHARE, insurer.address, insurer.address, sender=insurer.address)
    room.bid(owner, room.liquidator(), WAD)
    fund.transact("redeem", SHARE, insurer.address, insurer.address, sender=insurer.address)


def test_transfer__of_requested_shares__reverts(room: Room, fund: Contract, insurer: Trader) -> None:
    """The attack of passing shares to a holder whose cooldown is over: shut, they cannot leave."""
    fund.transact("requestRedemption", 9_000 * SHARE, sender=insurer.address)
    friend = trader("friend").address
    fund.transact("transfer", friend, 1_000 * SHARE, sender=insurer.address)
    with reverts("SharesAwaitRedemption", holder=insurer.address, shares=9_000 * SHARE):
        fund.transact("transfer", friend, 1, sender=insurer.address)
    fund.transact("requestRedemption", 0, sender=insurer.address)
    fund.transact("transfer", friend, 9_000 * SHARE, sender=insurer.address)
    assert fund.call("balanceOf", friend) == 10_000 * SHARE


def test_inflation__donation_before_the_first_deposit__costs_more_than_it_takes(room: Room, fund: Contract) -> None:
    """I5. Tokens sent to the fund or the clearinghouse are nobody's. Cash that does reach the fund, by a bounty,
    buys the attacker nothing: the next depositor loses less than a millionth of what was given."""
    attacker, token = trader("attacker"), room.system.tokens["USDC"]
    room.market.mint(attacker, "USDC", 20_000)
    for target in (fund.address, room.house.address):
        token.transact("transfer", target, 10_000 * USDC, sender=attacker.address)
    assert (fund.call("totalAssets"), fund.call("reserves")) == (0, 0)
    owner = room.long("owner")
    room.drop_to(owner, "0.9")
    room.start(owner, room.fund_account)
    assert fund.call("reserves") == 5 * WAD

    victim = room.insure(2, "victim")
    worth = fund.call("previewRedeem", fund.call("balanceOf", victim.address))
    assert 0 <= 2 * USDC - worth <= 5


def test_draw__by_anyone_but_the_auctions__reverts(fund: Contract, insurer: Trader) -> None:
    """I23, I32."""
    with reverts("NotAuctions", caller=insurer.address):
        fund.transact("draw", insurer.account, 1, [], [], sender=insurer.address)


def test_outflow__after_a_draw__comes_back_over_an_hour(room: Room, fund: Contract, insurer: Trader) -> None:
    assert fund.call("available") == 2_500 * WAD
    owner = drain(room)
    room.bid(owner, room.liquidator(), WAD)
    paid = 10_000 * WAD - fund.call("reserves")
    assert 0 < paid < 2_500 * WAD
    assert fund.call("available") == 2_500 * WAD - paid

    room.market.advance(HOUR // 2)
    left = paid // 2
    assert fund.call("outflowLimit").paidLately == left
    assert fund.call("available") == (10_000 * WAD - paid + left) // 4 - left
    room.market.advance(HOUR // 2)
    assert fund.call("available") == (10_000 * WAD - paid) // 4


def test_outflow__many_draws__are_no_more_than_one(room: Room, fund: Contract, insurer: Trader) -> None:
    """I15: the limit is a share of what the fund would hold had it paid nothing."""
    room.system.act_as("risk", fund, "setOutflowLimit", BILLION // 4, BILLION)
    owner, bidder = drain(room, health="-2"), room.liquidator()
    for _ in range(4):
        room.bid(owner, bidder, WAD // 5)
    assert fund.call("available") == 0
    assert 0 <= 7_500 * WAD - room.worth(room.fund_account) <= 4
    assert room.unpaid_loss() > 0


def long_both(room: Room, cash: int) -> Trader:
    """Somebody long ETH and BTC, a third of the risk in BTC."""
    owner = trader("both")
    room.market.fund(owner, USDC=cash)
    for symbol, value in (("ETH", 40_000), ("BTC", 20_000)):
        room.market.trade(owner, room.dealer, symbol, value / room.market.prices[symbol])
    return owner


def test_outflow__for_one_underlying__stops_at_its_limit_and_leaves_the_rest_to_others(
    room: Room, fund: Contract, insurer: Trader
) -> None:
    """15 % of the fund for ETH; the 10 % that are left of the hour are for what else happens."""
    owner, bidder = drain(room, health="-2"), room.liquidator()
    for _ in range(2):
        receipt = room.bid(owner, bidder, WAD // 5)
        [drawn] = receipt.events("Drawn")
        assert [(one.underlying, one.paid) for one in receipt.events("DrawnFor")] == [(ETH, drawn.paid)]
    assert 0 <= 8_500 * WAD - room.worth(room.fund_account) <= 4
    assert fund.call("outflowOf", ETH).left == 0
    refused = room.bid(owner, bidder, WAD // 5)
    assert (refused.result.fromInsurance, refused.events("Drawn")) == (0, [])
    assert fund.call("coverOf", 5_000 * WAD, [BTC, ETH], [WAD, WAD]) == pytest.approx(500 * WAD, rel=1e-3)
    assert fund.call("available") == pytest.approx(1_000 * WAD, rel=1e-3)


def test_outflow__of_a_limit_of_its_own__is_that_and_comes_back_over_an_hour(
    room: Room, fund: Contract, insurer: Trader
) -> None:
    room.system.act_as("risk", fund, "setUnderlyingOutflowLimit", ETH, BILLION // 50)
    owner = drain(room, health="-2")
    room.bid(owner, room.liquidator(), WAD // 5)
    assert fund.call("outflowOf", ETH)[1:] == (200 * WAD, 0)
    other = fund.call("outflowOf", BTC)
    assert (other.fraction, other.paidLately) == (150_000_000, 0)
    assert other.left == (fund.call("reserves") + 200 * WAD) * 15 // 100
    room.market.advance(HOUR // 2)
    assert fund.call("outflowOf", ETH).paidLately == 100 * WAD
    room.system.act_as("risk", fund, "setUnderlyingOutflowLimit", ETH, 0)
    assert fund.call("outflowOf", ETH).fraction == 150_000_000


def test_outflow__of_a_portfolio__is_split_by_what_each_underlying_adds_to_its_margin(
    room: Room, fund: Contract, insurer: Trader
) -> None:
    """I16. What BTC may not take is left uncovered, not put on ETH."""
    owner, bidder = long_both(room, 25_000), room.liquidator()
    room.system.act_as("risk", fund, "setUnderlyingOutflowLimit", BTC, BILLION // 100)
    room.market.set_price("ETH", room.market.prices["ETH"] / 2)
    room.market.set_price("BTC", room.market.prices["BTC"] / 2)
    room.market.set_price("ETH", room.market.prices["ETH"] * 4 / 5)
    room.start(owner)
    _, (bitcoin, ether) = room.house.call("marginInPartsOf", owner.account)
    due = [bitcoin.loss + bitcoin.charges, ether.loss + ether.charges]
    assert (bitcoin.underlying, ether.underlying) == (BTC, ETH) and due[1] > due[0] > 0
    lacking = -room.margin(owner.account).equity // 10
    left = [fund.call("outflowOf", underlying).left for underlying in (BTC, ETH)]
    parts = cover_parts(lacking, due, left, 0)
    assert parts[0] == left[0] == 100 * WAD < lacking - parts[1]

    receipt = room.bid(owner, bidder, WAD // 10)
    assert [one.paid for one in receipt.events("DrawnFor")] == parts
    assert receipt.result.fromInsurance == sum(parts)
    assert receipt.result.uncovered == lacking - sum(parts) > 0


@pytest.mark.parametrize("seed", range(20))
def test_cover__random_contributions_and_limits__is_the_twin_s(room: Room, fund: Contract, seed: int) -> None:
    """I16: amounts of any size, contributions of either sign."""
    random = Random(seed)
    room.insure(random.randint(1, 50_000))
    for underlying in range(4):
        fraction = random.choice([0, random.randint(BILLION // 100, BILLION)])
        room.system.act_as("risk", fund, "setUnderlyingOutflowLimit", underlying, fraction)
    for _ in range(10):
        underlyings = sorted(random.sample(range(1, 8), random.randint(0, 4)))
        contributions = [random.randint(-(10**22), 10**22) for _ in underlyings]
        amount = random.randint(0, 10 ** random.randint(1, 23))
        left = [fund.call("outflowOf", underlying).left for underlying in underlyings]
        parts = cover_parts(min(amount, fund.call("available")), contributions, left, fund.call("outflowOf", 0).left)
        assert fund.call("coverOf", amount, underlyings, contributions) == sum(parts) <= amount


def test_settings__by_a_stranger__revert(fund: Contract, insurer: Trader) -> None:
    calls = [
        ("connect", insurer.address),
        ("setOutflowLimit", BILLION, BILLION),
        ("setUnderlyingOutflowLimit", 1, BILLION),
        ("setCooldown", DAY),
    ]
    for function, *arguments in calls:
        with reverts("AccessManagedUnauthorized", caller=insurer.address):
            fund.transact(function, *arguments, sender=insurer.address)


def test_settings__outside_their_bounds__revert(room: Room, fund: Contract) -> None:
    """I30."""
    wrong = [
        ("setOutflowLimit", (BILLION // 100 - 1, BILLION), BILLION // 100 - 1, BILLION // 100),
        ("setOutflowLimit", (BILLION + 1, BILLION), BILLION + 1, BILLION),
        ("setOutflowLimit", (BILLION, BILLION // 100 - 1), BILLION // 100 - 1, BILLION // 100),
        ("setOutflowLimit", (BILLION, BILLION + 1), BILLION + 1, BILLION),
        ("setUnderlyingOutflowLimit", (1, BILLION // 100 - 1), BILLION // 100 - 1, BILLION // 100),
        ("setUnderlyingOutflowLimit", (1, BILLION + 1), BILLION + 1, BILLION),
        ("setCooldown", (DAY - 1,), DAY - 1, DAY),
        ("setCooldown", (30 * DAY + 1,), 30 * DAY + 1, 30 * DAY),
    ]
    for function, arguments, value, bound in wrong:
        with room.rolled_back(), reverts("ParameterOutOfBounds", value=value, bound=bound):
            room.system.act_as("risk", fund, function, *arguments)


def test_settings__inside_their_bounds__are_set(room: Room, fund: Contract, insurer: Trader) -> None:
    request_all(room, insurer)
    ready = fund.call("redemptionRequestOf", insurer.address).readyAt
    room.system.act_as("risk", fund, "setOutflowLimit", BILLION // 2, BILLION)
    room.system.act_as("risk", fund, "setCooldown", 30 * DAY)
    assert fund.call("outflowLimit").hourlyFraction == BILLION // 2
    assert fund.call("available") == 5_000 * WAD
    assert fund.call("cooldown") == 30 * DAY
    assert fund.call("redemptionRequestOf", insurer.address).readyAt == ready


def test_deployment__underlying_with_a_limit_of_its_own__has_it_from_the_start() -> None:
    network = local_network()
    link = network.underlyings["LINK"].model_copy(update={"insurance_fraction": BILLION // 20})
    system = deploy_system(network.model_copy(update={"underlyings": {**network.underlyings, "LINK": link}}))
    fractions = [system.insurance_fund.call("outflowOf", number).fraction for number in (ETH, link.id)]
    assert fractions == [150_000_000, BILLION // 20]


def test_connect__a_second_time__reverts(room: Room, fund: Contract) -> None:
    with reverts("AlreadyConnected"):
        room.system.act_as("governance", fund, "connect", room.auctions.address)
