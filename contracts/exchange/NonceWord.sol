// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @notice What became of one nonce of an account.
enum NonceStatus {
    Fresh,
    PartlyFilled,
    Cancelled,
    Filled
}

/// @notice The status of 128 consecutive nonces, two bits each, the lowest nonce in the lowest bits: an order filled at
///         once costs a changed slot where a neighbour's nonce was used before, not a new one.
type NonceWord is uint256;

using {statusOf, withStatus} for NonceWord global;

/// @dev Which word of its account a nonce is in.
function nonceWordIndex(uint64 nonce) pure returns (uint64) {
    return nonce >> 7;
}

function statusOf(NonceWord word, uint64 nonce) pure returns (NonceStatus) {
    return NonceStatus((NonceWord.unwrap(word) >> _shift(nonce)) & 3);
}

function withStatus(NonceWord word, uint64 nonce, NonceStatus status) pure returns (NonceWord) {
    uint256 shift = _shift(nonce);
    return NonceWord.wrap((NonceWord.unwrap(word) & ~(uint256(3) << shift)) | (uint256(status) << shift));
}

function _shift(uint64 nonce) pure returns (uint256) {
    return uint256(nonce & 127) << 1;
}
