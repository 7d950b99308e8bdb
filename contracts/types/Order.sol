// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccountId} from "./AccountId.sol";
import {InstrumentId} from "./InstrumentId.sol";

/// @notice What a trader signs (EIP-712).
/// @param account Whose account trades.
/// @param signer Who signs: the owner, or a delegate checked at each fill.
/// @param instrument What is traded.
/// @param size Signed: positive buys, negative sells; wad, a multiple of the instrument's size step.
/// @param limit Worst price, value unit per unit, wad.
/// @param flags Bit set, see `OrderFlags`.
/// @param expiry Last Unix second at which the order can be filled.
/// @param nonce Free choice, once; fills are keyed by (account, nonce). Consecutive nonces are the cheapest.
/// @param group One-cancels-other group of its account; 0 is none. The first order of a group that is filled, in part or
///        whole, kills the others for good: a group's number is of use once.
/// @param maxFee Highest fee in 1e9 of notional.
/// @param trigger Trigger price, wad; 0 is none. Must be 0 in this version.
/// @param epoch The account's epoch at signing; the order is dead in any other.
struct Order {
    AccountId account;
    address signer;
    InstrumentId instrument;
    int128 size;
    uint128 limit;
    uint256 flags;
    uint40 expiry;
    uint64 nonce;
    uint64 group;
    uint32 maxFee;
    uint128 trigger;
    uint32 epoch;
}

library OrderFlags {
    /// @dev Only brings a position towards 0.
    uint256 internal constant REDUCE_ONLY = 1;
    /// @dev Only as a match's maker, at its own limit.
    uint256 internal constant POST_ONLY = 2;
    /// @dev Only whole, in one settlement.
    uint256 internal constant FILL_OR_KILL = 4;
    /// @dev Not supported in this version.
    uint256 internal constant MULTI_LEG = 8;
}

/// @notice An order and the signature over it: 65 bytes of ECDSA, or whatever the signing contract takes (ERC-1271).
struct SignedOrder {
    Order order;
    bytes signature;
}

/// @notice A proposal to cross two orders of a settlement at the maker's limit.
/// @param taker Index into the orders.
/// @param maker Index into the orders.
/// @param size Most to fill, positive, wad; less is filled where an order has less left.
struct Match {
    uint16 taker;
    uint16 maker;
    uint128 size;
}

/// @notice Why an order cannot be filled now; its matches are skipped with an event.
enum DeadReason {
    None,
    Expired,
    Cancelled,
    OtherEpoch,
    NonceTaken, // by another order, partly filled first
    Filled, // the nonce is used up
    SignerNotAuthorised,
    SignatureRefused, // by the signing contract
    NothingToReduce, // reduce-only, and the fill would do more than bring the position towards 0
    OwnerSilent, // the account's dead-man switch has fired
    GroupTaken, // another order of its group was filled
    CannotFillWhole // fill-or-kill, and the matches do not suffice
}
