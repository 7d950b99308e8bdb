// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {SignedMath} from "@openzeppelin/contracts/utils/math/SignedMath.sol";

import {IAuctions} from "../interfaces/IAuctions.sol";
import {IClearinghouse} from "../interfaces/IClearinghouse.sol";
import {IClearinghouseAdmin} from "../interfaces/IClearinghouseAdmin.sol";
import {IExchange} from "../interfaces/IExchange.sol";
import {AccountId} from "../types/AccountId.sol";
import {Fill} from "../types/Fill.sol";
import {InstrumentId} from "../types/InstrumentId.sol";
import {DeadReason, Match, Order, OrderFlags, SignedOrder} from "../types/Order.sol";
import {Delegates} from "./Delegates.sol";
import {NonceStatus, NonceWord, nonceWordIndex} from "./NonceWord.sol";
import {SignatureCheck} from "./SignatureCheck.sol";

/// @title Signed orders, settled in batches by anyone
/// @notice Holds no funds. Verifies orders, keeps their fills, cancels and epochs, and hands fills to the clearinghouse.
contract Exchange is IExchange, Delegates, EIP712, AccessManaged {
    using SafeCast for uint256;

    /// @dev One slot: 8 + 4 + 5 = 17 bytes.
    struct AccountState {
        uint64 minNonce;
        uint32 epoch;
        uint40 aliveUntil; // 0 without a dead-man switch
    }

    /// @dev Of a nonce that is partly filled. One slot: 16 + 16 = 32 bytes.
    struct PartialFill {
        uint128 filled; // wad
        bytes16 orderHash; // of the order that filled first, its leading bytes
    }

    /// @dev One slot: 4 + 4 = 8 bytes.
    struct FeeRates {
        uint32 taker; // 1e9 is one
        uint32 maker;
    }

    /// @dev An order of a settlement, verified.
    struct Candidate {
        AccountId account;
        uint64 nonce;
        uint64 group;
        bool fillOrKill;
        bytes32 orderHash;
        uint256 accountRank; // of its account among those of the orders
        uint128 filled; // before, wad
        uint128 proposed; // in fills of this settlement, wad
        uint128 remaining; // after both, wad
        address delegate; // the signer where it is not the owner
        DeadReason dead;
    }

    /// @dev A settlement between verification and record. `crossed[i]` is the match behind `fills[i]`.
    struct Settlement {
        Candidate[] candidates;
        AccountId[] accounts;
        Fill[] fills;
        Match[] crossed;
    }

    /// @notice Highest fee that can be set: 0.5 % of notional, 1e9 is one.
    uint32 public constant MAX_FEE = 5e6;

    bytes32 private constant ORDER_TYPEHASH = keccak256(
        "Order(uint256 account,address signer,uint256 instrument,int128 size,uint128 limit,uint256 flags,uint40 expiry,"
        "uint64 nonce,uint64 group,uint32 maxFee,uint128 trigger,uint32 epoch)"
    );
    uint256 private constant SUPPORTED_FLAGS = OrderFlags.REDUCE_ONLY | OrderFlags.POST_ONLY | OrderFlags.FILL_OR_KILL;
    /// @dev size · price · rate is wad · wad · 1e9; a fee is wad.
    uint256 private constant FEE_DIVISOR = 1e27;

    IClearinghouse public immutable clearinghouse;

    mapping(AccountId account => AccountState) private _accounts;
    mapping(AccountId account => mapping(uint64 wordIndex => NonceWord)) private _nonceWords;
    mapping(AccountId account => mapping(uint64 nonce => PartialFill)) private _partialFills;
    /// @dev Leading half of the hash of the order that was filled first.
    mapping(AccountId account => mapping(uint64 group => bytes16 orderHash)) private _groupWinners;
    FeeRates private _fees;

    constructor(
        address authority,
        IClearinghouse clearinghouse_
    ) EIP712("Ballast Exchange", "1") AccessManaged(authority) {
        clearinghouse = clearinghouse_;
    }

    modifier onlyClearinghouse() {
        if (msg.sender != address(clearinghouse)) revert NotClearinghouse(msg.sender);
        _;
    }

    modifier onlyOwnerOrDelegate(AccountId account) {
        if (!_isOwnerOrDelegate(account, msg.sender)) revert NotAuthorised(account, msg.sender);
        _;
    }

    // Settlement --------------------------------------------------------------------------------------------------

    /// @inheritdoc IExchange
    function settle(SignedOrder[] memory orders, Match[] memory matches) external {
        clearinghouse.lock();
        Settlement memory settlement = _prepare(orders, matches);
        (bool[] memory applied, uint256[2][] memory delegateLosses) = clearinghouse.settleFills(_tradeOf(settlement));
        _record(settlement, applied, delegateLosses);
        clearinghouse.unlock();
    }

    /// @inheritdoc IExchange
    function prepare(bytes calldata data)
        external
        onlyClearinghouse
        returns (bytes memory trade, bytes memory context)
    {
        (SignedOrder[] memory orders, Match[] memory matches) = abi.decode(data, (SignedOrder[], Match[]));
        Settlement memory settlement = _prepare(orders, matches);
        return (_tradeOf(settlement), abi.encode(settlement));
    }

    function _tradeOf(Settlement memory settlement) private pure returns (bytes memory) {
        return abi.encode(settlement.accounts, settlement.fills);
    }

    /// @inheritdoc IExchange
    function record(
        bytes calldata context,
        bool[] calldata applied,
        uint256[2][] calldata delegateLosses
    ) external onlyClearinghouse {
        _record(abi.decode(context, (Settlement)), applied, delegateLosses);
    }

    // Cancels -----------------------------------------------------------------------------------------------------

    /// @inheritdoc IExchange
    /// @dev Re-entrancy: none needed, it calls nothing.
    function cancel(AccountId account, uint64 nonce) external onlyOwnerOrDelegate(account) {
        _setStatus(account, nonce, NonceStatus.Cancelled);
        emit OrderCancelled(account, nonce);
    }

    /// @inheritdoc IExchange
    /// @dev Re-entrancy: none needed, it calls nothing.
    function cancelBelow(AccountId account, uint64 minNonce) external onlyOwnerOrDelegate(account) {
        AccountState storage state = _accounts[account];
        if (minNonce <= state.minNonce) revert MinNonceNotIncreased(account, state.minNonce, minNonce);
        state.minNonce = minNonce;
        emit NoncesCancelledBelow(account, minNonce);
    }

    /// @inheritdoc IExchange
    /// @dev Re-entrancy: none needed, it calls only a getter of the clearinghouse.
    function advanceEpoch(AccountId account) external {
        bool authorised = _isOwnerOrDelegate(account, msg.sender)
            || msg.sender == IClearinghouseAdmin(address(clearinghouse)).auctions();
        if (!authorised) revert NotAuthorised(account, msg.sender);
        uint32 epoch = ++_accounts[account].epoch;
        emit EpochAdvanced(account, epoch);
    }

    /// @inheritdoc IExchange
    /// @dev Re-entrancy: none needed, it calls nothing.
    function keepAlive(AccountId account, uint40 until) external onlyOwnerOrDelegate(account) {
        AccountState storage state = _accounts[account];
        if (_isSilent(state.aliveUntil)) emit EpochAdvanced(account, ++state.epoch);
        state.aliveUntil = until;
        emit KeptAlive(account, until);
    }

    function _isSilent(uint40 until) private view returns (bool) {
        return until != 0 && block.timestamp > until;
    }

    function _isInAuction(AccountId account) internal view override returns (bool) {
        return IAuctions(IClearinghouseAdmin(address(clearinghouse)).auctions()).isLive(account);
    }

    // Fees --------------------------------------------------------------------------------------------------------

    /// @inheritdoc IExchange
    function setFees(uint32 takerFee, uint32 makerFee) external restricted {
        if (takerFee > MAX_FEE) revert FeeOutOfBounds(takerFee, MAX_FEE);
        if (makerFee > MAX_FEE) revert FeeOutOfBounds(makerFee, MAX_FEE);
        _fees = FeeRates({taker: takerFee, maker: makerFee});
        emit FeesSet(takerFee, makerFee);
    }

    // Views -------------------------------------------------------------------------------------------------------

    /// @inheritdoc IExchange
    function hashOrder(Order memory order) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(ORDER_TYPEHASH, order)));
    }

    /// @inheritdoc IExchange
    function orderStatus(Order memory order) external view returns (uint256 filled, DeadReason reason) {
        PartialFill memory partialFill;
        (reason, partialFill) = _look(order, hashOrder(order), _accounts[order.account]);
        if (reason == DeadReason.Filled) return (SignedMath.abs(order.size), reason);
        filled = reason == DeadReason.NonceTaken ? 0 : partialFill.filled;
    }

    /// @inheritdoc IExchange
    function epochOf(AccountId account) external view returns (uint32) {
        return _accounts[account].epoch;
    }

    /// @inheritdoc IExchange
    function aliveUntil(AccountId account) external view returns (uint40) {
        return _accounts[account].aliveUntil;
    }

    /// @inheritdoc IExchange
    function groupWinner(AccountId account, uint64 group) external view returns (bytes16) {
        return _groupWinners[account][group];
    }

    /// @inheritdoc IExchange
    function minNonceOf(AccountId account) external view returns (uint64) {
        return _accounts[account].minNonce;
    }

    /// @inheritdoc IExchange
    function fees() external view returns (uint32 taker, uint32 maker) {
        FeeRates memory rates = _fees;
        return (rates.taker, rates.maker);
    }

    // Verification ------------------------------------------------------------------------------------------------

    /// @dev Everything up to the clearinghouse's part. Emits the skips; writes nothing.
    function _prepare(
        SignedOrder[] memory orders,
        Match[] memory matches
    ) private returns (Settlement memory settlement) {
        uint256 distinctAccounts;
        (settlement.candidates, distinctAccounts) = _verify(orders);
        settlement.accounts = new AccountId[](distinctAccounts);
        settlement.fills = new Fill[](matches.length);
        // Those that are crossed move up over those that are skipped.
        settlement.crossed = matches;
        _cross(settlement, orders);
    }

    function _verify(SignedOrder[] memory orders)
        private
        view
        returns (Candidate[] memory candidates, uint256 distinctAccounts)
    {
        candidates = new Candidate[](orders.length);
        AccountState memory state;
        for (uint256 i; i < orders.length; ++i) {
            Order memory order = orders[i].order;
            bool sameAccount = i != 0 && order.account == orders[i - 1].order.account;
            if (i != 0 && !_isAfter(order, orders[i - 1].order, sameAccount)) revert OrdersNotAscending(i);
            if (!sameAccount) {
                state = _accounts[order.account];
                ++distinctAccounts;
            }
            candidates[i].accountRank = distinctAccounts - 1;
            _verifyOne(candidates[i], orders[i], state);
        }
    }

    function _isAfter(Order memory order, Order memory previous, bool sameAccount) private pure returns (bool) {
        if (sameAccount) return order.nonce > previous.nonce;
        return AccountId.unwrap(order.account) > AccountId.unwrap(previous.account);
    }

    function _verifyOne(
        Candidate memory candidate,
        SignedOrder memory signed,
        AccountState memory accountState
    ) private view {
        Order memory order = signed.order;
        _requireSupported(order);
        candidate.account = order.account;
        candidate.nonce = order.nonce;
        candidate.group = order.group;
        candidate.fillOrKill = order.flags & OrderFlags.FILL_OR_KILL != 0;
        candidate.orderHash = hashOrder(order);
        if (order.signer != order.account.ownerOf()) candidate.delegate = order.signer;

        PartialFill memory partialFill;
        (candidate.dead, partialFill) = _look(order, candidate.orderHash, accountState);
        if (candidate.dead != DeadReason.None) return;

        candidate.filled = partialFill.filled;
        // Not below 0: partly filled is less than the order's size, which the hash fixes.
        candidate.remaining = uint128(SignedMath.abs(order.size)) - partialFill.filled;
        if (SignatureCheck.isSignedBy(order.signer, candidate.orderHash, signed.signature)) return;
        // Without code the answer can never change: the caller's mistake. A contract may have changed its mind.
        if (order.signer.code.length == 0) revert InvalidSignature(order.account, order.nonce);
        if (!SignatureCheck.isAcceptedBy(order.signer, candidate.orderHash, signed.signature)) {
            candidate.dead = DeadReason.SignatureRefused;
        }
    }

    function _requireSupported(Order memory order) private pure {
        if (order.flags & ~SUPPORTED_FLAGS != 0) revert FlagsNotSupported(order.flags);
        if (order.trigger != 0) revert TriggerNotSupported();
    }

    /// @dev Why an order is dead, if it is; else what of it was filled.
    function _look(
        Order memory order,
        bytes32 orderHash,
        AccountState memory accountState
    ) private view returns (DeadReason reason, PartialFill memory partialFill) {
        NonceStatus status = _statusOf(order.account, order.nonce);
        if (status == NonceStatus.PartlyFilled || status == NonceStatus.Cancelled) {
            partialFill = _partialFills[order.account][order.nonce];
        }
        bool isTaken = partialFill.filled != 0 && partialFill.orderHash != bytes16(orderHash);
        reason = _deadReason(order, status, isTaken, accountState);
        if (reason != DeadReason.None || order.group == 0) return (reason, partialFill);
        bytes16 winner = _groupWinners[order.account][order.group];
        if (winner != 0 && winner != bytes16(orderHash)) reason = DeadReason.GroupTaken;
    }

    function _deadReason(
        Order memory order,
        NonceStatus status,
        bool isTaken,
        AccountState memory accountState
    ) private view returns (DeadReason) {
        if (isTaken) return DeadReason.NonceTaken;
        if (status == NonceStatus.Filled || order.size == 0) return DeadReason.Filled;
        if (status == NonceStatus.Cancelled || order.nonce < accountState.minNonce) return DeadReason.Cancelled;
        // A later epoch is dead too: otherwise orders signed ahead would outlive the cancel of all.
        if (order.epoch != accountState.epoch) return DeadReason.OtherEpoch;
        if (block.timestamp > order.expiry) return DeadReason.Expired;
        if (_isSilent(accountState.aliveUntil)) return DeadReason.OwnerSilent;
        if (!_isOwnerOrDelegate(order.account, order.signer)) return DeadReason.SignerNotAuthorised;
        return DeadReason.None;
    }

    // Crossing ----------------------------------------------------------------------------------------------------

    /// @dev Turns matches of live orders into fills, and trims the settlement's lists to what came of them.
    function _cross(Settlement memory settlement, SignedOrder[] memory orders) private {
        Match[] memory matches = settlement.crossed;
        FeeRates memory rates = _fees;
        // Position in `accounts` plus 1 by account rank; 0 where the account has no fill yet.
        uint256[] memory positions = new uint256[](settlement.accounts.length);
        uint256 accountCount;
        uint256 fillCount;
        InstrumentId instrument;
        uint24 instrumentIndex;

        for (uint256 i; i < matches.length; ++i) {
            _requireCrossing(orders, matches[i], i);
        }
        _killUnfillable(settlement.candidates, matches);
        for (uint256 i; i < matches.length; ++i) {
            Match memory crossing = matches[i];
            if (_skipIfDead(settlement.candidates, crossing)) continue;
            Order memory taker = orders[crossing.taker].order;
            if (!(taker.instrument == instrument)) {
                instrument = taker.instrument;
                instrumentIndex = clearinghouse.instrumentIndexOf(instrument);
            }

            Fill memory fill = settlement.fills[fillCount];
            _fill(fill, settlement.candidates, orders, crossing, rates);
            fill.instrument = instrumentIndex;
            (fill.taker, accountCount) = _place(settlement, positions, accountCount, crossing.taker);
            (fill.maker, accountCount) = _place(settlement, positions, accountCount, crossing.maker);
            matches[fillCount++] = crossing;
        }
        _trim(settlement, accountCount, fillCount);
    }

    function _requireCrossing(SignedOrder[] memory orders, Match memory crossing, uint256 index) private pure {
        (uint256 takerAt, uint256 makerAt) = (crossing.taker, crossing.maker);
        if (takerAt >= orders.length || makerAt >= orders.length || crossing.size == 0) revert InvalidMatch(index);
        Order memory taker = orders[takerAt].order;
        Order memory maker = orders[makerAt].order;
        if (taker.flags & OrderFlags.POST_ONLY != 0) revert PostOnlyTakes(takerAt);
        if (!(taker.instrument == maker.instrument)) revert InstrumentMismatch(takerAt, makerAt);
        if ((taker.size > 0) == (maker.size > 0)) revert SameSide(takerAt, makerAt);
        bool crosses = taker.size > 0 ? taker.limit >= maker.limit : taker.limit <= maker.limit;
        if (!crosses) revert OrdersDoNotCross(takerAt, makerAt);
    }

    /// @dev One event a match, naming the taker's order where both are dead.
    function _skipIfDead(Candidate[] memory candidates, Match memory crossing) private returns (bool) {
        return _skipIfDead(candidates, crossing.taker) || _skipIfDead(candidates, crossing.maker);
    }

    function _skipIfDead(Candidate[] memory candidates, uint256 index) private returns (bool) {
        Candidate memory candidate = candidates[index];
        DeadReason reason = candidate.dead;
        if (reason == DeadReason.None && candidate.remaining == 0) reason = DeadReason.Filled;
        if (reason == DeadReason.None && _isGroupTaken(candidates, index)) reason = DeadReason.GroupTaken;
        if (reason == DeadReason.None) return false;
        emit OrderSkipped(candidate.account, candidate.nonce, candidate.orderHash, reason);
        return true;
    }

    /// @dev Whether another order of its group has a fill in this settlement.
    function _isGroupTaken(Candidate[] memory candidates, uint256 index) private pure returns (bool) {
        Candidate memory own = candidates[index];
        if (own.group == 0) return false;
        for (uint256 i; i < candidates.length; ++i) {
            Candidate memory other = candidates[i];
            if (i != index && other.group == own.group && other.account == own.account && other.proposed != 0) {
                return true;
            }
        }
        return false;
    }

    /// @dev Kills fill-or-kill orders whose counterparties, as they are alive, have less than they need: one of those may
    ///      have died since the settlement was made. Where this sees too much, as when two of them share a counterparty,
    ///      the record reverts.
    function _killUnfillable(Candidate[] memory candidates, Match[] memory matches) private pure {
        for (uint256 i; i < candidates.length; ++i) {
            Candidate memory candidate = candidates[i];
            if (!candidate.fillOrKill || candidate.dead != DeadReason.None) continue;
            if (_fillable(candidates, matches, i) < candidate.remaining) candidate.dead = DeadReason.CannotFillWhole;
        }
    }

    function _fillable(
        Candidate[] memory candidates,
        Match[] memory matches,
        uint256 index
    ) private pure returns (uint256 total) {
        for (uint256 i; i < matches.length; ++i) {
            Match memory crossing = matches[i];
            if (crossing.taker != index && crossing.maker != index) continue;
            Candidate memory other = candidates[crossing.taker == index ? crossing.maker : crossing.taker];
            if (other.dead == DeadReason.None) total += Math.min(crossing.size, other.remaining);
        }
    }

    /// @dev Clips `crossing.size` to what both orders have left.
    function _fill(
        Fill memory fill,
        Candidate[] memory candidates,
        SignedOrder[] memory orders,
        Match memory crossing,
        FeeRates memory rates
    ) private pure {
        Candidate memory takerState = candidates[crossing.taker];
        Candidate memory makerState = candidates[crossing.maker];
        Order memory taker = orders[crossing.taker].order;
        Order memory maker = orders[crossing.maker].order;

        crossing.size = uint128(Math.min(crossing.size, Math.min(takerState.remaining, makerState.remaining)));
        _propose(takerState, crossing.size);
        _propose(makerState, crossing.size);
        // Not above an order's size, which is an int128.
        fill.size = taker.size > 0 ? int128(crossing.size) : -int128(crossing.size);
        fill.price = maker.limit;
        fill.takerFee = _feeUp(taker, crossing.size, maker.limit, rates.taker);
        fill.makerFee = _feeUp(maker, crossing.size, maker.limit, rates.maker);
        fill.takerReduceOnly = taker.flags & OrderFlags.REDUCE_ONLY != 0;
        fill.makerReduceOnly = maker.flags & OrderFlags.REDUCE_ONLY != 0;
        fill.takerDelegate = takerState.delegate;
        fill.makerDelegate = makerState.delegate;
    }

    function _propose(Candidate memory candidate, uint128 size) private pure {
        candidate.remaining -= size;
        candidate.proposed += size;
    }

    function _feeUp(Order memory order, uint128 size, uint128 price, uint32 rate) private pure returns (uint128) {
        if (rate > order.maxFee) revert FeeAboveMaximum(order.account, rate, order.maxFee);
        return Math.mulDiv(uint256(size) * price, rate, FEE_DIVISOR, Math.Rounding.Ceil).toUint128();
    }

    /// @dev The index of an order's account among those with a fill, which it joins at its first.
    function _place(
        Settlement memory settlement,
        uint256[] memory positions,
        uint256 accountCount,
        uint256 orderIndex
    ) private pure returns (uint16 index, uint256 newAccountCount) {
        Candidate memory candidate = settlement.candidates[orderIndex];
        uint256 position = positions[candidate.accountRank];
        // Fits: orders with fills are indexed by uint16, and each adds at most one account.
        if (position != 0) return (uint16(position - 1), accountCount);
        settlement.accounts[accountCount] = candidate.account;
        positions[candidate.accountRank] = accountCount + 1;
        return (uint16(accountCount), accountCount + 1);
    }

    function _trim(Settlement memory settlement, uint256 accountCount, uint256 fillCount) private pure {
        AccountId[] memory accounts = settlement.accounts;
        Fill[] memory fills = settlement.fills;
        Match[] memory crossed = settlement.crossed;
        // Only ever shortens.
        assembly ("memory-safe") {
            mstore(accounts, accountCount)
            mstore(fills, fillCount)
            mstore(crossed, fillCount)
        }
    }

    // Record ------------------------------------------------------------------------------------------------------

    function _record(Settlement memory settlement, bool[] memory applied, uint256[2][] memory delegateLosses) private {
        for (uint256 i; i < settlement.fills.length; ++i) {
            Fill memory fill = settlement.fills[i];
            if (applied[i]) {
                _chargeDelegates(settlement.accounts, fill, delegateLosses[i]);
            } else {
                _withdrawProposal(settlement.candidates, settlement.crossed[i], fill);
            }
        }
        for (uint256 i; i < settlement.candidates.length; ++i) {
            _recordFilled(settlement.candidates[i]);
        }
    }

    function _chargeDelegates(AccountId[] memory accounts, Fill memory fill, uint256[2] memory losses) private {
        if (fill.takerDelegate != address(0)) {
            _chargeDelegate(accounts[fill.taker], fill.takerDelegate, losses[0] + fill.takerFee);
        }
        if (fill.makerDelegate != address(0)) {
            _chargeDelegate(accounts[fill.maker], fill.makerDelegate, losses[1] + fill.makerFee);
        }
    }

    /// @dev The clearinghouse skips a fill only for a reduce-only side with nothing to reduce; the taker's order is named
    ///      where both are reduce-only.
    function _withdrawProposal(Candidate[] memory candidates, Match memory crossing, Fill memory fill) private {
        Candidate memory taker = candidates[crossing.taker];
        Candidate memory maker = candidates[crossing.maker];
        _withdraw(taker, crossing.size);
        _withdraw(maker, crossing.size);
        Candidate memory named = fill.takerReduceOnly ? taker : maker;
        emit OrderSkipped(named.account, named.nonce, named.orderHash, DeadReason.NothingToReduce);
    }

    function _withdraw(Candidate memory candidate, uint128 size) private pure {
        candidate.proposed -= size;
        candidate.remaining += size;
    }

    function _recordFilled(Candidate memory candidate) private {
        if (candidate.proposed == 0) return;
        uint128 filled = candidate.filled + candidate.proposed;
        if (candidate.group != 0) _groupWinners[candidate.account][candidate.group] = bytes16(candidate.orderHash);
        if (candidate.remaining != 0) {
            if (candidate.fillOrKill) revert FillOrKillNotWhole(candidate.account, candidate.nonce);
            _partialFills[candidate.account][candidate.nonce] =
                PartialFill({filled: filled, orderHash: bytes16(candidate.orderHash)});
            if (candidate.filled == 0) _setStatus(candidate.account, candidate.nonce, NonceStatus.PartlyFilled);
        } else {
            if (candidate.filled != 0) delete _partialFills[candidate.account][candidate.nonce];
            _setStatus(candidate.account, candidate.nonce, NonceStatus.Filled);
        }
        emit OrderFilled(candidate.account, candidate.nonce, candidate.orderHash, filled);
    }

    function _statusOf(AccountId account, uint64 nonce) private view returns (NonceStatus) {
        return _nonceWords[account][nonceWordIndex(nonce)].statusOf(nonce);
    }

    function _setStatus(AccountId account, uint64 nonce, NonceStatus status) private {
        uint64 wordIndex = nonceWordIndex(nonce);
        _nonceWords[account][wordIndex] = _nonceWords[account][wordIndex].withStatus(nonce, status);
    }
}
