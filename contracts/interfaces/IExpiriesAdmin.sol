// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {SurfaceWord} from "../types/ExpiryQuote.sol";
import {IOracleHub} from "./IOracleHub.sol";
import {IQuorumFeed} from "./IQuorumFeed.sol";

/// @notice Limits of all expiries. Times in seconds, ratios in basis points (1e4 is one).
/// @param maxAge A surface supports new risk no longer than this.
/// @param fallbackDelay How long after expiry the signers' settlement price counts, where observations do not suffice.
/// @param stepInterval Reports count at least this far apart; each interval since the last one allows one step.
/// @param stepVarianceBps A step: by how much of the smaller one two variances may differ, at any k.
/// @param stepPremiumBps A step: how far the forward premium may move.
/// @param premiumBps The premium is within this, and within ...
/// @param premiumRateBps ... as much more a year to expiry.
/// @param leastVolatilityBps The whole smile is above.
/// @param mostVolatilityBps The smile is below within eight standard deviations.
/// @param settlementBps A signed settlement price is within this of the index.
/// @param bounty Paid for an observation, in units of the settlement token.
struct ExpiryLimits {
    uint24 maxAge;
    uint24 fallbackDelay;
    uint16 stepInterval;
    uint16 stepVarianceBps;
    uint16 stepPremiumBps;
    uint16 premiumBps;
    uint16 premiumRateBps;
    uint16 leastVolatilityBps;
    uint16 mostVolatilityBps;
    uint16 settlementBps;
    uint64 bounty;
}

/// @title Configuration of the expiries
interface IExpiriesAdmin {
    event ExpiryListed(uint8 indexed underlying, uint40 indexed expiry, SurfaceWord surface);
    event ExpiryLimitsSet(ExpiryLimits limits);
    event OraclesSet(IOracleHub indexed hub, IQuorumFeed indexed quorumFeed);

    error ExpiryListedBefore(uint256 key);
    /// @dev Expiries are at 08:00 UTC, at least an hour and at most three years ahead.
    error ExpiryOffGrid(uint40 expiry);
    error ExpiryTooNear(uint40 expiry, uint256 earliest);
    error ExpiryTooFar(uint40 expiry, uint256 latest);
    error TooManyExpiries(uint8 underlying, uint256 most);
    error SurfaceFromFuture(uint256 publishedAt, uint256 timestamp);
    error LimitOutOfBounds(bytes32 limit, uint256 value, uint256 least, uint256 most);

    /// @notice Lists an expiry with its first surface, held to the same limits as a signed one, steps apart. At most 16 of
    ///         an underlying at a time. Restricted.
    /// @param initial Its time says when it held, not in the future: it supports new risk no longer than any other. 0 is
    ///        not until the signers have published.
    function listExpiry(uint8 underlying, uint40 expiry, SurfaceWord initial) external;

    /// @notice Sets the limits, within the bounds in code. Restricted.
    function setLimits(ExpiryLimits calldata limits) external;

    /// @notice Replaces the hub that is observed and the feed whose signers count. Restricted.
    function setOracles(IOracleHub hub, IQuorumFeed quorumFeed) external;

    function limits() external view returns (ExpiryLimits memory);

    function oracleHub() external view returns (IOracleHub);

    function quorumFeed() external view returns (IQuorumFeed);

    /// @notice What bounties are paid in, from the contract's own balance: a transfer to it funds them.
    function settlementToken() external view returns (address);
}
