// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {IClearinghouseCore} from "../interfaces/IClearinghouseCore.sol";
import {IOracleHub} from "../interfaces/IOracleHub.sol";
import {AccountId} from "../types/AccountId.sol";
import {Cash} from "./Cash.sol";
import {Markets} from "./Markets.sol";
import {Vault} from "./Vault.sol";
import {Header, PositionWord, packHeader, packPosition, unpackHeader} from "./Words.sol";
import {Market, OpenAccount, WorkingSet} from "./WorkingSet.sol";

/// @title Accounts: opened into memory, changed there, written once
abstract contract Accounts is Cash, Vault, Markets {
    uint256 internal constant MAX_COLLATERALS = 8;
    uint256 internal constant MAX_POSITIONS = 64;
    uint256 private constant FREE = type(uint256).max;

    function _newSet() internal view returns (WorkingSet memory set) {
        set.totals = _accruedTotals();
    }

    // Open ------------------------------------------------------------------------------------------------------

    /// @dev Cash, collateral and flags of an account, without its positions: enough to pay something into it.
    function _openLight(WorkingSet memory set, AccountId id) internal view returns (OpenAccount memory account) {
        StoredAccount storage stored = _accounts[id];
        account.id = id;
        _loadCash(account, stored.cash, set.totals);
        account.storedHeader = stored.header;
        account.header = unpackHeader(account.storedHeader);
        account.foundAssets = account.header.assets;
        for (uint256 k; account.foundAssets >> (8 * k) != 0; ++k) {
            uint256 asset = _assetAt(account.foundAssets, k);
            if (asset != 0) account.amounts[k] = account.foundAmounts[k] = stored.collateral[asset];
        }
    }

    /// @dev The account in memory, with its positions and their markets; read at most once.
    function _load(WorkingSet memory set, AccountId id) internal view returns (OpenAccount memory account) {
        for (uint256 i; i < set.accountCount; ++i) {
            if (set.accounts[i].id == id) return set.accounts[i];
        }
        account = _openLight(set, id);
        uint256 count = account.header.positionCount;
        account.storedPositions = new PositionWord[](count);
        account.realised = new int256[](count);
        account.positions = new PositionWord[](MAX_POSITIONS);
        for (uint256 k; k < count; ++k) {
            PositionWord position = _accounts[id].positions[k];
            account.storedPositions[k] = account.positions[k] = position;
            _market(set, position.instrumentIn());
        }
        if (!_isFlat(account)) _needCollateral(set, account.foundAssets);
        set.addAccount(account);
    }

    /// @dev Opens an account to act on it.
    function _open(WorkingSet memory set, AccountId id) internal returns (OpenAccount memory account) {
        account = _load(set, id);
        _refreshQuotes(set);
        _realiseAll(set);
    }

    function _needCollateral(WorkingSet memory set, uint256 assets) internal view {
        for (uint256 k; k < MAX_COLLATERALS; ++k) {
            uint256 asset = _assetAt(assets, k);
            if (asset != 0) set.needed |= 1 << _assets[asset].underlying;
        }
    }

    /// @dev Fixes the quotes of every underlying met so far.
    function _refreshQuotes(WorkingSet memory set) internal {
        if (set.needed == set.quoted) return;
        (set.quotes, set.settlementTokenUsd) = IOracleHub(_oracleHub).refresh(set.needed);
        set.quoted = set.needed;
        _markMarkets(set);
    }

    /// @dev What `_refreshQuotes` would read.
    function _readQuotes(WorkingSet memory set) internal view {
        (set.quotes, set.settlementTokenUsd) = IOracleHub(_oracleHub).quotesOf(set.needed);
        _markMarkets(set);
    }

    /// @dev Realises the accounts opened since the last call.
    function _realiseAll(WorkingSet memory set) internal {
        for (uint256 i; i < set.accountCount; ++i) {
            OpenAccount memory account = set.accounts[i];
            if (account.opened) continue;
            _realiseInMemory(set, account);
            account.opened = true;
            for (uint256 k; k < account.realised.length; ++k) {
                if (account.realised[k] == 0) continue;
                uint256 instrument = account.storedPositions[k].instrumentIn();
                emit IClearinghouseCore.Realised(account.id, uint24(instrument), account.realised[k]);
            }
        }
    }

    /// @dev Moves the value of each perpetual whose price is trusted into cash.
    function _realiseInMemory(WorkingSet memory set, OpenAccount memory account) internal view {
        for (uint256 k; k < account.header.positionCount; ++k) {
            PositionWord position = account.positions[k];
            Market memory market = _market(set, position.instrumentIn());
            if (!market.perp || !_trusted(market.quote)) continue;
            int256 value = _valueOf(position, market);
            account.realised[k] = value;
            account.cash += value;
            account.positions[k] = packPosition(market.index, position.sizeIn(), position.quoteIn() - value);
        }
    }

    // Change ----------------------------------------------------------------------------------------------------

    /// @dev No position and no debt: nothing that a price could make worth less than nothing.
    function _isFlat(OpenAccount memory account) internal pure returns (bool) {
        return account.header.positionCount == 0 && account.cash >= 0;
    }

    function _assetAt(uint256 assets, uint256 k) internal pure returns (uint256) {
        return uint8(assets >> (8 * k));
    }

    /// @return k The place of `asset`, or `FREE`.
    function _placeOf(uint256 assets, uint256 asset) internal pure returns (uint256 k) {
        for (k = 0; k < MAX_COLLATERALS; ++k) {
            if (_assetAt(assets, k) == asset) return k;
        }
        return FREE;
    }

    /// @dev Balance in token units; of cash what is positive, rounded down.
    function _balanceOf(OpenAccount memory account, uint256 asset) internal view returns (uint256) {
        if (asset == 0) return account.cash > 0 ? uint256(account.cash) / _scaleOf(0) : 0;
        uint256 place = _placeOf(account.header.assets, asset);
        return place == FREE ? 0 : account.amounts[place];
    }

    /// @param deposited Whether it comes from outside the account's own risk, so that it counts as found.
    function _addBalance(OpenAccount memory account, uint256 asset, uint256 amount, bool deposited) internal {
        if (asset == 0) {
            int256 value = SafeCast.toInt256(amount * _scaleOf(0));
            account.cash += value;
            if (deposited) account.deposited += value;
            return;
        }
        Header memory header = account.header;
        uint256 place = _placeOf(header.assets, asset);
        if (place == FREE) {
            _bind(account, _asset(asset).underlying);
            place = _placeOf(header.assets | account.foundAssets, 0);
            if (place == FREE) place = _placeOf(header.assets, 0);
            if (place == FREE) revert IClearinghouseCore.TooManyCollaterals(account.id);
            header.assets |= asset << (8 * place);
            if (_assetAt(account.foundAssets, place) == 0) account.foundAssets |= asset << (8 * place);
        }
        if (deposited && _assetAt(account.foundAssets, place) == asset) account.foundAmounts[place] += amount;
        account.amounts[place] += amount;
        _accounts[account.id].collateral[asset] = account.amounts[place];
    }

    /// @dev Pulls settlement tokens into an account's cash.
    function _payIn(WorkingSet memory set, OpenAccount memory account, address from, uint256 amount) internal {
        _pull(0, from, amount);
        set.totals.tokens += amount;
        _addBalance(account, 0, amount, true);
        emit IClearinghouseCore.Deposited(account.id, 0, from, amount);
    }

    /// @dev The modules own no order and no bid, as they sign nothing: only nobody and the clearinghouse are left to refuse.
    function _requireOwner(AccountId account) internal view {
        address owner = account.ownerOf();
        if (owner == address(0) || owner == address(this)) revert IClearinghouseCore.InvalidOwner(owner);
    }

    /// @dev Cash may go below 0: the margin check decides.
    function _takeBalance(OpenAccount memory account, uint256 asset, uint256 amount) internal {
        if (asset == 0) {
            account.cash -= SafeCast.toInt256(amount * _scaleOf(0));
            return;
        }
        uint256 place = _placeOf(account.header.assets, asset);
        uint256 balance = place == FREE ? 0 : account.amounts[place];
        if (amount > balance) {
            revert IClearinghouseCore.InsufficientBalance(account.id, uint8(asset), balance, amount);
        }
        account.amounts[place] = balance - amount;
        _accounts[account.id].collateral[asset] = balance - amount;
        if (balance == amount) {
            account.header.assets &= ~(0xff << (8 * place));
            _unbind(account);
        }
    }

    /// @dev Changes a position; one that reaches size 0 leaves its quote balance to cash.
    function _changePosition(OpenAccount memory account, Market memory market, int256 size, int256 quote) internal {
        uint256 place = _positionPlace(account, market.index);
        Header memory header = account.header;
        if (place == header.positionCount) {
            if (place == MAX_POSITIONS) revert IClearinghouseCore.TooManyPositions(account.id);
            _bind(account, market.underlying);
            ++header.positionCount;
        }
        PositionWord position = account.positions[place];
        int256 before = position.sizeIn();
        size += before;
        quote += position.quoteIn();
        _countOpenInterest(market, before, size);
        if (size != 0) {
            account.positions[place] = packPosition(market.index, size, quote);
            return;
        }
        uint256 last = --header.positionCount;
        account.positions[place] = account.positions[last];
        account.positions[last] = PositionWord.wrap(0);
        account.cash += quote;
        _unbind(account);
        emit IClearinghouseCore.PositionClosed(account.id, uint24(market.index), quote);
    }

    /// @return place Of the position, or the position count where there is none.
    function _positionPlace(OpenAccount memory account, uint256 instrument) internal pure returns (uint256 place) {
        uint256 count = account.header.positionCount;
        while (place < count && account.positions[place].instrumentIn() != instrument) ++place;
    }

    /// @dev An isolated account belongs to the underlying of its first balance or position until it is empty of both.
    function _bind(OpenAccount memory account, uint256 underlying) private pure {
        if (!account.id.isIsolated()) return;
        uint256 bound = account.header.boundUnderlying;
        if (bound != 0 && bound != underlying) {
            revert IClearinghouseCore.IsolatedAccountBound(account.id, uint8(bound), uint8(underlying));
        }
        account.header.boundUnderlying = underlying;
    }

    function _unbind(OpenAccount memory account) private pure {
        if (account.header.assets == 0 && account.header.positionCount == 0) account.header.boundUnderlying = 0;
    }

    // Close -----------------------------------------------------------------------------------------------------

    /// @dev Writes cash, header and positions where they changed. The totals are written by the caller, once.
    function _save(OpenAccount memory account, WorkingSet memory set) internal {
        _saveCash(account, set.totals);
        StoredAccount storage stored = _accounts[account.id];
        uint256 header = packHeader(account.header);
        if (header != account.storedHeader) stored.header = header;
        if (account.positions.length == 0) return;
        uint256 before = account.storedPositions.length;
        uint256 count = account.header.positionCount;
        for (uint256 k; k < before || k < count; ++k) {
            PositionWord position = account.positions[k];
            bool known = k < before;
            if (known && PositionWord.unwrap(account.storedPositions[k]) == PositionWord.unwrap(position)) continue;
            stored.positions[k] = position;
        }
    }

    function _saveAll(WorkingSet memory set) internal {
        for (uint256 i; i < set.accountCount; ++i) {
            _save(set.accounts[i], set);
        }
        _saveMarkets(set);
        _saveTotals(set.totals);
    }
}
