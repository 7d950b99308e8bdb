"""I16 for futures and options: the contract and its Python twin agree to the wei, in every field."""

from random import Random

import pytest

from ballast.chain.ids import KIND_PERP
from ballast.risk.margin import option_prices
from tests.support.dated_portfolios import random_dated_portfolio, random_expiries
from tests.support.margin import plain, random_quotes, random_scene

SCENES, NIGHTLY_SCENES, PORTFOLIOS = 60, 500, 20
USD_PRICES = [10**18, 98 * 10**16, 9 * 10**17]


def compare(seed: int, portfolios: int) -> None:
    random = Random(seed)
    scene = random_scene(random)
    twin = scene.twin
    for _ in range(portfolios):
        quotes = random_quotes(random)
        expiries = random_expiries(random, quotes)
        portfolio = random_dated_portfolio(random, quotes, expiries)
        usd = random.choice(USD_PRICES)
        margin = twin.assess(portfolio, quotes, usd, expiries)
        assert scene.assess(portfolio, quotes, usd, expiries) == margin
        explanation = twin.explain(portfolio, quotes, usd, expiries)
        assert plain(scene.explain(portfolio, quotes, usd, expiries)) == plain(explanation)
        assert explanation.margin == margin
        parts = twin.assess_in_parts(portfolio, quotes, usd, expiries)
        assert scene.assess_in_parts(portfolio, quotes, usd, expiries) == parts
        assert parts[0] == margin
        dated = [leg.instrument for leg in portfolio.positions if leg.kind != KIND_PERP]
        assert scene.engine.call("optionPrices", dated, quotes, expiries) == option_prices(dated, quotes, expiries)


@pytest.mark.parametrize("seed", range(SCENES))
def test_assess_and_explain__random_options_and_futures__equal_the_twin_to_the_wei(seed):
    compare(seed, PORTFOLIOS)


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(SCENES, SCENES + NIGHTLY_SCENES))
def test_assess_and_explain__ten_thousand_portfolios__equal_the_twin_to_the_wei(seed):
    compare(seed, PORTFOLIOS)
