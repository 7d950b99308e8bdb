"""Who may call what: the reviewed table of every restricted function, and the roles' numbers in the access manager.

A function that is missing here stays with governance, because the access manager gives it to its administrators; a test
compares the table with what the contracts really restrict, in both directions.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum


class RoleId(IntEnum):
    """Numbers of the roles in the access manager. Governance is its administrator."""

    GOVERNANCE = 0
    RISK = 1
    MULTIPLIER = 2
    GUARDIAN = 3
    FALLBACK = 4


RESTRICTED: Mapping[str, Mapping[str, RoleId]] = {
    "Clearinghouse": {
        "connect": RoleId.GOVERNANCE,
        "setMarginEngine": RoleId.GOVERNANCE,
        "setOracleHub": RoleId.GOVERNANCE,
        "setExpiries": RoleId.GOVERNANCE,
        "setTreasury": RoleId.GOVERNANCE,
        "listAsset": RoleId.GOVERNANCE,
        "listPerp": RoleId.GOVERNANCE,
        "listFuture": RoleId.RISK,
        "listOptions": RoleId.RISK,
        "setInterestCurve": RoleId.RISK,
        "setDepositCap": RoleId.RISK,
        "setOutflowLimit": RoleId.RISK,
        "setOpenInterestCap": RoleId.RISK,
        "setUnderlyingLimits": RoleId.RISK,
        "pauseDeposits": RoleId.GUARDIAN,
        "setReduceOnly": RoleId.GUARDIAN,
    },
    "MarginEngine": {
        "setRiskBook": RoleId.RISK,
        "setShockMultiplier": RoleId.MULTIPLIER,
    },
    "OracleHub": {
        "setSources": RoleId.GOVERNANCE,
        "setFallbackSource": RoleId.GOVERNANCE,
        "setLimits": RoleId.RISK,
        "setSettlementMemory": RoleId.RISK,
        "serveFromFallback": RoleId.FALLBACK,
    },
    "QuorumFeed": {
        "setSigners": RoleId.GOVERNANCE,
        "setMaxAge": RoleId.GOVERNANCE,
    },
    "Expiries": {
        "listExpiry": RoleId.GOVERNANCE,
        "setOracles": RoleId.GOVERNANCE,
        "setLimits": RoleId.RISK,
    },
    "Exchange": {
        "setFees": RoleId.RISK,
    },
    "Auctions": {
        "setParameters": RoleId.RISK,
    },
    "InsuranceFund": {
        "connect": RoleId.GOVERNANCE,
        "setOutflowLimit": RoleId.RISK,
        "setCooldown": RoleId.RISK,
    },
}
