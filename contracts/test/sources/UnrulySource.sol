// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IPriceSource, PriceReport} from "../../interfaces/IPriceSource.sol";
import {Behaviour, misbehave} from "./UnrulyAggregator.sol";

/// @title A price source that says, or does, whatever a test wants; one report for every underlying
contract UnrulySource is IPriceSource {
    Behaviour public behaviour;
    PriceReport private _report;

    function report(uint256 price, uint256 confidence, uint256 publishedAt) external {
        _report = PriceReport(price, confidence, publishedAt);
    }

    function setBehaviour(Behaviour behaviour_) external {
        behaviour = behaviour_;
    }

    function latestReport(uint8) external view returns (PriceReport memory) {
        misbehave(behaviour);
        return _report;
    }
}
