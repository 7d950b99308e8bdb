// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ExpiryLimits, IExpiriesAdmin} from "../interfaces/IExpiriesAdmin.sol";

/// @title What even governance cannot set of expiries (I30)
library ExpiryLimitBounds {
    /// @param mostBounty Ten whole settlement tokens, in units.
    function check(ExpiryLimits memory limits, uint256 mostBounty) internal pure {
        _check("maxAge", limits.maxAge, 1 minutes, 1 days);
        // No shorter than the quorum feed's greatest age: a price signed before expiry never counts.
        _check("fallbackDelay", limits.fallbackDelay, 10 minutes, 1 days);
        _check("stepInterval", limits.stepInterval, 10 seconds, 1 hours);
        _check("stepVarianceBps", limits.stepVarianceBps, 100, 10_000);
        _check("stepPremiumBps", limits.stepPremiumBps, 1, 500);
        _check("premiumBps", limits.premiumBps, 1, 1000);
        _check("premiumRateBps", limits.premiumRateBps, 0, 20_000);
        _check("leastVolatilityBps", limits.leastVolatilityBps, 500, 10_000);
        _check("mostVolatilityBps", limits.mostVolatilityBps, 10_001, 50_000);
        _check("settlementBps", limits.settlementBps, 50, 5000);
        _check("bounty", limits.bounty, 0, mostBounty);
    }

    function _check(bytes32 limit, uint256 value, uint256 least, uint256 most) private pure {
        if (value < least || value > most) revert IExpiriesAdmin.LimitOutOfBounds(limit, value, least, most);
    }
}
