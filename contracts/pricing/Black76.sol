// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {NormalDistribution, NormalLanes} from "./NormalDistribution.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

/// @title Black-76 on a forward, without interest
/// @notice A call is worth F·Φ(d₁) − K·Φ(d₂), d = ln(F / K) / σ√T ± σ√T / 2; a put that less F plus K. Forwards and
///         strikes are below 2^118 wad. Nothing here reverts.
library Black76 {
    uint256 internal constant YEAR = 365 days;
    /// @dev Positions a unit of log-moneyness, times the deviation, both wad; 2^96 is one.
    uint256 internal constant INVERSE_UNIT = 96 << 128;

    /// @notice A call's price, never below intrinsic, and Φ(d₁).
    /// @param lnForward From `lnOf`, as is `lnStrike`.
    /// @param deviation σ√T, wad; above 0.
    /// @return price Wad, rounded down; within 4e-9 of forward and strike.
    /// @return chance Φ(d₁), 2^112 is one.
    function callDown(
        NormalLanes lanes,
        uint256 forward,
        int256 lnForward,
        uint256 strike,
        int256 lnStrike,
        uint256 deviation
    ) internal pure returns (uint256 price, uint256 chance) {
        unchecked {
            int256 inverse = int256(INVERSE_UNIT / deviation);
            int256 width = int256(deviation * NormalDistribution.POSITIONS_A_UNIT / 1e18);
            int256 first = ((NormalDistribution.MIDDLE + (width >> 1)) << 96) + (lnForward - lnStrike) * inverse;
            first >>= 96;
            chance = lanes.cumulative(first);
            price = FixedPointMathLib.zeroFloorSub(forward * chance, strike * lanes.cumulative(first - width)) >> 112;
            price = FixedPointMathLib.max(price, FixedPointMathLib.zeroFloorSub(forward, strike));
        }
    }

    /// @notice A put's price by parity.
    function putOf(uint256 callPrice, uint256 forward, uint256 strike) internal pure returns (uint256) {
        unchecked {
            return callPrice + strike - forward; // a call is worth at least forward − strike
        }
    }

    /// @notice ln(price), wad, of at least one wei.
    function lnOf(uint256 price) internal pure returns (int256) {
        return FixedPointMathLib.lnWad(int256(FixedPointMathLib.max(price, 1)));
    }

    /// @notice √T, wad of the root of a year, rounded down.
    /// @param tenor Seconds.
    function rootOfTimeDown(uint256 tenor) internal pure returns (uint256) {
        unchecked {
            return FixedPointMathLib.sqrt(tenor * 1e36 / YEAR); // < 2^32 · 2^120
        }
    }

    /// @notice σ√T, wad, rounded down.
    function deviationDown(uint256 volatility, uint256 rootOfTime) internal pure returns (uint256) {
        unchecked {
            return volatility * rootOfTime / 1e18; // < 2^63 · 2^64
        }
    }
}
