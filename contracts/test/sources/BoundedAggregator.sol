// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {UnrulyAggregator} from "./UnrulyAggregator.sol";

/// @title An aggregator that cannot answer beyond its bounds
contract BoundedAggregator is UnrulyAggregator {
    int192 public immutable minAnswer;
    int192 public immutable maxAnswer;

    constructor(uint8 decimals_, int192 minAnswer_, int192 maxAnswer_) UnrulyAggregator(decimals_) {
        (minAnswer, maxAnswer) = (minAnswer_, maxAnswer_);
    }
}

/// @title A proxy in front of an aggregator: its bounds are found behind it
contract AggregatorProxy {
    UnrulyAggregator public immutable aggregator;

    constructor(UnrulyAggregator aggregator_) {
        aggregator = aggregator_;
    }

    function decimals() external view returns (uint8) {
        return aggregator.decimals();
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        return aggregator.latestRoundData();
    }
}
