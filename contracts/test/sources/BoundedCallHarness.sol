// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {BoundedCall} from "../../oracle/BoundedCall.sol";

/// @title Reaches `BoundedCall` from outside
contract BoundedCallHarness {
    function read(address callee, bytes memory question) external view returns (bool answered, uint256 word) {
        uint256[1] memory answer;
        uint256 output;
        assembly ("memory-safe") {
            output := answer
        }
        answered = BoundedCall.tryRead(callee, question, output, 32);
        word = answer[0];
    }
}
