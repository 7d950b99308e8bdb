// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {LibBit} from "solady/utils/LibBit.sol";

import {IOracleHub} from "../interfaces/IOracleHub.sol";
import {IOracleHubAdmin, OracleLimits, OracleRecord} from "../interfaces/IOracleHubAdmin.sol";
import {PriceReport} from "../interfaces/IPriceSource.sol";
import {OracleState, Quote} from "../types/Quote.sol";
import {OracleLimitBounds} from "./OracleLimitBounds.sol";
import {OracleMath} from "./OracleMath.sol";
import {OracleReader} from "./OracleReader.sol";
import {
    CrossCheck,
    FirstSource,
    Observation,
    OracleEntry,
    SecondSource,
    SettlementPrice,
    StandingLevel
} from "./OracleStorage.sol";
import {QuoteCache} from "./QuoteCache.sol";
import {SequencerUptime} from "./SequencerUptime.sol";

/// @title Prices of every underlying, hardened
contract OracleHub is IOracleHub, IOracleHubAdmin, OracleReader, AccessManaged {
    uint256 private constant SETTLEMENT_TOKEN_BIT = 1;
    uint256 private constant WIDE_AFTER_CHANGE = 1 hours;
    uint24 private constant DEFAULT_SETTLEMENT_MEMORY = 1 minutes;

    /// @inheritdoc IOracleHubAdmin
    address public immutable sequencerFeed;
    /// @inheritdoc IOracleHubAdmin
    uint256 public immutable sequencerGrace;
    /// @inheritdoc IOracleHubAdmin
    address public fallbackSource;
    /// @inheritdoc IOracleHubAdmin
    uint256 public listedUnderlyings;
    SettlementPrice private _settlement =
        SettlementPrice({usd: 0, state: OracleState.Ok, readAt: 0, memoryTime: DEFAULT_SETTLEMENT_MEMORY});

    /// @param authority The access manager.
    /// @param sequencerFeed_ L2 sequencer uptime feed, 0 for none.
    /// @param sequencerGrace_ Seconds after a restart in which everything stays `Halted`.
    constructor(address authority, address sequencerFeed_, uint256 sequencerGrace_) AccessManaged(authority) {
        OracleLimitBounds.checkSequencerGrace(sequencerGrace_);
        sequencerFeed = sequencerFeed_;
        sequencerGrace = sequencerGrace_;
    }

    // Quotes ----------------------------------------------------------------------------------------------------

    /// @inheritdoc IOracleHub
    function refresh(uint256 underlyings) external returns (Quote[] memory quotes, uint256 settlementTokenUsd) {
        _checkSet(underlyings);
        SettlementPrice memory settlement = _settlement;
        if (!_isRemembered(settlement)) _readSettlement(settlement);
        ReadContext memory context = _contextFrom(settlement);
        quotes = new Quote[](LibBit.popCount(underlyings));
        for (uint256 i = 0; underlyings != 0; ++i) {
            quotes[i] = _fix(uint8(LibBit.ffs(underlyings)), context);
            underlyings &= underlyings - 1;
        }
        settlementTokenUsd = settlement.usd;
    }

    /// @inheritdoc IOracleHub
    function quotesOf(uint256 underlyings) external view returns (Quote[] memory quotes, uint256 settlementTokenUsd) {
        _checkSet(underlyings);
        SettlementPrice memory settlement = _settlement;
        if (!_isRemembered(settlement)) _resolveSettlement(settlement);
        ReadContext memory context = _contextFrom(settlement);
        quotes = new Quote[](LibBit.popCount(underlyings));
        for (uint256 i = 0; underlyings != 0; ++i) {
            quotes[i] = _preview(uint8(LibBit.ffs(underlyings)), context);
            underlyings &= underlyings - 1;
        }
        settlementTokenUsd = settlement.usd;
    }

    /// @inheritdoc IOracleHubAdmin
    function poke(uint8 underlying) external {
        OracleEntry storage entry = _entries[underlying];
        CrossCheck memory crossCheck = entry.crossCheck;
        if (!crossCheck.hasSecond) revert NoSecondSource(underlying);
        SecondSource memory second = entry.second;
        if (!_readSecond(underlying, second, crossCheck)) revert SourceNotUsable(underlying, second.source);
        entry.crossCheck = crossCheck;
        emit SecondCached(underlying, crossCheck.price, crossCheck.expiresAt);
    }

    function _checkSet(uint256 underlyings) private pure {
        if (underlyings & SETTLEMENT_TOKEN_BIT != 0) revert SettlementTokenImplied();
    }

    /// @dev Remembered at least to the end of its block, so that it is one value a transaction (I20).
    function _isRemembered(SettlementPrice memory settlement) private view returns (bool) {
        return block.timestamp <= uint256(settlement.readAt) + settlement.memoryTime;
    }

    function _readSettlement(SettlementPrice memory settlement) private {
        Resolution memory found = _resolveSettlement(settlement);
        settlement.readAt = uint32(block.timestamp);
        _settlement = settlement;
        _commit(SETTLEMENT_TOKEN, found);
        emit QuoteFixed(SETTLEMENT_TOKEN, found.state, settlement.usd, found.observation.stable, 0);
    }

    /// @dev Writes what its sources say now to `settlement`.
    function _resolveSettlement(SettlementPrice memory settlement) private view returns (Resolution memory found) {
        found = _resolve(SETTLEMENT_TOKEN, ReadContext(OracleMath.WAD, OracleState.Ok, true));
        settlement.usd = found.observation.index;
        settlement.state = found.state;
    }

    /// @dev Every index rests on the settlement token's price, so no quote is trusted further than that; but a broken
    ///      USDC-USD feed alone halts nothing, or it would stop every liquidation.
    function _contextFrom(SettlementPrice memory settlement) private view returns (ReadContext memory) {
        OracleState best = settlement.state < OracleState.Stale ? settlement.state : OracleState.Stale;
        bool isSequencerUp = SequencerUptime.isUp(sequencerFeed, sequencerGrace);
        return ReadContext(OracleMath.divisorOf(settlement.usd), best, isSequencerUp);
    }

    function _preview(uint8 underlying, ReadContext memory context) private view returns (Quote memory) {
        uint256 word = QuoteCache.load(underlying);
        if (word != 0) return QuoteCache.decode(underlying, word);
        return _quoteOf(underlying, _resolve(underlying, context));
    }

    function _fix(uint8 underlying, ReadContext memory context) private returns (Quote memory) {
        uint256 word = QuoteCache.load(underlying);
        if (word != 0) return QuoteCache.decode(underlying, word);
        Resolution memory found = _resolve(underlying, context);
        Quote memory quote = _quoteOf(underlying, found);
        _commit(underlying, found);
        QuoteCache.store(quote);
        emit QuoteFixed(underlying, quote.state, quote.index, quote.stable, quote.second);
        return quote;
    }

    function _commit(uint8 underlying, Resolution memory found) private {
        OracleEntry storage entry = _entries[underlying];
        CrossCheck memory crossCheck = found.crossCheck;
        bool isRefused = found.refusedLevel != 0;
        if (isRefused) _track(underlying, entry, crossCheck.levelPending, found);
        if (found.isCrossCheckRead || crossCheck.levelPending != isRefused) {
            crossCheck.levelPending = isRefused;
            entry.crossCheck = crossCheck;
        }
        entry.observation = found.observation;
    }

    /// @dev The clock of a refused level starts, and starts again when the price leaves it.
    function _track(uint8 underlying, OracleEntry storage entry, bool isPending, Resolution memory found) private {
        StandingLevel memory standing = entry.standing;
        if (isPending && !OracleMath.differs(found.refusedLevel, standing.level, entry.first.stepBps)) return;
        standing.level = uint96(found.refusedLevel);
        standing.since = uint32(block.timestamp);
        entry.standing = standing;
        emit LevelPending(underlying, found.refusedLevel, found.observation.index);
    }

    // Configuration ---------------------------------------------------------------------------------------------

    /// @inheritdoc IOracleHubAdmin
    function setLimits(uint8 underlying, OracleLimits calldata limits) external restricted {
        OracleLimitBounds.check(limits);
        OracleEntry storage entry = _entries[underlying];
        CrossCheck memory crossCheck = entry.crossCheck;
        if (crossCheck.hasSecond) {
            crossCheck.expiresAt = crossCheck.expiresAt - entry.second.maxAge + limits.secondMaxAge;
        }
        crossCheck.wideBps = limits.wideBps;
        crossCheck.confidenceBps = limits.confidenceBps;
        crossCheck.stableRateBps = limits.stableRateBps;
        entry.crossCheck = crossCheck;
        entry.first = FirstSource(entry.first.source, limits.maxAge, limits.haltAge, limits.stepBps, limits.stableDelay);
        entry.second = SecondSource(
            entry.second.source, limits.secondMaxAge, limits.standTime, limits.fallbackDelay, limits.agreementBps
        );
        entry.standing.standBps = limits.standBps;
        if (underlying == SETTLEMENT_TOKEN) _settlement.readAt = 0;
        emit LimitsSet(underlying, limits);
    }

    /// @inheritdoc IOracleHubAdmin
    function setSources(uint8 underlying, address first, address second) external restricted {
        OracleEntry storage entry = _entries[underlying];
        uint256 lastGood = entry.observation.index;
        _adopt(underlying, first, second);
        uint256 index = entry.observation.index;
        bool isUnchecked = second == address(0) && lastGood != 0;
        if (isUnchecked && OracleMath.differs(index, lastGood, entry.standing.standBps)) {
            revert SourceTooFar(underlying, index, lastGood);
        }
    }

    /// @inheritdoc IOracleHubAdmin
    function setSettlementMemory(uint24 memoryTime) external restricted {
        OracleLimitBounds.checkSettlementMemory(memoryTime);
        _settlement.memoryTime = memoryTime;
        emit SettlementMemorySet(memoryTime);
    }

    /// @inheritdoc IOracleHubAdmin
    function setFallbackSource(address source) external restricted {
        fallbackSource = source;
        emit FallbackSourceSet(source);
    }

    /// @inheritdoc IOracleHubAdmin
    function serveFromFallback(uint8 underlying) external restricted {
        OracleEntry storage entry = _entries[underlying];
        if (fallbackSource == address(0)) revert NoFallbackSource();
        if (entry.first.source == address(0)) revert UnderlyingNotConfigured(underlying);
        uint256 haltedAt = _goodAt(entry.observation, entry.crossCheck) + entry.first.haltAge;
        uint256 servedFrom = haltedAt + entry.second.fallbackDelay;
        if (block.timestamp <= servedFrom) revert NotHaltedLongEnough(underlying, servedFrom);
        _adopt(underlying, fallbackSource, address(0));
    }

    /// @dev Connects sources that answer now and agree; the first's price becomes the last good one.
    function _adopt(uint8 underlying, address first, address second) private {
        OracleEntry storage entry = _entries[underlying];
        if (entry.first.maxAge == 0) revert LimitsNotSet(underlying);
        Observation memory seen = entry.observation;
        CrossCheck memory crossCheck = entry.crossCheck;
        bool isNew = entry.first.source == address(0);
        uint256 divisor = _storedDivisor(underlying);
        PriceReport memory report = _report(first, underlying);
        uint256 index = _freshIndex(report, 0, entry.first.maxAge, divisor);
        if (index == 0) revert SourceNotUsable(underlying, first);

        seen.stable = isNew ? uint96(index) : uint96(_stableNow(seen, entry.first, crossCheck));
        seen.index = uint96(index);
        seen.publishedAt = uint32(report.publishedAt);
        seen.refreshedAt = uint32(block.timestamp);
        crossCheck.expiresAt = 0;
        crossCheck.servedAt = 0;
        crossCheck.levelPending = false;
        crossCheck.wideUntil = isNew ? 0 : uint32(block.timestamp + WIDE_AFTER_CHANGE);
        entry.first.source = first;
        entry.second.source = second;
        crossCheck.hasSecond = second != address(0);
        if (crossCheck.hasSecond) _checkAgreement(underlying, entry.second, crossCheck, report.price);
        entry.observation = seen;
        entry.crossCheck = crossCheck;
        listedUnderlyings |= 1 << underlying;
        if (underlying == SETTLEMENT_TOKEN) _settlement.readAt = 0;
        emit SourcesSet(underlying, first, second, index);
    }

    function _checkAgreement(
        uint8 underlying,
        SecondSource memory second,
        CrossCheck memory crossCheck,
        uint256 firstPrice
    ) private view {
        if (!_readSecond(underlying, second, crossCheck)) {
            revert SourceNotUsable(underlying, second.source);
        }
        if (OracleMath.differs(firstPrice, crossCheck.price, second.agreementBps)) {
            revert SourcesDisagree(underlying, firstPrice, crossCheck.price);
        }
    }

    function _storedDivisor(uint8 underlying) private view returns (uint256) {
        if (underlying == SETTLEMENT_TOKEN) return OracleMath.WAD;
        uint256 settlementTokenUsd = _entries[SETTLEMENT_TOKEN].observation.index;
        if (settlementTokenUsd == 0) revert SettlementTokenNotConfigured();
        return OracleMath.divisorOf(settlementTokenUsd);
    }

    /// @inheritdoc IOracleHubAdmin
    function settlementMemory() external view returns (uint256) {
        return _settlement.memoryTime;
    }

    /// @inheritdoc IOracleHubAdmin
    function limitsOf(uint8 underlying) external view returns (OracleLimits memory) {
        OracleEntry memory entry = _entries[underlying];
        return OracleLimits({
            maxAge: entry.first.maxAge,
            secondMaxAge: entry.second.maxAge,
            haltAge: entry.first.haltAge,
            fallbackDelay: entry.second.fallbackDelay,
            stepBps: entry.first.stepBps,
            agreementBps: entry.second.agreementBps,
            standTime: entry.second.standTime,
            standBps: entry.standing.standBps,
            wideBps: entry.crossCheck.wideBps,
            confidenceBps: entry.crossCheck.confidenceBps,
            stableDelay: entry.first.stableDelay,
            stableRateBps: entry.crossCheck.stableRateBps
        });
    }

    /// @inheritdoc IOracleHubAdmin
    function recordOf(uint8 underlying) external view returns (OracleRecord memory) {
        OracleEntry memory entry = _entries[underlying];
        bool isPending = entry.crossCheck.levelPending;
        return OracleRecord({
            first: entry.first.source,
            second: entry.second.source,
            index: entry.observation.index,
            stable: entry.observation.stable,
            publishedAt: entry.observation.publishedAt,
            goodAt: _goodAt(entry.observation, entry.crossCheck),
            refreshedAt: entry.observation.refreshedAt,
            secondPrice: entry.crossCheck.price,
            secondExpiresAt: entry.crossCheck.expiresAt,
            wideUntil: entry.crossCheck.wideUntil,
            pendingLevel: isPending ? entry.standing.level : 0,
            pendingSince: isPending ? entry.standing.since : 0
        });
    }
}
