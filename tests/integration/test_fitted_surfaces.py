"""From option quotes to the chain: every surface that is fitted is one that the expiries accept."""

import pytest

from ballast.risk.expiry import Expiries
from ballast.risk.pricing import Surface
from ballast.risk.surface.chains import load_chains
from ballast.risk.surface.fit import FittedSurface, fit_surface
from ballast.risk.surface.svi import surface_of
from tests.support.expiries import ExpiryBench
from tests.support.oracle import ETH

FLAT = Surface(0, 360_000_000, 0, 0, 0, 10**9)


@pytest.fixture(scope="module", params=["BTC", "ETH"])
def fitted(request: pytest.FixtureRequest) -> FittedSurface:
    (chain,) = (chain for chain in load_chains() if chain.currency == request.param)
    return fit_surface(chain)


def test_submit__every_smile_of_a_fitted_snapshot__accepted_on_chain_and_by_the_twin(fitted: FittedSurface) -> None:
    bench = ExpiryBench()
    bench.go_to(fitted.time)
    surfaces = {smile.quotes.expiry: surface_of(smile.smile, smile.premium, 0) for smile in fitted.smiles}
    for expiry in surfaces:
        bench.expiries.transact("listExpiry", ETH, expiry, FLAT.pack())
    stored = [event.expiry for event in bench.publish(surfaces).events("SurfaceStored")]
    twin = Expiries(surfaces=dict.fromkeys(surfaces, FLAT))
    assert stored == twin.submit(surfaces.items(), fitted.time, fitted.time) == list(surfaces)
    assert {expiry: bench.stored(expiry) for expiry in surfaces} == twin.surfaces
    assert all(quote.trusted for quote in map(bench.quote, surfaces))
