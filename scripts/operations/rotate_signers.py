"""Replaces the signers of the quorum feed."""

from __future__ import annotations

from ballast.deployment.operation import Operation
from scripts.operations.common import Context, operation


def plan(context: Context) -> Operation:
    """Make the file's signers those of the quorum feed, all at once.

    What was signed for the set before is void from then on: the new ones publish as soon as it is done.
    """
    feed, coming = context.contract("QuorumFeed"), context.network.quorum_feed.signers
    present = feed.call("signers")
    notes = [
        f"in force: {feed.call('threshold')} of {len(present)}, epoch {feed.call('epoch')}",
        *(f"leaves: {signer}" for signer in present if signer not in coming),
        *(f"joins: {signer}" for signer in coming if signer not in present),
    ]
    return Operation("rotate signers", context.steps(["quorum signers", "age of quorum reports"]), notes=notes)


command = operation("rotate-signers", plan)
