"""What all commands share: options, output as table or JSON, errors without tracebacks, units."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click
from rich.console import Console

from ballast.chain.connection import Connection
from ballast.chain.contracts import Deployment, System
from ballast.errors import BallastError
from ballast.settings import Settings

console = Console()
WAD = 10**18
_F = TypeVar("_F", bound=Callable[..., Any])

# Exit statuses beside 0: 1 the check failed (what was asked for is not so), 2 wrong usage, 3 the command could not run.
EXIT_CHECK_FAILED = 1
EXIT_CANNOT_RUN = 3


def json_option(command: _F) -> _F:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")(command)


def reported(command: _F) -> _F:
    """Turns Ballast's own errors into one line on stderr and exit status 3."""

    @wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except BallastError as fault:
            Console(stderr=True).print(f"[red]error:[/red] {fault}", highlight=False)
            sys.exit(EXIT_CANNOT_RUN)

    return guarded  # type: ignore[return-value]


def chain_options(command: _F) -> _F:
    """Adds `--rpc-url` and `--deployment`; the command receives a connected `system`."""

    @click.option("--rpc-url", envvar="BALLAST_RPC_URL", show_envvar=True, help="JSON-RPC endpoint of the node.")
    @click.option(
        "--deployment", envvar="BALLAST_DEPLOYMENT", show_envvar=True, type=click.Path(), help="Deployment file."
    )
    @reported
    @wraps(command)
    def connected(*args: Any, rpc_url: str | None, deployment: str | None, **kwargs: Any) -> Any:
        return command(*args, system=connect(rpc_url, deployment), **kwargs)

    return connected  # type: ignore[return-value]


def connect(rpc_url: str | None, deployment: str | None) -> System:
    settings = Settings()
    connection = Connection(rpc_url or settings.rpc_url)
    return System(connection, Deployment.load(deployment or settings.deployment))


def print_json(data: Any) -> None:
    """JSON on stdout; integers beyond 2^53 as strings, so that every reader keeps them exact."""
    click.echo(json.dumps(exact(data), indent=2, sort_keys=False))


def exact(data: Any) -> Any:
    if isinstance(data, dict):
        return {str(key): exact(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [exact(value) for value in data]
    if isinstance(data, int) and not isinstance(data, bool) and abs(data) >= 2**53:
        return str(data)
    if isinstance(data, bytes):
        return "0x" + data.hex()
    return data


def money(wad: int, places: int = 2) -> str:
    """A wad amount for people: thousands separated, rounded towards zero at the last place shown."""
    sign, magnitude = ("-" if wad < 0 else ""), abs(wad)
    whole, rest = divmod(magnitude, WAD)
    return f"{sign}{whole:,}" + (f".{rest * 10**places // WAD:0{places}d}" if places else "")


def account_label(account: int) -> str:
    """`0xowner/index`, an isolated account with an `i` before its index."""
    index = account & ((1 << 96) - 1)
    isolated = "i" if index >> 95 else ""
    return f"0x{account >> 96:040x}/{isolated}{index & ((1 << 95) - 1)}"
