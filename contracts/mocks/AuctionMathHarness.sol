// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AuctionParameters, Phase} from "../interfaces/IAuctions.sol";
import {AuctionMath, Sale} from "../liquidation/AuctionMath.sol";

/// @title Puts the library of auctions behind an address, for tests to call
contract AuctionMathHarness {
    function clockSpeed(int256 equity, uint256 maintenanceMargin, uint256 fastest) external pure returns (uint256) {
        return AuctionMath.clockSpeedDown(equity, maintenanceMargin, fastest);
    }

    function discount(uint256 elapsed, AuctionParameters calldata parameters) external pure returns (uint256) {
        return AuctionMath.discountDown(elapsed, parameters);
    }

    function premiumRate(uint256 elapsed, uint256 premiumSeconds) external pure returns (uint256) {
        return AuctionMath.premiumRateDown(elapsed, premiumSeconds);
    }

    function nextPhase(Sale calldata sale, AuctionParameters calldata parameters) external pure returns (Phase) {
        return AuctionMath.nextPhase(sale, parameters);
    }

    function price(Sale calldata sale, bool takesWhole) external pure returns (int256 whole, uint256 perEquity) {
        return (AuctionMath.price(sale, takesWhole), AuctionMath.pricePerEquityUp(sale, takesWhole));
    }

    function fractions(
        Sale calldata sale,
        uint256 minimumFraction
    ) external pure returns (uint256 least, uint256 most) {
        return AuctionMath.fractions(sale, minimumFraction);
    }

    function settlement(
        Sale calldata sale,
        uint256 fraction
    ) external pure returns (uint256 payment, uint256 reward, uint256 deficit) {
        return AuctionMath.settlement(sale, fraction);
    }
}
