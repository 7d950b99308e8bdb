// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccountId} from "../types/AccountId.sol";
import {DelegateView, IExchange} from "../interfaces/IExchange.sol";

/// @title Who may trade for an account besides its owner, and how much they may lose
abstract contract Delegates is IExchange {
    /// @dev One slot: 5 + 3 + 12 + 12 = 32 bytes.
    struct Delegation {
        uint40 expiry;
        uint24 day; // UTC day `lossToday` belongs to
        uint96 dailyLossBudget; // wad
        uint96 lossToday; // wad
    }

    mapping(AccountId account => mapping(address delegate => Delegation)) private _delegations;

    /// @inheritdoc IExchange
    /// @dev Re-entrancy: none needed, it calls only getters of the protocol's own contracts.
    function setDelegate(AccountId account, address delegate, uint40 expiry, uint96 dailyLossBudget) external {
        if (msg.sender != account.ownerOf()) revert NotAuthorised(account, msg.sender);
        if (delegate == address(0) || delegate == msg.sender) revert InvalidDelegate(delegate);
        if (expiry != 0 && _isInAuction(account)) revert DelegationDuringAuction(account);

        Delegation storage delegation = _delegations[account][delegate];
        delegation.expiry = expiry;
        delegation.dailyLossBudget = dailyLossBudget;
        emit DelegateSet(account, delegate, expiry, dailyLossBudget);
    }

    /// @inheritdoc IExchange
    /// @dev Re-entrancy: none needed, it calls nothing.
    function renounceDelegation(AccountId account) external {
        Delegation storage delegation = _delegations[account][msg.sender];
        delegation.expiry = 0;
        emit DelegateSet(account, msg.sender, 0, delegation.dailyLossBudget);
    }

    /// @inheritdoc IExchange
    function isDelegate(AccountId account, address delegate) public view returns (bool) {
        return block.timestamp <= _delegations[account][delegate].expiry;
    }

    /// @inheritdoc IExchange
    function delegateOf(AccountId account, address delegate) external view returns (DelegateView memory) {
        Delegation memory delegation = _delegations[account][delegate];
        return DelegateView({
            expiry: delegation.expiry, dailyLossBudget: delegation.dailyLossBudget, lossToday: _lossToday(delegation)
        });
    }

    function _isInAuction(AccountId account) internal view virtual returns (bool);

    function _isOwnerOrDelegate(AccountId account, address signer) internal view returns (bool) {
        return signer == account.ownerOf() || isDelegate(account, signer);
    }

    function _chargeDelegate(AccountId account, address delegate, uint256 loss) internal {
        if (loss == 0) return;
        Delegation memory delegation = _delegations[account][delegate];
        uint256 lossToday = _lossToday(delegation) + loss;
        if (lossToday > delegation.dailyLossBudget) {
            revert DelegateBudgetExceeded(account, delegate, lossToday, delegation.dailyLossBudget);
        }

        delegation.day = _today();
        // Fits: not above the budget, which has the same width.
        delegation.lossToday = uint96(lossToday);
        _delegations[account][delegate] = delegation;
        emit DelegateLossCharged(account, delegate, loss, lossToday);
    }

    function _lossToday(Delegation memory delegation) private view returns (uint96) {
        return delegation.day == _today() ? delegation.lossToday : 0;
    }

    function _today() private view returns (uint24) {
        return uint24(block.timestamp / 1 days);
    }
}
