// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IClearinghouse} from "../interfaces/IClearinghouse.sol";
import {ISliceDecider} from "../interfaces/IClearinghouseLiquidation.sol";
import {AccountId} from "../types/AccountId.sol";
import {Margin, UnderlyingRisk} from "../types/Margin.sol";
import {Slice} from "../types/Slice.sol";

/// @title Stands where a module stands, so that tests reach the clearinghouse's module entries one by one
contract ModuleDriver is ISliceDecider {
    /// @notice Makes the calls in order, with the lock held where `locked`; reverts as they do.
    /// @return results What each call returned.
    function run(
        IClearinghouse clearinghouse,
        bool locked,
        bytes[] calldata calls
    ) external returns (bytes[] memory results) {
        if (locked) clearinghouse.lock();
        results = new bytes[](calls.length);
        for (uint256 i = 0; i < calls.length; ++i) {
            bool success;
            (success, results[i]) = address(clearinghouse).call(calls[i]);
            bytes memory result = results[i];
            if (!success) {
                assembly ("memory-safe") {
                    revert(add(result, 0x20), mload(result))
                }
            }
        }
        if (locked) clearinghouse.unlock();
    }

    /// @notice As the auctions' while nothing is missing.
    function requireHoldBack(AccountId, int256, int256, uint256) external pure {}

    /// @inheritdoc ISliceDecider
    /// @dev Decides what the test handed it.
    function decide(
        bytes calldata context,
        Margin calldata,
        UnderlyingRisk[] calldata,
        uint64
    ) external pure returns (Slice memory) {
        return abi.decode(context, (Slice));
    }
}
