// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccountId} from "../types/AccountId.sol";

/// @title The insurance fund: ERC-4626 shares over the fund's own cash account in the clearinghouse
/// @notice Its assets are the settlement token; the tokens themselves lie in the clearinghouse.
interface IInsuranceFund {
    event Drawn(AccountId indexed to, uint256 requested, uint256 paid);
    event OutflowLimitSet(uint256 hourlyFraction);

    error NotAuctions(address caller);
    error RedemptionCoolingDown(address holder, uint40 until);
    error RedemptionWhileShortfallOpen(uint256 openShortfall);

    /// @notice Auctions only. Pays up to `amount` to `to`, limited by what the fund has and by its outflow limit.
    /// @return paid Wad.
    function draw(AccountId to, uint256 amount) external returns (uint256 paid);

    /// @notice What `draw` could pay now, wad.
    function available() external view returns (uint256);

    /// @notice The account that holds the fund's cash.
    function account() external view returns (AccountId);
}
