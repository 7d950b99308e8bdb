// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Quote} from "../types/Quote.sol";

/// @title Prices of every underlying, hardened
/// @notice Index of an underlying = its USD price ÷ USDC-USD, the divisor clamped to [0.9, 1.1] and taken as 1 within
///         ±0.5 %. Underlying 0 is the settlement token itself; its feed is USDC-USD.
///         Sets of underlyings are bitmaps: bit u stands for underlying u.
interface IOracleHub {
    /// @notice Brings the stable prices of a set up to now, fixes their quotes for this transaction and returns them.
    /// @dev Needs no re-entrancy stance: it calls only configured sources, and fixing twice returns the first quotes.
    /// @param underlyings Bitmap; bit 0 (the settlement token) is always implied and must not be set.
    /// @return quotes One a set bit, by ascending underlying. An underlying whose sources are dead is `Halted` and has
    ///         its last good price: one broken feed never reverts the others.
    /// @return settlementTokenUsd USD price of the settlement token, wad, unclamped.
    function refresh(uint256 underlyings) external returns (Quote[] memory quotes, uint256 settlementTokenUsd);

    /// @notice The same as `refresh` without writing: what `refresh` would return in this transaction.
    function quotesOf(uint256 underlyings) external view returns (Quote[] memory quotes, uint256 settlementTokenUsd);
}
