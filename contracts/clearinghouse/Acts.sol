// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Act, ActKind, IClearinghouseCore} from "../interfaces/IClearinghouseCore.sol";
import {IAuctions} from "../interfaces/IAuctions.sol";
import {IExchange} from "../interfaces/IExchange.sol";
import {AccountId} from "../types/AccountId.sol";
import {Margin} from "../types/Margin.sol";
import {Lock} from "./Lock.sol";
import {MarginCheck} from "./MarginCheck.sol";
import {Check, OpenAccount, WorkingSet} from "./WorkingSet.sol";

/// @title Acts of owners, one by one or in a batch
abstract contract Acts is MarginCheck, Lock {
    /// @dev Opens every account of the batch, runs the acts, writes, checks, and sends tokens out last.
    function _runBatch(Act[] memory acts) internal {
        WorkingSet memory set = _newSet();
        for (uint256 i; i < acts.length; ++i) {
            if (acts[i].kind == ActKind.Trade) continue;
            _loadAccount(set, acts[i].account);
            if (acts[i].kind == ActKind.Move) _loadAccount(set, acts[i].counterpart);
        }
        _refreshQuotes(set);
        _realiseAll(set);
        for (uint256 i; i < acts.length; ++i) {
            _runAct(set, acts[i]);
        }
        _saveAll(set);
        _checkAll(set);
        for (uint256 i; i < acts.length; ++i) {
            if (acts[i].kind == ActKind.Withdraw) _send(acts[i].asset, acts[i].receiver, acts[i].amount);
        }
    }

    function _runAct(WorkingSet memory set, Act memory act) private {
        if (act.kind == ActKind.Trade) return _runTrade(set, act.data);
        uint256 place = _loadAccount(set, act.account);
        OpenAccount memory account = set.accounts[place];
        if (act.kind == ActKind.Deposit) return _depositInto(account, act.asset, act.amount);
        if (account.header.inLiquidation) revert IClearinghouseCore.AccountInLiquidation(act.account);
        if (act.kind == ActKind.Withdraw) act.amount = _withdrawFrom(set, account, act);
        else if (act.kind == ActKind.Move) _moveTo(set, account, act);
        // What is left is a realise, which opening has done.
    }

    /// @param data Of the act.
    function _runTrade(WorkingSet memory set, bytes memory data) internal virtual;

    function _depositInto(OpenAccount memory account, uint256 asset, uint256 amount) internal {
        _requireOwnerOrDelegate(account.id);
        if (asset != 0) _requireDepositsOpen(account, asset);
        _payIn(account, asset, msg.sender, amount);
    }

    /// @return amount What leaves, token units.
    function _withdrawFrom(
        WorkingSet memory set,
        OpenAccount memory account,
        Act memory act
    ) private returns (uint256 amount) {
        amount = _takeOut(set, account, act);
        uint256 free;
        if (_isFlat(account)) free = _useExitRight(account.id, act.asset, amount, account.header.positionNonce);
        else ++account.header.positionNonce;
        _countOut(act.asset, amount, free);
        emit IClearinghouseCore.Withdrawn(account.id, act.asset, act.receiver, amount);
    }

    function _moveTo(WorkingSet memory set, OpenAccount memory from, Act memory act) private {
        uint256 place = _loadAccount(set, act.counterpart);
        OpenAccount memory to = set.accounts[place];
        address owner = to.id.ownerOf();
        if (from.id.ownerOf() != owner || from.id == to.id) revert IClearinghouseCore.DifferentOwners(from.id, to.id);
        if (to.header.inLiquidation) revert IClearinghouseCore.AccountInLiquidation(to.id);
        uint256 amount = _takeOut(set, from, act);
        ++from.header.positionNonce;
        _addBalance(to, act.asset, amount, true);
        emit IClearinghouseCore.Moved(from.id, to.id, act.asset, amount);
    }

    /// @dev Takes an amount that its owner wants elsewhere.
    function _takeOut(
        WorkingSet memory set,
        OpenAccount memory account,
        Act memory act
    ) private returns (uint256 amount) {
        if (msg.sender != account.id.ownerOf()) {
            revert IClearinghouseCore.NotAuthorised(account.id, msg.sender);
        }
        amount = act.amount == type(uint256).max ? _balanceOf(account, act.asset) : act.amount;
        if (amount == 0) revert IClearinghouseCore.ZeroAmount();
        int256 cash = account.cash;
        _takeBalance(account, act.asset, amount);
        if (act.asset == 0) {
            IAuctions(_auctions).requireHoldBack(account.id, cash, account.cash, _totalCash(set.totals));
        }
        account.check = Check.Withdrawal;
    }

    function _requireOwnerOrDelegate(AccountId account) private view {
        if (msg.sender == account.ownerOf()) return;
        if (!IExchange(_exchange).isDelegate(account, msg.sender)) {
            revert IClearinghouseCore.NotAuthorised(account, msg.sender);
        }
    }

    /// @dev While deposits of a token are paused, who holds it and is below initial margin may still add to it.
    function _requireDepositsOpen(OpenAccount memory account, uint256 asset) private view {
        if (block.timestamp >= _asset(asset).depositsPausedUntil) return;
        if (_balanceOf(account, asset) != 0) {
            Margin memory margin = _marginNow(account.id);
            if (margin.newRiskEquity() < int256(margin.initialMargin)) return;
        }
        revert IClearinghouseCore.DepositsPaused(uint8(asset));
    }
}
