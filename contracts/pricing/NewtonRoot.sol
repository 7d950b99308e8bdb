// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Square roots whose size is roughly known
/// @notice A guess spares a general root its search for one, and its last steps.
library NewtonRoot {
    /// @notice ⌊√x⌋ by six steps of Newton's method, each of which squares a factor's distance from one, and halves it.
    /// @param guess Within a factor of 2.6 of √x below 2^70, or of 1.5 of √x below 2^127; 0 where x is.
    function rootDown(uint256 x, uint256 guess) internal pure returns (uint256 root) {
        assembly ("memory-safe") {
            root := shr(1, add(guess, div(x, guess)))
            root := shr(1, add(root, div(x, root)))
            root := shr(1, add(root, div(x, root)))
            root := shr(1, add(root, div(x, root)))
            root := shr(1, add(root, div(x, root)))
            root := shr(1, add(root, div(x, root)))
            // From above it ends at the root or one beyond.
            root := sub(root, lt(div(x, root), root))
        }
    }
}
