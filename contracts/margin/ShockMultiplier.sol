// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @notice How an underlying's price shocks are scaled to today's volatility, and how that is moving.
///
///   103         64 63       32 31          0
///  +--------------+-----------+-------------+
///  | since (40)   | from (32) | target (32) |
///  +--------------+-----------+-------------+
///   1e9 is one; `since` in Unix seconds. A word of 0 is a multiplier of one that never moved.
type ShockMultiplier is uint104;

using {valueAt} for ShockMultiplier global;

uint256 constant NEUTRAL_MULTIPLIER = 1e9;
uint256 constant LOWEST_MULTIPLIER = 0.5e9;
uint256 constant HIGHEST_MULTIPLIER = 3e9;
/// @dev 5 % of where the move began, in 1e9 an hour.
uint256 constant MULTIPLIER_STEP_PER_HOUR = 0.05e9;

function shockMultiplierFrom(uint256 from, uint256 target, uint256 since) pure returns (ShockMultiplier) {
    return ShockMultiplier.wrap(uint104((since << 64) | (from << 32) | target));
}

/// @dev Moves from `from` towards `target` along a straight line, rounded towards `from`, and stays there.
function valueAt(ShockMultiplier self, uint256 timestamp) pure returns (uint256) {
    uint256 word = ShockMultiplier.unwrap(self);
    if (word == 0) return NEUTRAL_MULTIPLIER;
    uint256 target = uint32(word);
    uint256 from = uint32(word >> 32);
    uint256 moved = from * MULTIPLIER_STEP_PER_HOUR * (timestamp - (word >> 64)) / (1 hours * 1e9);
    if (target > from) return moved < target - from ? from + moved : target;
    return moved < from - target ? from - moved : target;
}
