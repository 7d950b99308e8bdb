"""Fixtures every test may use. The system is deployed once; each test sees it fresh."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support.system import Market, System, deploy_system
from tests.support.trading import Desk, Seat

# Property tests are not timed, and repeat themselves in continuous integration.
settings.register_profile("ballast", deadline=None, print_blob=True, derandomize="CI" in os.environ)
settings.load_profile("ballast")


@pytest.fixture(scope="session")
def deployed_system() -> System:
    return deploy_system()


@pytest.fixture
def system(deployed_system: System) -> Iterator[System]:
    """A whole system in the in-process EVM; what a test does to it is undone."""
    with deployed_system.evm.rolled_back():
        yield deployed_system


@pytest.fixture
def market(system: System) -> Market:
    """The system's users and its outside world: fund accounts, trade, move prices and time."""
    return Market(system)


@pytest.fixture
def desk(market: Market) -> Desk:
    """The exchange as traders see it: sign orders in one perpetual, settle them, see what became of them."""
    return Desk(market)


@pytest.fixture
def buyer(desk: Desk) -> Seat:
    return desk.seat("buyer")


@pytest.fixture
def seller(desk: Desk) -> Seat:
    return desk.seat("seller")
