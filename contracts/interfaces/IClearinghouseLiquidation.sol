// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccountId} from "../types/AccountId.sol";
import {Margin, UnderlyingRisk} from "../types/Margin.sol";
import {Slice} from "../types/Slice.sol";

/// @title What the auctions do to accounts. Auctions only, under the lock
interface IClearinghouseLiquidation {
    /// @notice Accrues, realises, and returns the account's margin.
    function touch(AccountId account) external returns (Margin memory);

    /// @notice Puts an account into liquidation and pays `bounty` of its cash to `bountyTo`.
    /// @param bounty Wad; 0 pays nobody.
    function startLiquidation(AccountId account, AccountId bountyTo, uint256 bounty) external;

    /// @notice Takes an account out of liquidation.
    function endLiquidation(AccountId account) external;

    /// @notice Touches both accounts, asks the auctions with the margin of `from` what the bid comes to
    ///         (`ISliceDecider.decide`), and does it: first rewards, then a fraction of every balance and position of `from`,
    ///         every signed amount rounded down (for `from`), then the payment. Checks `to` at initial margin.
    /// @param context Handed back to the auctions as it is.
    function sellSlice(AccountId from, AccountId to, bytes calldata context) external returns (Slice memory);

    /// @notice Pays the debt of a worthless account.
    /// @param fromInsurance By the insurance fund, wad.
    /// @param uncovered By nobody: the protocol's uncovered loss grows by as much, wad.
    function coverDebt(AccountId account, uint256 fromInsurance, uint256 uncovered) external;
}

/// @title Who decides what a bid comes to
interface ISliceDecider {
    error NotClearinghouse(address caller);

    /// @notice Clearinghouse only, from within `sellSlice`.
    /// @param margin Of the account in auction, now.
    /// @param parts What each underlying adds to it.
    /// @param positionNonce Its owner's changes of positions and collateral.
    function decide(
        bytes calldata context,
        Margin calldata margin,
        UnderlyingRisk[] calldata parts,
        uint64 positionNonce
    ) external returns (Slice memory);
}
