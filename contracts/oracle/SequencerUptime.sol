// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IAggregatorV3} from "../interfaces/IAggregatorV3.sol";
import {BoundedCall} from "./BoundedCall.sol";

/// @title Whether an L2's sequencer is up, and has been for long enough that users could act
library SequencerUptime {
    struct Round {
        uint256 roundId;
        uint256 answer;
        uint256 startedAt;
        uint256 updatedAt;
        uint256 answeredInRound;
    }

    uint256 private constant ROUND_SIZE = 160;

    /// @param feed Chainlink's uptime feed; 0 where the chain has none, which counts as up. A feed that does not answer
    ///        counts as down.
    /// @param grace Seconds after a restart that still count as down.
    function isUp(address feed, uint256 grace) internal view returns (bool) {
        if (feed == address(0)) return true;
        Round memory round;
        uint256 output;
        assembly ("memory-safe") {
            output := round
        }
        bytes memory question = abi.encodeCall(IAggregatorV3.latestRoundData, ());
        if (!BoundedCall.tryRead(feed, question, output, ROUND_SIZE)) return false;
        bool isRunning = round.answer == 0 && round.startedAt != 0 && round.startedAt <= block.timestamp;
        return isRunning && block.timestamp - round.startedAt >= grace;
    }
}
