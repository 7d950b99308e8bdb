"""Where rules are removed: copies of the checkout, never the checkout itself."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from ballast.chain.artifacts import MANIFEST
from tools.mutation.catalogue import Mutation, reachable, sources_by_contract
from tools.mutation.verdict import VARIABLE

KILLED, SURVIVED, BROKEN = "killed", "survived", "broken"
SLOWEST_RUN = 1800


class BenchError(Exception):
    """Nothing can be said of a mutation: the tests fail without it, or did not run."""


@dataclass(frozen=True)
class Verdict:
    """What became of one mutation.

    Attributes:
        status: `killed` where a named test failed by assertion; `survived` where all passed; `broken` where it does not
            compile, or tests ended in other errors alone, which proves nothing.
        killers: Tests that failed by assertion, or in a revert that the entry names.
        detail: What went wrong, where it is broken.
        seconds: Compiling and running.
    """

    id: str
    status: str
    killers: tuple[str, ...]
    detail: str
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class CompileFault(Exception):
    """The compiler refused a mutated source."""


def judge(ends: Iterable[dict[str, str]], reverts: Sequence[str]) -> tuple[str, tuple[str, ...], str]:
    """Status, killers and detail from how the tests ended."""
    ends = list(ends)
    killers = [end["test"] for end in ends if end["end"] == "assertion" or end.get("error") in reverts]
    if killers:
        return KILLED, tuple(dict.fromkeys(killers)), ""
    errors = [f"{end['test']}: {end['error']}: {end['text']}" for end in ends if end["end"] == "error"]
    if errors or not ends:
        return BROKEN, (), errors[0] if errors else "no test ran"
    return SURVIVED, (), ""


class Scratch:
    """A copy of a checkout, compiled as it is, in which one rule at a time is missing."""

    def __init__(self, root: Path, folder: Path, cache: Path) -> None:
        self.root, self.folder, self._cache = root, folder, cache
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=root,
            capture_output=True,
            check=True,
            text=True,
        )
        for name in filter(None, listed.stdout.split("\0")):
            if (root / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(root / name, folder / name)
        (folder / MANIFEST).parent.mkdir()
        (folder / "node_modules").symlink_to((root / "node_modules").resolve())
        self._manifest = json.loads((root / MANIFEST).read_text())
        self._install({})

    def baseline(self, tests: Sequence[str]) -> None:
        """Runs tests on the copy as it is.

        Raises:
            BenchError: One of them fails.
        """
        status, _, detail = judge(ends := self._run(tests), ())
        if status != SURVIVED:
            failed = [end["test"] for end in ends if end["end"] != "passed"]
            raise BenchError(f"fail without any mutation: {', '.join(failed) or detail}")

    def try_out(self, mutation: Mutation) -> Verdict:
        """Removes one rule, runs its tests, and puts the rule back."""
        started = time.monotonic()
        source = self.folder / mutation.file
        original = source.read_text()
        source.write_text(mutation.applied(original))
        try:
            self._install(self._compiled(mutation.builds))
            status, killers, detail = judge(self._run(mutation.tests), mutation.reverts)
        except CompileFault as fault:
            status, killers, detail = BROKEN, (), str(fault)
        finally:
            source.write_text(original)
        return Verdict(mutation.id, status, killers, detail, round(time.monotonic() - started, 1))

    def _run(self, tests: Sequence[str]) -> list[dict[str, str]]:
        verdict = self.folder / ".build" / "verdict.json"
        verdict.unlink(missing_ok=True)
        environment = {**os.environ, VARIABLE: str(verdict), "CI": "1"}
        environment["PYTHONPATH"] = os.pathsep.join([str(self.folder / "offchain" / "src"), str(self.folder)])
        command = [sys.executable, "-m", "pytest", "-q", "--no-header", "--tb=no", "-p", "tools.mutation.verdict"]
        command += ["-m", "", *dict.fromkeys(tests)]
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=SLOWEST_RUN
        )
        if not verdict.is_file():
            raise BenchError(f"pytest did not finish:\n{(done.stdout + done.stderr)[-2000:]}")
        ends: list[dict[str, str]] = json.loads(verdict.read_text())
        return ends

    # Compiling -----------------------------------------------------------------------------------------------------

    def _install(self, compiled: dict[str, dict[str, str]]) -> None:
        """Writes the manifest as it was, but for contracts compiled anew."""
        kinds = dict(self._manifest["contractTypes"])
        for name, code in compiled.items():
            kinds[name] = {
                **kinds[name],
                "deploymentBytecode": {"bytecode": "0x" + code["creation"]},
                "runtimeBytecode": {"bytecode": "0x" + code["runtime"]},
            }
        (self.folder / MANIFEST).write_text(json.dumps({**self._manifest, "contractTypes": kinds}))

    def _compiled(self, contracts: Sequence[str]) -> dict[str, dict[str, str]]:
        """Code of contracts, from the cache where these very sources were compiled before."""
        sources = sources_by_contract(self.folder)
        files = {name: self._cache / f"{self._key(sources[name])}.json" for name in contracts}
        missing = [name for name, file in files.items() if not file.is_file()]
        if missing:
            for name, code in self._compile({name: sources[name] for name in missing}).items():
                self._cache.mkdir(parents=True, exist_ok=True)
                draft = files[name].with_suffix(f".{os.getpid()}")
                draft.write_text(json.dumps(code))
                draft.replace(files[name])
        return {name: json.loads(file.read_text()) for name, file in files.items()}

    def _key(self, source: str) -> str:
        digest = hashlib.sha256((self.folder / "ape-config.yaml").read_bytes())
        for name in sorted(reachable(source, self.folder)):
            digest.update((self.folder / name).read_bytes())
        return digest.hexdigest()[:32]

    def _compile(self, sources: dict[str, str]) -> dict[str, dict[str, str]]:
        settings = yaml.safe_load((self.folder / "ape-config.yaml").read_text())["solidity"]
        question = {
            "language": "Solidity",
            "sources": {file: {"content": (self.folder / file).read_text()} for file in sources.values()},
            "settings": {
                "optimizer": {"enabled": True, "runs": settings["optimization_runs"]},
                "evmVersion": settings["evm_version"],
                "viaIR": settings["via_ir"],
                "remappings": settings["import_remapping"],
                "outputSelection": {
                    file: {name: ["evm.bytecode.object", "evm.deployedBytecode.object"]}
                    for name, file in sources.items()
                },
            },
        }
        compiler = Path(os.environ["SOLCX_BINARY_PATH"]) / f"solc-v{settings['version']}"
        command = [str(compiler), "--standard-json", "--base-path", str(self.folder)]
        done = subprocess.run(command, input=json.dumps(question), capture_output=True, text=True, cwd=self.folder)
        if done.returncode:
            raise CompileFault(done.stderr[-500:])
        answer = json.loads(done.stdout)
        errors = [entry["formattedMessage"] for entry in answer.get("errors", []) if entry["severity"] == "error"]
        if errors:
            raise CompileFault(errors[0].strip()[:500])
        return {name: _code(answer["contracts"][file][name]["evm"]) for name, file in sources.items()}


def _code(evm: dict[str, Any]) -> dict[str, str]:
    return {"creation": evm["bytecode"]["object"], "runtime": evm["deployedBytecode"]["object"]}
