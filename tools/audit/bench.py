"""Where the audit's tools are, and how they are run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tools.audit.verdict import AuditError

ROOT = Path(__file__).resolve().parents[2]
SCRATCH = ROOT / ".build" / "audit"
SOLC = Path(sys.prefix) / "solc" / "solc-v0.8.30"
AUDIT_BIN = Path(sys.prefix).parent / ".venv-audit" / "bin"


def environment() -> dict[str, str]:
    """Of every tool: forge's profile of symbolic tests, the project's compiler, no look outside."""
    return {
        **os.environ,
        "PATH": os.pathsep.join([str(AUDIT_BIN), os.environ["PATH"]]),
        "FOUNDRY_PROFILE": "symbolic",
        "FOUNDRY_SOLC": str(SOLC),
        "FOUNDRY_OFFLINE": "true",
        "FOUNDRY_DISABLE_NIGHTLY_WARNING": "1",
    }


def run(*command: str | Path, text: str | None = None) -> subprocess.CompletedProcess[str]:
    """Runs a tool in the checkout and keeps what it says.

    Raises:
        AuditError: It is not installed.
    """
    words = [str(part) for part in command]
    try:
        return subprocess.run(words, input=text, capture_output=True, text=True, cwd=ROOT, env=environment())
    except FileNotFoundError as fault:
        raise AuditError(f"{fault.filename} is missing: run this as `./dev audit`") from None


def tail(done: subprocess.CompletedProcess[str], length: int = 1500) -> str:
    return (done.stdout + done.stderr)[-length:].strip()
