// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {SafeCastLib as SafeCast} from "solady/utils/SafeCastLib.sol";

import {IClearinghouseCore} from "../interfaces/IClearinghouseCore.sol";
import {IClearinghouseUpkeep} from "../interfaces/IClearinghouseUpkeep.sol";
import {BILLION, SIGNED_RAY, magnitude, mulDivDown, mulDivUp} from "../math/FixedPoint.sol";
import {AccountId, accountIdOf} from "../types/AccountId.sol";
import {Accounts} from "./Accounts.sol";
import {Claims} from "./Claims.sol";
import {Lock} from "./Lock.sol";
import {Market} from "./Market.sol";
import {OpenAccount, WorkingSet} from "./WorkingSet.sol";

/// @title Acts in which no margin is checked
abstract contract Upkeep is IClearinghouseUpkeep, Accounts, Claims, Lock {
    /// @inheritdoc IClearinghouseUpkeep
    function repay(AccountId account, uint256 amount) external locked returns (uint256 paid) {
        WorkingSet memory set = _newSet();
        OpenAccount memory opened = _openLight(set, account);
        uint256 debt = opened.cash < 0 ? mulDivUp(magnitude(opened.cash), 1, _scaleOf(0)) : 0;
        paid = amount < debt ? amount : debt;
        _payIn(opened, 0, msg.sender, paid);
        _save(opened, set);
        _saveTotals(set.totals);
    }

    /// @inheritdoc IClearinghouseUpkeep
    function requestExit(AccountId account, uint8 asset) external locked {
        if (msg.sender != account.ownerOf()) revert IClearinghouseCore.NotAuthorised(account, msg.sender);
        OpenAccount memory opened = _openLight(_newSet(), account);
        if (!_isFlat(opened)) revert IClearinghouseCore.NotFlat(account);
        uint256 balance = _balanceOf(opened, asset);
        if (balance == 0) revert IClearinghouseCore.ZeroAmount();
        _exitRights[account][asset] = ExitRight({
            balance: SafeCast.toUint96(balance),
            taken: 0,
            requestedAt: uint32(block.timestamp),
            positionNonce: uint32(opened.header.positionNonce)
        });
        emit IClearinghouseCore.ExitRequested(account, asset, balance);
    }

    /// @inheritdoc IClearinghouseUpkeep
    function accrueFunding(uint24 instrument) external locked {
        WorkingSet memory set = _newSet();
        Market memory market = _loadMarket(set, instrument);
        if (market.dated) return;
        market.traded = true;
        _refreshQuotes(set);
        _saveMarkets(set);
    }

    /// @inheritdoc IClearinghouseUpkeep
    function settle(AccountId[] calldata accounts) external locked {
        WorkingSet memory set = _newSet();
        for (uint256 i; i < accounts.length; ++i) {
            _loadAccount(set, accounts[i]);
        }
        _refreshQuotes(set);
        _realiseAll(set);
        _saveAll(set);
    }

    /// @inheritdoc IClearinghouseUpkeep
    function distributeFees() external locked {
        WorkingSet memory set = _newSet();
        int256 feesRay = _totals.feesRay + set.totals.newFeesRay;
        if (feesRay < SIGNED_RAY) return;
        uint256 fees = uint256(feesRay / SIGNED_RAY);
        uint256 toInsurance = mulDivDown(fees, _insuranceShare, BILLION);
        set.totals.newFeesRay -= int256(fees) * SIGNED_RAY;
        fees -= toInsurance;
        toInsurance -= _repayClaims(set.totals, toInsurance);
        _changeCash(set, accountIdOf(_insuranceFund, 0), int256(toInsurance));
        _changeCash(set, accountIdOf(_treasury, 0), int256(fees));
        _saveTotals(set.totals);
        emit IClearinghouseCore.FeesDistributed(toInsurance, fees);
    }

    /// @inheritdoc IClearinghouseUpkeep
    function payBounty(AccountId account, uint256 amount) external onlyUnderLock(_exchange) {
        _requireOwner(account);
        WorkingSet memory set = _newSet();
        set.totals.newFeesRay -= SafeCast.toInt256(amount) * SIGNED_RAY;
        _changeCash(set, account, int256(amount));
        _saveTotals(set.totals);
        emit IClearinghouseCore.BountyPaid(account, amount);
    }

    /// @inheritdoc IClearinghouseUpkeep
    function depositForModule(address from, uint256 amount) external onlyUnderLock(_insuranceFund) {
        WorkingSet memory set = _newSet();
        OpenAccount memory opened = _openLight(set, accountIdOf(msg.sender, 0));
        _payIn(opened, 0, from, amount);
        _save(opened, set);
        _saveTotals(set.totals);
    }

    /// @inheritdoc IClearinghouseUpkeep
    function withdrawForModule(address to, uint256 amount) external onlyUnderLock(_insuranceFund) {
        WorkingSet memory set = _newSet();
        OpenAccount memory opened = _openLight(set, accountIdOf(msg.sender, 0));
        _requireCash(opened, amount * _scaleOf(0));
        _takeBalance(opened, 0, amount);
        _countTokens({amountIn: 0, amountOut: amount});
        _save(opened, set);
        _saveTotals(set.totals);
        emit IClearinghouseCore.Withdrawn(opened.id, 0, to, amount);
        _send(0, to, amount);
    }

    function _requireCash(OpenAccount memory account, uint256 amount) private pure {
        if (account.cash < SafeCast.toInt256(amount)) {
            uint256 cash = account.cash > 0 ? uint256(account.cash) : 0;
            revert IClearinghouseCore.InsufficientBalance(account.id, 0, cash, amount);
        }
    }

    /// @dev Credits or debits an account's cash without opening its positions.
    function _changeCash(WorkingSet memory set, AccountId id, int256 change) private {
        OpenAccount memory account = _openLight(set, id);
        account.cash += change;
        _save(account, set);
    }
}
