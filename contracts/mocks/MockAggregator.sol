// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title A price feed for test networks, with Chainlink's interface: anyone may report
/// @dev Before the first report it answers its opening price as of now, so that a deployment finds it alive.
contract MockAggregator {
    uint8 public immutable decimals;
    string public description;

    uint80 private _round = 1;
    int256 private _answer;
    uint256 private _updatedAt;

    constructor(string memory description_, uint8 decimals_, int256 openingAnswer) {
        description = description_;
        decimals = decimals_;
        _answer = openingAnswer;
    }

    /// @param answer In `decimals`.
    /// @param updatedAt Unix seconds; whatever the test wants the feed to claim.
    function report(int256 answer, uint256 updatedAt) external {
        ++_round;
        _answer = answer;
        _updatedAt = updatedAt;
    }

    function latestRoundData()
        external
        view
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound)
    {
        uint256 at = _updatedAt == 0 ? block.timestamp : _updatedAt;
        return (_round, _answer, at, at, _round);
    }
}
