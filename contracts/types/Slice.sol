// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @notice What a bid on an account in auction comes to, as the auctions tell the clearinghouse.
/// @param fraction Of every balance and position that moves to the bidder, wad in [0, 1]. 0 moves nothing.
/// @param keptCash Cash of the account that is no part of the slice, wad.
/// @param payment Cash that moves from the bidder to the account, no part of the slice either, wad.
/// @param fromProceeds Cash that the account pays the bidder out of what it kept, wad.
/// @param fromInsurance Cash that the insurance fund pays the bidder, wad.
/// @param uncovered Cash that the bidder is credited with and nobody pays, wad.
/// @param endsAuction Whether the account leaves liquidation.
struct Slice {
    uint256 fraction;
    uint256 keptCash;
    uint256 payment;
    uint256 fromProceeds;
    uint256 fromInsurance;
    uint256 uncovered;
    bool endsAuction;
}

/// @notice Collateral in a slice, token units.
struct SlicedCollateral {
    uint8 asset;
    uint256 amount;
}

/// @notice What a slice takes of a position: size and quote balance, wad, signed.
struct SlicedPosition {
    uint24 instrument;
    int256 size;
    int256 quote;
}
