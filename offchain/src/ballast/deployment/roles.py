"""Who may call what: the reviewed tables of every function that changes state, and the roles' numbers.

A restricted function that is missing here stays with governance, because the access manager gives it to its
administrators. Tests compare both tables with what the contracts really have, in both directions; so does verification,
on any chain.
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
        "setWaterfall": RoleId.RISK,
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
        "setBounty": RoleId.RISK,
    },
    "Auctions": {
        "setParameters": RoleId.RISK,
    },
    "InsuranceFund": {
        "connect": RoleId.GOVERNANCE,
        "setOutflowLimit": RoleId.RISK,
        "setUnderlyingOutflowLimit": RoleId.RISK,
        "setCooldown": RoleId.RISK,
    },
}

OPEN: Mapping[str, Mapping[str, str]] = {
    "Clearinghouse": {
        "batch": "account's owner, act by act",
        "deposit": "account's owner or delegate",
        "withdraw": "account's owner",
        "move": "account's owner",
        "requestExit": "account's owner",
        "repay": "anyone, with his own tokens",
        "realise": "anyone",
        "accrueFunding": "anyone",
        "settle": "anyone",
        "distributeFees": "anyone; to claims, insurance and treasury alone",
        "collectClaim": "anyone; to the account alone",
        "socialiseLoss": "anyone",
        "convert": "anyone, with his own tokens, while the vault is short of them",
        "lock": "modules",
        "unlock": "modules",
        "settleFills": "exchange",
        "touch": "auctions",
        "sellSlice": "auctions",
        "startLiquidation": "auctions",
        "endLiquidation": "auctions",
        "coverDebt": "auctions",
        "payBounty": "exchange",
        "depositForModule": "insurance fund",
        "withdrawForModule": "insurance fund",
        "initialise": "the constructor",
        "setAuthority": "the access manager",
    },
    "MarginEngine": {"setAuthority": "the access manager"},
    "OracleHub": {"poke": "anyone", "refresh": "anyone", "setAuthority": "the access manager"},
    "QuorumFeed": {"submit": "anyone, with enough signatures", "setAuthority": "the access manager"},
    "Expiries": {
        "submit": "anyone, with enough signatures",
        "observe": "anyone",
        "finalise": "anyone",
        "setAuthority": "the access manager",
    },
    "Exchange": {
        "settle": "anyone, with signed orders",
        "arm": "anyone, with a signed order and a price that has reached its trigger",
        "execute": "anyone, with signed orders",
        "prepare": "clearinghouse",
        "record": "clearinghouse",
        "cancel": "account's owner or delegate",
        "cancelBelow": "account's owner or delegate",
        "advanceEpoch": "account's owner or delegate; auctions",
        "keepAlive": "account's owner or delegate",
        "setDelegate": "account's owner",
        "renounceDelegation": "the delegate",
        "setAuthority": "the access manager",
    },
    "Auctions": {
        "call": "anyone",
        "start": "anyone",
        "poke": "anyone",
        "bid": "bidding account's owner or delegate",
        "decide": "clearinghouse",
        "requireHoldBack": "clearinghouse",
        "writeOff": "anyone",
        "setAuthority": "the access manager",
    },
    "InsuranceFund": {
        "deposit": "anyone, with his own tokens",
        "mint": "anyone, with his own tokens",
        "withdraw": "shares' owner or approved",
        "redeem": "shares' owner or approved",
        "requestRedemption": "shares' owner",
        "approve": "shares' owner",
        "transfer": "shares' owner",
        "transferFrom": "approved by the shares' owner",
        "draw": "auctions",
        "setAuthority": "the access manager",
    },
}
"""Every other function that changes state, and whom the contracts' own code lets call it."""

OPEN_AT_AUTHORITY: Mapping[str, str] = {
    "schedule": "a role's holder, where the role has a delay",
    "execute": "a role's holder, after its delay",
    "cancel": "who scheduled it, the role's guardian, governance",
    "consumeScheduledOp": "a target, for itself",
    "renounceRole": "the role's holder",
    "multicall": "anyone, with what is his to call",
}
"""The same of the access manager itself. All else there is governance's."""
