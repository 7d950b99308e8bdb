"""A pytest plugin: writes how each test ended to the file that `BALLAST_VERDICT` names."""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from pathlib import Path

import pytest

VARIABLE = "BALLAST_VERDICT"
_ends: list[dict[str, str]] = []


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, None, None]:
    """Notes each call that passed, and each phase that raised: what, and the typed error where it is a revert."""
    yield
    if call.excinfo is None:
        if call.when == "call":
            _ends.append({"test": item.nodeid, "end": "passed"})
        return
    raised = call.excinfo.value
    if call.when == "call" and _is_assertion(raised):
        _ends.append({"test": item.nodeid, "end": "assertion"})
    else:
        kind = type(raised).__name__
        name = raised.name if kind == "Revert" else kind  # type: ignore[attr-defined]
        _ends.append({"test": item.nodeid, "end": "error", "error": name, "text": str(raised)[:300]})


def _is_assertion(raised: BaseException) -> bool:
    """Also `pytest.raises`, and `[event] = receipt.events(…)`, which says how many there are."""
    is_unpacking = isinstance(raised, ValueError) and "to unpack" in str(raised)
    return isinstance(raised, AssertionError | pytest.fail.Exception) or is_unpacking


def pytest_sessionfinish() -> None:
    Path(os.environ[VARIABLE]).write_text(json.dumps(_ends))
