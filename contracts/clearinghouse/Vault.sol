// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCastLib as SafeCast} from "solady/utils/SafeCastLib.sol";

import {IClearinghouseCore} from "../interfaces/IClearinghouseCore.sol";
import {AccountId} from "../types/AccountId.sol";
import {Cash} from "./Cash.sol";

/// @title Tokens: listing data, arrivals measured, caps, the outflow limit, departures
abstract contract Vault is Cash {
    using SafeERC20 for IERC20;

    uint256 private constant EXIT_PERIOD = 24 hours;

    function _asset(uint256 asset) internal view returns (StoredAsset storage stored) {
        stored = _assets[asset];
        if (stored.token == address(0)) revert IClearinghouseCore.UnknownAsset(uint8(asset));
    }

    /// @dev Of a listed asset, without reading its own slots.
    function _termsOf(uint256 asset) internal view returns (uint256 underlying, uint256 decimals) {
        uint256 terms = _assetTerms[asset >> 4] >> ((asset & 15) << 4);
        return (uint8(terms), uint8(terms >> 8));
    }

    /// @dev Wad units of one token unit.
    function _scaleOf(uint256 asset) internal view returns (uint256) {
        // Unchecked: at most 18 decimals.
        unchecked {
            return 10 ** (18 - _asset(asset).decimals);
        }
    }

    /// @dev Pulls `amount` from the caller; what arrives is measured and must be all of it.
    function _pull(uint256 asset, address from, uint256 amount) internal {
        if (amount == 0) revert IClearinghouseCore.ZeroAmount();
        IERC20 token = IERC20(_asset(asset).token);
        uint256 before = token.balanceOf(address(this));
        token.safeTransferFrom(from, address(this), amount);
        uint256 held = token.balanceOf(address(this));
        uint256 received = held > before ? held - before : 0;
        if (received != amount) revert IClearinghouseCore.TransferShortfall(address(token), amount, received);
    }

    function _send(uint256 asset, address to, uint256 amount) internal {
        IERC20(_asset(asset).token).safeTransfer(to, amount);
    }

    /// @dev Counts collateral in, up to the cap in force.
    function _countIn(uint256 asset, uint256 amount) internal {
        StoredAsset storage stored = _asset(asset);
        uint256 total = stored.total + amount;
        uint256 cap = _capOf(stored);
        if (total > cap) revert IClearinghouseCore.DepositCapExceeded(uint8(asset), total, cap);
        stored.total = SafeCast.toUint128(total);
    }

    /// @dev Counts tokens out of the vault, within the outflow limit.
    /// @param free What may leave beside it.
    function _countOut(uint256 asset, uint256 amount, uint256 free) internal {
        StoredAsset storage stored = _asset(asset);
        if (asset == 0) _countTokens({amountIn: 0, amountOut: amount});
        else stored.total -= uint128(amount); // a balance never exceeds the total
        if (stored.outflowRefillPeriod == 0) return;
        uint256 limited = amount - free;
        uint256 available = _outflowAvailable(stored);
        if (limited > available) revert IClearinghouseCore.OutflowLimitExceeded(uint8(asset), available, limited);
        stored.outflowAvailable = uint96(available - limited); // at most the capacity
        stored.outflowUpdatedAt = uint32(block.timestamp);
    }

    /// @dev A flat account may take 1/24 of what it had at its request an hour beside the outflow limit.
    /// @return free Part of `amount` that leaves by this right.
    function _useExitRight(
        AccountId account,
        uint256 asset,
        uint256 amount,
        uint256 positionNonce
    ) internal returns (uint256 free) {
        ExitRight memory right = _exitRights[account][asset];
        if (right.requestedAt == 0 || right.positionNonce != uint32(positionNonce)) return 0;
        uint256 elapsed = Math.min(block.timestamp - right.requestedAt, EXIT_PERIOD);
        uint256 taken = right.taken;
        uint256 accrued = right.balance * elapsed / EXIT_PERIOD;
        if (accrued > taken) free = Math.min(amount, accrued - taken);
        _exitRights[account][asset].taken = uint96(Math.min(right.balance, taken + amount)); // at most the balance
    }

    /// @dev Refills linearly over its period.
    function _outflowAvailable(StoredAsset storage stored) internal view returns (uint256) {
        uint256 capacity = stored.outflowCapacity;
        uint256 elapsed = block.timestamp - stored.outflowUpdatedAt;
        if (elapsed >= stored.outflowRefillPeriod) return capacity;
        return Math.min(capacity, stored.outflowAvailable + capacity * elapsed / stored.outflowRefillPeriod);
    }

    /// @dev The cap in force now.
    function _capOf(StoredAsset storage stored) internal view returns (uint256) {
        uint256 from = stored.capFrom;
        uint256 to = stored.capTo;
        uint256 start = stored.capRampStart;
        uint256 end = stored.capRampEnd;
        if (block.timestamp >= end) return to;
        return from + (to - from) * (block.timestamp - start) / (end - start); // ramps only rise
    }
}
