// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @notice The margin of one portfolio. All in the value unit, wad. Requirements are rounded up, equity down.
/// @param equity Cash, collateral at index and positions at mark.
/// @param stableGap What the account is worth less at stable prices (and at the second source's where states are
///        `Wide`): Σ over underlyings of max(0, loss).
/// @param untrustedGain Positive value of legs on `Stale` or `Halted` underlyings, which supports no new risk.
/// @param unrealisedGain Positive value of positions, which supports no withdrawal.
/// @param haltBonus Most that `Halted` underlyings could add to equity at their best node.
/// @param scan Expected shortfall over the scenario book.
/// @param scalingCharges Charges that scale with the portfolio, concentration left out.
/// @param concentration Charge on net delta beyond the underlying's depth.
/// @param fixedCharge Charge that does not scale, where any position exists.
/// @param maintenanceMargin scan + charges.
/// @param liquidationEndMargin 1.1 · scan + charges: where a liquidation stops.
/// @param initialMargin 1.25 · scan + charges: what new risk needs.
struct Margin {
    int256 equity;
    uint256 stableGap;
    uint256 untrustedGain;
    uint256 unrealisedGain;
    uint256 haltBonus;
    uint256 scan;
    uint256 scalingCharges;
    uint256 concentration;
    uint256 fixedCharge;
    uint256 maintenanceMargin;
    uint256 liquidationEndMargin;
    uint256 initialMargin;
}

/// @notice What one underlying adds to a maintenance margin, wad.
/// @param underlying Its id.
/// @param loss Of all that follows it, in the rows of the scan: their mean, or the weighted stress row. Negative where it
///        gains. Rounded down.
/// @param charges Its haircuts and charges, rounded up. The fixed one belongs to no underlying.
/// @param shock The relative change of its price in those rows, mean or weighted like the loss: there, what is linear and worth
///        v loses −v · shock.
struct UnderlyingRisk {
    uint8 underlying;
    int256 loss;
    uint256 charges;
    int256 shock;
}

using {newRiskEquity, withdrawalEquity, isLiquidatable, healthFactorDown} for Margin global;

/// @dev Equity that may support new risk; compared with `initialMargin`.
function newRiskEquity(Margin memory margin) pure returns (int256) {
    return margin.equity - int256(margin.stableGap) - int256(margin.untrustedGain);
}

/// @dev Equity that may support taking value out; compared with `initialMargin`. A gain that is both untrusted and
///      unrealised is left out twice, which errs towards keeping value in.
function withdrawalEquity(Margin memory margin) pure returns (int256) {
    return newRiskEquity(margin) - int256(margin.unrealisedGain);
}

/// @dev A halted underlying counts at its best node: nobody is liquidated on a price that may be wrong against him.
function isLiquidatable(Margin memory margin) pure returns (bool) {
    return margin.equity + int256(margin.haltBonus) < int256(margin.maintenanceMargin);
}

/// @dev equity / maintenanceMargin, wad, rounded down. Without a requirement: the largest int at equity ≥ 0, else the
///      smallest.
function healthFactorDown(Margin memory margin) pure returns (int256) {
    if (margin.maintenanceMargin == 0) return margin.equity >= 0 ? type(int256).max : type(int256).min;
    int256 scaled = margin.equity * 1e18;
    int256 requirement = int256(margin.maintenanceMargin);
    int256 quotient = scaled / requirement;
    return scaled < 0 && quotient * requirement != scaled ? quotient - 1 : quotient;
}
