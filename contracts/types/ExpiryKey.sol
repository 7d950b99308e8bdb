// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @dev An expiry of an underlying in one word, so that keys ascend by underlying, then by expiry:
///
///   255      48 47          40 39        0
///  +-----------+--------------+-----------+
///  | zero      | underlying(8)| expiry(40)|
///  +-----------+--------------+-----------+
///   expiry in Unix seconds. It is the subject of signed surfaces and settlement prices, too.
function expiryKeyOf(uint8 underlying, uint40 expiry) pure returns (uint256) {
    return (uint256(underlying) << 40) | expiry;
}

/// @dev Bits above the underlying's are not looked at.
function underlyingOfKey(uint256 key) pure returns (uint8) {
    return uint8(key >> 40);
}

function expiryOfKey(uint256 key) pure returns (uint40) {
    return uint40(key);
}
