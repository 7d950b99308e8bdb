// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {OracleState, Quote} from "../types/Quote.sol";

/// @title Quotes fixed for the length of a transaction, in transient storage (I20)
/// @dev Two words an underlying:
///
///        255      200 199       192 191       96 95         0
///       +------------+-------------+------------+------------+
///       | zero       | state + 1   | stable (96)| index (96) |      0: not fixed
///       +------------+-------------+------------+------------+
///       | second (256), written in state `Wide` alone        |
///       +----------------------------------------------------+
library QuoteCache {
    /// @dev keccak256("ballast.oracle.quotes") with the last two bytes zeroed: room for 2 · 256 words.
    uint256 private constant BASE = 0x0537ba37d6664be2c999b51e682ae30a2ddadfc4d166f49aa6dd353103180000;
    uint256 private constant PRICE_BITS = 96;
    uint256 private constant PRICE_MASK = type(uint96).max;

    /// @return word The first word; 0 where no quote is fixed.
    function load(uint8 underlying) internal view returns (uint256 word) {
        uint256 slot = BASE + 2 * uint256(underlying);
        assembly ("memory-safe") {
            word := tload(slot)
        }
    }

    /// @param word What `load` returned; not 0.
    function decode(uint8 underlying, uint256 word) internal view returns (Quote memory quote) {
        quote.underlying = underlying;
        quote.index = uint128(word & PRICE_MASK);
        quote.stable = uint128((word >> PRICE_BITS) & PRICE_MASK);
        quote.state = OracleState((word >> (2 * PRICE_BITS)) - 1);
        if (quote.state == OracleState.Wide) quote.second = _second(underlying);
    }

    function _second(uint8 underlying) private view returns (uint128 second) {
        uint256 slot = BASE + 2 * uint256(underlying) + 1;
        assembly ("memory-safe") {
            second := tload(slot)
        }
    }

    function store(Quote memory quote) internal {
        uint256 slot = BASE + 2 * uint256(quote.underlying);
        uint256 word =
            ((uint256(quote.state) + 1) << (2 * PRICE_BITS)) | (uint256(quote.stable) << PRICE_BITS) | quote.index;
        uint256 second = quote.second;
        bool isWide = quote.state == OracleState.Wide;
        assembly ("memory-safe") {
            tstore(slot, word)
            if isWide { tstore(add(slot, 1), second) }
        }
    }
}
