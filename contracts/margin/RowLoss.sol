// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @notice The loss of one scenario row and which row it is, in one word that sorts by loss, then lower rows first.
///
///   255                             8 7            0
///  +---------------------------------+--------------+
///  | loss, signed, wad (248)         | 255 − row (8)|
///  +---------------------------------+--------------+
type RowLoss is int256;

using {rowOf, lossOf} for RowLoss global;

function rowLossOf(int256 loss, uint256 row) pure returns (RowLoss) {
    unchecked {
        return RowLoss.wrap((loss << 8) | int256(255 - row));
    }
}

function rowOf(RowLoss self) pure returns (uint256) {
    unchecked {
        return 255 - uint8(uint256(RowLoss.unwrap(self)));
    }
}

function lossOf(RowLoss self) pure returns (int256) {
    return RowLoss.unwrap(self) >> 8;
}
