// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @notice One listed expiry of one underlying, as the oracle tells it, fixed for the length of a transaction. Its
///         settlement price is an average over a window before expiry, so that part of it is known before the rest.
/// @param underlying The underlying's id.
/// @param expiry Unix seconds.
/// @param trusted Whether forward and surface are fresh enough to support new risk; true once settled.
/// @param openShare Which share of the settlement price still follows the market, wad: one before the window, 0 once
///        settled.
/// @param tenor Time whose variance is still to come, seconds; within the window a third of what rests, 0 afterwards.
/// @param fixedPart The part of the settlement price that is known, wad of the value unit; all of it once settled.
/// @param surface Forward premium and volatility surface.
struct ExpiryQuote {
    uint8 underlying;
    uint40 expiry;
    bool trusted;
    uint64 openShare;
    uint32 tenor;
    uint128 fixedPart;
    SurfaceWord surface;
}

/// @notice Forward and volatility of one expiry; 1e9 is one in every field.
///
///   255         224 223     184 183     144 143     112 111      72 71       32 31            0
///  +---------------+-----------+-----------+-----------+-----------+-----------+--------------+
///  | premium (int) | a (int)   | b (uint)  | rho (int) | m (int)   | s (uint)  | published at |
///  +---------------+-----------+-----------+-----------+-----------+-----------+--------------+
///   premium = forward / index − 1. With k = ln(strike / forward), v(k) = a + b·(rho·(k − m) + √((k − m)² + s²)) is the
///   variance a year (Gatheral's raw SVI over the time to expiry). Published at Unix seconds.
type SurfaceWord is uint256;

/// @notice The fields of a surface word.
struct Surface {
    int256 premium;
    int256 a;
    uint256 b;
    int256 rho;
    int256 m;
    uint256 s;
    uint256 publishedAt;
}

using {premiumOf, unpackSurface} for SurfaceWord global;

function unpackSurface(SurfaceWord word) pure returns (Surface memory surface) {
    uint256 raw = SurfaceWord.unwrap(word);
    surface.premium = int32(uint32(raw >> 224));
    surface.a = int40(uint40(raw >> 184));
    surface.b = uint40(raw >> 144);
    surface.rho = int32(uint32(raw >> 112));
    surface.m = int40(uint40(raw >> 72));
    surface.s = uint40(raw >> 32);
    surface.publishedAt = uint32(raw);
}

function premiumOf(SurfaceWord word) pure returns (int256) {
    return int32(uint32(SurfaceWord.unwrap(word) >> 224));
}

/// @dev Every field fits its bits: the caller has checked.
function packSurface(Surface memory surface) pure returns (SurfaceWord) {
    return SurfaceWord.wrap(
        (uint256(uint32(int32(surface.premium))) << 224) | (uint256(uint40(int40(surface.a))) << 184)
            | (surface.b << 144) | (uint256(uint32(int32(surface.rho))) << 112)
            | (uint256(uint40(int40(surface.m))) << 72) | (surface.s << 32) | surface.publishedAt
    );
}
