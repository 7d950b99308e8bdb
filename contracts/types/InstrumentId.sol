// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

enum InstrumentKind {
    None,
    Perp,
    Future,
    Option
}

enum OptionType {
    None,
    Call,
    Put
}

/// @notice What an instrument is, in one word; equal terms give equal ids.
///
///   255      248 247        240 239       200 199      192 191    128 127          0
///  +-----------+--------------+-------------+------------+----------+--------------+
///  | kind (8)  | underlying(8)| expiry (40) | type (8)   | zero     | strike (128) |
///  +-----------+--------------+-------------+------------+----------+--------------+
///   expiry in Unix seconds, strike in wad of the value unit; both 0 where the kind has none.
type InstrumentId is uint256;

using {kindOf, underlyingOf, expiryOf, optionTypeOf, strikeOf, sameInstrument as ==} for InstrumentId global;

function instrumentIdOf(
    InstrumentKind kind,
    uint8 underlying,
    uint40 expiry,
    OptionType optionType,
    uint128 strike
) pure returns (InstrumentId) {
    return InstrumentId.wrap(
        (uint256(kind) << 248) | (uint256(underlying) << 240) | (uint256(expiry) << 200) | (uint256(optionType) << 192)
            | strike
    );
}

function perpOf(uint8 underlying) pure returns (InstrumentId) {
    return instrumentIdOf(InstrumentKind.Perp, underlying, 0, OptionType.None, 0);
}

function kindOf(InstrumentId id) pure returns (InstrumentKind) {
    return InstrumentKind(InstrumentId.unwrap(id) >> 248);
}

function underlyingOf(InstrumentId id) pure returns (uint8) {
    return uint8(InstrumentId.unwrap(id) >> 240);
}

function expiryOf(InstrumentId id) pure returns (uint40) {
    return uint40(InstrumentId.unwrap(id) >> 200);
}

function optionTypeOf(InstrumentId id) pure returns (OptionType) {
    return OptionType(uint8(InstrumentId.unwrap(id) >> 192));
}

function strikeOf(InstrumentId id) pure returns (uint128) {
    return uint128(InstrumentId.unwrap(id));
}

function sameInstrument(InstrumentId a, InstrumentId b) pure returns (bool) {
    return InstrumentId.unwrap(a) == InstrumentId.unwrap(b);
}
