// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

/// @notice Cash of one account and the index at which it was written: the supply index where it is positive, else the
///         borrow index; 0 while the account has never held cash.
///
///   255            128 127             0
///  +------------------+-----------------+
///  | index (128)      | cash (int128)   |
///  +------------------+-----------------+
type CashWord is uint256;

function packCash(int256 cash, uint256 index) pure returns (CashWord) {
    return CashWord.wrap((uint256(SafeCast.toUint128(index)) << 128) | uint128(SafeCast.toInt128(cash)));
}

function unpackCash(CashWord word) pure returns (int256 cash, uint256 index) {
    cash = int128(uint128(CashWord.unwrap(word)));
    index = CashWord.unwrap(word) >> 128;
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

/// @notice Both interest indices, 1e27 is one, and the time up to which they are accrued.
///
///   255       224 223           112 111           0
///  +-------------+----------------+----------------+
///  | seconds (32)| borrow (112)   | supply (112)   |
///  +-------------+----------------+----------------+
type IndexWord is uint256;

/// @dev Indices stop here, at a millionfold: far beyond use, and inside their bits.
uint256 constant MAX_INDEX = 1e33;

function packIndices(uint256 supply, uint256 borrow, uint256 accruedAt) pure returns (IndexWord) {
    return IndexWord.wrap((accruedAt << 224) | (borrow << 112) | supply);
}

function unpackIndices(IndexWord word) pure returns (uint256 supply, uint256 borrow, uint256 accruedAt) {
    uint256 raw = IndexWord.unwrap(word);
    supply = uint112(raw);
    borrow = uint112(raw >> 112);
    accruedAt = raw >> 224;
}

/// @notice One position of one account; zero where the slot is free.
///
///   255         232 231            128 127             0
///  +---------------+------------------+-----------------+
///  | instrument(24)| size (int104)    | quote (int128)  |
///  +---------------+------------------+-----------------+
type PositionWord is uint256;

using {instrumentIn, sizeIn, quoteIn, samePosition as ==} for PositionWord global;

function packPosition(uint256 instrument, int256 size, int256 quote) pure returns (PositionWord) {
    return PositionWord.wrap(
        (instrument << 232) | (uint256(uint104(SafeCast.toInt104(size))) << 128) | uint128(SafeCast.toInt128(quote))
    );
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
    return int128(uint128(PositionWord.unwrap(word)));
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
