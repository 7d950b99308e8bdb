"""The properties of tests/symbolic: `check_` proved by halmos for every input, `test` tried by forge's fuzzer."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from typing import Any

from tools.audit.bench import AUDIT_BIN, ROOT, SCRATCH, run, tail
from tools.audit.verdict import FAILED, PASSED, AuditError, Verdict

CONFIGURATION = ROOT / "tools" / "audit" / "halmos.toml"
_OUTCOMES = {1: "counterexample", 2: "not decided in time", 3: "stuck", 4: "every path reverts", 5: "error"}


def prove() -> list[Verdict]:
    """Every `check_`, by halmos.

    Raises:
        AuditError: The sources do not compile, or there is nothing to prove.
    """
    _build()
    target = SCRATCH / "halmos.json"
    target.unlink(missing_ok=True)
    done = run(
        *(AUDIT_BIN / "halmos", "--forge-build-out", ".build/audit/out", "--json-output", target, "--no-status"),
        *("--config", CONFIGURATION),
    )
    if not target.is_file():
        raise AuditError(f"halmos failed:\n{tail(done)}")
    verdicts = proofs(json.loads(target.read_text()))
    if not verdicts:
        raise AuditError(f"halmos found nothing to prove:\n{tail(done)}")
    return verdicts


def proofs(report: Mapping[str, Any]) -> list[Verdict]:
    """Out of halmos' JSON. A loop or depth cut at its bound makes no proof."""
    verdicts = []
    for target, results in report["test_results"].items():
        for one in results:
            name = f"{_contract(target)}.{one['name'].partition('(')[0]}"
            paths = (one["num_paths"] or [0])[0]
            cut = one["num_bounded_loops"] or 0
            good = one["exitcode"] == 0 and not cut
            detail = f"proved over {paths} paths" if good else _OUTCOMES.get(one["exitcode"], f"{cut} loops cut")
            seconds = (one["time"] or [0.0])[0]
            verdicts.append(Verdict("halmos", name, PASSED if good else FAILED, seconds, detail))
    return verdicts


def fuzz() -> list[Verdict]:
    """Every `test`, by forge.

    Raises:
        AuditError: The sources do not compile, or there is nothing to run.
    """
    started = time.monotonic()
    done = run("forge", "test", "--json")
    found = re.search(r"^\{.*\}$", done.stdout, re.MULTILINE)
    if not found:
        raise AuditError(f"forge test failed:\n{tail(done)}")
    verdicts = trials(json.loads(found[0]))
    if not verdicts:
        raise AuditError(f"forge found nothing to run after {time.monotonic() - started:.0f} s")
    return verdicts


def trials(report: Mapping[str, Any]) -> list[Verdict]:
    """Out of forge's JSON."""
    verdicts = []
    for target, suite in report.items():
        for signature, one in suite["test_results"].items():
            name = f"{_contract(target)}.{signature.partition('(')[0]}"
            runs = one["kind"].get("Fuzz", {}).get("runs")
            detail = f"{runs} runs" if runs else "one run, without input"
            good = one["status"] == "Success"
            told = detail if good else f"{one['reason']} {_inputs(one['counterexample'])}".strip()
            verdicts.append(Verdict("fuzz", name, PASSED if good else FAILED, _seconds(one["duration"]), told))
    return verdicts


def _inputs(counterexample: Mapping[str, Any] | None) -> str:
    return str(((counterexample or {}).get("Single") or {}).get("raw_args", ""))


def _contract(target: str) -> str:
    return target.rpartition(":")[2]


def _seconds(duration: Mapping[str, int] | str) -> float:
    if isinstance(duration, Mapping):
        return duration["secs"] + duration["nanos"] / 1e9
    units = {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "us": 1e-6, "ns": 1e-9, "m": 60.0}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"([\d.]+)\s*(ms|µs|us|ns|s|m)", duration))


def _build() -> None:
    done = run("forge", "build")
    if done.returncode:
        raise AuditError(f"forge build failed:\n{tail(done)}")
