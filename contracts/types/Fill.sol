// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @notice One match between two accounts of a settlement, as the exchange hands it to the clearinghouse.
/// @param taker Index of the taker's account in the settlement's account list.
/// @param maker Index of the maker's account in the same list.
/// @param instrument Registry index of the instrument.
/// @param takerReduceOnly Whether the fill may only bring the taker's position towards 0.
/// @param makerReduceOnly The same for the maker.
/// @param size Signed change of the taker's size, wad; the maker's changes by the negative.
/// @param price In the value unit per unit, wad.
/// @param takerFee In the value unit, wad; with the bounty of a triggered order.
/// @param makerFee In the value unit, wad.
/// @param takerDelegate Who signed for the taker where it was not the owner, else 0: charged with the fill's loss
///        against the worse of mark and index.
/// @param makerDelegate The same for the maker.
struct Fill {
    uint16 taker;
    uint16 maker;
    uint24 instrument;
    bool takerReduceOnly;
    bool makerReduceOnly;
    int128 size;
    uint128 price;
    uint128 takerFee;
    uint128 makerFee;
    address takerDelegate;
    address makerDelegate;
}
