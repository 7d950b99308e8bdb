// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IClearinghouseLiquidation} from "../interfaces/IClearinghouseLiquidation.sol";
import {AccountId} from "../types/AccountId.sol";
import {Margin} from "../types/Margin.sol";
import {Slice} from "../types/Slice.sol";
import {Continued} from "./Continued.sol";
import {Lock} from "./Lock.sol";
import {Slices} from "./Slices.sol";
import {OpenAccount, WorkingSet} from "./WorkingSet.sol";

/// @title The clearinghouse's part for the auctions
/// @notice Runs only as the clearinghouse's delegate, on the clearinghouse's storage; alone it is an empty shell that
///         obeys nobody, as it knows no auctions.
contract ClearinghouseLiquidation is IClearinghouseLiquidation, Slices, Lock, Continued {
    /// @param reports The next part.
    constructor(address reports) Continued(reports) {}

    /// @inheritdoc IClearinghouseLiquidation
    function touch(AccountId account) external onlyUnderLock(_auctions) returns (Margin memory) {
        return _touch(account);
    }

    /// @inheritdoc IClearinghouseLiquidation
    function startLiquidation(AccountId account, AccountId bountyTo, uint256 bounty) external onlyUnderLock(_auctions) {
        WorkingSet memory set = _newSet();
        OpenAccount memory opened = _openLight(set, account);
        _setLiquidation(opened, true);
        if (bounty != 0) {
            _requireOwner(bountyTo);
            OpenAccount memory receiver = _openLight(set, bountyTo);
            _pay(opened, receiver, bounty);
            _save(receiver, set);
        }
        _save(opened, set);
        _saveTotals(set.totals);
    }

    /// @inheritdoc IClearinghouseLiquidation
    function endLiquidation(AccountId account) external onlyUnderLock(_auctions) {
        WorkingSet memory set = _newSet();
        OpenAccount memory opened = _openLight(set, account);
        _setLiquidation(opened, false);
        _save(opened, set);
    }

    /// @inheritdoc IClearinghouseLiquidation
    /// @dev Re-entrancy: the auctions decide in between, under the lock, and read no account while they do.
    function sellSlice(
        AccountId from,
        AccountId to,
        bytes calldata context
    ) external onlyUnderLock(_auctions) returns (Slice memory) {
        return _sellSlice(from, to, context);
    }

    /// @inheritdoc IClearinghouseLiquidation
    function coverDebt(AccountId account, uint256 fromInsurance, uint256 uncovered) external onlyUnderLock(_auctions) {
        WorkingSet memory set = _newSet();
        OpenAccount memory opened = _openLight(set, account);
        if (fromInsurance != 0) _payFromInsurance(set, opened, fromInsurance);
        if (uncovered != 0) _creditUncovered(opened, uncovered);
        _save(opened, set);
        _saveAll(set);
        if (uncovered != 0) _socialise();
    }
}
