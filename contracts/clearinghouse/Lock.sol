// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IClearinghouseCore} from "../interfaces/IClearinghouseCore.sol";
import {ClearinghouseStorage} from "./Storage.sol";

/// @title The one lock that all state-changing entries share, and who may pass
abstract contract Lock is ClearinghouseStorage {
    modifier locked() {
        _take(address(this));
        _;
        _lockHolder = address(0);
    }

    /// @dev For calls of `module`, which hold the lock already.
    modifier onlyUnderLock(address module) {
        _requireUnderLock(module);
        _;
    }

    function _requireUnderLock(address module) internal view {
        if (msg.sender != module) revert IClearinghouseCore.NotModule(msg.sender);
        if (_lockHolder == address(0)) revert IClearinghouseCore.NotLocked();
    }

    function _take(address holder) internal {
        if (_lockHolder != address(0)) revert IClearinghouseCore.Locked();
        _lockHolder = holder;
    }

    function _isModule(address caller) internal view returns (bool) {
        return caller == _exchange || caller == _auctions || caller == _insuranceFund;
    }
}
