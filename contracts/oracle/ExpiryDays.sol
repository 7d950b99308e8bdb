// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title The days on which an underlying has expiries, ascending, in one word
/// @dev 16 lanes of 16 bits, the lowest first; 0 is free. Days since 1970 fit until 2149.
library ExpiryDays {
    uint256 internal constant MOST = 16;
    uint256 private constant LANE_BITS = 16;
    uint256 private constant LANE_MASK = type(uint16).max;

    /// @return The list with a day that it does not hold; it has room.
    function insert(uint256 list, uint256 day) internal pure returns (uint256) {
        uint256 shift = placeOf(list, day) * LANE_BITS;
        uint256 below = list & ((1 << shift) - 1);
        // Beyond 255 bits the shift leaves nothing: the last lane has nothing above it.
        return below | (day << shift) | ((list >> shift) << (shift + LANE_BITS));
    }

    /// @return The list without a day that it holds.
    function remove(uint256 list, uint256 day) internal pure returns (uint256) {
        uint256 shift = placeOf(list, day) * LANE_BITS;
        uint256 below = list & ((1 << shift) - 1);
        return below | ((list >> (shift + LANE_BITS)) << shift);
    }

    function isFull(uint256 list) internal pure returns (bool) {
        return dayAt(list, MOST - 1) != 0;
    }

    /// @return place How many of the list's days come before `day`.
    function placeOf(uint256 list, uint256 day) internal pure returns (uint256 place) {
        for (; place < MOST; ++place) {
            uint256 other = dayAt(list, place);
            if (other == 0 || other >= day) break;
        }
    }

    /// @return The day in a place, 0 where there is none.
    function dayAt(uint256 list, uint256 place) internal pure returns (uint256) {
        return place < MOST ? (list >> (place * LANE_BITS)) & LANE_MASK : 0;
    }
}
