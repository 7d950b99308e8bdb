"""What every section of a network's file is: checked whole, unchangeable, no key that nobody knows."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    def as_struct(self) -> dict[str, Any]:
        """Its values under the contracts' names."""
        return {_camel_case(name): value for name, value in self}


def _camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
