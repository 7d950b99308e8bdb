// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @dev Divisions that say which way they round. Divisors are positive constants or checked by the caller.
library Rounding {
    /// @dev ⌊x / y⌋, towards minus infinity. y > 0.
    function divDown(int256 x, int256 y) internal pure returns (int256 quotient) {
        assembly ("memory-safe") {
            quotient := sub(sdiv(x, y), slt(smod(x, y), 0))
        }
    }

    /// @dev ⌈x / y⌉. y > 0 and x + y does not overflow.
    function divUp(uint256 x, uint256 y) internal pure returns (uint256 quotient) {
        assembly ("memory-safe") {
            quotient := div(add(x, sub(y, 1)), y)
        }
    }
}
