// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {SafeCastLib as SafeCast} from "solady/utils/SafeCastLib.sol";

import {IClearinghouseCore} from "../interfaces/IClearinghouseCore.sol";
import {IOracleHub} from "../interfaces/IOracleHub.sol";
import {AccountId} from "../types/AccountId.sol";
import {Markets} from "./Markets.sol";
import {Vault} from "./Vault.sol";
import {Market} from "./Market.sol";
import {
    Header,
    PositionWord,
    packHeader,
    packOption,
    packPair,
    packPosition,
    unpackHeader,
    unpackPair
} from "./Words.sol";
import {OpenAccount, WorkingSet, placesForMarkets, withRoom} from "./WorkingSet.sol";

/// @title Accounts: opened into memory, changed there, written once
abstract contract Accounts is Vault, Markets {
    uint256 internal constant MAX_COLLATERALS = 8;
    /// @dev Of an account's positions: each costs a bid its oracle.
    uint256 internal constant MAX_UNDERLYINGS = 8;
    uint256 private constant FREE = type(uint256).max;

    function _newSet() internal view returns (WorkingSet memory set) {
        _accrueTotals(set.totals);
    }

    // Open ------------------------------------------------------------------------------------------------------

    /// @dev Cash, collateral and flags of an account, without its positions: enough to pay something into it.
    function _openLight(WorkingSet memory set, AccountId id) internal view returns (OpenAccount memory account) {
        _readAccount(set, account, id);
    }

    function _readAccount(WorkingSet memory set, OpenAccount memory account, AccountId id) private view {
        StoredAccount storage stored = _accounts[id];
        account.id = id;
        _loadCash(account, stored.cash, set.totals);
        uint256 header = stored.header;
        account.storedHeader = header;
        if (header == 0) return;
        unpackHeader(header, account.header);
        uint256 assets = account.header.assets;
        account.foundAssets = assets;
        for (uint256 k; assets != 0; k += 2) {
            if (assets & 0xffff != 0) {
                (uint256 first, uint256 second) = unpackPair(stored.collateral[k >> 1]);
                account.amounts[k] = account.foundAmounts[k] = first;
                account.amounts[k + 1] = account.foundAmounts[k + 1] = second;
            }
            assets >>= 16;
        }
    }

    /// @dev Reads an account, with its positions and their markets, at most once; of options the position alone, which
    ///      tells what they are.
    /// @return place Of it among the set's accounts.
    function _loadAccount(WorkingSet memory set, AccountId id) internal view returns (uint256) {
        return _loadAmong(set, id, set.accountCount);
    }

    /// @dev The same where only the first `first` of the set's accounts can be it.
    function _loadAmong(WorkingSet memory set, AccountId id, uint256 first) internal view returns (uint256 place) {
        for (; place < first; ++place) {
            if (set.accounts[place].id == id) return place;
        }
        place = set.accountCount;
        OpenAccount memory account;
        _readAccount(set, account, id);
        set.addAccount(account);
        uint256 count = account.header.positionCount;
        account.storedPositions = new PositionWord[](count);
        // With room for one more, which a trade may open.
        account.positions = new PositionWord[](count + 1);
        account.markets = placesForMarkets(count + 1);
        _loadPositions(set, account);
        if (!_isFlat(account)) _needCollateral(set, account.foundAssets);
    }

    function _loadPositions(WorkingSet memory set, OpenAccount memory account) private view {
        mapping(uint256 place => PositionWord) storage stored = _accounts[account.id].positions;
        PositionWord[] memory found = account.storedPositions;
        PositionWord[] memory positions = account.positions;
        uint256 underlyings;
        // Unchecked: places are 64, underlyings have eight bits.
        unchecked {
            for (uint256 k; k < found.length; ++k) {
                PositionWord position = stored[k];
                found[k] = positions[k] = position;
                if (position.isOption()) {
                    underlyings |= 1 << position.underlyingIn();
                    set.metExpiry = true;
                } else {
                    Market memory market = _loadMarket(set, position.instrumentIn());
                    if (market.lossShared) found[k] = positions[k] = _withoutLossShare(position);
                    account.markets[k] = market;
                    underlyings |= 1 << market.underlying;
                }
            }
        }
        account.underlyings = underlyings;
        set.needed |= underlyings;
    }

    /// @dev The instrument of a position; an option's is read when somebody first asks for it.
    function _marketAt(
        WorkingSet memory set,
        OpenAccount memory account,
        uint256 place
    ) internal view returns (Market memory market) {
        PositionWord position = account.positions[place];
        if (!position.isOption()) return account.markets[place];
        // Its expiry was met with the position: it need not be asked for again.
        bool metExpiry = set.metExpiry;
        market = _loadMarket(set, position.instrumentIn());
        set.metExpiry = metExpiry;
    }

    function _needCollateral(WorkingSet memory set, uint256 assets) internal view {
        for (; assets != 0; assets >>= 8) {
            uint256 asset = assets & 0xff;
            if (asset == 0) continue;
            (uint256 underlying,) = _termsOf(asset);
            set.needed |= 1 << underlying;
        }
    }

    /// @dev Fixes the quotes of every underlying met so far.
    function _refreshQuotes(WorkingSet memory set) internal {
        if (set.needed == set.quoted && !set.metExpiry) return;
        (set.quotes, set.settlementTokenUsd) = IOracleHub(_oracleHub).refresh(set.needed);
        set.quoted = set.needed;
        _readExpiries(set);
        _markMarkets(set);
    }

    /// @dev What `_refreshQuotes` would read.
    function _readQuotes(WorkingSet memory set) internal view {
        (set.quotes, set.settlementTokenUsd) = IOracleHub(_oracleHub).quotesOf(set.needed);
        _readExpiries(set);
        _markMarkets(set);
    }

    /// @dev Realises the accounts loaded since the last call.
    function _realiseAll(WorkingSet memory set) internal {
        for (uint256 i; i < set.accountCount; ++i) {
            OpenAccount memory account = set.accounts[i];
            if (account.opened) continue;
            account.opened = true;
            for (uint256 k = account.storedPositions.length; k != 0;) {
                if (_keepsValue(set, account.storedPositions[--k])) continue;
                (Market memory market, int256 value) = _realiseAt(set, account, k);
                if (market.settled) {
                    int256 size = account.storedPositions[k].sizeIn();
                    emit IClearinghouseCore.PositionSettled(account.id, uint24(market.index), size, market.mark, value);
                } else if (value != 0) {
                    emit IClearinghouseCore.Realised(account.id, uint24(market.index), value);
                }
            }
        }
    }

    /// @dev Whether a position is an option that is not settled, of which nothing is realised.
    function _keepsValue(WorkingSet memory set, PositionWord position) internal pure returns (bool) {
        return position.isOption() && !(set.anySettled && _isSettled(set, position.expiryKeyIn()));
    }

    /// @dev Moves the value of one position into cash: of a settled one all there is, its other side taken by the
    ///      clearing account; of a perpetual or future where its price is trusted. To be called from the last place down, as
    ///      a settled position leaves its place to the last.
    function _realiseAt(
        WorkingSet memory set,
        OpenAccount memory account,
        uint256 place
    ) internal view returns (Market memory market, int256 value) {
        market = _marketAt(set, account, place);
        if (market.spot == 0) _markMarket(set, market);
        if (!market.settled && !market.isTrusted()) return (market, 0);
        PositionWord position = account.positions[place];
        value = _valueOf(position, market);
        account.cash += value;
        if (market.settled) _clear(account, place, market, value);
        else account.positions[place] = packPosition(market.index, position.sizeIn(), position.quoteIn() - value);
    }

    function _clear(OpenAccount memory account, uint256 place, Market memory market, int256 value) private pure {
        PositionWord position = account.positions[place];
        market.clearedSize += position.sizeIn();
        market.clearedQuote += position.quoteIn() - value;
        _countOpenInterest(market, position.sizeIn(), 0);
        _removePosition(account, place);
    }

    // Change ----------------------------------------------------------------------------------------------------

    /// @dev No position and no debt: nothing that a price could make worth less than nothing.
    function _isFlat(OpenAccount memory account) internal pure returns (bool) {
        return account.header.positionCount == 0 && account.cash >= 0;
    }

    function _assetAt(uint256 assets, uint256 k) internal pure returns (uint256) {
        return uint8(assets >> (k << 3));
    }

    /// @return k The place of `asset`, or `FREE`.
    function _placeOf(uint256 assets, uint256 asset) internal pure returns (uint256 k) {
        // Unchecked: eight places.
        unchecked {
            for (k = 0; k < MAX_COLLATERALS; ++k) {
                if (_assetAt(assets, k) == asset) return k;
            }
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
            (uint256 underlying,) = _termsOf(asset);
            _bind(account, underlying);
            place = _placeOf(header.assets | account.foundAssets, 0);
            if (place == FREE) place = _placeOf(header.assets, 0);
            if (place == FREE) revert IClearinghouseCore.TooManyCollaterals(account.id);
            header.assets |= asset << (8 * place);
            if (_assetAt(account.foundAssets, place) == 0) account.foundAssets |= asset << (8 * place);
        }
        if (deposited && _assetAt(account.foundAssets, place) == asset) account.foundAmounts[place] += amount;
        _setAmount(account, place, account.amounts[place] + amount);
    }

    /// @dev Pulls tokens into an account.
    function _payIn(OpenAccount memory account, uint256 asset, address from, uint256 amount) internal {
        _pull(asset, from, amount);
        if (asset == 0) _countTokens({amountIn: amount, amountOut: 0});
        else _countIn(asset, amount);
        _addBalance(account, asset, amount, true);
        emit IClearinghouseCore.Deposited(account.id, uint8(asset), from, amount);
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
        _takeAt(account, place, amount);
    }

    /// @dev Takes of the collateral at `place`, which holds as much; one that reaches 0 frees its place.
    function _takeAt(OpenAccount memory account, uint256 place, uint256 amount) internal pure {
        uint256 left = account.amounts[place] - amount;
        _setAmount(account, place, left);
        if (left != 0) return;
        account.header.assets &= ~(0xff << (8 * place));
        _unbind(account);
    }

    function _setAmount(OpenAccount memory account, uint256 place, uint256 amount) private pure {
        account.amounts[place] = amount;
        account.changedPairs |= 1 << (place >> 1);
    }

    /// @dev Changes a position; one that reaches size 0 leaves its quote balance to cash.
    function _changePosition(OpenAccount memory account, Market memory market, int256 size, int256 quote) internal {
        _changePositionAt(account, _positionPlace(account, market.index), market, size, quote);
    }

    /// @param place Of the account's position in `market`, or the position count where it has none.
    function _changePositionAt(
        OpenAccount memory account,
        uint256 place,
        Market memory market,
        int256 size,
        int256 quote
    ) internal {
        Header memory header = account.header;
        if (place == header.positionCount) _addPosition(account, market);
        PositionWord position = account.positions[place];
        int256 before = position.sizeIn();
        size += before;
        quote += position.quoteIn();
        _countOpenInterest(market, before, size);
        if (size != 0) {
            account.positions[place] =
                market.option ? packOption(market.index, size, market.id) : packPosition(market.index, size, quote);
            return;
        }
        _removePosition(account, place);
        account.cash += quote;
        emit IClearinghouseCore.PositionClosed(account.id, uint24(market.index), quote);
    }

    /// @dev The last position takes its place.
    function _removePosition(OpenAccount memory account, uint256 place) private pure {
        uint256 last = --account.header.positionCount;
        account.positions[place] = account.positions[last];
        account.markets[place] = account.markets[last];
        account.positions[last] = PositionWord.wrap(0);
        _unbind(account);
    }

    /// @dev A place for a position of `market` behind the others. Those closed in the same act count among its underlyings.
    function _addPosition(OpenAccount memory account, Market memory market) private pure {
        uint256 count = account.header.positionCount++;
        if (count == MAX_POSITIONS) revert IClearinghouseCore.TooManyPositions(account.id);
        account.underlyings |= 1 << market.underlying;
        if (_hasMoreBits(account.underlyings, MAX_UNDERLYINGS)) {
            revert IClearinghouseCore.TooManyUnderlyings(account.id);
        }
        _bind(account, market.underlying);
        if (count == account.positions.length) {
            (account.positions, account.markets) = (withRoom(account.positions), withRoom(account.markets));
        }
        account.markets[count] = market;
    }

    function _hasMoreBits(uint256 bits, uint256 most) private pure returns (bool) {
        // Unchecked: of 0 all bits are cleared anyway.
        unchecked {
            for (; most != 0; --most) {
                bits &= bits - 1; // without its lowest
            }
        }
        return bits != 0;
    }

    /// @return Place of the position, or the position count where there is none.
    function _positionPlace(OpenAccount memory account, uint256 instrument) internal pure returns (uint256) {
        return _placeAmong(account, account.header.positionCount, instrument);
    }

    /// @dev The same where only the first `first` can be it.
    function _placeAmong(
        OpenAccount memory account,
        uint256 first,
        uint256 instrument
    ) internal pure returns (uint256 place) {
        uint256 count = account.header.positionCount;
        if (first > count) first = count;
        while (place < first && account.positions[place].instrumentIn() != instrument) ++place;
        return place == first ? count : place;
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

    /// @dev Writes cash, header, collateral and positions where they changed. The totals are written by the caller, once.
    function _save(OpenAccount memory account, WorkingSet memory set) internal {
        _saveCash(account, set.totals);
        StoredAccount storage stored = _accounts[account.id];
        uint256 header = packHeader(account.header);
        if (header != account.storedHeader) stored.header = header;
        for (uint256 pair; account.changedPairs >> pair != 0; ++pair) {
            if ((account.changedPairs >> pair) & 1 == 0) continue;
            stored.collateral[pair] = packPair(account.amounts[2 * pair], account.amounts[2 * pair + 1]);
        }
        if (account.positions.length == 0) return;
        uint256 before = account.storedPositions.length;
        uint256 count = account.header.positionCount;
        for (uint256 k; k < before || k < count; ++k) {
            PositionWord position = account.positions[k];
            PositionWord found = k < before ? account.storedPositions[k] : PositionWord.wrap(0);
            if (position == found) continue;
            stored.positions[k] = set.lossShared ? _withLossShare(set, found, position) : position;
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
