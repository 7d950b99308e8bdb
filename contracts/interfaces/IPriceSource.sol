// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @notice One source's newest report on an underlying.
/// @param price USD per whole unit, wad. 0 where the source has none.
/// @param confidence Half-width of the source's confidence interval, wad of USD; 0 where it states none.
/// @param publishedAt Unix seconds at which the source says the price held.
struct PriceReport {
    uint256 price;
    uint256 confidence;
    uint256 publishedAt;
}

/// @title A place prices come from: a Chainlink aggregator's adapter, or the quorum feed
/// @dev May revert, return nonsense, or burn all gas it is given: the hub guards itself.
interface IPriceSource {
    function latestReport(uint8 underlying) external view returns (PriceReport memory);
}
