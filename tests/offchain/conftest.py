from collections.abc import Iterator
from pathlib import Path

import pytest

from ballast.chain.connection import Connection
from scripts.anvil import anvil
from tests.support.asking import Ask, asking
from tests.support.counter import Counter


@pytest.fixture
def node():
    """A bare local chain that mines only when told to."""
    with anvil("--no-mining") as running:
        yield running


@pytest.fixture
def connection(node):
    return Connection(node.url, attempts=2)


@pytest.fixture
def counter(tmp_path: Path) -> Iterator[Counter]:
    made = Counter(tmp_path / "journal.sqlite")
    yield made
    made.close()


@pytest.fixture
def ask(counter: Counter) -> Ask:
    return asking(counter)
