// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

import {IExpiries} from "../interfaces/IExpiries.sol";
import {ExpiryLimits} from "../interfaces/IExpiriesAdmin.sol";
import {magnitude, WAD} from "../math/FixedPoint.sol";
import {Surface} from "../types/ExpiryQuote.sol";

/// @title What a volatility surface must be to be believed
/// @notice Every condition on a smile is held at 19 points k = z·σ√T, z from −8 to 8 standard deviations at the money,
///         |k| ≤ 3. `ballast.risk.expiry` is its twin.
/// @dev Unchecked throughout: a surface's fields have at most 40 bits, |k| is at most 3 wad, variances at the points are
///      at least 0.25 % of a wad (`check` comes first), so that no product reaches 2^230.
library SurfaceCheck {
    uint256 internal constant YEAR = 365 days;
    uint256 internal constant GRID_POINTS = 19;
    /// @dev z in quarters, one signed byte each, ascending.
    bytes19 private constant GRID = hex"e0e8f0f4f8fafcfeff0001020406080c101820";
    int256 private constant GRID_UNIT = 4;
    int256 private constant FARTHEST = 3e18;
    uint256 private constant STEEPEST_WING = 2;
    /// @dev Keeps the smile round at its vertex; 1e9 is one.
    uint256 private constant LEAST_S = 1e5;
    int256 private constant BILLION = 1e9;
    uint256 private constant BPS = 1e4;
    uint256 private constant BILLION_A_BASIS_POINT = 1e5;
    uint256 private constant WAD_A_SQUARED_BASIS_POINT = 1e10;

    // One surface ------------------------------------------------------------------------------------------------

    /// @notice Level limits and static arbitrage within one expiry.
    /// @param value The word it was unpacked from, for the error.
    /// @param tenor Seconds to expiry, not 0.
    function check(
        uint256 key,
        uint256 value,
        Surface memory surface,
        uint256 tenor,
        ExpiryLimits memory limits
    ) internal pure {
        if (magnitude(surface.rho) >= uint256(BILLION) || surface.s < LEAST_S) {
            revert IExpiries.MalformedSurface(key, value);
        }
        _checkPremium(key, surface.premium, tenor, limits);
        _checkWings(key, surface, tenor);
        _checkLeastVariance(key, surface, limits);
        int256 deviation = deviationOf(surface, tenor);
        uint256 most = _varianceOf(limits.mostVolatilityBps);
        for (uint256 i = 0; i < GRID_POINTS; ++i) {
            _checkPoint(key, surface, pointOf(i, deviation), tenor, most);
        }
    }

    function _checkPremium(uint256 key, int256 premium, uint256 tenor, ExpiryLimits memory limits) private pure {
        unchecked {
            uint256 bps = limits.premiumBps * YEAR + limits.premiumRateBps * tenor;
            uint256 most = bps * BILLION_A_BASIS_POINT / YEAR;
            if (magnitude(premium) > most) revert IExpiries.PremiumOutOfBounds(key, premium, most);
        }
    }

    /// @dev g → 1/4 − slope²/16 in a wing: with more than 2 there is an arbitrage however far out.
    function _checkWings(uint256 key, Surface memory surface, uint256 tenor) private pure {
        unchecked {
            uint256 slope = surface.b * (uint256(BILLION) + magnitude(surface.rho)) * tenor / YEAR;
            if (slope > STEEPEST_WING * WAD) revert IExpiries.WingTooSteep(key, slope);
        }
    }

    /// @dev v is least at k = m − rho·s/√(1 − rho²), where it is a + b·s·√(1 − rho²).
    function _checkLeastVariance(uint256 key, Surface memory surface, ExpiryLimits memory limits) private pure {
        unchecked {
            uint256 root = FixedPointMathLib.sqrt((WAD - uint256(surface.rho * surface.rho)) * WAD);
            int256 variance = surface.a * BILLION + int256(surface.b * surface.s * root / WAD);
            uint256 least = _varianceOf(limits.leastVolatilityBps);
            if (variance < int256(least)) revert IExpiries.VarianceTooLow(key, variance, least);
        }
    }

    /// @dev g(k) = (1 − k·w'/2w)² − w'²/4·(1/w + 1/4) + w''/2 ≥ 0, w = v·T: no butterfly costs less than nothing
    ///      (Gatheral and Jacquier, Arbitrage-free SVI volatility surfaces, 2014). Written in v, which does not vanish
    ///      with T.
    function _checkPoint(uint256 key, Surface memory surface, int256 k, uint256 tenor, uint256 most) private pure {
        unchecked {
            (int256 variance, int256 slope, int256 curvature) = _smileAt(surface, k);
            if (variance > int256(most)) revert IExpiries.VarianceTooHigh(key, k, uint256(variance), most);
            int256 one = int256(WAD);
            int256 time = int256(tenor * WAD / YEAR);
            int256 relativeSlope = slope * one / variance;
            int256 first = one - k * relativeSlope / (2 * one);
            int256 totalSlope = time * slope / one;
            int256 g = first * first / one - totalSlope * relativeSlope / (4 * one) - totalSlope * totalSlope
                / (16 * one) + time * curvature / (2 * one);
            if (g < 0) revert IExpiries.ButterflyArbitrage(key, k);
        }
    }

    // Two surfaces -----------------------------------------------------------------------------------------------

    /// @notice Holds a surface against the one it follows: within `steps` steps at every point.
    function checkStep(
        uint256 key,
        Surface memory previous,
        Surface memory next,
        uint256 tenor,
        uint256 steps,
        ExpiryLimits memory limits
    ) internal pure {
        unchecked {
            uint256 most = steps * limits.stepPremiumBps * BILLION_A_BASIS_POINT;
            if (magnitude(next.premium - previous.premium) > most) {
                revert IExpiries.PremiumStepTooLarge(key, previous.premium, next.premium, most);
            }
            uint256 ratio = BPS + steps * limits.stepVarianceBps;
            int256 deviation = deviationOf(next, tenor);
            for (uint256 i = 0; i < GRID_POINTS; ++i) {
                int256 k = pointOf(i, deviation);
                uint256 from = uint256(varianceAt(previous, k));
                uint256 to = uint256(varianceAt(next, k));
                bool isWithin = to * BPS <= from * ratio && from * BPS <= to * ratio;
                if (!isWithin) revert IExpiries.VarianceStepTooLarge(key, k, from, to);
            }
        }
    }

    /// @notice The nearer expiry has no more total variance than the farther one: at the nearer one's points, and far out
    ///         in either wing.
    function checkCalendar(
        uint256 nearKey,
        uint256 farKey,
        Surface memory near,
        Surface memory far,
        uint256 nearTenor,
        uint256 farTenor
    ) internal pure {
        unchecked {
            int256 deviation = deviationOf(near, nearTenor);
            for (uint256 i = 0; i < GRID_POINTS; ++i) {
                int256 k = pointOf(i, deviation);
                bool isAscending = varianceAt(near, k) * int256(nearTenor) <= varianceAt(far, k) * int256(farTenor);
                if (!isAscending) revert IExpiries.CalendarArbitrage(nearKey, farKey, k);
            }
            (int256 nearPull, int256 farPull) = (int256(near.b * nearTenor), int256(far.b * farTenor));
            if (nearPull * (BILLION - near.rho) > farPull * (BILLION - far.rho)) {
                revert IExpiries.CalendarArbitrage(nearKey, farKey, type(int256).min);
            }
            if (nearPull * (BILLION + near.rho) > farPull * (BILLION + far.rho)) {
                revert IExpiries.CalendarArbitrage(nearKey, farKey, type(int256).max);
            }
        }
    }

    // Smile ------------------------------------------------------------------------------------------------------

    /// @notice Variance a year at log-moneyness `k`, both wad; the bracket rounded down.
    function varianceAt(Surface memory surface, int256 k) internal pure returns (int256 variance) {
        unchecked {
            int256 x = k - surface.m * BILLION;
            variance = _varianceFrom(surface, x, _radius(surface, x));
        }
    }

    /// @notice √(v(0)·T), wad, rounded down.
    function deviationOf(Surface memory surface, uint256 tenor) internal pure returns (int256) {
        unchecked {
            return int256(FixedPointMathLib.sqrt(uint256(varianceAt(surface, 0)) * tenor / YEAR * WAD));
        }
    }

    /// @notice The i-th point's log-moneyness, wad, towards 0.
    function pointOf(uint256 i, int256 deviation) internal pure returns (int256 k) {
        unchecked {
            k = int256(int8(uint8(GRID[i]))) * deviation / GRID_UNIT;
            if (k > FARTHEST) return FARTHEST;
            if (k < -FARTHEST) return -FARTHEST;
        }
    }

    /// @dev Variance a year, and its first and second derivative in k, wad.
    function _smileAt(
        Surface memory surface,
        int256 k
    ) private pure returns (int256 variance, int256 slope, int256 curvature) {
        unchecked {
            int256 x = k - surface.m * BILLION;
            int256 radius = _radius(surface, x);
            variance = _varianceFrom(surface, x, radius);
            slope = int256(surface.b) * (surface.rho * radius + BILLION * x) / radius;
            int256 bend = int256(surface.s) * BILLION * int256(WAD) / radius;
            curvature = int256(surface.b) * BILLION * bend * bend / (int256(WAD) * radius);
        }
    }

    function _varianceFrom(Surface memory surface, int256 x, int256 radius) private pure returns (int256) {
        unchecked {
            return surface.a * BILLION + int256(surface.b) * (surface.rho * x + BILLION * radius) / (BILLION * BILLION);
        }
    }

    function _radius(Surface memory surface, int256 x) private pure returns (int256) {
        unchecked {
            int256 s = int256(surface.s) * BILLION;
            return int256(FixedPointMathLib.sqrt(uint256(x * x + s * s)));
        }
    }

    function _varianceOf(uint256 volatilityBps) private pure returns (uint256) {
        unchecked {
            return volatilityBps * volatilityBps * WAD_A_SQUARED_BASIS_POINT;
        }
    }
}
