// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

enum Behaviour {
    Answer,
    Revert,
    BurnGas,
    ReturnBomb,
    RevertBomb,
    ReturnNothing
}

/// @title A feed that behaves as badly as the world
contract UnrulyAggregator {
    uint8 public immutable decimals;
    Behaviour public behaviour;
    int256 public answer;
    uint80 public roundId = 1;
    uint80 public answeredInRound = 1;
    uint256 public startedAt;
    uint256 public updatedAt;

    constructor(uint8 decimals_) {
        decimals = decimals_;
    }

    function report(int256 answer_, uint256 updatedAt_) external {
        setRound(roundId + 1, answer_, updatedAt_, updatedAt_, roundId + 1);
    }

    function setRound(
        uint80 roundId_,
        int256 answer_,
        uint256 startedAt_,
        uint256 updatedAt_,
        uint80 answeredInRound_
    ) public {
        (roundId, answer, startedAt) = (roundId_, answer_, startedAt_);
        (updatedAt, answeredInRound) = (updatedAt_, answeredInRound_);
    }

    function setBehaviour(Behaviour behaviour_) external {
        behaviour = behaviour_;
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        misbehave(behaviour);
        return (roundId, answer, startedAt, updatedAt, answeredInRound);
    }
}

function misbehave(Behaviour behaviour) pure {
    if (behaviour == Behaviour.Revert) revert("feed is down");
    assembly ("memory-safe") {
        if eq(behaviour, 2) { for {} 1 {} {} }
        if eq(behaviour, 3) { return(0, 1000000) }
        if eq(behaviour, 4) { revert(0, 1000000) }
        if eq(behaviour, 5) { return(0, 0) }
    }
}
