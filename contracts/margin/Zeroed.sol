// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @notice Lists of empty structs.
library Zeroed {
    /// @notice Memory address of `count` structs of `size` bytes, as a list in memory. Zeros are copied from beyond calldata,
    ///         which costs a third of what an allocation of the compiler's does.
    function list(uint256 count, uint256 size) internal pure returns (uint256 position) {
        assembly ("memory-safe") {
            position := mload(0x40)
            mstore(position, count)
            let place := add(position, 32)
            let end := add(place, shl(5, count))
            let item := end
            for {} lt(place, end) { place := add(place, 32) } {
                mstore(place, item)
                item := add(item, size)
            }
            calldatacopy(end, calldatasize(), sub(item, end))
            mstore(0x40, item)
        }
    }
}
