"""The system fixture is a working Ballast: funded, traded and repriced, seen through its own contracts."""

from tests.support.system import DAY, WAD, Market, System, trader, wad

BUYER, SELLER = trader("buyer"), trader("seller")


def test_system__local_network__deployed_and_handed_over(system: System):
    assert system.builder.is_sealed()
    assert system.clearinghouse.call("assetCount") == len(system.network.asset_ids)
    assert system.clearinghouse.call("instrumentCount") == len(system.network.perps)
    assert bytes(system.margin_engine.call("riskBooks").current) == system.book.encode()


def test_market__fund__every_token_arrives_in_its_own_decimals(system: System, market: Market):
    market.fund(BUYER, USDC=10_000, WETH="1.5", WBTC="0.25", LINK=100)
    account = system.clearinghouse.call("accountOf", BUYER.account)
    assert account.cash == wad(10_000)
    held = {collateral.asset: collateral.amount for collateral in account.collaterals}
    assert held == {1: wad("1.5"), 2: 25_000_000, 3: wad(100)}


def test_market__trade__both_sides_hold_the_position(system: System, market: Market):
    market.fund(BUYER, USDC=10_000)
    market.fund(SELLER, USDC=10_000)
    market.trade(BUYER, SELLER, "ETH", "1.5")
    sizes = [system.clearinghouse.call("accountOf", who.account).positions[0].size for who in (BUYER, SELLER)]
    assert sizes == [wad("1.5"), -wad("1.5")]


def test_market__set_price__moves_the_mark_and_later_the_stable_price(system: System, market: Market):
    market.set_price("ETH", 1_900)
    assert market.mark("ETH") == wad(1_900)
    market.settle_stable_prices()
    quotes, _ = system.oracle_hub.call("quotesOf", 1 << system.record.underlyings["ETH"])
    assert quotes[0].stable == wad(1_900)


def test_system__role_with_delay__acts_after_it(system: System, market: Market):
    before = system.evm.timestamp
    system.act_as("risk", system.exchange, "setFees", 300_000, 0)
    assert tuple(system.exchange.call("fees")) == (300_000, 0)
    assert system.evm.timestamp == before + system.network.roles.risk.delay
    market.advance(DAY)
    assert market.mark("BTC") == 40_000 * WAD
