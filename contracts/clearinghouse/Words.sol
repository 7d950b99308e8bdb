// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {SafeCastLib as SafeCast} from "solady/utils/SafeCastLib.sol";

import {InstrumentId, InstrumentKind} from "../types/InstrumentId.sol";

/// @notice Cash of one account and the index at which it was written: the supply index where it is positive, else the
///         borrow index; 0 while the account has never held cash. The epoch counts the cuts of the supply index up to then.
///
///   255       240 239             128 127             0
///  +-------------+-------------------+-----------------+
///  | epoch (16)  | index (112)       | cash (int128)   |
///  +-------------+-------------------+-----------------+
type CashWord is uint256;

/// @dev Indices and epochs are within their bounds, below.
function packCash(int256 cash, uint256 index, uint256 epoch) pure returns (CashWord) {
    return CashWord.wrap((epoch << 240) | (index << 128) | uint128(SafeCast.toInt128(cash)));
}

function unpackCash(CashWord word) pure returns (int256 cash, uint256 index, uint256 epoch) {
    uint256 raw = CashWord.unwrap(word);
    cash = int128(uint128(raw));
    index = uint112(raw >> 128);
    epoch = raw >> 240;
}

/// @notice Supply shares that an account held while the supply index was cut: from the first epoch until the last.
///
///   255       192 191        128 127             0
///  +-------------+--------------+-----------------+
///  | until (64)  | from (64)    | shares (128)    |
///  +-------------+--------------+-----------------+
type PastShares is uint256;

function packPastShares(uint256 shares, uint256 from, uint256 until) pure returns (PastShares) {
    return PastShares.wrap((until << 192) | (from << 128) | SafeCast.toUint128(shares));
}

function unpackPastShares(PastShares word) pure returns (uint256 shares, uint256 from, uint256 until) {
    uint256 raw = PastShares.unwrap(word);
    return (uint128(raw), uint64(raw >> 128), raw >> 192);
}

/// @notice Two amounts that are used together.
///
///   255            128 127             0
///  +------------------+-----------------+
///  | second (128)     | first (128)     |
///  +------------------+-----------------+
type PairWord is uint256;

function packPair(uint256 first, uint256 second) pure returns (PairWord) {
    return PairWord.wrap((uint256(SafeCast.toUint128(second)) << 128) | SafeCast.toUint128(first));
}

function unpackPair(PairWord word) pure returns (uint256 first, uint256 second) {
    first = uint128(PairWord.unwrap(word));
    second = PairWord.unwrap(word) >> 128;
}

/// @notice Both interest indices, 1e27 is one, the time up to which they are accrued, and how often the supply index was
///         cut (or the claims of all cuts were paid).
///
///   255       224 223       212 211           106 105           0
///  +-------------+-------------+----------------+----------------+
///  | seconds (32)| epoch (12)  | borrow (106)   | supply (106)   |
///  +-------------+-------------+----------------+----------------+
type IndexWord is uint256;

/// @dev Indices stop here, at eighty-thousandfold: far beyond use, and inside their bits.
uint256 constant MAX_INDEX = 8e31;

/// @dev The last epoch: no loss is socialised after it.
uint256 constant MAX_EPOCH = 4095;

function packIndices(uint256 supply, uint256 borrow, uint256 accruedAt, uint256 epoch) pure returns (IndexWord) {
    return IndexWord.wrap((accruedAt << 224) | (epoch << 212) | (borrow << 106) | supply);
}

function unpackIndices(IndexWord word) pure returns (uint256 supply, uint256 borrow, uint256 accruedAt, uint256 epoch) {
    uint256 raw = IndexWord.unwrap(word);
    uint256 mask = (1 << 106) - 1;
    supply = raw & mask;
    borrow = (raw >> 106) & mask;
    epoch = (raw >> 212) & MAX_EPOCH;
    accruedAt = raw >> 224;
}

/// @notice One position of one account; zero where the slot is free. An option's quote balance is always 0, so that its
///         terms take the room: a margin check reads one word an option.
///
///   255         232 231            128 127      120 119                                            0
///  +---------------+------------------+------------+------------------------------------------------+
///  | instrument(24)| size (int104)    | option     | quote (int120)                                 |
///  |               |                  | type (8)   | option: underlying (8), expiry (40), strike (64)|
///  +---------------+------------------+------------+------------------------------------------------+
///   Option type 0 is no option. Strikes in 1e9 wei of the value unit.
type PositionWord is uint256;

using {
    instrumentIn,
    sizeIn,
    quoteIn,
    isOption,
    underlyingIn,
    expiryKeyIn,
    optionIn,
    samePosition as ==
} for PositionWord global;

/// @dev Strikes are multiples of this many wei of the value unit, with 64 bits left.
uint256 constant STRIKE_UNIT = 1e9;

/// @dev Of a perpetual or future.
function packPosition(uint256 instrument, int256 size, int256 quote) pure returns (PositionWord) {
    return PositionWord.wrap(
        (instrument << 232) | (uint256(uint104(SafeCast.toInt104(size))) << 128) | uint120(SafeCast.toInt120(quote))
    );
}

/// @param option What it is; its strike was checked when it was listed.
function packOption(uint256 instrument, int256 size, InstrumentId option) pure returns (PositionWord) {
    uint256 id = InstrumentId.unwrap(option);
    uint256 terms = (uint256(uint8(id >> 192)) << 120) | (uint256(uint48(id >> 200)) << 64) | uint128(id) / STRIKE_UNIT;
    return PositionWord.wrap(PositionWord.unwrap(packPosition(instrument, size, 0)) | terms);
}

function samePosition(PositionWord a, PositionWord b) pure returns (bool) {
    return PositionWord.unwrap(a) == PositionWord.unwrap(b);
}

function instrumentIn(PositionWord word) pure returns (uint256) {
    return PositionWord.unwrap(word) >> 232;
}

function sizeIn(PositionWord word) pure returns (int256) {
    return int104(uint104(PositionWord.unwrap(word) >> 128));
}

function quoteIn(PositionWord word) pure returns (int256) {
    return word.isOption() ? int256(0) : int120(uint120(PositionWord.unwrap(word)));
}

function isOption(PositionWord word) pure returns (bool) {
    return uint8(PositionWord.unwrap(word) >> 120) != 0;
}

/// @dev Of an option, as are the following.
function underlyingIn(PositionWord word) pure returns (uint256) {
    return uint8(PositionWord.unwrap(word) >> 104);
}

/// @dev As `expiryKeyOf` has it.
function expiryKeyIn(PositionWord word) pure returns (uint256) {
    return uint48(PositionWord.unwrap(word) >> 64);
}

function optionIn(PositionWord word) pure returns (InstrumentId) {
    uint256 raw = PositionWord.unwrap(word);
    // Underlying and expiry lie side by side in both words. Unchecked: below 2^94.
    unchecked {
        return InstrumentId.wrap(
            (uint256(InstrumentKind.Option) << 248) | (uint256(uint48(raw >> 64)) << 200)
                | (uint256(uint8(raw >> 120)) << 192) | (uint64(raw) * STRIKE_UNIT)
        );
    }
}

/// @notice What else an account is.
/// @param assets Eight asset ids, one byte each from the lowest; 0 is a free place.
/// @param positionCount Positions are dense: places 0 to positionCount − 1.
/// @param boundUnderlying Of an isolated account that is not flat, else 0.
/// @param positionNonce Counts the owner's changes of positions and collateral.
///
///   255       152 151       88 87           80 79    72 71        64 63       0
///  +-------------+------------+---------------+--------+------------+----------+
///  | zero        | nonce (64) | liquidation(8)| bound  | positions  | assets   |
///  +-------------+------------+---------------+--------+------------+----------+
struct Header {
    uint256 assets;
    uint256 positionCount;
    uint256 boundUnderlying;
    bool inLiquidation;
    uint256 positionNonce;
}

function packHeader(Header memory header) pure returns (uint256) {
    return header.assets | (header.positionCount << 64) | (header.boundUnderlying << 72)
        | (header.inLiquidation ? 1 << 80 : 0) | (uint256(uint64(header.positionNonce)) << 88);
}

function unpackHeader(uint256 word, Header memory header) pure {
    header.assets = uint64(word);
    header.positionCount = uint8(word >> 64);
    header.boundUnderlying = uint8(word >> 72);
    header.inLiquidation = uint8(word >> 80) != 0;
    header.positionNonce = positionNonceIn(word);
}

function positionNonceIn(uint256 word) pure returns (uint64) {
    return uint64(word >> 88);
}
