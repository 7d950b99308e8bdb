// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {InstrumentId} from "../types/InstrumentId.sol";
import {OracleState} from "../types/Quote.sol";

/// @notice One instrument in memory, accrued to now.
/// @param index Its registry index.
/// @param id What it is.
/// @param underlying What it follows.
/// @param perp Whether it is a perpetual.
/// @param reduceOnlySet Whether a reduce-only time was set, so that it must be read.
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
/// @param mark Mark price now, wad; 0 until the quotes are known.
/// @param state How far `spot` may be trusted.
struct Market {
    uint256 index;
    InstrumentId id;
    uint256 underlying;
    bool perp;
    bool reduceOnlySet;
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
    OracleState state;
}

using {isTrusted, packFunding, packTerms} for Market global;

/// @notice Funding of one instrument. The index price is the one at the last accrual, which the seconds name.
///
///   255       224 223          128 127                 0
///  +-------------+----------------+---------------------+
///  | seconds (32)| index (96)     | cumulative (int128) |
///  +-------------+----------------+---------------------+
type FundingWord is uint256;

/// @notice What else every reader of an instrument needs. Never 0 once listed, as the underlying is not.
///
///   255       248 247  240 239       232 231    224 223          120 119    96 95        64 63      32 31     0
///  +-------------+--------+-------------+----------+----------------+---------+------------+----------+--------+
///  | reduce only | perp   | underlying  | step     | open interest  | window  | sampled at | sample   | start  |
///  | set (8)     | (8)    | (8)         | (8)      | (104)          | (24)    | (32)       | (int32)  | (int32)|
///  +-------------+--------+-------------+----------+----------------+---------+------------+----------+--------+
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

/// @dev The basis is within its limit and times are within theirs, which both fit.
function packTerms(Market memory market) pure returns (TermsWord) {
    return TermsWord.wrap(
        uint32(int32(market.basisStart)) | (uint256(uint32(int32(market.basisSample))) << 32) | (market.sampledAt << 64)
            | (market.window << 96) | (uint256(SafeCast.toUint104(market.openInterest)) << 120)
            | (market.sizeStepExponent << 224) | (market.underlying << 232) | (market.perp ? 1 << 240 : 0)
            | (market.reduceOnlySet ? 1 << 248 : 0)
    );
}

function unpackTerms(TermsWord word, Market memory market) pure {
    uint256 raw = TermsWord.unwrap(word);
    market.basisStart = int32(uint32(raw));
    market.basisSample = int32(uint32(raw >> 32));
    market.sampledAt = uint32(raw >> 64);
    market.window = uint24(raw >> 96);
    market.openInterest = market.foundOpenInterest = uint104(raw >> 120);
    market.sizeStepExponent = uint8(raw >> 224);
    market.underlying = uint8(raw >> 232);
    market.perp = uint8(raw >> 240) != 0;
    market.reduceOnlySet = raw >> 248 != 0;
}

/// @dev Whether the price is good enough to realise by, to open at and to sample from.
function isTrusted(Market memory market) pure returns (bool) {
    return market.state == OracleState.Ok || market.state == OracleState.Wide;
}
