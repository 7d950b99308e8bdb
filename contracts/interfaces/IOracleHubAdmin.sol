// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {OracleState} from "../types/Quote.sol";

/// @notice Limits of one underlying. Ages and times in seconds; ratios in basis points (1e4 is one).
/// @param maxAge Older reports of the first source are refused.
/// @param secondMaxAge Older reports of the second source are refused.
/// @param haltAge `Halted` once the last good price is older than this; `Stale` until then.
/// @param fallbackDelay How long an underlying must have been halted before the fallback source may serve it.
/// @param stepBps Largest change against the last good price that a report may bring by itself.
/// @param agreementBps A larger step is accepted at once where both sources agree within this.
/// @param standTime A larger step is accepted where it has stood this long, seen by state-changing reads ...
/// @param standBps ... unless it exceeds this: then only two sources in agreement move the price.
/// @param wideBps `Wide` where the sources differ by more than this.
/// @param confidenceBps `Wide` where the first source's confidence half-width exceeds this share of the price.
/// @param stableDelay Seconds in which the stable price closes its distance to the index, were it not rate-limited;
///        also the longest time that one move counts.
/// @param stableRateBps Fastest move of the stable price, basis points of itself an hour.
struct OracleLimits {
    uint24 maxAge;
    uint24 secondMaxAge;
    uint24 haltAge;
    uint24 fallbackDelay;
    uint16 stepBps;
    uint16 agreementBps;
    uint24 standTime;
    uint16 standBps;
    uint16 wideBps;
    uint16 confidenceBps;
    uint24 stableDelay;
    uint16 stableRateBps;
}

/// @notice What the hub stores of one underlying.
/// @param first Its first source.
/// @param second Its second source; 0 where it has none.
/// @param index Last good price, value unit, wad (USD for the settlement token).
/// @param stable Stable price when it was last written, wad.
/// @param publishedAt When the newest accepted report of the first source was published.
/// @param goodAt When the report behind `index` was published, whichever source it came from.
/// @param refreshedAt When index and stable price were last written.
/// @param secondPrice Cached price of the second source, USD, wad.
/// @param secondExpiresAt Last second at which the cached price counts.
/// @param wideUntil `Wide` before this second because a source was changed.
/// @param pendingLevel Level a refused step is waiting at, wad; 0 where none is.
/// @param pendingSince When that level was first seen.
struct OracleRecord {
    address first;
    address second;
    uint256 index;
    uint256 stable;
    uint256 publishedAt;
    uint256 goodAt;
    uint256 refreshedAt;
    uint256 secondPrice;
    uint256 secondExpiresAt;
    uint256 wideUntil;
    uint256 pendingLevel;
    uint256 pendingSince;
}

/// @title Configuration of the oracle hub, and its upkeep by anyone
interface IOracleHubAdmin {
    /// @dev The quote that the rest of the transaction uses.
    event QuoteFixed(uint8 indexed underlying, OracleState state, uint256 index, uint256 stable, uint256 second);
    event SecondCached(uint8 indexed underlying, uint256 price, uint256 expiresAt);
    /// @dev A step was refused; it is accepted if the level stands.
    event LevelPending(uint8 indexed underlying, uint256 level, uint256 lastGood);
    event SourcesSet(uint8 indexed underlying, address indexed first, address indexed second, uint256 index);
    event LimitsSet(uint8 indexed underlying, OracleLimits limits);
    event FallbackSourceSet(address indexed source);
    event SettlementMemorySet(uint256 memoryTime);

    error SettlementTokenImplied();
    error UnderlyingNotConfigured(uint8 underlying);
    error SettlementTokenNotConfigured();
    error LimitsNotSet(uint8 underlying);
    error LimitOutOfBounds(bytes32 limit, uint256 value, uint256 least, uint256 most);
    error SourceNotUsable(uint8 underlying, address source);
    error SourcesDisagree(uint8 underlying, uint256 first, uint256 second);
    /// @dev A lone source may be connected no further from the last good price than `standBps`.
    error SourceTooFar(uint8 underlying, uint256 index, uint256 lastGood);
    error NoSecondSource(uint8 underlying);
    error NotHaltedLongEnough(uint8 underlying, uint256 servedFrom);
    error NoFallbackSource();

    /// @notice Reads the second source and caches its price. Anyone may call.
    /// @dev Reverts with `SourceNotUsable` where it has no fresh report newer than the cached one.
    function poke(uint8 underlying) external;

    /// @notice Sets the limits of an underlying, within the bounds in code. Restricted.
    function setLimits(uint8 underlying, OracleLimits calldata limits) external;

    /// @notice Lists an underlying or changes its sources. Restricted.
    /// @dev Both must have a fresh report now, and agree; the first's price becomes the last good price. A change marks
    ///      the underlying `Wide` for an hour.
    /// @param second 0 for none: the underlying then has no cross-check, and the first's price must be believable.
    function setSources(uint8 underlying, address first, address second) external;

    /// @notice Sets for how many seconds a read of the settlement token's price serves, 0 to 300; the block of the read
    ///         always. It halves what a margin check pays for prices. Restricted.
    function setSettlementMemory(uint24 memoryTime) external;

    /// @notice Names the source that may serve underlyings halted for long: the quorum feed. Restricted.
    function setFallbackSource(address source) external;

    /// @notice Makes the fallback source the only source of an underlying that has been halted for `fallbackDelay`.
    ///         Restricted.
    function serveFromFallback(uint8 underlying) external;

    function limitsOf(uint8 underlying) external view returns (OracleLimits memory);

    function recordOf(uint8 underlying) external view returns (OracleRecord memory);

    /// @notice Bitmap of the underlyings that have sources; bit 0 is the settlement token.
    function listedUnderlyings() external view returns (uint256);

    function fallbackSource() external view returns (address);

    function settlementMemory() external view returns (uint256);

    /// @notice The L2 sequencer uptime feed; 0 on chains that have no sequencer.
    function sequencerFeed() external view returns (address);

    /// @notice Seconds after a restart of the sequencer in which every underlying stays `Halted`.
    function sequencerGrace() external view returns (uint256);
}
