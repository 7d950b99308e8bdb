// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccountId} from "../types/AccountId.sol";

/// @title Acts of the clearinghouse in which no margin is checked
interface IClearinghouseUpkeep {
    /// @notice Anyone may pay an account's debt: pulls at most `amount`, never more than the debt rounded up.
    /// @return paid In the settlement token's decimals.
    function repay(AccountId account, uint256 amount) external returns (uint256 paid);

    /// @notice A flat account's right to 1/24 of its balance an hour, beside the outflow limit, starts here.
    function requestExit(AccountId account, uint8 asset) external;

    /// @notice Brings an instrument's funding up to now. Anyone may call.
    function accrueFunding(uint24 instrument) external;

    /// @notice Settles what has expired of every listed account, those in liquidation too, as any act on them would. Anyone
    ///         may call, in any order, any number of times: an account that has settled is left as it is.
    function settle(AccountId[] calldata accounts) external;

    /// @notice Splits collected fees between the insurance fund's and the treasury's accounts. Anyone may call.
    function distributeFees() external;

    /// @notice Exchange only: pays the executor of triggered orders out of the fees that they have just been charged.
    /// @param amount Wad.
    function payBounty(AccountId account, uint256 amount) external;

    /// @notice Insurance fund only: cash in and out of the fund's own account, with the token, unlimited by caps.
    function depositForModule(address from, uint256 amount) external;

    function withdrawForModule(address to, uint256 amount) external;
}
