// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IClearinghouseCore} from "../interfaces/IClearinghouseCore.sol";
import {WAD, mulWadDown, mulDivDown} from "../math/FixedPoint.sol";
import {AccountId} from "../types/AccountId.sol";
import {Margin} from "../types/Margin.sol";
import {Acts} from "./Acts.sol";
import {Market} from "./Market.sol";
import {PositionWord} from "./Words.sol";
import {Check, OpenAccount, WorkingSet} from "./WorkingSet.sol";

/// @title What the auctions do to an account and its bidder
abstract contract Slices is Acts {
    function _touch(AccountId id) internal returns (Margin memory margin) {
        WorkingSet memory set = _newSet();
        _loadAccount(set, id, 0);
        OpenAccount memory account = set.accounts[0];
        _needCollateral(set, account.foundAssets);
        _refreshQuotes(set);
        _realiseAll(set);
        margin = _assess(set, account);
        _saveAll(set);
    }

    function _transferSlice(
        AccountId fromId,
        AccountId toId,
        uint256 fraction,
        uint256 keptCash,
        uint256 payment
    ) internal returns (Margin memory fromAfter) {
        if (fraction == 0 || fraction > WAD) revert IClearinghouseCore.FractionOutOfRange(fraction);
        _requireOwner(toId);
        if (fromId == toId) revert IClearinghouseCore.SelfTrade(toId);
        WorkingSet memory set = _newSet();
        _loadAccount(set, fromId, 0);
        OpenAccount memory from = set.accounts[0];
        _loadAccount(set, toId, from.header.positionCount);
        OpenAccount memory to = set.accounts[1];
        if (to.header.inLiquidation) revert IClearinghouseCore.AccountInLiquidation(toId);
        _needCollateral(set, from.foundAssets);
        _needCollateral(set, to.foundAssets);
        _refreshQuotes(set);
        _realiseAll(set);
        _sliceCash(from, to, fraction, keptCash, payment);
        _sliceCollateral(from, to, fraction);
        _slicePositions(from, to, fraction);
        ++to.header.positionNonce;
        to.check = Check.NewRisk;
        _saveAll(set);
        _checkAll(set);
        fromAfter = _assess(set, from);
    }

    function _sliceCash(
        OpenAccount memory from,
        OpenAccount memory to,
        uint256 fraction,
        uint256 keptCash,
        uint256 payment
    ) private {
        int256 cash = mulWadDown(from.cash - int256(keptCash), int256(fraction));
        from.cash += int256(payment) - cash;
        to.cash += cash - int256(payment);
        emit IClearinghouseCore.SliceTransferred(from.id, to.id, fraction, cash);
        if (payment != 0) emit IClearinghouseCore.CashTransferred(to.id, from.id, payment);
    }

    function _sliceCollateral(OpenAccount memory from, OpenAccount memory to, uint256 fraction) private {
        for (uint256 k; k < MAX_COLLATERALS; ++k) {
            uint256 asset = _assetAt(from.header.assets, k);
            uint256 amount = mulDivDown(from.amounts[k], fraction, WAD);
            if (asset == 0 || amount == 0) continue;
            _takeBalance(from, asset, amount);
            _addBalance(to, asset, amount, false);
            emit IClearinghouseCore.SliceCollateral(from.id, to.id, uint8(asset), amount);
        }
    }

    /// @dev Backwards, so that a position that closes is replaced by one already sliced.
    function _slicePositions(OpenAccount memory from, OpenAccount memory to, uint256 fraction) private {
        for (uint256 k = from.header.positionCount; k != 0;) {
            PositionWord position = from.positions[--k];
            Market memory market = from.markets[k];
            int256 size = mulWadDown(position.sizeIn(), int256(fraction));
            int256 quote = mulWadDown(position.quoteIn(), int256(fraction));
            if (size == 0 && quote == 0) continue;
            emit IClearinghouseCore.SlicePosition(from.id, to.id, uint24(market.index), size, quote);
            _changePosition(from, market, -size, -quote);
            _changePosition(to, market, size, quote);
        }
    }
}
