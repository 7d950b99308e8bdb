// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccountId} from "../types/AccountId.sol";
import {Margin} from "../types/Margin.sol";
import {Portfolio} from "../types/Portfolio.sol";
import {Quote} from "../types/Quote.sol";
import {AccountView, AssetView, InstrumentView, VaultView} from "./IClearinghouse.sol";
import {Explanation} from "./IMarginEngine.sol";

/// @notice One account's health, or why it could not be read.
/// @param known False where the read failed: nothing is known of the account then, least of all that it is healthy.
/// @param failure Revert data of the failed read, cut to `MAX_FAILURE_LENGTH` bytes; empty where `known`.
/// @param healthFactor equity / maintenance margin, wad, rounded down; see `healthFactorDown`.
/// @param liquidatable Whether a liquidation could start now.
/// @param margin Equity and requirements.
struct AccountHealth {
    AccountId account;
    bool known;
    bytes failure;
    int256 healthFactor;
    bool liquidatable;
    Margin margin;
}

/// @notice Everything about one account.
/// @param healthFactor As in `AccountHealth`.
/// @param liquidatable As in `AccountHealth`.
/// @param account Balances and positions, accrued to now.
/// @param portfolio What the margin engine was given; the explanation's contributions follow its legs.
/// @param explanation Requirement, charges, worst rows and contributions; holds the margin.
struct AccountReport {
    int256 healthFactor;
    bool liquidatable;
    AccountView account;
    Portfolio portfolio;
    Explanation explanation;
}

/// @notice One account's report, or why it could not be made.
/// @param known As in `AccountHealth`.
/// @param failure As in `AccountHealth`.
struct AccountReportResult {
    AccountId account;
    bool known;
    bytes failure;
    AccountReport report;
}

/// @notice One instrument and the price of its underlying.
/// @param instrument Its terms, funding and open interest, accrued to now.
/// @param mark Mark price, wad.
/// @param quote Index, stable price and oracle state of its underlying.
struct MarketView {
    InstrumentView instrument;
    uint256 mark;
    Quote quote;
}

/// @title Many reads in one call
/// @notice Holds nothing, changes nothing, and knows nothing that the contracts' own views do not say. Lists are paged by
///         the caller: one call costs about what its accounts' margin checks cost. An account that cannot be read does
///         not revert the others.
interface ILens {
    /// @notice Health of each account, in the order asked.
    function healthOf(AccountId[] calldata accounts) external view returns (AccountHealth[] memory);

    /// @notice The full report of each account, in the order asked.
    function reportsOf(AccountId[] calldata accounts) external view returns (AccountReportResult[] memory);

    /// @notice The full report of one account. Reverts with whatever makes it unreadable.
    function reportOf(AccountId account) external view returns (AccountReport memory);

    /// @notice Every listed instrument, by registry index from 1.
    function markets() external view returns (MarketView[] memory);

    /// @notice The vault's books and every listed asset, the settlement token (asset 0) first.
    function vault() external view returns (VaultView memory state, AssetView[] memory assets);
}
