"""I16: the contract and its Python twin agree to the wei, over random books, blends, multipliers and portfolios."""

from random import Random

import pytest

from tests.support.margin import plain, random_portfolio, random_quotes, random_scene

SCENES, PORTFOLIOS = 50, 40
USD_PRICES = [10**18, 999 * 10**15, 98 * 10**16, 979_999_999_999_999_999, 9 * 10**17, 0]


@pytest.mark.parametrize("seed", range(SCENES))
def test_assess_and_explain__random_portfolios__equal_the_twin_to_the_wei(seed):
    random = Random(seed)
    scene = random_scene(random)
    twin = scene.twin
    for _ in range(PORTFOLIOS):
        quotes = random_quotes(random)
        portfolio = random_portfolio(random, quotes)
        usd = random.choice(USD_PRICES)
        margin = twin.assess(portfolio, quotes, usd)
        assert scene.assess(portfolio, quotes, usd) == margin
        explanation = twin.explain(portfolio, quotes, usd)
        assert plain(scene.explain(portfolio, quotes, usd)) == plain(explanation)
        assert explanation.margin == margin
        parts = twin.assess_in_parts(portfolio, quotes, usd)
        assert scene.assess_in_parts(portfolio, quotes, usd) == parts
        assert parts[0] == margin
