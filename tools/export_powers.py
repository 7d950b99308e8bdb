"""Writes docs/powers.md: who can call what, from a system deployed on a chain of one's own."""

from __future__ import annotations

from ballast.chain.artifacts import checkout_root
from ballast.deployment import Builder, load_network
from ballast.deployment.access import read_access
from ballast.deployment.powers_view import markdown
from ballast.deployment.rpc import RpcBackend
from scripts.anvil import anvil

TARGET = checkout_root() / "docs" / "powers.md"


def page() -> str:
    with anvil() as node:
        network, book = load_network(checkout_root() / "config" / "networks" / "local.yaml")
        builder = Builder(network, book, RpcBackend.connect(node.url))
        record = builder.deploy()
        return markdown(read_access(builder, record.block)) + "\n"


if __name__ == "__main__":
    TARGET.write_text(page())
