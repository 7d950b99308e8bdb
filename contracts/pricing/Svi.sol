// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {SurfaceWord} from "../types/ExpiryQuote.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

/// @title Volatility at a strike
/// @notice Gatheral's raw SVI: v(k) = a + b·(rho·(k − m) + √((k − m)² + s²)) is the variance a year at log-moneyness
///         k = ln(strike / forward).
library Svi {
    uint256 internal constant LOWEST_VOLATILITY = 0.05e18;
    uint256 internal constant HIGHEST_VOLATILITY = 5e18;
    int256 internal constant SCALE = 1e9;

    /// @notice √v(k), wad, rounded down, within [5 %, 500 %].
    /// @param logMoneyness k, wad, within 2^80.
    function volatilityDown(SurfaceWord surface, int256 logMoneyness) internal pure returns (uint256) {
        int256 variance = varianceDown(surface, logMoneyness);
        if (variance <= 0) return LOWEST_VOLATILITY;
        unchecked {
            return clamp(FixedPointMathLib.sqrt(uint256(variance) * 1e18)); // < 2^41 · 2^90 · 2^60
        }
    }

    function clamp(uint256 volatility) internal pure returns (uint256) {
        return FixedPointMathLib.clamp(volatility, LOWEST_VOLATILITY, HIGHEST_VOLATILITY);
    }

    /// @dev The fields as `unpackSurface` has them, without a struct.
    function varianceDown(SurfaceWord surface, int256 logMoneyness) private pure returns (int256) {
        unchecked {
            uint256 word = SurfaceWord.unwrap(surface);
            int256 distance = logMoneyness - int256(int40(uint40(word >> 72))) * SCALE;
            uint256 smoothing = uint256(uint40(word >> 32)) * uint256(SCALE);
            uint256 root = FixedPointMathLib.sqrt(uint256(distance * distance) + smoothing * smoothing);
            int256 wings = int256(uint256(uint40(word >> 144)))
                * (int256(int32(uint32(word >> 112))) * distance + int256(root) * SCALE);
            int256 quotient;
            // Rounded down.
            assembly ("memory-safe") {
                quotient := sub(sdiv(wings, 1000000000000000000), slt(smod(wings, 1000000000000000000), 0))
            }
            return int256(int40(uint40(word >> 184))) * SCALE + quotient;
        }
    }
}
