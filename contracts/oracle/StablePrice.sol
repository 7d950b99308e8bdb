// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title A price that an attacker must pay to hold before it follows him
/// @notice Moves towards the index stored by the read before, never towards the present one: a price pushed and used in
///         one block has no effect. With dt = min(elapsed, delay), it moves by
///
///             min(⌊|index − stable| · dt / delay⌋, ⌊stable · rate · dt / (1e4 · 1 h)⌋)
///
///         an exponential approach in small steps, rate-limited.
library StablePrice {
    uint256 private constant RATE_UNIT = 1e4 * 1 hours;

    /// @param stable As stored, wad.
    /// @param index As stored at the same time, wad.
    /// @param elapsed Seconds since.
    /// @param delay Seconds; not 0.
    /// @param rateBps Basis points an hour.
    function advance(
        uint256 stable,
        uint256 index,
        uint256 elapsed,
        uint256 delay,
        uint256 rateBps
    ) internal pure returns (uint256) {
        if (elapsed == 0 || index == stable) return stable;
        uint256 time = elapsed < delay ? elapsed : delay;
        // Prices are below 2^96, times below 2^32, rates below 2^16; a move is no further than the distance.
        unchecked {
            uint256 distance = index > stable ? index - stable : stable - index;
            uint256 pull = distance * time / delay;
            uint256 limit = stable * rateBps * time / RATE_UNIT;
            uint256 move = pull < limit ? pull : limit;
            return index > stable ? stable + move : stable - move;
        }
    }
}
