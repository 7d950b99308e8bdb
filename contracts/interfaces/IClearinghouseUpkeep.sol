// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccountId} from "../types/AccountId.sol";

/// @title Acts of the clearinghouse in which no margin is checked
interface IClearinghouseUpkeep {
    /// @notice A flat account's right to 1/24 of its balance an hour, beside the outflow limit, starts here.
    function requestExit(AccountId account, uint8 asset) external;

    /// @notice Brings an instrument's funding up to now. Anyone may call.
    function accrueFunding(uint24 instrument) external;

    /// @notice Splits collected fees between the insurance fund's and the treasury's accounts. Anyone may call.
    function distributeFees() external;

    /// @notice Insurance fund only: cash in and out of the fund's own account, with the token, unlimited by caps.
    function depositForModule(address from, uint256 amount) external;

    function withdrawForModule(address to, uint256 amount) external;
}
