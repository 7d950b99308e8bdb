"""The `ballast` command."""

from __future__ import annotations

import importlib

import click

from ballast import __version__

# Each module brings one command or group; a heavy import is paid only by the command that needs it.
COMMANDS = {
    "account": "ballast.cli.account:account",
    "auctions": "ballast.cli.auctions:auctions",
    "cures": "ballast.cli.cures:cures",
    "keeper": "ballast.cli.keeper:keeper",
    "markets": "ballast.cli.markets:markets",
    "matcher": "ballast.cli.matcher:matcher",
    "order": "ballast.cli.order:order",
    "reconcile": "ballast.cli.reconcile:reconcile",
    "risk": "ballast.cli.risk:risk",
    "surface": "ballast.cli.surface:surface",
    "waterfall": "ballast.cli.waterfall:waterfall",
    "whatif": "ballast.cli.whatif:whatif",
}


class LazyGroup(click.Group):
    """Imports a command's module when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="ballast")
def main() -> None:
    """Risk, keeper and reconciliation of the Ballast cross-margin protocol.

    Connects to the node in BALLAST_RPC_URL and to the contracts in BALLAST_DEPLOYMENT.
    Exit status: 0 done, 1 a check failed, 2 wrong usage, 3 could not run.
    """


if __name__ == "__main__":
    main()
