"""`./dev mutate`: remove each rule in turn, and see that a test fails without it."""

from __future__ import annotations

import json
import queue
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tools.mutation.bench import KILLED, BenchError, Scratch, Verdict
from tools.mutation.catalogue import ROOT, CatalogueError, Mutation, faults, load

COMMITTED = ROOT / "benchmarks" / "mutations.json"
CACHE = ROOT / ".build" / "mutants"
NOT_RUN = "not run"
COLOURS = {KILLED: "green"}
WIDTH = 200  # of the table where there is no terminal


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--only", "chosen", multiple=True, metavar="ID", help="This mutation; may be repeated. `auctions-*` works."
)
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(1), help="Mutations at a time.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option("--write", is_flag=True, help="Bring benchmarks/mutations.json up to date with what was run.")
def main(chosen: tuple[str, ...], jobs: int, as_json: bool, write: bool) -> None:
    """Remove each rule of tests/mutations in turn, in a copy of the checkout, and see that one of its tests fails.

    Exit status 1 if a mutation survives or breaks, 2 if an entry no longer fits the sources, 3 if the tests named fail
    without any mutation.
    """
    try:
        entries = select(load(), chosen)
    except CatalogueError as fault:
        sys.exit(_say(str(fault), 2))
    if found := faults(entries):
        sys.exit(_say("\n".join(found), 2))
    started = time.monotonic()
    try:
        verdicts = run(entries, jobs)
    except BenchError as fault:
        sys.exit(_say(str(fault), 3))
    summary = document(entries, verdicts, round(time.monotonic() - started))
    if write:
        earlier = json.loads(COMMITTED.read_text()) if COMMITTED.is_file() else {}
        COMMITTED.write_text(json.dumps(merged(load(), summary, earlier), indent=2) + "\n")
    if as_json:
        click.echo(json.dumps({**summary, "verdicts": [verdict.as_dict() for verdict in verdicts]}, indent=2))
    else:
        print_table(entries, verdicts)
    sys.exit(0 if all(verdict.status == KILLED for verdict in verdicts) else 1)


def select(entries: Sequence[Mutation], chosen: Sequence[str]) -> list[Mutation]:
    """Entries by id; `*` at an id's end stands for any rest.

    Raises:
        CatalogueError: An id names none.
    """

    def names(pattern: str, entry: Mutation) -> bool:
        return entry.id.startswith(pattern[:-1]) if pattern.endswith("*") else entry.id == pattern

    for pattern in chosen:
        if not any(names(pattern, entry) for entry in entries):
            raise CatalogueError(f"no mutation is named {pattern}")
    return [entry for entry in entries if not chosen or any(names(pattern, entry) for pattern in chosen)]


def run(entries: Sequence[Mutation], jobs: int) -> list[Verdict]:
    """Verdicts in the order of the entries, after the tests have passed without any mutation.

    Raises:
        BenchError: They have not.
    """
    with tempfile.TemporaryDirectory(prefix="ballast-mutants-") as folder, _progress(len(entries) + 1) as advance:
        scratches: queue.Queue[Scratch] = queue.Queue()
        for number in range(min(jobs, len(entries))):
            home = Path(folder) / str(number)
            home.mkdir()
            scratches.put(Scratch(ROOT, home, CACHE))
        first = scratches.get()
        first.baseline([test for entry in entries for test in entry.tests])
        scratches.put(first)
        advance("all tests pass unmutated")

        def try_out(entry: Mutation) -> Verdict:
            scratch = scratches.get()
            try:
                return scratch.try_out(entry)
            finally:
                scratches.put(scratch)

        pool = ThreadPoolExecutor(jobs)
        try:
            pending = [pool.submit(try_out, entry) for entry in entries]
            for done in as_completed(pending):
                verdict = done.result()
                advance(f"{verdict.status:8} {verdict.id}")
            return [future.result() for future in pending]
        finally:
            pool.shutdown(cancel_futures=True)


class _progress:
    """A bar on the terminal, a line a step elsewhere."""

    def __init__(self, total: int) -> None:
        self._console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=self._console, disable=not self._console.is_terminal)
        self._task = self._progress.add_task("tests without mutation", total=total)

    def __enter__(self) -> Callable[[str], None]:
        self._progress.start()
        return self._advance

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def _advance(self, text: str) -> None:
        self._progress.update(self._task, advance=1, description=text)
        if not self._console.is_terminal:
            self._console.print(text, highlight=False)


def document(entries: Sequence[Mutation], verdicts: Sequence[Verdict], seconds: int) -> dict[str, Any]:
    """What is committed: every rule, and the test that fails without it."""
    rows = [
        {
            "id": entry.id,
            "rule": entry.rule,
            "guards": entry.guards,
            "status": verdict.status,
            "killed_by": verdict.killers[0] if verdict.killers else None,
        }
        for entry, verdict in zip(entries, verdicts, strict=True)
    ]
    killed = sum(verdict.status == KILLED for verdict in verdicts)
    return {"mutations": len(rows), "killed": killed, "seconds": seconds, "rules": rows}


def merged(catalogue: Sequence[Mutation], summary: dict[str, Any], earlier: dict[str, Any]) -> dict[str, Any]:
    """What is known of every rule in the list: by this run, else by an earlier one of the same rule."""
    known = {row["id"]: row for row in (*earlier.get("rules", ()), *summary["rules"])}
    rows = [known.get(entry.id, {}) for entry in catalogue]
    rows = [
        row
        if (row.get("rule"), row.get("guards")) == (entry.rule, entry.guards)
        else {"id": entry.id, "rule": entry.rule, "guards": entry.guards, "status": NOT_RUN, "killed_by": None}
        for entry, row in zip(catalogue, rows, strict=True)
    ]
    killed = sum(row["status"] == KILLED for row in rows)
    seconds = summary["seconds"] if len(summary["rules"]) == len(rows) else earlier.get("seconds", 0)
    return {"mutations": len(rows), "killed": killed, "seconds": seconds, "rules": rows}


def print_table(entries: Sequence[Mutation], verdicts: Sequence[Verdict]) -> None:
    table = Table("mutation", "rule removed", "guards", "", "s", "failed test, or what is wrong")
    for entry, verdict in zip(entries, verdicts, strict=True):
        colour = COLOURS.get(verdict.status, "red")
        told = verdict.killers[0].partition("::")[2] if verdict.killers else verdict.detail
        status = f"[{colour}]{verdict.status}[/]"
        table.add_row(entry.id, entry.rule, entry.guards, status, f"{verdict.seconds:.0f}", told)
    console = Console()
    (console if console.is_terminal else Console(width=WIDTH)).print(table)
    killed = sum(verdict.status == KILLED for verdict in verdicts)
    click.echo(f"{killed} of {len(verdicts)} mutations killed")


def _say(text: str, status: int) -> int:
    click.echo(f"mutate: {text}", err=True)
    return status


if __name__ == "__main__":
    main()
