// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SignedMath} from "@openzeppelin/contracts/utils/math/SignedMath.sol";

import {IClearinghouse} from "../interfaces/IClearinghouse.sol";
import {IExchange} from "../interfaces/IExchange.sol";
import {AccountId, accountIdOf} from "../types/AccountId.sol";
import {Fill} from "../types/Fill.sol";
import {InstrumentId} from "../types/InstrumentId.sol";
import {DeadReason, Match, Order, OrderFlags, SignedOrder} from "../types/Order.sol";
import {AllOrNone} from "./AllOrNone.sol";
import {Candidate} from "./Candidate.sol";
import {OrderLife} from "./OrderLife.sol";
import {Rates} from "./Rates.sol";
import {Settlement, SettlementWords} from "./Settlement.sol";
import {SignatureCheck} from "./SignatureCheck.sol";
import {Triggers} from "./Triggers.sol";

/// @title Signed orders, settled in batches by anyone
/// @notice Holds no funds. Verifies orders, keeps their fills, cancels and epochs, and hands fills to the clearinghouse.
contract Exchange is Triggers, Rates {
    constructor(address authority, IClearinghouse clearinghouse_) OrderLife(clearinghouse_) AccessManaged(authority) {}

    modifier onlyClearinghouse() {
        if (msg.sender != address(clearinghouse)) revert NotClearinghouse(msg.sender);
        _;
    }

    // Settlement --------------------------------------------------------------------------------------------------

    /// @inheritdoc IExchange
    function settle(SignedOrder[] memory orders, Match[] memory matches) external {
        clearinghouse.lock();
        _settle(orders, matches, accountIdOf(msg.sender, 0));
        clearinghouse.unlock();
    }

    /// @inheritdoc IExchange
    function execute(SignedOrder[] memory orders, Match[] memory matches, AccountId executor) external {
        clearinghouse.lock();
        for (uint256 i; i < orders.length; ++i) {
            // What cannot be armed now is skipped like any dead order; what never can makes the settlement revert.
            if (orders[i].order.trigger != 0) try this.arm(orders[i]) {} catch {}
        }
        _settle(orders, matches, executor);
        clearinghouse.unlock();
    }

    function _settle(SignedOrder[] memory orders, Match[] memory matches, AccountId executor) private {
        Settlement memory settlement = _prepare(orders, matches, executor);
        (bool[] memory applied, uint256[2][] memory delegateLosses) = clearinghouse.settleFills(_tradeOf(settlement));
        uint256 bounties = _record(settlement, applied, delegateLosses);
        if (bounties != 0) clearinghouse.payBounty(executor, bounties);
    }

    /// @inheritdoc IExchange
    function prepare(bytes calldata data)
        external
        onlyClearinghouse
        returns (bytes memory trade, bytes memory context)
    {
        (SignedOrder[] memory orders, Match[] memory matches) = abi.decode(data, (SignedOrder[], Match[]));
        // Accounts are open in the clearinghouse's memory meanwhile: nobody could be paid.
        Settlement memory settlement = _prepare(orders, matches, AccountId.wrap(0));
        return (_tradeOf(settlement), SettlementWords.pack(settlement));
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
        _record(SettlementWords.unpack(context), applied, delegateLosses);
    }

    // Verification ------------------------------------------------------------------------------------------------

    /// @dev Everything up to the clearinghouse's part. Emits the skips; writes nothing.
    function _prepare(
        SignedOrder[] memory orders,
        Match[] memory matches,
        AccountId executor
    ) private returns (Settlement memory settlement) {
        uint256 distinctAccounts = _verify(settlement, orders);
        settlement.accounts = new AccountId[](distinctAccounts);
        settlement.fills = new Fill[](matches.length);
        // Those that are crossed move up over those that are skipped.
        settlement.crossed = matches;
        _cross(settlement, orders);
        if (settlement.anyTriggered && AccountId.unwrap(executor) != 0) _addBounties(settlement, orders, executor);
    }

    function _verify(
        Settlement memory settlement,
        SignedOrder[] memory orders
    ) private view returns (uint256 distinctAccounts) {
        Candidate[] memory candidates = new Candidate[](orders.length);
        settlement.candidates = candidates;
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
            if (candidates[i].whole) settlement.anyWhole = true;
            if (order.trigger != 0) settlement.anyTriggered = true;
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
        OrderFlags.requireValid(order.flags, order.trigger, order.group);
        candidate.account = order.account;
        candidate.nonce = order.nonce;
        candidate.group = order.group;
        candidate.legs = OrderFlags.legsOf(order.flags);
        candidate.whole = candidate.legs != 0 || order.flags & OrderFlags.FILL_OR_KILL != 0;
        candidate.orderHash = hashOrder(order);
        if (order.signer != order.account.ownerOf()) candidate.delegate = order.signer;

        (candidate.dead, candidate.filled) = _look(order, candidate.orderHash, accountState);
        if (candidate.dead != DeadReason.None) return;

        // Not below 0: partly filled is less than the order's size, which the hash fixes.
        candidate.remaining = uint128(SignedMath.abs(order.size)) - candidate.filled;
        if (SignatureCheck.isSignedBy(order.signer, candidate.orderHash, signed.signature)) return;
        // Without code the answer can never change: the caller's mistake. A contract may have changed its mind.
        if (order.signer.code.length == 0) revert InvalidSignature(order.account, order.nonce);
        if (!SignatureCheck.isAcceptedBy(order.signer, candidate.orderHash, signed.signature)) {
            candidate.dead = DeadReason.SignatureRefused;
        }
    }

    // Crossing ----------------------------------------------------------------------------------------------------

    /// @dev Turns matches of live orders into fills, and trims the settlement's lists to what came of them.
    function _cross(Settlement memory settlement, SignedOrder[] memory orders) private {
        Match[] memory matches = settlement.crossed;
        RateTerms memory rates = _rates;
        // Position in `accounts` plus 1 by account rank; 0 where the account has no fill yet.
        uint256[] memory positions = new uint256[](settlement.accounts.length);
        uint256 accountCount;
        uint256 fillCount;
        InstrumentId instrument;
        uint24 instrumentIndex;

        for (uint256 i; i < matches.length; ++i) {
            _requireCrossing(orders, matches[i], i);
        }
        if (settlement.anyWhole) AllOrNone.killUnfillable(settlement.candidates, matches);
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
        if (reason == DeadReason.None && AllOrNone.isGroupTaken(candidates, index)) reason = DeadReason.GroupTaken;
        if (reason == DeadReason.None) return false;
        emit OrderSkipped(candidate.account, candidate.nonce, candidate.orderHash, reason);
        return true;
    }

    /// @dev Clips `crossing.size` to what both orders have left.
    function _fill(
        Fill memory fill,
        Candidate[] memory candidates,
        SignedOrder[] memory orders,
        Match memory crossing,
        RateTerms memory rates
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

    /// @dev On top of the fees of orders that were triggered. An executor's own pay him nothing.
    function _addBounties(Settlement memory settlement, SignedOrder[] memory orders, AccountId executor) private view {
        RateTerms memory rates = _rates;
        settlement.bounties = new uint256[](settlement.fills.length);
        for (uint256 i; i < settlement.fills.length; ++i) {
            (Fill memory fill, Match memory crossing) = (settlement.fills[i], settlement.crossed[i]);
            Order memory taker = orders[crossing.taker].order;
            Order memory maker = orders[crossing.maker].order;
            uint128 ofTaker = _bountyOf(taker, executor, crossing.size, fill.price, rates, rates.taker);
            uint128 ofMaker = _bountyOf(maker, executor, crossing.size, fill.price, rates, rates.maker);
            fill.takerFee += ofTaker;
            fill.makerFee += ofMaker;
            settlement.bounties[i] = ofTaker + ofMaker;
        }
    }

    function _bountyOf(
        Order memory order,
        AccountId executor,
        uint128 size,
        uint128 price,
        RateTerms memory rates,
        uint32 fee
    ) private view returns (uint128) {
        if (order.trigger == 0 || order.account == executor) return 0;
        return _bountyDown(order, size, price, fee, _bountyRate(rates, _armedAt[hashOrder(order)]));
    }

    function _propose(Candidate memory candidate, uint128 size) private pure {
        candidate.remaining -= size;
        candidate.proposed += size;
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

    /// @return bounties Of the fills that were applied, wad.
    function _record(
        Settlement memory settlement,
        bool[] memory applied,
        uint256[2][] memory delegateLosses
    ) private returns (uint256 bounties) {
        for (uint256 i; i < settlement.fills.length; ++i) {
            Fill memory fill = settlement.fills[i];
            if (applied[i]) {
                _chargeDelegates(settlement.accounts, fill, delegateLosses[i]);
                if (settlement.bounties.length != 0) bounties += settlement.bounties[i];
            } else {
                _withdrawProposal(settlement.candidates, settlement.crossed[i], fill);
            }
        }
        if (settlement.anyWhole) AllOrNone.requireWhole(settlement.candidates);
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
}
