// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @notice Memory address of the table of Φ: 1120 lanes of 16 bytes, read from `NormalTable` once.
///
///   127       92 91        48 47         0
///  +------------+------------+------------+
///  | bend (int) | slope (uint)| level (uint)|   2^48 is one
///  +------------+------------+------------+
///   Across an interval, t from 0 to 1: Φ = level + slope · t + bend · t².
type NormalLanes is uint256;

using NormalDistribution for NormalLanes global;

/// @title The standard normal distribution Φ
/// @notice Parabolas on 1120 intervals of 1/96, through Φ at both ends and in the middle of each: within 3.7e-9 of Φ
///         on the whole line, and never falling. Below −5.8333 it is 0, from 5.8333 on it is 1.
library NormalDistribution {
    /// @dev Positions count 1/96/2^32 of the argument from the table's start.
    int256 internal constant MIDDLE = 560 << 32;
    int256 internal constant TOP = 1120 << 32;
    uint256 internal constant POSITIONS_A_UNIT = 96 << 32;
    /// @dev Of a probability.
    uint256 internal constant CERTAIN = 1 << 112;
    uint256 internal constant SIZE = 1120 * 16;

    /// @notice Reads the table into memory.
    /// @param table A `NormalTable`.
    function load(address table) internal view returns (NormalLanes lanes) {
        assembly ("memory-safe") {
            lanes := mload(0x40)
            extcodecopy(table, lanes, 1, SIZE)
            mstore(0x40, add(lanes, add(SIZE, 32))) // the last lane is read as a whole word
        }
    }

    /// @notice Φ at a position, 2^112 is one.
    function cumulative(NormalLanes lanes, int256 position) internal pure returns (uint256 probability) {
        if (uint256(position) >= uint256(TOP)) return position < 0 ? 0 : CERTAIN;
        assembly ("memory-safe") {
            let lane := mload(add(lanes, shl(4, sar(32, position)))) // of unsigned shifts solc makes a mask
            let t := and(position, 0xffffffff)
            let slope := and(shr(144, lane), 0xfffffffffff00000000)
            let level := and(shr(64, lane), 0xffffffffffff0000000000000000)
            probability := add(mul(add(mul(sar(220, lane), t), slope), t), level)
        }
    }
}
