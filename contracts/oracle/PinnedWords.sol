// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title What a word was when the transaction began, in transient storage (I20)
/// @notice Whoever changes a word pins it first; whoever must see one value a transaction reads the pin before the word.
/// @dev No word that is pinned is 0.
library PinnedWords {
    function pin(uint256 base, uint256 key, uint256 word) internal {
        assembly ("memory-safe") {
            let slot := add(base, key)
            if iszero(tload(slot)) { tstore(slot, word) }
        }
    }

    /// @return word 0 where nothing is pinned.
    function load(uint256 base, uint256 key) internal view returns (uint256 word) {
        assembly ("memory-safe") {
            word := tload(add(base, key))
        }
    }
}
