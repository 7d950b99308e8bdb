"""The journal of a deployment: what was sent for each step, kept so that a killed run can be taken up again.

The chain, not the journal, says whether a step is done. The journal says which transaction did it, which one may still
be under way, and that the plan has not changed since.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ballast.deployment.backend import Receipt
from ballast.deployment.plan import Step
from ballast.errors import BallastError


class PlanChanged(BallastError):
    """A journal of another plan lies here: the configuration or the code changed between two runs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(
            f"{path}: the configuration or the contracts changed since this deployment began; "
            "restore them to finish it, or remove the journal to begin the new one (what is unchanged will be reused)"
        )


@dataclass
class Entry:
    """What is known of one step's transaction; `block` and `gas_used` are None until it was seen mined."""

    transaction: str
    block: int | None = None
    gas_used: int | None = None


class Journal:
    """Entries by step name, written whole and atomically at each change. Without a path it only remembers.

    Raises:
        PlanChanged: The file belongs to another plan.
    """

    def __init__(self, plan: str, path: Path | None = None, tell: Callable[[str, Step], None] | None = None) -> None:
        self._plan, self._path, self._tell = plan, path, tell or (lambda event, step: None)
        self.entries: dict[str, Entry] = {}
        if path is not None and path.exists():
            stored = json.loads(path.read_text())
            if stored["plan"] != plan:
                raise PlanChanged(path)
            self.entries = {name: Entry(**entry) for name, entry in stored["steps"].items()}

    def sent_before(self, step: Step) -> str | None:
        entry = self.entries.get(step.name)
        return entry.transaction if entry is not None and entry.block is None else None

    def sent(self, step: Step, transaction: str) -> None:
        self.entries[step.name] = Entry(transaction)
        self._write()
        self._tell("sent", step)

    def mined(self, step: Step, receipt: Receipt) -> None:
        self.entries[step.name] = Entry(receipt.transaction, receipt.block, receipt.gas_used)
        self._write()
        self._tell("mined", step)

    def found_done(self, step: Step) -> None:
        self._tell("done", step)

    def _write(self) -> None:
        if self._path is not None:
            steps = {name: asdict(entry) for name, entry in self.entries.items()}
            write_json_atomically(self._path, {"plan": self._plan, "steps": steps})


def write_json_atomically(path: Path, content: Any) -> None:
    """Replaces a file in one stroke: a reader, or a run after a crash, sees the old one or the new one whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    with draft.open("w") as file:
        json.dump(content, file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
