// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccountId} from "../types/AccountId.sol";
import {Fill} from "../types/Fill.sol";
import {InstrumentId} from "../types/InstrumentId.sol";

/// @notice What a trader signs (EIP-712).
/// @param account Whose account trades.
/// @param signer Who signs: the owner, or a delegate checked at each fill.
/// @param instrument What is traded.
/// @param size Signed: positive buys, negative sells; wad, a multiple of the instrument's size step.
/// @param limit Worst price, value unit per unit, wad.
/// @param flags Bit set, see `OrderFlags`.
/// @param expiry Unix second after which the order is dead.
/// @param nonce Free choice; fills are keyed by (account, nonce).
/// @param group One-cancels-other group; 0 is none. Must be 0 in this version.
/// @param maxFee Highest fee in 1e9 of notional.
/// @param trigger Trigger price, wad; 0 is none. Must be 0 in this version.
/// @param epoch The account's epoch at signing; an older one is dead.
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
    uint256 internal constant REDUCE_ONLY = 1;
    uint256 internal constant POST_ONLY = 2;
    uint256 internal constant FILL_OR_KILL = 4;
    uint256 internal constant MULTI_LEG = 8;
}

/// @notice An order and the signature over it.
struct SignedOrder {
    Order order;
    bytes signature;
}

/// @notice A proposal to cross two orders of a settlement at the maker's limit.
/// @param taker Index into the orders.
/// @param maker Index into the orders.
/// @param size Positive quantity, wad.
struct Match {
    uint16 taker;
    uint16 maker;
    uint128 size;
}

/// @notice Why an order cannot be filled; its match is skipped with an event.
enum DeadReason {
    None,
    Expired,
    Cancelled,
    EpochPassed,
    Filled,
    ReduceOnlyNothingToReduce,
    SignerNotAuthorised,
    InLiquidation
}

struct DelegateView {
    uint40 expiry; // 0: not a delegate
    uint128 dailyLossBudget; // value unit, wad
    uint128 lossToday; // value unit, wad
}

/// @title Signed orders, settled in batches by anyone
interface IExchange {
    event OrderFilled(AccountId indexed account, uint64 indexed nonce, bytes32 indexed orderHash, uint256 filledSize);
    event OrderSkipped(AccountId indexed account, uint64 indexed nonce, DeadReason reason);
    event OrderCancelled(AccountId indexed account, uint64 indexed nonce);
    event NoncesCancelledBelow(AccountId indexed account, uint64 minNonce);
    event EpochAdvanced(AccountId indexed account, uint32 epoch);
    event DelegateSet(AccountId indexed account, address indexed delegate, uint40 expiry, uint128 dailyLossBudget);
    event DelegateLossCharged(AccountId indexed account, address indexed delegate, uint256 loss, uint256 lossToday);
    event FeesSet(uint32 takerFee, uint32 makerFee);

    error NotAuthorised(AccountId account, address caller);
    error InvalidSignature(AccountId account, uint64 nonce);
    error NonceBoundToOtherOrder(AccountId account, uint64 nonce);
    error OrdersDoNotCross(uint256 takerOrder, uint256 makerOrder);
    error SameSide(uint256 takerOrder, uint256 makerOrder);
    error InstrumentMismatch(uint256 takerOrder, uint256 makerOrder);
    error FeeAboveMaximum(AccountId account, uint32 fee, uint32 maxFee);
    error FlagsNotSupported(uint256 flags);
    error TriggerNotSupported();
    error GroupNotSupported();
    error InvalidFill(uint256 matchIndex);
    error DelegateBudgetExceeded(AccountId account, address delegate, uint256 loss, uint256 budget);
    error InvalidDelegate(address delegate);
    error MinNonceNotIncreased(AccountId account, uint64 current, uint64 requested);

    function settle(SignedOrder[] calldata orders, Match[] calldata matches) external;

    /// @notice Clearinghouse only, first half of a batch's `Trade`: verifies the orders and turns the matches into fills.
    ///         `settle` does the same, between taking the lock and `IClearinghouse.settleFills`.
    /// @param data `abi.encode(SignedOrder[] orders, Match[] matches)`.
    /// @return accounts Distinct accounts the fills point into.
    /// @return fills The matches whose orders are alive, in order.
    /// @return context Whatever `record` needs to know of them.
    function prepare(bytes calldata data)
        external
        returns (AccountId[] memory accounts, Fill[] memory fills, bytes memory context);

    /// @notice Clearinghouse only, second half: books what became of the fills of `prepare`. As after `settleFills`.
    /// @param context As `prepare` returned it.
    /// @param applied For each fill whether it was applied.
    /// @param delegateLosses For each fill, taker's then maker's loss against mark where a delegate signed, wad.
    function record(
        bytes calldata context,
        bool[] calldata applied,
        uint256[2][] calldata delegateLosses
    )
        external;

    /// @notice Cancels one order. Owner or delegate.
    function cancel(AccountId account, uint64 nonce) external;

    /// @notice Cancels every order with a nonce below `minNonce`. Owner or delegate.
    function cancelBelow(AccountId account, uint64 minNonce) external;

    /// @notice Cancels every order signed so far. Owner or delegate; the auctions at the start of a liquidation.
    function advanceEpoch(AccountId account) external;

    /// @notice Lets `delegate` trade for `account` until `expiry`, losing at most `dailyLossBudget` against mark a day.
    ///         `expiry` 0 revokes at once. Only the owner: a delegate can neither delegate nor widen itself.
    function setDelegate(AccountId account, address delegate, uint40 expiry, uint128 dailyLossBudget) external;

    function isDelegate(AccountId account, address delegate) external view returns (bool);

    function delegateOf(AccountId account, address delegate) external view returns (DelegateView memory);

    function hashOrder(Order calldata order) external view returns (bytes32);

    /// @return filled Size filled so far, wad.
    /// @return reason `None` while the order can still be filled.
    function orderStatus(Order calldata order) external view returns (uint256 filled, DeadReason reason);

    function epochOf(AccountId account) external view returns (uint32);

    function minNonceOf(AccountId account) external view returns (uint64);

    /// @return taker In 1e9 of notional.
    /// @return maker In 1e9 of notional.
    function fees() external view returns (uint32 taker, uint32 maker);
}
