// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @dev Fixed-point arithmetic with the rounding direction in the name. Signed products are unchecked: their operands are
///      packed fields (sizes 104 bits, prices, funding and amounts at most 128, fractions 60), whose product is far
///      below 256 bits. Quotients are unchecked as the divisors are positive.

uint256 constant WAD = 1e18;
int256 constant SIGNED_WAD = 1e18;
uint256 constant RAY = 1e27;
int256 constant SIGNED_RAY = 1e27;
uint256 constant BILLION = 1e9;
int256 constant SIGNED_BILLION = 1e9;

/// @dev ⌊a / b⌋ for b > 0.
function divDown(int256 a, int256 b) pure returns (int256 quotient) {
    unchecked {
        quotient = a / b;
        if (a % b < 0) --quotient;
    }
}

/// @dev ⌈a / b⌉ for b > 0.
function divUp(int256 a, int256 b) pure returns (int256 quotient) {
    unchecked {
        quotient = a / b;
        if (a % b > 0) ++quotient;
    }
}

/// @dev ⌊a · b / 1e18⌋.
function mulWadDown(int256 a, int256 b) pure returns (int256) {
    unchecked {
        return divDown(a * b, SIGNED_WAD);
    }
}

/// @dev ⌊a · b / c⌋.
function mulDivDown(uint256 a, uint256 b, uint256 c) pure returns (uint256) {
    return a * b / c;
}

/// @dev ⌈a · b / c⌉.
function mulDivUp(uint256 a, uint256 b, uint256 c) pure returns (uint256) {
    uint256 product = a * b;
    return product == 0 ? 0 : (product - 1) / c + 1;
}

/// @dev |a|; the smallest int256 included.
function magnitude(int256 a) pure returns (uint256) {
    // Negation cannot overflow as an unsigned subtraction from zero.
    unchecked {
        return a < 0 ? 0 - uint256(a) : uint256(a);
    }
}

/// @dev max(0, a).
function positivePart(int256 a) pure returns (uint256) {
    return a > 0 ? uint256(a) : 0;
}
