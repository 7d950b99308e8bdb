// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @dev Truths about products and quotients of words: each is true whatever it is given, as `LemmasTest` proves. halmos first
///      takes products and quotients of unknowns for functions without a meaning. A property that returns where a lemma is
///      false returns nowhere, and tells the solver as much of the meaning as it needs. In assembly, so that the terms are
///      those of the code, and no lemma makes a path of its own.

uint256 constant WAD = 1e18;

/// @dev No product of two numbers below this, 2^128, is cut off.
uint256 constant WIDE = 1 << 128;

/// @dev x · y / x is y, and so is y · x / x: what checked multiplication asks.
function undoes(uint256 x, uint256 y) pure returns (bool holds) {
    assembly ("memory-safe") {
        let stated := and(eq(div(mul(x, y), x), y), eq(div(mul(y, x), x), y))
        holds := or(or(iszero(lt(x, WIDE)), iszero(lt(y, WIDE))), or(iszero(x), stated))
    }
}

/// @dev x ≤ y makes x · z ≤ y · z.
function ordersProducts(uint256 x, uint256 y, uint256 z) pure returns (bool holds) {
    assembly ("memory-safe") {
        let stated := iszero(gt(mul(x, z), mul(y, z)))
        holds := or(or(iszero(lt(y, WIDE)), iszero(lt(z, WIDE))), or(gt(x, y), stated))
    }
}

/// @dev x ≤ y makes x² ≤ y².
function ordersSquares(uint256 x, uint256 y) pure returns (bool holds) {
    assembly ("memory-safe") {
        holds := or(iszero(lt(y, WIDE)), or(gt(x, y), iszero(gt(mul(x, x), mul(y, y)))))
    }
}

/// @dev n ≤ m makes ⌊n / d⌋ ≤ ⌊m / d⌋.
function ordersDividends(uint256 n, uint256 m, uint256 d) pure returns (bool holds) {
    assembly ("memory-safe") {
        holds := or(gt(n, m), iszero(gt(div(n, d), div(m, d))))
    }
}

/// @dev 0 < d ≤ e makes ⌊n / e⌋ ≤ ⌊n / d⌋.
function ordersDivisors(uint256 n, uint256 d, uint256 e) pure returns (bool holds) {
    assembly ("memory-safe") {
        holds := or(or(iszero(d), gt(d, e)), iszero(gt(div(n, e), div(n, d))))
    }
}

/// @dev x < d · k makes ⌊x · 1e18 / d⌋ < k · 1e18, for k of 8 bits.
function keepsBelow(uint256 x, uint256 d, uint256 k) pure returns (bool holds) {
    assembly ("memory-safe") {
        let stated := lt(div(mul(x, WAD), d), mul(k, WAD))
        holds := or(or(iszero(lt(d, WIDE)), iszero(lt(k, 0x100))), or(iszero(lt(x, mul(d, k))), stated))
    }
}

/// @dev Solady's `mulDiv` by anything but 0 takes no narrow factors for wide ones.
function passes(uint256 x, uint256 y, uint256 d) pure returns (bool holds) {
    assembly ("memory-safe") {
        let stated := iszero(iszero(mul(or(iszero(x), eq(div(mul(x, y), x), y)), d)))
        holds := or(or(iszero(lt(x, WIDE)), iszero(lt(y, WIDE))), or(iszero(d), stated))
    }
}

/// @dev Solady's `min` is one of the two, and no more than either.
function picksLess(uint256 x, uint256 y) pure returns (bool holds) {
    assembly ("memory-safe") {
        let z := xor(x, mul(xor(x, y), lt(y, x)))
        holds := and(or(eq(z, x), eq(z, y)), iszero(or(gt(z, x), gt(z, y))))
    }
}

/// @dev Solady's `max` is one of the two, and no less than either.
function picksMore(uint256 x, uint256 y) pure returns (bool holds) {
    assembly ("memory-safe") {
        let z := xor(x, mul(xor(x, y), gt(y, x)))
        holds := and(or(eq(z, x), eq(z, y)), iszero(or(lt(z, x), lt(z, y))))
    }
}

/// @dev ⌊x · y / 1e18⌋ ≤ x for y up to 1e18.
function isPart(uint256 x, uint256 y) pure returns (bool holds) {
    assembly ("memory-safe") {
        holds := or(or(iszero(lt(x, WIDE)), gt(y, WAD)), iszero(gt(div(mul(x, y), WAD), x)))
    }
}

/// @dev Twice x halved is x, divided by x two: what checked multiplication of signed numbers asks.
function halves(uint256 x) pure returns (bool holds) {
    assembly ("memory-safe") {
        let twice := mul(2, x)
        holds := or(iszero(lt(x, WIDE)), and(eq(sdiv(twice, 2), x), or(iszero(x), eq(sdiv(twice, x), 2))))
    }
}

/// @dev Whether all of them are true.
function all(bool a, bool b, bool c, bool d) pure returns (bool every) {
    assembly ("memory-safe") {
        every := and(and(a, b), and(c, d))
    }
}

/// @dev ⌊n / d⌋, 0 for d = 0, as the machine divides.
function quotient(uint256 n, uint256 d) pure returns (uint256 q) {
    assembly ("memory-safe") {
        q := div(n, d)
    }
}
