// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {SafeCastLib as SafeCast} from "solady/utils/SafeCastLib.sol";

import {InstrumentId, InstrumentKind} from "../types/InstrumentId.sol";
import {OracleState} from "../types/Quote.sol";
import {STRIKE_UNIT} from "./Words.sol";

/// @notice One instrument in memory, accrued to now.
/// @param index Its registry index.
/// @param id What it is.
/// @param underlying What it follows.
/// @param dated Whether it expires: a future or an option.
/// @param option Whether it is an option.
/// @param expiry Of a dated instrument, Unix seconds.
/// @param strike Of an option, wad.
/// @param reduceOnlySet Whether a reduce-only time was set, so that it must be read.
/// @param lossShared Whether one of its sides has paid for losses of the other, so that it must be read.
/// @param sizeStepExponent The size step is 10 to this power, wei of a unit.
/// @param funding Cumulative, value unit per unit, wad.
/// @param indexPrice At the last written accrual, wad.
/// @param accruedAt When that was.
/// @param basisStart Basis when the ramp began, 1e9 is one.
/// @param basisSample Basis when it ends.
/// @param sampledAt When it began.
/// @param window Its length, seconds.
/// @param basis Now.
/// @param openInterest Σ of long sizes, wad.
/// @param foundOpenInterest Before any change.
/// @param traded Whether it must be written though open interest is as found.
/// @param spot Index price now, wad; 0 until the quotes are known.
/// @param mark Mark price now, wad, and the final price once settled; 0 until the quotes are known, and of an option that
///        is not settled until it was asked for.
/// @param marked Whether an option's mark is known.
/// @param state How far `spot` may be trusted.
/// @param expiryTrusted Of a dated instrument, whether forward and surface may be trusted.
/// @param settled Whether its price is final.
/// @param clearedSize What settled accounts leave to the clearing account in this act, wad.
/// @param clearedQuote What it pays them, as a negative number, wad.
struct Market {
    uint256 index;
    InstrumentId id;
    uint256 underlying;
    bool dated;
    bool option;
    uint256 expiry;
    uint256 strike;
    bool reduceOnlySet;
    bool lossShared;
    uint256 sizeStepExponent;
    int256 funding;
    uint256 indexPrice;
    uint256 accruedAt;
    int256 basisStart;
    int256 basisSample;
    uint256 sampledAt;
    uint256 window;
    int256 basis;
    uint256 openInterest;
    uint256 foundOpenInterest;
    bool traded;
    uint256 spot;
    uint256 mark;
    bool marked;
    OracleState state;
    bool expiryTrusted;
    bool settled;
    int256 clearedSize;
    int256 clearedQuote;
}

using {isTrusted, packFunding, packTerms, setId} for Market global;

/// @notice Funding of one instrument. The index price is the one at the last accrual, which the seconds name.
///
///   255       224 223          128 127                 0
///  +-------------+----------------+---------------------+
///  | seconds (32)| index (96)     | cumulative (int128) |
///  +-------------+----------------+---------------------+
type FundingWord is uint256;

/// @notice What else every reader of an instrument needs. Never 0 once listed, as the underlying is not.
///
///   255      248 247  240 239       232 231    224 223          120 119                                        0
///  +------------+--------+-------------+----------+----------------+--------------------------------------------+
///  | reduce only| kind   | underlying  | step     | open interest  | perp: window (24), sampled at (32),        |
///  | set (1),   | (8)    | (8)         | (8)      | (104)          |   sample (int32), start (int32)            |
///  | loss shared|        |             |          |                | dated: expiry (40), strike (80), in 1e9    |
///  | (1), option|        |             |          |                |                                            |
///  | type (6)   |        |             |          |                |                                            |
///  +------------+--------+-------------+----------+----------------+--------------------------------------------+
type TermsWord is uint256;

function packFunding(Market memory market) pure returns (FundingWord) {
    return FundingWord.wrap(
        (market.accruedAt << 224) | (uint256(SafeCast.toUint96(market.indexPrice)) << 128)
            | uint128(SafeCast.toInt128(market.funding))
    );
}

function unpackFunding(FundingWord word, Market memory market) pure {
    uint256 raw = FundingWord.unwrap(word);
    market.funding = int128(uint128(raw));
    market.indexPrice = uint96(raw >> 128);
    market.accruedAt = raw >> 224;
}

/// @dev The basis is within its limit and times and strikes are within theirs, which all fit.
function packTerms(Market memory market) pure returns (TermsWord) {
    uint256 id = InstrumentId.unwrap(market.id);
    uint256 raw = (uint256(SafeCast.toUint104(market.openInterest)) << 120) | (market.sizeStepExponent << 224)
        | (market.underlying << 232) | ((id >> 248) << 240) | (uint256(uint8(id >> 192)) << 248)
        | (market.reduceOnlySet ? 1 << 255 : 0) | (market.lossShared ? 1 << 254 : 0);
    if (market.dated) return TermsWord.wrap(raw | (market.strike / STRIKE_UNIT) | (market.expiry << 80));
    return TermsWord.wrap(
        raw | uint32(int32(market.basisStart)) | (uint256(uint32(int32(market.basisSample))) << 32)
            | (market.sampledAt << 64) | (market.window << 96)
    );
}

function unpackTerms(TermsWord word, Market memory market) pure {
    uint256 raw = TermsWord.unwrap(word);
    market.openInterest = market.foundOpenInterest = uint104(raw >> 120);
    market.sizeStepExponent = uint8(raw >> 224);
    market.reduceOnlySet = raw >> 255 != 0;
    market.lossShared = (raw >> 254) & 1 != 0;
    // Kind and underlying lie side by side in both words.
    uint256 id = (uint256(uint8(raw >> 240)) << 248) | (uint256(uint8(raw >> 232)) << 240);
    if (uint8(raw >> 240) == uint256(InstrumentKind.Perp)) {
        market.basisStart = int32(uint32(raw));
        market.basisSample = int32(uint32(raw >> 32));
        market.sampledAt = uint32(raw >> 64);
        market.window = uint24(raw >> 96);
    } else {
        // Below 2^110.
        unchecked {
            id |= (uint256(uint40(raw >> 80)) << 200) | (((raw >> 248) & 63) << 192) | (uint80(raw) * STRIKE_UNIT);
        }
    }
    market.setId(InstrumentId.wrap(id));
}

/// @dev Says what it is, and all that follows from that.
function setId(Market memory market, InstrumentId instrument) pure {
    uint256 id = InstrumentId.unwrap(instrument);
    market.id = instrument;
    market.underlying = uint8(id >> 240);
    if (id >> 248 == uint256(InstrumentKind.Perp)) return;
    market.dated = true;
    market.option = id >> 248 == uint256(InstrumentKind.Option);
    market.expiry = uint40(id >> 200);
    market.strike = uint128(id);
}

/// @dev Whether the price is good enough to realise by, to open at and to sample from.
function isTrusted(Market memory market) pure returns (bool) {
    return
        (market.state == OracleState.Ok || market.state == OracleState.Wide) && (market.expiryTrusted || !market.dated);
}
