// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IClearinghouseCore} from "../interfaces/IClearinghouseCore.sol";
import {
    SIGNED_RAY,
    SIGNED_WAD,
    WAD,
    divUp,
    magnitude,
    mulDivDown,
    mulWadDown,
    positivePart
} from "../math/FixedPoint.sol";
import {AccountId} from "../types/AccountId.sol";
import {Fill} from "../types/Fill.sol";
import {OracleState} from "../types/Quote.sol";
import {Market} from "./Market.sol";
import {MarginCheck} from "./MarginCheck.sol";
import {Check, OpenAccount, WorkingSet, placesForAccounts} from "./WorkingSet.sol";

/// @title Fills applied to the working set
abstract contract Trading is MarginCheck {
    /// @dev Between maintenance and initial margin a trade may cost this part of its notional: a thousandth.
    uint256 private constant TOLERANCE_DIVISOR = 1000;

    /// @param trade ABI-encoded accounts and fills.
    function _applyFills(
        WorkingSet memory set,
        bytes memory trade
    ) internal returns (bool[] memory applied, uint256[2][] memory delegateLosses) {
        (AccountId[] memory ids, Fill[] memory fills) = abi.decode(trade, (AccountId[], Fill[]));
        OpenAccount[] memory accounts = _openTraders(set, ids, fills);
        applied = new bool[](fills.length);
        delegateLosses = new uint256[2][](fills.length);
        for (uint256 i; i < fills.length; ++i) {
            Fill memory fill = fills[i];
            Market memory market = _loadMarket(set, fill.instrument);
            applied[i] = _applyFill(set, market, accounts[fill.taker], accounts[fill.maker], fill);
            if (applied[i]) delegateLosses[i] = _delegateLosses(fill, market);
        }
    }

    /// @dev Loads every account and instrument before the one request for quotes.
    function _openTraders(
        WorkingSet memory set,
        AccountId[] memory ids,
        Fill[] memory fills
    ) private returns (OpenAccount[] memory accounts) {
        accounts = placesForAccounts(ids.length);
        uint256 met = set.accountCount;
        uint256 highest;
        for (uint256 i; i < ids.length; ++i) {
            uint256 id = AccountId.unwrap(ids[i]);
            // Accounts come in ascending order: what is above all of them so far can only have been met before.
            uint256 place = _loadAmong(set, ids[i], id > highest ? met : set.accountCount);
            if (id > highest) highest = id;
            accounts[i] = set.accounts[place];
            _requireOwner(ids[i]);
            if (accounts[i].header.inLiquidation) revert IClearinghouseCore.AccountInLiquidation(ids[i]);
            _needCollateral(set, accounts[i].foundAssets);
        }
        bool anyOption;
        for (uint256 i; i < fills.length; ++i) {
            if (_loadMarket(set, fills[i].instrument).option) anyOption = true;
        }
        _refreshQuotes(set);
        _realiseAll(set);
        if (anyOption) _markOptions(set);
    }

    /// @return Whether it was applied: false where a reduce-only side had nothing to reduce.
    function _applyFill(
        WorkingSet memory set,
        Market memory market,
        OpenAccount memory taker,
        OpenAccount memory maker,
        Fill memory fill
    ) private returns (bool) {
        if (taker.id == maker.id) revert IClearinghouseCore.SelfTrade(taker.id);
        _requireTradable(market, taker, maker, fill);
        bool takerReduces = _reduces(taker, market.index, fill.size);
        bool makerReduces = _reduces(maker, market.index, -int256(fill.size));
        if ((fill.takerReduceOnly && !takerReduces) || (fill.makerReduceOnly && !makerReduces)) return false;
        if (_isReduceOnly(market) && !(takerReduces && makerReduces)) {
            revert IClearinghouseCore.ReduceOnlyInstrument(fill.instrument);
        }
        // The maker's side is the exact negative: quote balances and cash are conserved.
        int256 quote = mulWadDown(fill.size, market.funding - int256(uint256(fill.price)));
        uint256 notional = mulDivDown(magnitude(fill.size), fill.price, WAD);
        emit IClearinghouseCore.Filled(
            taker.id, maker.id, fill.instrument, fill.size, fill.price, quote, fill.takerFee, fill.makerFee
        );
        _trade(set, market, taker, fill.size, quote, fill.takerFee, notional);
        _trade(set, market, maker, -int256(fill.size), -quote, fill.makerFee, notional);
        if (!market.dated) _sampleBasis(market, notional, fill.price);
        market.traded = true;
        return true;
    }

    /// @dev Slices leave sizes off the step: a fill that closes a side need not keep to it.
    function _requireTradable(
        Market memory market,
        OpenAccount memory taker,
        OpenAccount memory maker,
        Fill memory fill
    ) private view {
        bool offStep = magnitude(fill.size) % 10 ** market.sizeStepExponent != 0;
        bool closes = _sizeIn(taker, market.index) == -fill.size || _sizeIn(maker, market.index) == fill.size;
        if (fill.size == 0 || (offStep && !closes)) revert IClearinghouseCore.InvalidSize(fill.instrument, fill.size);
        if (market.dated && block.timestamp >= market.expiry) {
            revert IClearinghouseCore.InstrumentExpired(fill.instrument, market.expiry);
        }
        if (market.state == OracleState.Halted) {
            revert IClearinghouseCore.OracleNotUsable(uint8(market.underlying));
        }
        _requireInsideBand(market, fill.price);
    }

    /// @dev Whether `size` moves the account's position towards 0 and not past it.
    function _reduces(OpenAccount memory account, uint256 instrument, int256 size) private pure returns (bool) {
        int256 held = _sizeIn(account, instrument);
        return held != 0 && (held < 0) != (size < 0) && magnitude(size) <= magnitude(held);
    }

    function _sizeIn(OpenAccount memory account, uint256 instrument) private pure returns (int256) {
        uint256 place = _positionPlace(account, instrument);
        return place == account.header.positionCount ? int256(0) : account.positions[place].sizeIn();
    }

    function _trade(
        WorkingSet memory set,
        Market memory market,
        OpenAccount memory account,
        int256 size,
        int256 quote,
        uint256 fee,
        uint256 notional
    ) private {
        // An option's premium is paid at once.
        if (market.option) account.cash += quote;
        _changePosition(account, market, size, market.option ? int256(0) : quote);
        account.cash -= int256(fee);
        set.totals.newFeesRay += int256(fee) * SIGNED_RAY;
        account.tolerance += fee + notional / TOLERANCE_DIVISOR;
        if (account.check == Check.None) account.check = Check.NewRisk;
        ++account.header.positionNonce;
    }

    /// @dev Loss, rounded up, of a side that a delegate signed for: a buyer's against the lower of mark and index, a
    ///      seller's against the higher, so that a mark which wash trades have pushed hides no loss.
    function _delegateLosses(Fill memory fill, Market memory market) private pure returns (uint256[2] memory losses) {
        (int256 takerFair, int256 makerFair) = (int256(market.mark), int256(market.mark));
        // Dated instruments are marked by signed surfaces, not by trades.
        if (!market.dated) makerFair = int256(market.spot);
        if ((fill.size > 0) == (takerFair > makerFair)) (takerFair, makerFair) = (makerFair, takerFair);
        losses[0] = _lossUp(fill.takerDelegate, fill.size, fill.price, takerFair);
        losses[1] = _lossUp(fill.makerDelegate, -int256(fill.size), fill.price, makerFair);
    }

    function _lossUp(address delegate, int256 size, uint256 price, int256 fair) private pure returns (uint256) {
        return delegate == address(0) ? 0 : positivePart(divUp(size * (int256(price) - fair), SIGNED_WAD));
    }
}
