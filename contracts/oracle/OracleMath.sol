// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Comparing prices, and the step from USD to the value unit
library OracleMath {
    uint256 internal constant WAD = 1e18;
    uint256 internal constant BPS = 1e4;
    uint256 private constant PEG_BAND = 0.005e18;
    uint256 private constant DIVISOR_FLOOR = 0.9e18;
    uint256 private constant DIVISOR_CEILING = 1.1e18;

    /// @dev Whether `price` is more than `bps` of `origin` away from it. All three are below 2^96, so nothing overflows.
    function differs(uint256 price, uint256 origin, uint256 bps) internal pure returns (bool) {
        unchecked {
            uint256 distance = price > origin ? price - origin : origin - price;
            return distance * BPS > origin * bps;
        }
    }

    /// @notice What USD prices are divided by: 1 near the peg, else the settlement token's price within clamps, so that
    ///         its feed can move no index by more than a ninth.
    function divisorOf(uint256 settlementTokenUsd) internal pure returns (uint256) {
        uint256 distance = settlementTokenUsd > WAD ? settlementTokenUsd - WAD : WAD - settlementTokenUsd;
        if (distance <= PEG_BAND) return WAD;
        if (settlementTokenUsd < DIVISOR_FLOOR) return DIVISOR_FLOOR;
        return settlementTokenUsd > DIVISOR_CEILING ? DIVISOR_CEILING : settlementTokenUsd;
    }

    function toValueUnitDown(uint256 usd, uint256 divisor) internal pure returns (uint256) {
        return divisor == WAD ? usd : usd * WAD / divisor;
    }
}
