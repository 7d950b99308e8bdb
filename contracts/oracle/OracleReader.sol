// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IOracleHubAdmin} from "../interfaces/IOracleHubAdmin.sol";
import {IPriceSource, PriceReport} from "../interfaces/IPriceSource.sol";
import {OracleState, Quote} from "../types/Quote.sol";
import {BoundedCall} from "./BoundedCall.sol";
import {OracleMath} from "./OracleMath.sol";
import {CrossCheck, FirstSource, Observation, OracleEntry, SecondSource, StandingLevel} from "./OracleStorage.sol";
import {StablePrice} from "./StablePrice.sol";

/// @title What the sources say now, and how far it may be trusted
/// @notice Reads only: the hub commits what is found here, so that views and acts cannot disagree.
abstract contract OracleReader {
    /// @dev What every underlying's read shares.
    struct ReadContext {
        uint256 divisor; // USD prices are divided by it, wad
        OracleState bestState; // no quote may be better than this
        bool isSequencerUp;
    }

    /// @dev One read of one underlying: its state, and what to write for it.
    struct Resolution {
        OracleState state;
        Observation observation;
        CrossCheck crossCheck;
        bool isCrossCheckRead;
        uint256 secondIndex; // value unit, wad; 0 where unknown
        uint256 refusedLevel; // a price refused for its step alone, wad; else 0
    }

    uint8 internal constant SETTLEMENT_TOKEN = 0;
    uint256 private constant REPORT_SIZE = 96;

    mapping(uint8 underlying => OracleEntry) internal _entries;

    function _resolve(uint8 underlying, ReadContext memory context) internal view returns (Resolution memory) {
        OracleEntry storage entry = _entries[underlying];
        FirstSource memory first = entry.first;
        if (first.source == address(0)) revert IOracleHubAdmin.UnderlyingNotConfigured(underlying);
        Resolution memory found = Resolution(OracleState.Halted, entry.observation, entry.crossCheck, false, 0, 0);
        uint256 stable = _stableNow(found.observation, first, found.crossCheck);
        if (context.isSequencerUp) found.state = _readPrice(underlying, entry, first, context.divisor, found);
        if (found.state < context.bestState) found.state = context.bestState;
        found.observation.stable = uint96(stable); // between two uint96
        found.observation.refreshedAt = uint32(block.timestamp);
        return found;
    }

    function _quoteOf(uint8 underlying, Resolution memory found) internal pure returns (Quote memory) {
        uint256 second = found.state == OracleState.Wide ? found.secondIndex : 0;
        return Quote(underlying, found.state, found.observation.index, found.observation.stable, uint128(second));
    }

    function _stableNow(
        Observation memory seen,
        FirstSource memory first,
        CrossCheck memory crossCheck
    ) internal view returns (uint256) {
        uint256 elapsed = block.timestamp - seen.refreshedAt;
        return StablePrice.advance(seen.stable, seen.index, elapsed, first.stableDelay, crossCheck.stableRateBps);
    }

    /// @dev The first usable price of first and second source, else the last good one; written to `found`.
    function _readPrice(
        uint8 underlying,
        OracleEntry storage entry,
        FirstSource memory first,
        uint256 divisor,
        Resolution memory found
    ) private view returns (OracleState) {
        Observation memory seen = found.observation;
        PriceReport memory report = _report(first.source, underlying);
        uint256 firstIndex = _freshIndex(report, seen.publishedAt, first.maxAge, divisor);
        bool isQuiet = firstIndex != 0 && !OracleMath.differs(firstIndex, seen.index, first.stepBps);
        uint256 secondIndex = _secondIndex(underlying, entry, firstIndex, isQuiet, divisor, found);
        found.secondIndex = secondIndex;

        if (isQuiet || (firstIndex != 0 && _isStepAccepted(entry, first, found, firstIndex))) {
            seen.index = uint96(firstIndex);
            seen.publishedAt = uint32(report.publishedAt);
            return _isWide(found.crossCheck, report, firstIndex, secondIndex) ? OracleState.Wide : OracleState.Ok;
        }
        if (secondIndex != 0 && _isSecondAccepted(entry, first, found)) {
            seen.index = uint96(secondIndex);
            found.crossCheck.servedAt = found.crossCheck.expiresAt - entry.second.maxAge;
            found.isCrossCheckRead = true;
            found.refusedLevel = firstIndex;
            return OracleState.Wide;
        }
        found.refusedLevel = firstIndex != 0 ? firstIndex : secondIndex;
        uint256 age = block.timestamp - _goodAt(seen, found.crossCheck);
        return age > first.haltAge ? OracleState.Halted : OracleState.Stale;
    }

    /// @dev The second source's index, 0 where unknown. The cached price does unless it has expired, or is needed to
    ///      judge a first price that is missing, steps, or differs from it.
    function _secondIndex(
        uint8 underlying,
        OracleEntry storage entry,
        uint256 firstIndex,
        bool isQuiet,
        uint256 divisor,
        Resolution memory found
    ) private view returns (uint256 cached) {
        CrossCheck memory crossCheck = found.crossCheck;
        if (!crossCheck.hasSecond) return 0;
        if (block.timestamp <= crossCheck.expiresAt) cached = _index(crossCheck.price, divisor);
        if (isQuiet && cached != 0 && !OracleMath.differs(firstIndex, cached, crossCheck.wideBps)) return cached;
        if (!_readSecond(underlying, entry.second, crossCheck)) return cached;
        found.isCrossCheckRead = true;
        return _index(crossCheck.price, divisor);
    }

    /// @dev Reads the second source into `crossCheck`; false, and nothing changed, where it has no fresh report or one
    ///      older than the cached one.
    function _readSecond(
        uint8 underlying,
        SecondSource memory second,
        CrossCheck memory crossCheck
    ) internal view returns (bool) {
        PriceReport memory report = _report(second.source, underlying);
        uint256 notBefore = crossCheck.expiresAt > second.maxAge ? crossCheck.expiresAt - second.maxAge : 0;
        if (_freshIndex(report, notBefore, second.maxAge, OracleMath.WAD) == 0) return false;
        crossCheck.price = uint96(report.price);
        crossCheck.expiresAt = uint32(report.publishedAt + second.maxAge);
        return true;
    }

    /// @dev A step of the first source: both sources agree, or the level has stood.
    function _isStepAccepted(
        OracleEntry storage entry,
        FirstSource memory first,
        Resolution memory found,
        uint256 firstIndex
    ) private view returns (bool) {
        uint256 secondIndex = found.secondIndex;
        bool agrees = secondIndex != 0 && !OracleMath.differs(firstIndex, secondIndex, entry.second.agreementBps);
        return agrees || _stands(entry, first, found, firstIndex);
    }

    function _isSecondAccepted(
        OracleEntry storage entry,
        FirstSource memory first,
        Resolution memory found
    ) private view returns (bool) {
        bool isQuiet = !OracleMath.differs(found.secondIndex, found.observation.index, first.stepBps);
        return isQuiet || _stands(entry, first, found, found.secondIndex);
    }

    /// @dev Whether the price has been at this level for long enough to be believed without a second source, and is not
    ///      so far off that only two sources may move it there.
    function _stands(
        OracleEntry storage entry,
        FirstSource memory first,
        Resolution memory found,
        uint256 price
    ) private view returns (bool) {
        if (!found.crossCheck.levelPending) return false;
        StandingLevel memory standing = entry.standing;
        bool isSameLevel = !OracleMath.differs(price, standing.level, first.stepBps);
        bool isBelievable = !OracleMath.differs(price, found.observation.index, standing.standBps);
        return isSameLevel && isBelievable && block.timestamp - standing.since >= entry.second.standTime;
    }

    /// @dev A second source that is configured and silent is a reason: unknown is never agreement.
    function _isWide(
        CrossCheck memory crossCheck,
        PriceReport memory report,
        uint256 firstIndex,
        uint256 secondIndex
    ) private view returns (bool) {
        if (block.timestamp < crossCheck.wideUntil) return true;
        if (report.confidence > report.price * crossCheck.confidenceBps / OracleMath.BPS) return true;
        if (!crossCheck.hasSecond) return false;
        return secondIndex == 0 || OracleMath.differs(firstIndex, secondIndex, crossCheck.wideBps);
    }

    function _goodAt(Observation memory seen, CrossCheck memory crossCheck) internal pure returns (uint256) {
        return seen.publishedAt > crossCheck.servedAt ? seen.publishedAt : crossCheck.servedAt;
    }

    /// @dev A report's index, or 0: refused where it is zero, absurd, future-dated, rolled back or too old.
    function _freshIndex(
        PriceReport memory report,
        uint256 notBefore,
        uint256 maxAge,
        uint256 divisor
    ) internal view returns (uint256) {
        uint256 publishedAt = report.publishedAt;
        if (publishedAt > block.timestamp || publishedAt < notBefore) return 0;
        return block.timestamp - publishedAt > maxAge ? 0 : _index(report.price, divisor);
    }

    /// @dev 0 where the price does not fit the storage's 96 bits.
    function _index(uint256 usd, uint256 divisor) private pure returns (uint256) {
        if (usd > type(uint96).max) return 0;
        uint256 index = OracleMath.toValueUnitDown(usd, divisor);
        return index > type(uint96).max ? 0 : index;
    }

    /// @dev Zeros where the source has no well-formed answer.
    function _report(address source, uint8 underlying) internal view returns (PriceReport memory report) {
        bytes memory question = abi.encodeCall(IPriceSource.latestReport, (underlying));
        uint256 output;
        assembly ("memory-safe") {
            output := report
        }
        if (!BoundedCall.tryRead(source, question, output, REPORT_SIZE)) return PriceReport(0, 0, 0);
    }
}
