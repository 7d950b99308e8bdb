// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ClaimsView, IClearinghouseWaterfall} from "../interfaces/IClearinghouseWaterfall.sol";
import {RAY, mulDivDown} from "../math/FixedPoint.sol";
import {AccountId} from "../types/AccountId.sol";
import {Continued} from "./Continued.sol";
import {Conversion} from "./Conversion.sol";
import {Upkeep} from "./Upkeep.sol";
import {OpenAccount, WorkingSet} from "./WorkingSet.sol";

/// @title The clearinghouse's upkeep, its claims and its liquidity
/// @notice Runs only as the clearinghouse's delegate, on the clearinghouse's storage; alone it is an empty shell that holds
///         nothing.
contract ClearinghouseUpkeep is Upkeep, Conversion, Continued {
    /// @dev Balances that a claim is counted for at once, so that no history is too long to collect.
    uint256 private constant MOST_COUNTED = 128;

    /// @param admin The last part.
    constructor(address admin) Continued(admin) {}

    /// @inheritdoc IClearinghouseWaterfall
    function collectClaim(AccountId id) external locked returns (uint256 amount) {
        WorkingSet memory set = _newSet();
        OpenAccount memory account = _openLight(set, id);
        AccountClaim memory claim;
        (claim, amount) = _claimOf(id, set.totals.epoch, MOST_COUNTED);
        _accountClaims[id] = claim;
        // Its shares are counted up to now, or were left to be counted with the next.
        if (claim.epoch == set.totals.epoch) account.storedEpoch = set.totals.epoch;
        account.cash += int256(amount);
        _claims.pool -= uint128(amount); // at most the pool
        emit ClaimCollected(id, amount, mulDivDown(claim.units, claim.remaining, RAY));
        _save(account, set);
        _saveTotals(set.totals);
    }

    /// @inheritdoc IClearinghouseWaterfall
    function socialiseLoss() external locked {
        _saveTotals(_newSet().totals);
        _socialise();
    }

    /// @inheritdoc IClearinghouseWaterfall
    function claimOf(AccountId account) external view returns (uint256 outstanding, uint256 collectable) {
        AccountClaim memory claim;
        (claim, collectable) = _claimOf(account, _newSet().totals.epoch, type(uint256).max);
        outstanding = mulDivDown(claim.units, claim.remaining, RAY);
    }

    /// @inheritdoc IClearinghouseWaterfall
    function claims() external view returns (ClaimsView memory) {
        return ClaimsView(_claims.outstanding, _claims.pool, _newSet().totals.epoch);
    }
}
