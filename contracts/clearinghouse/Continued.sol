// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Hands every call that it does not know to a contract fixed at creation, on its own storage
/// @notice The clearinghouse is one contract in six parts, split for the limit on code size alone.
abstract contract Continued {
    address private immutable NEXT;

    constructor(address next) {
        NEXT = next;
    }

    /// @dev Each of those calls states its own stance on re-entrancy.
    // solhint-disable-next-line no-complex-fallback
    fallback() external {
        address next = NEXT;
        // Hands over the call and its answer as they are; nothing runs after it.
        assembly ("memory-safe") {
            calldatacopy(0, 0, calldatasize())
            let success := delegatecall(gas(), next, 0, calldatasize(), 0, 0)
            returndatacopy(0, 0, returndatasize())
            if success { return(0, returndatasize()) }
            revert(0, returndatasize())
        }
    }
}
