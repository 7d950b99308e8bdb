// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccountId} from "../types/AccountId.sol";
import {DeadReason, Match, Order, SignedOrder} from "../types/Order.sol";
import {OracleState} from "../types/Quote.sol";

/// @notice What a delegate may still do.
/// @param expiry Last Unix second of the delegation; 0: not a delegate.
/// @param dailyLossBudget Most that its fills may lose a day, value unit, wad.
/// @param lossToday Lost so far in this UTC day, wad.
struct DelegateView {
    uint40 expiry;
    uint96 dailyLossBudget;
    uint96 lossToday;
}

/// @title Signed orders, settled in batches by anyone
/// @notice What can change between simulating a settlement and mining it (expiry, cancels, fills by others, revoked
///         delegates, contracts' signatures) makes an order dead: its matches are skipped with an event and the rest
///         settles. What cannot (a wrong ECDSA signature, orders that do not cross, unsupported terms) reverts, and so
///         does any account's failing margin check.
interface IExchange {
    /// @dev Once an order and settlement. `filled` is the total so far, wad.
    event OrderFilled(AccountId indexed account, uint64 indexed nonce, bytes32 indexed orderHash, uint256 filled);
    /// @dev Once a skipped match. Anyone can list a forged order: trust it only with a known `orderHash`.
    event OrderSkipped(AccountId indexed account, uint64 indexed nonce, bytes32 indexed orderHash, DeadReason reason);
    event OrderCancelled(AccountId indexed account, uint64 indexed nonce);
    event NoncesCancelledBelow(AccountId indexed account, uint64 minNonce);
    event EpochAdvanced(AccountId indexed account, uint32 epoch);
    event DelegateSet(AccountId indexed account, address indexed delegate, uint40 expiry, uint96 dailyLossBudget);
    event DelegateLossCharged(AccountId indexed account, address indexed delegate, uint256 loss, uint256 lossToday);
    /// @dev 0 where the switch is off.
    event KeptAlive(AccountId indexed account, uint40 until);
    /// @dev `price` is the index or mark that reached the trigger, wad.
    event OrderArmed(AccountId indexed account, uint64 indexed nonce, bytes32 indexed orderHash, uint256 price);
    event FeesSet(uint32 takerFee, uint32 makerFee);
    event BountySet(uint32 most, uint32 time);

    error NotAuthorised(AccountId account, address caller);
    error NotClearinghouse(address caller);
    error OrdersNotAscending(uint256 orderIndex);
    error InvalidSignature(AccountId account, uint64 nonce);
    error InvalidMatch(uint256 matchIndex);
    error OrdersDoNotCross(uint256 takerOrder, uint256 makerOrder);
    error SameSide(uint256 takerOrder, uint256 makerOrder);
    error InstrumentMismatch(uint256 takerOrder, uint256 makerOrder);
    error FeeAboveMaximum(AccountId account, uint32 fee, uint32 maxFee);
    error FeeOutOfBounds(uint32 fee, uint32 bound);
    error BountyOutOfBounds(uint32 most, uint32 bound);
    error BountyTimeOutOfBounds(uint32 time, uint32 least, uint32 most);
    error PostOnlyTakes(uint256 orderIndex);
    error FillOrKillNotWhole(AccountId account, uint64 nonce);
    /// @dev The leg with this nonce was not filled whole, another of its group was.
    error LegsFilledInPart(AccountId account, uint64 group, uint64 nonce);
    error NoTrigger(AccountId account, uint64 nonce);
    error AlreadyArmed(AccountId account, uint64 nonce, uint40 at);
    error OrderDead(AccountId account, uint64 nonce, DeadReason reason);
    error PriceNotUsable(uint8 underlying, OracleState state);
    error SurfaceNotUsable(uint256 key);
    /// @dev The newest report is not newer than the order.
    error ReportTooOld(uint256 publishedAt, uint256 since);
    error TriggerNotReached(uint256 price, uint128 trigger);
    error DelegateBudgetExceeded(AccountId account, address delegate, uint256 lossToday, uint256 budget);
    error InvalidDelegate(address delegate);
    error DelegationDuringAuction(AccountId account);
    error MinNonceNotIncreased(AccountId account, uint64 current, uint64 requested);

    /// @notice Verifies each order once, crosses the matches in turn at the maker's limit, and checks margin once an
    ///         account. Anyone may call.
    /// @dev Re-entrancy: under the clearinghouse's lock. Contracts that sign are called statically, with bounded gas,
    ///      before any state changes.
    /// @param orders Strictly ascending by (account, nonce): equal accounts are neighbours and no order is there twice.
    ///      Bounties of triggered orders go to the caller's sub-account 0.
    /// @param matches Pairs of indices into `orders`.
    function settle(SignedOrder[] calldata orders, Match[] calldata matches) external;

    /// @notice Arms, as `arm`, those of the orders that can be armed now, then settles as `settle`.
    ///         A triggered order pays whoever has it filled a bounty: of notional, from 0 as it was armed in a line to
    ///         `bounty`, within what its `maxFee` leaves beside the fee; to the clearinghouse it is part of its fee.
    /// @param executor Account that the bounties are credited to; 0 for nobody, and no bounty. Its own orders pay none.
    function execute(SignedOrder[] calldata orders, Match[] calldata matches, AccountId executor) external;

    /// @notice Clearinghouse only, first half of a batch's `Trade`: verifies the orders and turns the matches into fills.
    ///         `settle` does the same, between taking the lock and `IClearinghouse.settleFills`. Nothing is written, and
    ///         no bounty charged.
    /// @param data `abi.encode(SignedOrder[] orders, Match[] matches)`.
    /// @return trade What `IClearinghouse.settleFills` takes: distinct accounts, to which a dead order adds none, and the
    ///         matches whose orders are alive, in order.
    /// @return context Whatever `record` needs to know of them.
    function prepare(bytes calldata data) external returns (bytes memory trade, bytes memory context);

    /// @notice Clearinghouse only, second half: books what became of the fills of `prepare`. As after `settleFills`.
    /// @param context As `prepare` returned it, under the same lock.
    /// @param applied For each fill whether it was applied.
    /// @param delegateLosses As `IClearinghouse.settleFills` returns them.
    function record(bytes calldata context, bool[] calldata applied, uint256[2][] calldata delegateLosses) external;

    /// @notice Shows that a triggered order's condition holds: from now on, for good, it can be filled like any other, at
    ///         no worse than its limit. Anyone may call.
    ///         The price is the hub's of this transaction, or the mark that follows from it, in state `Ok` or `Wide`. The
    ///         report behind it (of a dated instrument's mark, the surface's too) must have been published after the second
    ///         that the order names, so that nobody picks one from before the order.
    /// @dev Re-entrancy: none needed; the signer's contract is called statically, then only configured price sources.
    function arm(SignedOrder calldata signed) external;

    /// @notice Cancels one order. Owner or delegate.
    function cancel(AccountId account, uint64 nonce) external;

    /// @notice Cancels every order of the present epoch with a nonce below `minNonce`. Owner or delegate.
    function cancelBelow(AccountId account, uint64 minNonce) external;

    /// @notice Cancels every order signed so far, and lifts the bound that `cancelBelow` set. Owner or delegate; the
    ///         auctions at the start of a liquidation.
    function advanceEpoch(AccountId account) external;

    /// @notice Sets the dead-man switch: every order of the account is dead after the second `until` unless this is called
    ///         again before; 0 switches it off. Once it has fired, the next call advances the epoch, so that orders signed
    ///         before stay dead. Owner or delegate.
    function keepAlive(AccountId account, uint40 until) external;

    /// @notice Lets `delegate` trade, bid, deposit and cancel for `account` until `expiry`, never withdraw, move or delegate.
    ///         Bids cost nothing of what follows: a slice is worth at mark what it costs, or more. Its fills may lose at most `dailyLossBudget` a UTC day. A fill loses its fee and what it buys above the
    ///         lower, or sells below the higher, of mark and index; gains do not offset.
    ///         `expiry` 0 revokes at once and kills its orders; setting a delegate again keeps what it lost today. Only the
    ///         owner: a delegate can neither delegate nor widen itself. Nobody is appointed while the account is in auction:
    ///         its delegates may not bid, so that appointing bidders would keep them away.
    /// @dev Orders a delegate signed live again when it is set again; advance the epoch to cancel them for good.
    function setDelegate(AccountId account, address delegate, uint40 expiry, uint96 dailyLossBudget) external;

    /// @notice The caller is `account`'s delegate no more; who was appointed without asking for it gets rid of it.
    function renounceDelegation(AccountId account) external;

    /// @notice Sets both fees, in 1e9 of notional, each at most `MAX_FEE`. Restricted.
    function setFees(uint32 takerFee, uint32 makerFee) external;

    /// @notice Sets the bounty of triggered orders: `most`, in 1e9 of notional and at most `MAX_BOUNTY`, is reached `time`
    ///         seconds after arming, a minute to an hour. Restricted.
    function setBounty(uint32 most, uint32 time) external;

    function isDelegate(AccountId account, address delegate) external view returns (bool);

    function delegateOf(AccountId account, address delegate) external view returns (DelegateView memory);

    /// @notice The EIP-712 digest a signer signs; it names an order in events.
    function hashOrder(Order calldata order) external view returns (bytes32);

    /// @dev Whether the signature holds, margin suffices and a position is there to reduce is not looked at.
    /// @return filled Size filled so far, wad; the order's size once its nonce is used up.
    /// @return reason `None` while the order can still be filled.
    function orderStatus(Order calldata order) external view returns (uint256 filled, DeadReason reason);

    /// @notice When a triggered order was armed, Unix seconds; 0 while it is not.
    /// @param orderHash As `hashOrder` gives it.
    function armedAt(bytes32 orderHash) external view returns (uint40);

    function epochOf(AccountId account) external view returns (uint32);

    /// @notice Last second of the account's orders by its dead-man switch; 0 where it is off.
    function aliveUntil(AccountId account) external view returns (uint40);

    /// @notice Leading half of the hash of the order that was filled first of a group; 0 while none was.
    function groupWinner(AccountId account, uint64 group) external view returns (bytes16);

    function minNonceOf(AccountId account) external view returns (uint64);

    /// @return taker In 1e9 of notional.
    /// @return maker In 1e9 of notional.
    function fees() external view returns (uint32 taker, uint32 maker);

    /// @return most In 1e9 of notional.
    /// @return time Seconds from arming until the bounty is that.
    function bounty() external view returns (uint32 most, uint32 time);
}
