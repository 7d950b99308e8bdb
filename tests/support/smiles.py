"""Smiles with known parameters, and the quotes a market maker would show for them."""

import numpy as np

from ballast.risk.pricing import YEAR
from ballast.risk.surface import black76
from ballast.risk.surface.chains import QUOTED_YEAR, Chain
from ballast.risk.surface.svi import Smile

DAY = 86_400
NOON = 1_780_000_000
FORWARD = 50_000.0
NEAR = Smile(a=0.05, b=0.9, rho=-0.3, m=0.02, s=0.12)
FAR = Smile(a=0.06, b=0.4, rho=-0.25, m=0.03, s=0.3)


def quoted_chain(*listed, half_spread=0.004, strikes=31, reach=2.0, premium=0.01):
    """A chain of (smile, days to expiry): calls and puts at strikes to ``reach`` standard deviations, whose bid and ask
    imply the smile's volatility less and plus ``half_spread``."""
    columns = {
        name: [] for name in ("expiry", "is_call", "strike", "bid", "ask", "mark", "mark_iv", "forward", "index")
    }
    for smile, days in listed:
        years = days * DAY / YEAR
        k = np.linspace(-reach, reach, strikes) * np.sqrt(smile.variance(np.zeros(1))[0] * years)
        volatility = np.sqrt(smile.variance(k))
        for is_call in (True, False):
            side = np.full(len(k), is_call)
            for name, moved in (("bid", -half_spread), ("mark", 0.0), ("ask", half_spread)):
                columns[name].append(black76.price(k, (volatility + moved) * np.sqrt(years), side))
            columns["expiry"].append(np.full(len(k), NOON + round(days * DAY)))
            columns["is_call"].append(side)
            columns["strike"].append(FORWARD * np.exp(k))
            columns["mark_iv"].append(volatility * np.sqrt(QUOTED_YEAR / YEAR))
            columns["forward"].append(np.full(len(k), FORWARD))
            columns["index"].append(np.full(len(k), FORWARD / (1 + premium)))
    return Chain("BTC", NOON, **{name: np.concatenate(parts) for name, parts in columns.items()})


def call_prices(smile, years, k):
    """Calls as shares of the forward, from the smile's own volatility, nothing clamped."""
    deviation = np.sqrt(smile.variance(k) * years)
    return black76.price(k, deviation, np.full(np.shape(k), True))
