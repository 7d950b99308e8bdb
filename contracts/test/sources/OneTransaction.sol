// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Several calls in one transaction, as an attacker's contract makes them
contract OneTransaction {
    /// @return results What each call returned.
    function run(address[] calldata targets, bytes[] calldata calls) external returns (bytes[] memory results) {
        results = new bytes[](calls.length);
        for (uint256 i = 0; i < calls.length; ++i) {
            results[i] = _call(gasleft(), targets[i], calls[i]);
        }
    }

    /// @notice One call with no more than `gasLimit` gas.
    function runStarved(uint256 gasLimit, address target, bytes calldata call) external returns (bytes memory) {
        return _call(gasLimit, target, call);
    }

    function _call(uint256 gasLimit, address target, bytes calldata call) private returns (bytes memory result) {
        bool success;
        (success, result) = target.call{gas: gasLimit}(call);
        if (!success) {
            assembly ("memory-safe") {
                revert(add(result, 0x20), mload(result))
            }
        }
    }
}
