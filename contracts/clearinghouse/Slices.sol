// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IClearinghouseCore} from "../interfaces/IClearinghouseCore.sol";
import {ISliceDecider} from "../interfaces/IClearinghouseLiquidation.sol";
import {WAD, mulDivDown, mulWadDown} from "../math/FixedPoint.sol";
import {AccountId, accountIdOf} from "../types/AccountId.sol";
import {Margin, UnderlyingRisk} from "../types/Margin.sol";
import {Slice, SlicedCollateral, SlicedPosition} from "../types/Slice.sol";
import {LosingLeg, LossSharing} from "./LossSharing.sol";
import {Market} from "./Market.sol";
import {PositionWord, packPair, unpackPair} from "./Words.sol";
import {Check, OpenAccount, WorkingSet} from "./WorkingSet.sol";

/// @title What the auctions do to an account and its bidder
abstract contract Slices is LossSharing {
    function _touch(AccountId id) internal returns (Margin memory margin) {
        WorkingSet memory set = _newSet();
        _loadAccount(set, id);
        OpenAccount memory account = set.accounts[0];
        _needCollateral(set, account.foundAssets);
        _refreshQuotes(set);
        _realiseAll(set);
        margin = _assess(set, account);
        _saveAll(set);
    }

    function _sellSlice(
        AccountId fromId,
        AccountId toId,
        bytes calldata context
    ) internal returns (Slice memory slice) {
        _requireOwner(toId);
        if (fromId == toId) revert IClearinghouseCore.SelfTrade(toId);
        (WorkingSet memory set, OpenAccount memory from, OpenAccount memory to) = _openSides(fromId, toId);
        (Margin memory margin, UnderlyingRisk[] memory parts) = _assessInParts(set, from);
        slice = ISliceDecider(_auctions).decide(context, margin, parts, uint64(from.header.positionNonce));
        if (slice.fraction > WAD) revert IClearinghouseCore.FractionOutOfRange(slice.fraction);
        if (slice.endsAuction) _setLiquidation(from, false);
        LosingLeg[] memory losing;
        uint256 weights;
        if (slice.uncovered != 0) (losing, weights) = _losingLegs(from, parts);
        if (slice.fraction != 0) {
            _payRewards(set, from, to, slice);
            _moveSlice(set, from, to, slice);
            ++to.header.positionNonce;
            to.check = Check.NewRisk;
        }
        _saveAll(set);
        _checkAll(set);
        if (slice.uncovered == 0) return slice;
        _shareLoss(losing, weights, slice.uncovered);
        _socialise();
    }

    function _openSides(
        AccountId fromId,
        AccountId toId
    ) private returns (WorkingSet memory set, OpenAccount memory from, OpenAccount memory to) {
        set = _newSet();
        _loadAccount(set, fromId);
        from = set.accounts[0];
        _loadAccount(set, toId);
        to = set.accounts[1];
        if (to.header.inLiquidation) revert IClearinghouseCore.AccountInLiquidation(toId);
        _needCollateral(set, from.foundAssets);
        _needCollateral(set, to.foundAssets);
        _refreshQuotes(set);
        _realiseAll(set);
    }

    function _setLiquidation(OpenAccount memory account, bool inLiquidation) internal {
        account.header.inLiquidation = inLiquidation;
        emit IClearinghouseCore.LiquidationFlagSet(account.id, inLiquidation);
    }

    function _payRewards(
        WorkingSet memory set,
        OpenAccount memory from,
        OpenAccount memory to,
        Slice memory slice
    ) private {
        if (slice.fromProceeds != 0) _pay(from, to, slice.fromProceeds);
        if (slice.fromInsurance != 0) _payFromInsurance(set, to, slice.fromInsurance);
        if (slice.uncovered != 0) _creditUncovered(to, slice.uncovered);
    }

    function _payFromInsurance(WorkingSet memory set, OpenAccount memory to, uint256 amount) internal {
        uint256 place = _loadAccount(set, accountIdOf(_insuranceFund, 0));
        _pay(set.accounts[place], to, amount);
    }

    /// @dev Credits cash that nobody pays.
    function _creditUncovered(OpenAccount memory to, uint256 amount) internal {
        (uint256 tokens, uint256 uncoveredLoss) = unpackPair(_totals.assets);
        uncoveredLoss += amount;
        _totals.assets = packPair(tokens, uncoveredLoss);
        to.cash += int256(amount);
        emit IClearinghouseCore.LossRecorded(to.id, amount, uncoveredLoss);
    }

    function _pay(OpenAccount memory from, OpenAccount memory to, uint256 amount) internal {
        from.cash -= int256(amount);
        to.cash += int256(amount);
        emit IClearinghouseCore.CashTransferred(from.id, to.id, amount);
    }

    function _moveSlice(
        WorkingSet memory set,
        OpenAccount memory from,
        OpenAccount memory to,
        Slice memory slice
    ) private {
        int256 cash = mulWadDown(from.cash - int256(slice.keptCash), int256(slice.fraction));
        SlicedCollateral[] memory collaterals = _slicedCollaterals(from, slice.fraction);
        SlicedPosition[] memory positions = _slicedPositions(from, slice.fraction);
        emit IClearinghouseCore.SliceTransferred(from.id, to.id, slice.fraction, cash, collaterals, positions);
        from.cash -= cash;
        to.cash += cash;
        if (slice.payment != 0) _pay(to, from, slice.payment);
        _moveCollaterals(from, to, collaterals);
        _movePositions(set, from, to, positions);
    }

    function _slicedCollaterals(
        OpenAccount memory from,
        uint256 fraction
    ) private pure returns (SlicedCollateral[] memory sliced) {
        sliced = new SlicedCollateral[](MAX_COLLATERALS);
        uint256 count;
        for (uint256 k; k < MAX_COLLATERALS; ++k) {
            uint256 asset = _assetAt(from.header.assets, k);
            uint256 amount = asset == 0 ? 0 : mulDivDown(from.amounts[k], fraction, WAD);
            if (amount != 0) sliced[count++] = SlicedCollateral(uint8(asset), amount);
        }
        // Only shortens the array.
        assembly ("memory-safe") {
            mstore(sliced, count)
        }
    }

    /// @dev One a position, in their order.
    function _slicedPositions(
        OpenAccount memory from,
        uint256 fraction
    ) private pure returns (SlicedPosition[] memory sliced) {
        uint256 count = from.header.positionCount;
        sliced = new SlicedPosition[](count);
        for (uint256 k; k < count; ++k) {
            PositionWord position = from.positions[k];
            SlicedPosition memory part = sliced[k];
            part.instrument = uint24(position.instrumentIn());
            part.size = mulWadDown(position.sizeIn(), int256(fraction));
            part.quote = mulWadDown(position.quoteIn(), int256(fraction));
        }
    }

    function _moveCollaterals(
        OpenAccount memory from,
        OpenAccount memory to,
        SlicedCollateral[] memory collaterals
    ) private {
        for (uint256 i; i < collaterals.length; ++i) {
            (uint256 asset, uint256 amount) = (collaterals[i].asset, collaterals[i].amount);
            _takeBalance(from, asset, amount);
            _addBalance(to, asset, amount, false);
        }
    }

    /// @dev Backwards, so that a position that closes is replaced by one already moved. The instruments of `from` are
    ///      distinct: only what `to` held before can meet them.
    function _movePositions(
        WorkingSet memory set,
        OpenAccount memory from,
        OpenAccount memory to,
        SlicedPosition[] memory positions
    ) private {
        uint256 held = to.header.positionCount;
        for (uint256 k = positions.length; k != 0;) {
            SlicedPosition memory part = positions[--k];
            if (part.size == 0 && part.quote == 0) continue;
            Market memory market = _marketAt(set, from, k);
            _changePositionAt(from, k, market, -part.size, -part.quote);
            _changePositionAt(to, _placeAmong(to, held, part.instrument), market, part.size, part.quote);
        }
    }
}
