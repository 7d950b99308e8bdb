// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {magnitude} from "../math/FixedPoint.sol";
import {SurfaceWord} from "../types/ExpiryQuote.sol";
import {NewtonRoot} from "./NewtonRoot.sol";

/// @title Volatility at a strike
/// @notice Gatheral's raw SVI: v(k) = a + b·(rho·(k − m) + √((k − m)² + s²)) is the variance a year at log-moneyness
///         k = ln(strike / forward).
library Svi {
    uint256 internal constant LOWEST_VOLATILITY = 0.05e18;
    uint256 internal constant HIGHEST_VOLATILITY = 5e18;
    /// @dev Their squares.
    int256 internal constant LOWEST_VARIANCE = 0.0025e18;
    int256 internal constant HIGHEST_VARIANCE = 25e18;
    int256 internal constant SCALE = 1e9;

    /// @notice √v(k), wad, rounded down, within [5 %, 500 %].
    /// @param logMoneyness k, wad, within 2^80.
    function volatilityDown(SurfaceWord surface, int256 logMoneyness) internal pure returns (uint256) {
        int256 variance = varianceDown(surface, logMoneyness);
        if (variance <= LOWEST_VARIANCE) return LOWEST_VOLATILITY;
        if (variance >= HIGHEST_VARIANCE) return HIGHEST_VOLATILITY;
        unchecked {
            // v / 2 + 1 / 8 is within a factor of 2.53 of √v here.
            return NewtonRoot.rootDown(uint256(variance) * 1e18, (uint256(variance) >> 1) + 0.125e18);
        }
    }

    /// @dev The fields as `unpackSurface` has them, without a struct.
    function varianceDown(SurfaceWord surface, int256 logMoneyness) private pure returns (int256) {
        unchecked {
            uint256 word = SurfaceWord.unwrap(surface);
            int256 distance = logMoneyness - int256(int40(uint40(word >> 72))) * SCALE;
            uint256 smoothing = uint256(uint40(word >> 32)) * uint256(SCALE);
            // The sum of two sides exceeds the third by a factor of √2 at most.
            uint256 root = NewtonRoot.rootDown(
                uint256(distance * distance) + smoothing * smoothing, magnitude(distance) + smoothing
            );
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
