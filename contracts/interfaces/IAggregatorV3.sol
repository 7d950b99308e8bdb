// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title The part of Chainlink's feed interface that prices and uptime are read from
interface IAggregatorV3 {
    function decimals() external view returns (uint8);

    /// @return roundId Round of the answer.
    /// @return answer In `decimals()` decimals. Of an L2 sequencer uptime feed: 0 is up, 1 is down.
    /// @return startedAt Unix seconds. Of an uptime feed: when the present status began.
    /// @return updatedAt Unix seconds; 0 while the round is incomplete.
    /// @return answeredInRound Round in which the answer was computed.
    function latestRoundData()
        external
        view
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound);
}

/// @title What a feed's proxy and older aggregators expose beside it
interface IBoundedAggregator {
    /// @notice The aggregator behind a proxy.
    function aggregator() external view returns (address);

    /// @notice The aggregator reports no answer below this one, whatever the market does.
    function minAnswer() external view returns (int192);

    /// @notice The aggregator reports no answer above this one.
    function maxAnswer() external view returns (int192);
}
