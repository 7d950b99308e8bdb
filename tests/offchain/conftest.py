import pytest

from ballast.chain.connection import Connection
from scripts.anvil import anvil


@pytest.fixture
def node():
    """A bare local chain that mines only when told to."""
    with anvil("--no-mining") as running:
        yield running


@pytest.fixture
def connection(node):
    return Connection(node.url, attempts=2)
