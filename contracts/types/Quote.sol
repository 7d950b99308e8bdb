// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @notice How far an underlying's price may be trusted, from best to worst.
enum OracleState {
    Ok,
    Wide,
    Stale,
    Halted
}

/// @notice Everything the oracle says of one underlying, fixed for the length of a transaction (I20).
/// @param underlying The underlying's id.
/// @param state How far `index` may be trusted.
/// @param index Price of one whole unit in the value unit, wad. In `Halted` the last good price.
/// @param stable The damped price, wad.
/// @param second The second source's price in the value unit, wad; 0 unless `state` is `Wide` and it is known.
struct Quote {
    uint8 underlying;
    OracleState state;
    uint128 index;
    uint128 stable;
    uint128 second;
}
