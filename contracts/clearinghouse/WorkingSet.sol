// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccountId} from "../types/AccountId.sol";
import {InstrumentId} from "../types/InstrumentId.sol";
import {Quote} from "../types/Quote.sol";
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
/// @param supplyShares Σ ⌈cash⁺ · 1e27 / supplyIndex⌉ over accounts.
/// @param debtShares Σ ⌊debt · 1e27 / borrowIndex⌋ over accounts.
/// @param feesRay Fees not yet distributed and every rounding, 1e-27 wei of a wad.
/// @param accruedAt Unix seconds.
/// @param tokens Settlement tokens held for cash, token units.
/// @param uncoveredLoss Cash credited that nobody paid, wad.
struct Totals {
    uint256 supplyIndex;
    uint256 borrowIndex;
    uint256 supplyShares;
    uint256 debtShares;
    int256 feesRay;
    uint256 accruedAt;
    uint256 tokens;
    uint256 uncoveredLoss;
}

/// @notice One account in memory.
/// @param id Whose.
/// @param storedCash As written in storage, not accrued.
/// @param storedIndex The index at which it was written.
/// @param foundCash Accrued, before any change.
/// @param cash Now.
/// @param deposited Cash that came in, so that `foundCash + deposited` is what the owner's risk is compared with.
/// @param storedHeader As read.
/// @param header Now.
/// @param amounts Token units, by the header's place; storage is kept equal.
/// @param foundAssets Places as found.
/// @param foundAmounts As found, with what came in.
/// @param storedPositions As read.
/// @param positions Now, `header.positionCount` of them; longer than that.
/// @param realised What opening moved from each stored position's quote balance into cash.
/// @param opened Whether its positions have been realised.
/// @param check What must hold at the end.
/// @param tolerance Fees paid and 0.1 % of the notional traded, wad.
struct OpenAccount {
    AccountId id;
    int256 storedCash;
    uint256 storedIndex;
    int256 foundCash;
    int256 cash;
    int256 deposited;
    uint256 storedHeader;
    Header header;
    uint256[8] amounts;
    uint256 foundAssets;
    uint256[8] foundAmounts;
    PositionWord[] storedPositions;
    PositionWord[] positions;
    int256[] realised;
    bool opened;
    Check check;
    uint256 tolerance;
}

/// @notice One instrument in memory, accrued to now.
/// @param index Its registry index.
/// @param id What it is.
/// @param underlying What it follows.
/// @param perp Whether it is a perpetual.
/// @param reduceOnlySet Whether a reduce-only time was ever set, so that it must be read.
/// @param sizeStep Wad.
/// @param funding Cumulative, value unit per unit, wad.
/// @param indexPrice At the last written accrual, wad.
/// @param accruedAt When that was.
/// @param basisStart Basis when the ramp began, 1e9 is one.
/// @param basisSample Basis when it ends.
/// @param sampledAt When it began.
/// @param window Its length, seconds.
/// @param basis Now.
/// @param mark Now, wad; 0 until the quotes are known.
/// @param quote Of the underlying; unset until the quotes are known.
/// @param openInterest Σ of long sizes, wad.
/// @param foundOpenInterest Before any change.
/// @param traded Whether it must be written though open interest is as found.
struct Market {
    uint256 index;
    InstrumentId id;
    uint256 underlying;
    bool perp;
    bool reduceOnlySet;
    uint256 sizeStep;
    int256 funding;
    uint256 indexPrice;
    uint256 accruedAt;
    int256 basisStart;
    int256 basisSample;
    uint256 sampledAt;
    uint256 window;
    int256 basis;
    uint256 mark;
    Quote quote;
    uint256 openInterest;
    uint256 foundOpenInterest;
    bool traded;
}

/// @notice Everything one call works on: read once, changed in memory, written once.
/// @param totals The vault's cash books.
/// @param accounts Opened so far, `accountCount` of them; longer than that.
/// @param markets Instruments met so far, `marketCount` of them; longer than that.
/// @param quotes By ascending underlying.
/// @param settlementTokenUsd Wad.
/// @param quoted Bitmap of the underlyings in `quotes`.
/// @param needed Bitmap of the underlyings met so far.
struct WorkingSet {
    Totals totals;
    OpenAccount[] accounts;
    uint256 accountCount;
    Market[] markets;
    uint256 marketCount;
    Quote[] quotes;
    uint256 settlementTokenUsd;
    uint256 quoted;
    uint256 needed;
}

using {addAccount, addMarket} for WorkingSet global;

function addAccount(WorkingSet memory set, OpenAccount memory account) pure {
    OpenAccount[] memory items = set.accounts;
    uint256 count = set.accountCount;
    if (count == items.length) {
        OpenAccount[] memory longer;
        uint256[] memory places = new uint256[](2 * count + 2);
        // An array of references is one word a place; places beyond the count are never read.
        assembly ("memory-safe") {
            longer := places
        }
        for (uint256 i; i < count; ++i) {
            longer[i] = items[i];
        }
        set.accounts = items = longer;
    }
    items[count] = account;
    set.accountCount = count + 1;
}

function addMarket(WorkingSet memory set, Market memory market) pure {
    Market[] memory items = set.markets;
    uint256 count = set.marketCount;
    if (count == items.length) {
        Market[] memory longer;
        uint256[] memory places = new uint256[](2 * count + 4);
        // As in `addAccount`.
        assembly ("memory-safe") {
            longer := places
        }
        for (uint256 i; i < count; ++i) {
            longer[i] = items[i];
        }
        set.markets = items = longer;
    }
    items[count] = market;
    set.marketCount = count + 1;
}
