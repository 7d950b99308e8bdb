// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {SurfaceWord} from "../types/ExpiryQuote.sol";

/// @notice One expiry of a portfolio: its forwards, and what its options sum up to. Puts are kept as calls, less the
///         forward, plus the strike. Sums that say "exact" are products of two wads.
/// @param trusted Whether it may support new risk.
/// @param openShare Wad; 0 once settled.
/// @param openPart What of the forward moves with the index, wad.
/// @param fixedPart The rest.
/// @param tenor Seconds; 0 prices options at intrinsic.
/// @param forward Now; at least one wei.
/// @param surface Of volatility.
/// @param lnForward Logarithm of the forward, wad. This and what follows is there once an option has asked for it.
/// @param rootOfTime √T, wad.
/// @param stableForward At the stable price.
/// @param secondForward At the second source's price, else as now.
/// @param lnStableForward Logarithm of that at the stable price.
/// @param lnSecondForward Of that at the second source's.
/// @param next Memory address of another expiry of the underlying with options; 0 without one.
/// @param firstStrike That of the first strike; 0 without options.
/// @param lastStrike The last; nothing is there without options.
/// @param calls Σ of the sizes of calls.
/// @param puts Σ of the sizes of puts.
/// @param callStrikes Σ of size · strike of calls: what their strikes cost at the highest prices. Exact.
/// @param putStrikes The same of puts: what they pay at a price of 0. Exact.
/// @param value Σ ⌊size · price⌋, wad.
/// @param baseValue Σ of size · call price. Exact.
/// @param stableChange What `baseValue` changes by at the stable price. Exact.
/// @param secondChange At the second source's.
/// @param vega What it changes by at the highest volatility of the risk book measured last. Exact.
struct Expiry {
    bool trusted;
    uint256 openShare;
    uint256 openPart;
    uint256 fixedPart;
    uint256 tenor;
    uint256 forward;
    SurfaceWord surface;
    int256 lnForward;
    uint256 rootOfTime;
    uint256 stableForward;
    uint256 secondForward;
    int256 lnStableForward;
    int256 lnSecondForward;
    uint256 next;
    uint256 firstStrike;
    Strike lastStrike;
    int256 calls;
    int256 puts;
    int256 callStrikes;
    int256 putStrikes;
    int256 value;
    int256 baseValue;
    int256 stableChange;
    int256 secondChange;
    int256 vega;
}

/// @notice Options of one expiry with one strike that follow each other, as one call.
/// @param next Memory address of the next; 0 for the last.
/// @param strike Wad.
/// @param lnStrike Its logarithm, wad.
/// @param volatility Wad; 0 at a tenor of 0.
/// @param size Σ of sizes.
/// @param price A call's, now, wad.
/// @param chance Φ(d₁), 2^112 is one.
/// @param stableChange What the price changes by at the stable price.
/// @param secondChange At the second source's.
struct Strike {
    uint256 next;
    uint256 strike;
    int256 lnStrike;
    uint256 volatility;
    int256 size;
    uint256 price;
    uint256 chance;
    int256 stableChange;
    int256 secondChange;
}
