// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AuctionParameters, IAuctions} from "../interfaces/IAuctions.sol";

/// @title How far governance may go with auctions
library AuctionParameterBounds {
    uint256 private constant BILLION = 1e9;

    function requireWithin(AuctionParameters memory p) internal pure {
        _requireWithin("startDiscount", p.startDiscount, 0, BILLION / 10);
        _requireWithin("kneeDiscount", p.kneeDiscount, p.startDiscount, BILLION / 2);
        _requireWithin("minimumFraction", p.minimumFraction, BILLION / 100, BILLION / 2);
        _requireWithin("solventAgain", p.solventAgain, BILLION / 10, BILLION);
        _requireWithin("secondsToKnee", p.secondsToKnee, 1 minutes, 1 days);
        _requireWithin("secondsToFull", p.secondsToFull, 10 minutes, 7 days);
        _requireWithin("premiumSeconds", p.premiumSeconds, 10 minutes, 1 days);
        _requireWithin("observationSeconds", p.observationSeconds, 1 minutes, 1 hours);
        _requireWithin("fastestClock", p.fastestClock, 1, 64);
        _requireWithin("bountyRate", p.bountyRate, 0, BILLION / 20);
        _requireWithin("premiumFundShare", p.premiumFundShare, 0, BILLION / 4);
        _requireWithin("bountyCap", p.bountyCap, 0, 100e18);
    }

    function _requireWithin(bytes32 name, uint256 value, uint256 least, uint256 most) private pure {
        if (value < least) revert IAuctions.ParameterOutOfBounds(name, value, least);
        if (value > most) revert IAuctions.ParameterOutOfBounds(name, value, most);
    }
}
