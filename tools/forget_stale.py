"""Makes ape compile again what depends on a changed source.

ape compiles the files that changed, not those that import them: a contract whose base or library changed would keep its
old bytecode. This drops such files from ape's record of what it has compiled.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent
MANIFEST = ROOT / ".build" / "__local__.json"
_IMPORT = re.compile(r'^\s*import\s[^;]*?"(\.[^"]+)"\s*;', re.MULTILINE)


def imports_of(name: str, text: str) -> set[str]:
    """The project's own files that a source imports, by name."""
    folder = PurePosixPath(name).parent
    return {_normal(folder / target) for target in _IMPORT.findall(text)}


def stale(compiled: Mapping[str, str], present: Mapping[str, str]) -> set[str]:
    """Sources that changed or import, at any depth, one that did."""
    found = {name for name in {*compiled, *present} if compiled.get(name) != present.get(name)}
    importers = {name: imports_of(name, text) for name, text in present.items()}
    while added := {name for name, targets in importers.items() if name not in found and targets & found}:
        found |= added
    return found


def _normal(path: PurePosixPath) -> str:
    parts: list[str] = []
    for part in path.parts:
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def main() -> None:
    if not MANIFEST.is_file():
        return
    manifest = json.loads(MANIFEST.read_text())
    compiled = {name: source.get("content") or "" for name, source in manifest.get("sources", {}).items()}
    present = {
        str(path.relative_to(ROOT).as_posix()): path.read_text()
        for path in (ROOT / "contracts").rglob("*.sol")
        if ".cache" not in path.parts
    }
    dropped = stale(compiled, present)
    if not dropped:
        return
    manifest["sources"] = {name: source for name, source in manifest["sources"].items() if name not in dropped}
    manifest["contractTypes"] = {
        name: kind for name, kind in manifest["contractTypes"].items() if kind.get("sourceId") not in dropped
    }
    MANIFEST.write_text(json.dumps(manifest))


if __name__ == "__main__":
    main()
