// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IOracleHubAdmin, OracleLimits} from "../interfaces/IOracleHubAdmin.sol";

/// @title What even governance cannot set (I30)
library OracleLimitBounds {
    uint256 internal constant LONGEST_AGE = 2 days;

    function check(OracleLimits calldata limits) internal pure {
        _check("maxAge", limits.maxAge, 10 seconds, LONGEST_AGE);
        _check("secondMaxAge", limits.secondMaxAge, 10 seconds, LONGEST_AGE);
        _check("haltAge", limits.haltAge, limits.maxAge, 7 days);
        _check("fallbackDelay", limits.fallbackDelay, 10 minutes, 1 days);
        _check("stepBps", limits.stepBps, 50, 5000);
        _check("agreementBps", limits.agreementBps, 10, 500);
        _check("standTime", limits.standTime, 1 minutes, 1 hours);
        _check("standBps", limits.standBps, limits.stepBps, 9000);
        _check("wideBps", limits.wideBps, 10, 2000);
        _check("confidenceBps", limits.confidenceBps, 10, 2000);
        _check("stableDelay", limits.stableDelay, 5 minutes, 1 days);
        _check("stableRateBps", limits.stableRateBps, 100, 20_000);
    }

    function checkSettlementMemory(uint256 memoryTime) internal pure {
        _check("settlementMemory", memoryTime, 0, 5 minutes);
    }

    function checkSequencerGrace(uint256 grace) internal pure {
        _check("sequencerGrace", grace, 0, 1 days);
    }

    function _check(bytes32 limit, uint256 value, uint256 least, uint256 most) private pure {
        if (value < least || value > most) revert IOracleHubAdmin.LimitOutOfBounds(limit, value, least, most);
    }
}
