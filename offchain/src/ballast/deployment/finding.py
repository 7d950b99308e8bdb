"""What verification says of one thing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Finding:
    """One thing compared."""

    name: str
    expected: Any
    actual: Any

    @property
    def agrees(self) -> bool:
        return bool(self.expected == self.actual)
