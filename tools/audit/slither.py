"""slither over every deployed contract, without generating code."""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tools.audit.bench import AUDIT_BIN, ROOT, SCRATCH, SOLC, run, tail
from tools.audit.triage import Finding, findings, idle, load, unanswered
from tools.audit.verdict import ANSWERED, FAILED, PASSED, AuditError, Verdict

SKIPPED = ("mocks", "test")  # folders of contracts/ that are deployed nowhere
SETTINGS = {
    "optimizer": {"enabled": True, "runs": 200},
    "evmVersion": "cancun",
    "viaIR": True,
    "remappings": ["@openzeppelin/contracts=node_modules/@openzeppelin/contracts", "solady=node_modules/solady/src"],
    "outputSelection": {"*": {"": ["ast"], "*": ["abi"]}},
}
_NO_CODE = {"object": "", "sourceMap": "", "linkReferences": {}}


def audit() -> list[Verdict]:
    """One verdict a detector that found something, one for all the others.

    Raises:
        AuditError: The sources do not compile, or slither fails.
    """
    answers = load()
    started = time.monotonic()
    found = findings(report())
    return judge(found, time.monotonic() - started, idle(found, answers), unanswered(found, answers))


def judge(
    found: list[Finding], seconds: float, idle_answers: list[tuple[str, str]], new: list[Finding]
) -> list[Verdict]:
    """Failed are detectors with a finding nobody answered, and answers that nothing asks for."""
    counts = Counter((finding.check, finding.impact) for finding in found)
    verdicts = [Verdict("slither", "all detectors", PASSED, seconds, f"{len(found)} findings, {len(new)} unanswered")]
    for (check, impact), count in sorted(counts.items(), key=lambda pair: (_rank(pair[0][1]), pair[0])):
        missing = sorted({finding.place for finding in new if finding.check == check})
        detail = f"{impact}, {count} findings" + (f", no answer for {', '.join(missing)}" if missing else "")
        verdicts.append(Verdict("slither", check, FAILED if missing else ANSWERED, 0, detail))
    verdicts += [Verdict("slither", check, FAILED, 0, f"answer no longer needed: {at}") for check, at in idle_answers]
    return verdicts


def _rank(impact: str) -> int:
    return ("High", "Medium", "Low", "Informational", "Optimization").index(impact)


def report() -> dict[str, Any]:
    """slither's JSON over what `build_info` wrote."""
    shutil.rmtree(SCRATCH / "slither", ignore_errors=True)
    out = SCRATCH / "slither" / "out"
    (out / "build-info").mkdir(parents=True)
    (out / "build-info" / "contracts.json").write_text(json.dumps(build_info()))
    target = SCRATCH / "slither" / "report.json"
    done = run(
        *(AUDIT_BIN / "slither", ".", "--ignore-compile", "--compile-force-framework", "foundry"),
        *("--foundry-out-directory", out, "--filter-paths", "node_modules", "--json", target, "--no-fail-pedantic"),
    )
    if not target.is_file():
        raise AuditError(f"slither failed:\n{tail(done)}")
    content: dict[str, Any] = json.loads(target.read_text())
    if not content["success"]:
        raise AuditError(f"slither failed: {content['error']}")
    return content


def build_info() -> dict[str, Any]:
    """Syntax trees and interfaces as forge would have written them; slither reads no code."""
    files = [path for path in sorted((ROOT / "contracts").rglob("*.sol")) if _is_deployed(path)]
    texts = {path.relative_to(ROOT).as_posix(): path.read_text() for path in files}
    request = {
        "language": "Solidity",
        "sources": {name: {"content": text} for name, text in texts.items()},
        "settings": SETTINGS,
    }
    done = run(SOLC, "--standard-json", "--base-path", ROOT, text=json.dumps(request))
    if done.returncode:
        raise AuditError(f"the compiler failed:\n{tail(done)}")
    output = json.loads(done.stdout)
    if errors := [one["formattedMessage"] for one in output.get("errors", ()) if one["severity"] == "error"]:
        raise AuditError("\n".join(errors))
    for contracts in output["contracts"].values():
        for artifact in contracts.values():
            artifact["evm"] = {"bytecode": _NO_CODE, "deployedBytecode": _NO_CODE, "methodIdentifiers": {}}
    sources = {name: {"content": texts.get(name) or (ROOT / name).read_text()} for name in output["sources"]}
    return {
        "id": "contracts",
        "solcVersion": SOLC.name.removeprefix("solc-v"),
        "solcLongVersion": SOLC.name.removeprefix("solc-v"),
        "input": {**request, "sources": sources},
        "output": output,
    }


def _is_deployed(path: Path) -> bool:
    return path.relative_to(ROOT / "contracts").parts[0] not in (*SKIPPED, ".cache")
