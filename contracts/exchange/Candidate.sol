// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccountId} from "../types/AccountId.sol";
import {DeadReason} from "../types/Order.sol";

/// @notice An order of a settlement, verified.
/// @param accountRank Of its account among those of the orders.
/// @param whole Whether it is filled whole or not at all: fill-or-kill, or a leg of several.
/// @param legs How many orders of its group are filled together; 0 unless it is one of several legs.
/// @param filled Before this settlement, wad.
/// @param proposed In fills of this settlement, wad.
/// @param remaining After both, wad.
/// @param delegate The signer where it is not the owner, else 0.
/// @param dead Why it cannot be filled, if so.
struct Candidate {
    AccountId account;
    uint64 nonce;
    uint64 group;
    uint256 accountRank;
    bool whole;
    uint256 legs;
    bytes32 orderHash;
    uint128 filled;
    uint128 proposed;
    uint128 remaining;
    address delegate;
    DeadReason dead;
}
