// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Asking a contract that may revert, burn its gas or return a bomb of data
library BoundedCall {
    uint256 internal constant GAS_LIMIT = 100_000;
    /// @dev What must be left for the callee to get `GAS_LIMIT`: one 64th stays with the caller, and reaching a cold
    ///      address costs 2,600.
    uint256 private constant GAS_NEEDED = GAS_LIMIT * 64 / 63 + 5000;

    /// @dev The transaction carries too little gas to tell a broken callee from a starved one.
    error InsufficientGas(address callee, uint256 gasLeft);

    /// @notice Calls a view that returns `size` bytes, and writes them to `output`, which may be overwritten even where
    ///         the call fails.
    /// @dev A caller could starve the callee of gas to make it look broken: without an answer, and without the gas that
    ///      was due to it, this reverts.
    /// @return Whether it returned exactly `size` bytes.
    function tryRead(address callee, bytes memory question, uint256 output, uint256 size) internal view returns (bool) {
        uint256 gasBefore = gasleft();
        uint256 gasLimit = GAS_LIMIT;
        bool answered;
        assembly ("memory-safe") {
            answered := staticcall(gasLimit, callee, add(question, 0x20), mload(question), output, size)
            answered := and(answered, eq(returndatasize(), size))
        }
        if (!answered && gasBefore < GAS_NEEDED) revert InsufficientGas(callee, gasBefore);
        return answered;
    }
}
