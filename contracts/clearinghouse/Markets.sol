// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {IClearinghouseCore} from "../interfaces/IClearinghouseCore.sol";
import {
    BILLION,
    SIGNED_BILLION,
    SIGNED_WAD,
    WAD,
    divDown,
    magnitude,
    mulDivDown,
    positivePart
} from "../math/FixedPoint.sol";
import {perpOf} from "../types/InstrumentId.sol";
import {OracleState, Quote} from "../types/Quote.sol";
import {ClearinghouseStorage} from "./Storage.sol";
import {PositionWord} from "./Words.sol";
import {Market, WorkingSet} from "./WorkingSet.sol";

/// @title Instruments: funding, basis, marks, open interest
abstract contract Markets is ClearinghouseStorage {
    /// @dev A constant basis b pays b of the index in this time.
    int256 private constant FUNDING_PERIOD = 8 hours;

    /// @dev The instrument in memory, funding accrued to now; read at most once.
    function _market(WorkingSet memory set, uint256 index) internal view returns (Market memory market) {
        for (uint256 i; i < set.marketCount; ++i) {
            if (set.markets[i].index == index) return set.markets[i];
        }
        market = _readMarket(index);
        set.needed |= 1 << market.underlying;
        set.addMarket(market);
    }

    function _readMarket(uint256 index) private view returns (Market memory market) {
        if (index == 0 || index > _markets.length) revert IClearinghouseCore.UnknownInstrument(uint24(index));
        StoredMarket storage stored = _markets[index - 1];
        market.index = index;
        market.underlying = stored.underlying;
        market.perp = stored.perp;
        // A perpetual's id follows from its underlying, which spares reading it.
        market.id = market.perp ? perpOf(uint8(market.underlying)) : stored.id;
        market.reduceOnlySet = stored.reduceOnlySet;
        market.sizeStep = 10 ** stored.sizeStepExponent;
        market.funding = stored.funding;
        market.indexPrice = stored.indexPrice;
        market.accruedAt = stored.accruedAt;
        market.basisStart = stored.basisStart;
        market.basisSample = stored.basisSample;
        market.sampledAt = stored.sampledAt;
        market.window = stored.window;
        market.openInterest = market.foundOpenInterest = stored.openInterest;
        _accrueFunding(market);
    }

    /// @dev F grows by index · ∫ basis dt / 8 h since the last written accrual, rounded down once.
    function _accrueFunding(Market memory market) private view {
        int256 until = int256(block.timestamp - market.sampledAt);
        int256 from = int256(market.accruedAt - market.sampledAt);
        int256 window = int256(market.window);
        int256 growth = _basisIntegral(market, until) - _basisIntegral(market, from);
        market.funding += divDown(int256(market.indexPrice) * growth, 2 * window * SIGNED_BILLION * FUNDING_PERIOD);
        market.basis = until >= window
            ? market.basisSample
            : market.basisStart + (market.basisSample - market.basisStart) * until / window;
    }

    /// @dev 2 · window · ∫₀^elapsed basis dt, 1e9 · s² is one: whole, so that it can be split anywhere.
    function _basisIntegral(Market memory market, int256 elapsed) private pure returns (int256) {
        int256 window = int256(market.window);
        if (elapsed <= window) {
            return elapsed * (2 * window * market.basisStart + (market.basisSample - market.basisStart) * elapsed);
        }
        return window * window * (market.basisStart - market.basisSample) + 2 * window * market.basisSample * elapsed;
    }

    /// @dev Gives each market of the set its quote and mark, once the quotes are known.
    function _markMarkets(WorkingSet memory set) internal pure {
        for (uint256 i; i < set.marketCount; ++i) {
            Market memory market = set.markets[i];
            if (market.mark != 0) continue;
            market.quote = _quoteOf(set, market.underlying);
            market.mark = mulDivDown(market.quote.index, uint256(SIGNED_BILLION + market.basis), BILLION);
        }
    }

    function _quoteOf(WorkingSet memory set, uint256 underlying) internal pure returns (Quote memory) {
        for (uint256 i; i < set.quotes.length; ++i) {
            if (set.quotes[i].underlying == underlying) return set.quotes[i];
        }
        revert IClearinghouseCore.OracleNotUsable(uint8(underlying));
    }

    /// @dev ⌊size · mark⌋ + quote − ⌈size · F⌉.
    function _valueOf(PositionWord position, Market memory market) internal pure returns (int256) {
        int256 size = position.sizeIn();
        return divDown(size * int256(market.mark), SIGNED_WAD) + _offsetOf(position, market);
    }

    /// @dev quote − ⌈size · F⌉.
    function _offsetOf(PositionWord position, Market memory market) internal pure returns (int256) {
        return position.quoteIn() + divDown(-position.sizeIn() * market.funding, SIGNED_WAD);
    }

    /// @dev The first large enough fill of a block makes a sample; it has weight zero in its own block.
    function _sampleBasis(Market memory market, uint256 notional, uint256 price) internal {
        StoredUnderlying storage limits = _underlyings[market.underlying];
        if (market.sampledAt == block.timestamp || !_trusted(market.quote)) return;
        if (notional < limits.minimumSampleNotional * WAD) return;
        int256 index = int256(uint256(market.quote.index));
        int256 sample = divDown((int256(price) - index) * SIGNED_BILLION, index);
        int256 limit = int256(uint256(limits.basisLimit));
        if (sample > limit) sample = limit;
        if (sample < -limit) sample = -limit;
        market.basisStart = market.basis;
        market.basisSample = sample;
        market.sampledAt = block.timestamp;
        market.window = limits.basisWindow;
        emit IClearinghouseCore.BasisSampled(uint24(market.index), market.basisStart, sample, market.window);
    }

    function _trusted(Quote memory quote) internal pure returns (bool) {
        return quote.state == OracleState.Ok || quote.state == OracleState.Wide;
    }

    function _isReduceOnly(Market memory market) internal view returns (bool) {
        if (!_trusted(market.quote)) return true;
        return market.reduceOnlySet && _markets[market.index - 1].reduceOnlyUntil > block.timestamp;
    }

    /// @dev Open interest follows one side's change from `before` to `afterwards`.
    function _countOpenInterest(Market memory market, int256 before, int256 afterwards) internal pure {
        market.openInterest = market.openInterest + positivePart(afterwards) - positivePart(before);
    }

    function _saveMarkets(WorkingSet memory set) internal {
        for (uint256 i; i < set.marketCount; ++i) {
            Market memory market = set.markets[i];
            if (market.traded || market.openInterest != market.foundOpenInterest) _saveMarket(market);
        }
    }

    function _saveMarket(Market memory market) internal {
        StoredMarket storage stored = _markets[market.index - 1];
        if (market.accruedAt != block.timestamp) {
            if (_trusted(market.quote)) market.indexPrice = market.quote.index;
            emit IClearinghouseCore.FundingAccrued(
                uint24(market.index), market.funding, market.basis, market.indexPrice
            );
        }
        stored.funding = SafeCast.toInt128(market.funding);
        stored.indexPrice = SafeCast.toUint96(market.indexPrice);
        stored.accruedAt = uint32(block.timestamp);
        stored.basisStart = int32(market.basisStart); // within the limit, which fits
        stored.basisSample = int32(market.basisSample);
        stored.sampledAt = uint32(market.sampledAt);
        stored.window = uint24(market.window);
        stored.openInterest = SafeCast.toUint104(market.openInterest);
        if (market.openInterest != market.foundOpenInterest) _saveUnderlyingOpenInterest(market, stored);
    }

    function _saveUnderlyingOpenInterest(Market memory market, StoredMarket storage stored) private {
        StoredUnderlying storage underlying = _underlyings[market.underlying];
        uint256 total = underlying.openInterest + market.openInterest - market.foundOpenInterest;
        underlying.openInterest = SafeCast.toUint104(total);
        if (market.openInterest < market.foundOpenInterest) return;
        if (market.openInterest > stored.openInterestCap) {
            revert IClearinghouseCore.OpenInterestCapExceeded(
                uint24(market.index), market.openInterest, stored.openInterestCap
            );
        }
        uint256 value = mulDivDown(total, market.quote.index, WAD);
        if (total > underlying.openInterestCap || value > underlying.openInterestValueCap) {
            revert IClearinghouseCore.UnderlyingOpenInterestCapExceeded(uint8(market.underlying), total, value);
        }
    }

    /// @dev Reverts unless the fill's price is within the band around mark.
    function _requireInsideBand(Market memory market, uint256 price) internal view {
        uint256 distance = magnitude(int256(price) - int256(market.mark));
        if (distance * BILLION > market.mark * _underlyings[market.underlying].priceBand) {
            revert IClearinghouseCore.OutsidePriceBand(uint24(market.index), price, market.mark);
        }
    }
}
