// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @notice One cross-margin account: its owner and a sub-account index, in one word. Needs no registration.
///
///   255                                96 95 94                0
///  +-------------------------------------+--+-------------------+
///  | owner (160)                         |I | index (95)        |
///  +-------------------------------------+--+-------------------+
///   I = 1: an isolated account, bound to one underlying while it is not flat.
type AccountId is uint256;

using {ownerOf, subAccountOf, isIsolated, equals as ==, differs as !=} for AccountId global;

uint256 constant ISOLATED_BIT = 1 << 95;

function accountIdOf(address owner, uint96 subAccount) pure returns (AccountId) {
    return AccountId.wrap((uint256(uint160(owner)) << 96) | subAccount);
}

function ownerOf(AccountId account) pure returns (address) {
    return address(uint160(AccountId.unwrap(account) >> 96));
}

/// @dev The 96-bit index, the isolated bit included.
function subAccountOf(AccountId account) pure returns (uint96) {
    return uint96(AccountId.unwrap(account));
}

function isIsolated(AccountId account) pure returns (bool) {
    return AccountId.unwrap(account) & ISOLATED_BIT != 0;
}

function equals(AccountId a, AccountId b) pure returns (bool) {
    return AccountId.unwrap(a) == AccountId.unwrap(b);
}

function differs(AccountId a, AccountId b) pure returns (bool) {
    return AccountId.unwrap(a) != AccountId.unwrap(b);
}
