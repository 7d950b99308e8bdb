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
/// @param group Of its account; 0 is none. One cancels other: the first order of a group that is filled, in part or whole,
///        kills the others for good. With `MULTI_LEG`: its orders are filled together. A group's number is of use once.
/// @param maxFee Highest fee, with a triggered order's bounty, in 1e9 of notional.
/// @param trigger Trigger price, wad; 0 is none. An order with one is dead until it is armed.
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

/// @notice An order's flags: bits, and two numbers among them.
///
///   255       56 55                              16 15        8 7          0
///  +-----------+-----------------------------------+-----------+------------+
///  | zero      | armed by reports after, Unix secs | legs      | bits       |
///  +-----------+-----------------------------------+-----------+------------+
library OrderFlags {
    /// @dev Only brings a position towards 0.
    uint256 internal constant REDUCE_ONLY = 1;
    /// @dev Only as a match's maker, at its own limit.
    uint256 internal constant POST_ONLY = 2;
    /// @dev Only whole, in one settlement.
    uint256 internal constant FILL_OR_KILL = 4;
    /// @dev Only whole, in one settlement with the other orders of its group; `legs` of them with this one.
    uint256 internal constant MULTI_LEG = 8;
    /// @dev Armed at a price of `trigger` or more.
    uint256 internal constant TRIGGER_ABOVE = 16;
    /// @dev Armed at a price of `trigger` or less.
    uint256 internal constant TRIGGER_BELOW = 32;
    /// @dev That price is the instrument's mark; without it, its underlying's index.
    uint256 internal constant TRIGGER_ON_MARK = 64;

    uint256 private constant TRIGGERS = TRIGGER_ABOVE | TRIGGER_BELOW | TRIGGER_ON_MARK;
    uint256 private constant PLAIN = REDUCE_ONLY | POST_ONLY | FILL_OR_KILL;
    uint256 private constant LEGS_SHIFT = 8;
    uint256 private constant SINCE_SHIFT = 16;
    uint256 private constant SUPPORTED =
        PLAIN | MULTI_LEG | TRIGGERS | (0xff << LEGS_SHIFT) | (0xffffffffff << SINCE_SHIFT);

    error FlagsNotSupported(uint256 flags);
    /// @dev A multi-leg order says that there are at least two legs, and names their group; others say neither.
    error InvalidLegs(uint256 flags, uint64 group);
    /// @dev A trigger is a price, one side, and the second after which the report that arms must be published; or nothing.
    error InvalidTrigger(uint256 flags, uint128 trigger);

    /// @notice How many orders are filled together; 0 unless the order is one of several legs.
    function legsOf(uint256 flags) internal pure returns (uint256) {
        return uint8(flags >> LEGS_SHIFT);
    }

    /// @notice The report that arms an order must be published after this second.
    function sinceOf(uint256 flags) internal pure returns (uint256) {
        return uint40(flags >> SINCE_SHIFT);
    }

    /// @dev Reverts where the terms make no sense, which no time can change.
    function requireValid(uint256 flags, uint128 trigger, uint64 group) internal pure {
        if (flags <= PLAIN && trigger == 0) return;
        if (flags & ~SUPPORTED != 0) revert FlagsNotSupported(flags);
        bool isLeg = flags & MULTI_LEG != 0;
        if (isLeg ? legsOf(flags) < 2 || group == 0 : legsOf(flags) != 0) revert InvalidLegs(flags, group);
        uint256 side = flags & (TRIGGER_ABOVE | TRIGGER_BELOW);
        bool isOneSided = side == TRIGGER_ABOVE || side == TRIGGER_BELOW;
        bool isValid = trigger != 0 ? isOneSided && sinceOf(flags) != 0 : flags & TRIGGERS == 0 && sinceOf(flags) == 0;
        if (!isValid) revert InvalidTrigger(flags, trigger);
    }
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
    CannotFillWhole, // fill-or-kill, and the matches do not suffice
    NotArmed, // its trigger's condition has not been shown to hold
    LegsNotWhole // one of several legs, and not all of them are here and can be filled whole
}
