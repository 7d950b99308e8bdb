// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccountId} from "../types/AccountId.sol";
import {ExpiryQuote} from "../types/ExpiryQuote.sol";
import {Quote} from "../types/Quote.sol";
import {Market} from "./Market.sol";
import {Header, PositionWord} from "./Words.sol";

/// @notice Which equity an act must leave above initial margin.
enum Check {
    None,
    NewRisk,
    Withdrawal
}

/// @notice The vault's cash books, accrued to now.
/// @param supplyIndex 1e27 is one.
/// @param borrowIndex 1e27 is one.
/// @param accruedAt Of the stored indices, Unix seconds.
/// @param supplyShares Σ ⌈cash⁺ · 1e27 / supplyIndex⌉ over accounts.
/// @param debtShares Σ ⌊debt · 1e27 / borrowIndex⌋ over accounts.
/// @param foundDebtShares As stored.
/// @param epoch Cuts of the supply index so far.
/// @param accrued Whether the indices have moved since.
/// @param newFeesRay What comes to the stored fees, 1e-27 wei of a wad.
struct Totals {
    uint256 supplyIndex;
    uint256 borrowIndex;
    uint256 accruedAt;
    uint256 supplyShares;
    uint256 debtShares;
    uint256 foundDebtShares;
    uint256 epoch;
    bool accrued;
    int256 newFeesRay;
}

/// @notice One account in memory.
/// @param id Whose.
/// @param storedCash As written in storage, not accrued.
/// @param storedIndex The index at which it was written.
/// @param storedEpoch And when, in cuts of the supply index.
/// @param foundCash Accrued, before any change.
/// @param cash Now.
/// @param deposited Cash that came in, so that `foundCash + deposited` is what the owner's risk is compared with.
/// @param storedHeader As read.
/// @param header Now.
/// @param amounts Token units, by the header's place.
/// @param changedPairs Bitmap of the pairs of places whose amounts changed.
/// @param foundAssets Places as found.
/// @param foundAmounts As found, with what came in.
/// @param storedPositions As read.
/// @param positions Now, `header.positionCount` of them; may be longer than that.
/// @param markets The instrument of each of `positions` but options, which `_marketAt` asks for.
/// @param underlyings Bitmap of those of the positions met so far.
/// @param opened Whether its positions have been realised.
/// @param check What must hold at the end.
/// @param tolerance Fees paid and 0.1 % of the notional traded, wad.
struct OpenAccount {
    AccountId id;
    int256 storedCash;
    uint256 storedIndex;
    uint256 storedEpoch;
    int256 foundCash;
    int256 cash;
    int256 deposited;
    uint256 storedHeader;
    Header header;
    uint256[8] amounts;
    uint256 changedPairs;
    uint256 foundAssets;
    uint256[8] foundAmounts;
    PositionWord[] storedPositions;
    PositionWord[] positions;
    Market[] markets;
    uint256 underlyings;
    bool opened;
    Check check;
    uint256 tolerance;
}

/// @notice Everything one call works on: read once, changed in memory, written once.
/// @param totals The vault's cash books.
/// @param accounts Opened so far, `accountCount` of them; longer than that.
/// @param markets Instruments asked for so far, `marketCount` of them; longer than that.
/// @param lossShared Whether any of them has shared losses.
/// @param metMarkets Bitmap of their registry indices, modulo 256.
/// @param quotes By ascending underlying.
/// @param metExpiry Whether a dated instrument was met since `expiries` were read.
/// @param expiryKeys Of `expiries`, ascending.
/// @param expiries Quotes of every expiry met before they were read.
/// @param anySettled Whether the price of any of them is final.
/// @param settlementTokenUsd Wad.
/// @param quoted Bitmap of the underlyings in `quotes`.
/// @param needed Bitmap of the underlyings met so far.
struct WorkingSet {
    Totals totals;
    OpenAccount[] accounts;
    uint256 accountCount;
    Market[] markets;
    uint256 marketCount;
    bool lossShared;
    uint256 metMarkets;
    Quote[] quotes;
    bool metExpiry;
    uint256[] expiryKeys;
    ExpiryQuote[] expiries;
    bool anySettled;
    uint256 settlementTokenUsd;
    uint256 quoted;
    uint256 needed;
}

using {addAccount, addMarket} for WorkingSet global;

/// @dev Empty places for accounts: one word each, not to be read before they are set.
function placesForAccounts(uint256 count) pure returns (OpenAccount[] memory places) {
    uint256[] memory words = new uint256[](count);
    // An array of references is an array of words.
    assembly ("memory-safe") {
        places := words
    }
}

/// @dev The same for markets.
function placesForMarkets(uint256 count) pure returns (Market[] memory places) {
    uint256[] memory words = new uint256[](count);
    // As above.
    assembly ("memory-safe") {
        places := words
    }
}

/// @dev The same items with room for as many more, and two.
function withRoom(uint256[] memory items) pure returns (uint256[] memory larger) {
    larger = new uint256[](2 * items.length + 2);
    assembly ("memory-safe") {
        mcopy(add(larger, 32), add(items, 32), shl(5, mload(items)))
    }
}

/// @dev The same of positions, or of markets: a word each, too.
function withRoom(PositionWord[] memory positions) pure returns (PositionWord[] memory larger) {
    uint256[] memory words;
    assembly ("memory-safe") {
        words := positions
    }
    words = withRoom(words);
    assembly ("memory-safe") {
        larger := words
    }
}

function withRoom(Market[] memory markets) pure returns (Market[] memory larger) {
    uint256[] memory words;
    assembly ("memory-safe") {
        words := markets
    }
    words = withRoom(words);
    assembly ("memory-safe") {
        larger := words
    }
}

function withRoom(OpenAccount[] memory accounts) pure returns (OpenAccount[] memory larger) {
    uint256[] memory words;
    assembly ("memory-safe") {
        words := accounts
    }
    words = withRoom(words);
    assembly ("memory-safe") {
        larger := words
    }
}

function addAccount(WorkingSet memory set, OpenAccount memory account) pure {
    uint256 count = set.accountCount++;
    if (count == set.accounts.length) set.accounts = withRoom(set.accounts);
    set.accounts[count] = account;
}

function addMarket(WorkingSet memory set, Market memory market) pure {
    uint256 count = set.marketCount++;
    if (count == set.markets.length) set.markets = withRoom(set.markets);
    set.markets[count] = market;
}
