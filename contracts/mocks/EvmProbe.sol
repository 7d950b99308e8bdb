// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";

/// @title Shows what the tests' in-process EVM does at the edges that they rely on
contract EvmProbe {
    uint256 public stored;
    uint256 private transient _held;

    event Stored(uint256 indexed key, uint256 value);

    error Refused(uint256 value);

    function store(uint256 key, uint256 value) external {
        stored = value;
        emit Stored(key, value);
    }

    function storeThenRefuse(uint256 value) external {
        stored = value;
        revert Refused(value);
    }

    function hold(uint256 value) external returns (uint256 heldBefore) {
        heldBefore = _held;
        _held = value;
    }

    function pull(address token) external {
        SafeTransferLib.safeTransferFrom(token, msg.sender, address(this), 1);
    }

    function spin() external view {
        while (stored != type(uint256).max) {}
    }

    function here() external view returns (uint256 chainId, uint256 number, uint256 timestamp) {
        return (block.chainid, block.number, block.timestamp);
    }
}
