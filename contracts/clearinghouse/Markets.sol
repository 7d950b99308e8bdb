// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {SafeCastLib as SafeCast} from "solady/utils/SafeCastLib.sol";

import {IClearinghouseCore} from "../interfaces/IClearinghouseCore.sol";
import {
    BILLION,
    SIGNED_BILLION,
    SIGNED_RAY,
    WAD,
    divDown,
    magnitude,
    mulDivDown,
    mulDivUp,
    mulWadDown,
    positivePart
} from "../math/FixedPoint.sol";
import {IExpiries} from "../interfaces/IExpiries.sol";
import {IMarginEngine} from "../interfaces/IMarginEngine.sol";
import {expiryKeyOf} from "../types/ExpiryKey.sol";
import {ExpiryQuote} from "../types/ExpiryQuote.sol";
import {InstrumentId, OptionType} from "../types/InstrumentId.sol";
import {Quote} from "../types/Quote.sol";
import {Market, TermsWord, unpackFunding, unpackTerms} from "./Market.sol";
import {ClearinghouseStorage} from "./Storage.sol";
import {PositionWord, packPosition, unpackPair} from "./Words.sol";
import {WorkingSet} from "./WorkingSet.sol";

/// @title Instruments: funding, basis, marks, open interest
abstract contract Markets is ClearinghouseStorage {
    /// @dev A constant basis b pays b of the index in this time.
    int256 private constant FUNDING_PERIOD = 8 hours;
    uint256 internal constant MAX_POSITIONS = 64;

    /// @dev Reads an instrument, funding accrued to now, at most once.
    function _loadMarket(WorkingSet memory set, uint256 index) internal view returns (Market memory market) {
        uint256 bit = 1 << (index & 0xff);
        // Only where an instrument of the same bit was met can this one have been.
        if (set.metMarkets & bit != 0) {
            for (uint256 place; place < set.marketCount; ++place) {
                if (set.markets[place].index == index) return set.markets[place];
            }
        }
        _readMarket(market, index);
        set.needed |= 1 << market.underlying;
        set.metMarkets |= bit;
        if (market.dated) set.metExpiry = true;
        if (market.lossShared) set.lossShared = true;
        set.addMarket(market);
    }

    function _readMarket(Market memory market, uint256 index) private view {
        StoredMarket storage stored = _storedMarket(index);
        market.index = index;
        unpackTerms(stored.terms, market);
        if (market.dated) return;
        unpackFunding(stored.funding, market);
        _accrueFunding(market);
    }

    function _storedMarket(uint256 index) internal view returns (StoredMarket storage stored) {
        stored = _markets[index];
        if (TermsWord.unwrap(stored.terms) == 0) revert IClearinghouseCore.UnknownInstrument(uint24(index));
    }

    /// @dev F grows by index · ∫ basis dt / 8 h since the last written accrual, rounded down once.
    function _accrueFunding(Market memory market) private view {
        // Unchecked: times have 32 bits, the window 24, a basis 31, the index price 96: together below 2^200.
        unchecked {
            int256 until = int256(block.timestamp - market.sampledAt);
            int256 window = int256(market.window);
            int256 growth =
                _basisIntegral(market, until) - _basisIntegral(market, int256(market.accruedAt - market.sampledAt));
            market.funding += divDown(int256(market.indexPrice) * growth, 2 * window * SIGNED_BILLION * FUNDING_PERIOD);
            market.basis = until >= window
                ? market.basisSample
                : market.basisStart + (market.basisSample - market.basisStart) * until / window;
        }
    }

    /// @dev 2 · window · ∫₀^elapsed basis dt, 1e9 · s² is one: whole, so that it can be split anywhere.
    function _basisIntegral(Market memory market, int256 elapsed) private pure returns (int256) {
        int256 window = int256(market.window);
        int256 start = market.basisStart;
        int256 sample = market.basisSample;
        // Unchecked: below 2^90, as above.
        unchecked {
            if (elapsed <= window) return elapsed * (2 * window * start + (sample - start) * elapsed);
            return window * window * (start - sample) + 2 * window * sample * elapsed;
        }
    }

    /// @dev Gives each market of the set its price, once the quotes are known; options that are not settled wait for
    ///      `_markOptions`.
    function _markMarkets(WorkingSet memory set) internal pure {
        for (uint256 i; i < set.marketCount; ++i) {
            Market memory market = set.markets[i];
            if (market.spot == 0) _markMarket(set, market);
        }
    }

    function _markMarket(WorkingSet memory set, Market memory market) internal pure {
        Quote[] memory quotes = set.quotes;
        Quote memory quote = quotes[0];
        for (uint256 i = 1; quote.underlying != market.underlying; ++i) {
            quote = quotes[i];
        }
        market.spot = quote.index;
        market.state = quote.state;
        if (market.dated) _markDated(set, market);
        else market.mark = mulDivDown(market.spot, uint256(SIGNED_BILLION + market.basis), BILLION);
    }

    function _markDated(WorkingSet memory set, Market memory market) private pure {
        ExpiryQuote memory quote = _expiryQuote(set, _expiryKeyOf(market));
        market.expiryTrusted = quote.trusted;
        market.settled = quote.openShare == 0;
        if (market.settled) market.mark = _payoff(market, quote.fixedPart);
        else if (!market.option) market.mark = _forward(quote, market.spot);
    }

    /// @dev Of an expiry that was met before the quotes were read.
    function _expiryQuote(WorkingSet memory set, uint256 key) private pure returns (ExpiryQuote memory) {
        uint256 place;
        while (set.expiryKeys[place] != key) ++place;
        return set.expiries[place];
    }

    function _isSettled(WorkingSet memory set, uint256 key) internal pure returns (bool) {
        return _expiryQuote(set, key).openShare == 0;
    }

    /// @dev Asks for every expiry met so far.
    function _readExpiries(WorkingSet memory set) internal view {
        if (!set.metExpiry) return;
        set.metExpiry = false;
        uint256[] memory keys = _expiriesMet(set);
        ExpiryQuote[] memory quotes = IExpiries(_expiries).quotesOf(keys);
        (set.expiryKeys, set.expiries) = (keys, quotes);
        for (uint256 i; i < quotes.length; ++i) {
            if (quotes[i].openShare == 0) set.anySettled = true;
        }
    }

    /// @dev Of instruments, and of options that were not asked for.
    /// @return keys Ascending, each once.
    function _expiriesMet(WorkingSet memory set) private pure returns (uint256[] memory keys) {
        // Unchecked: counts.
        unchecked {
            keys = new uint256[](set.marketCount + MAX_POSITIONS * set.accountCount);
            // Only shortens the array, which then grows within its room.
            assembly ("memory-safe") {
                mstore(keys, 0)
            }
            for (uint256 i; i < set.marketCount; ++i) {
                Market memory market = set.markets[i];
                if (market.dated) _insert(keys, _expiryKeyOf(market));
            }
            for (uint256 i; i < set.accountCount; ++i) {
                PositionWord[] memory positions = set.accounts[i].storedPositions;
                for (uint256 k; k < positions.length; ++k) {
                    PositionWord position = positions[k];
                    if (position.isOption()) _insert(keys, position.expiryKeyIn());
                }
            }
        }
    }

    /// @dev Keeps the keys ascending, each once. They mostly come in their order, so the search begins at the end.
    function _insert(uint256[] memory keys, uint256 key) private pure {
        assembly ("memory-safe") {
            let place := add(keys, shl(5, mload(keys)))
            for {} 1 { place := sub(place, 32) } {
                // The length is in the place before the first.
                if or(eq(place, keys), lt(mload(place), key)) { break }
                if eq(mload(place), key) {
                    key := 0
                    break
                }
            }
            if key {
                let end := add(keys, shl(5, mload(keys)))
                mcopy(add(place, 64), add(place, 32), sub(end, place))
                mstore(add(place, 32), key)
                mstore(keys, add(mload(keys), 1))
            }
        }
    }

    function _expiryKeyOf(Market memory market) private pure returns (uint256) {
        return expiryKeyOf(uint8(market.underlying), uint40(market.expiry));
    }

    /// @dev The part that is known and ⌊open share · index · (1 + premium)⌋, at least one wei: as the margin engine has it.
    function _forward(ExpiryQuote memory quote, uint256 index) private pure returns (uint256) {
        int256 factor = SIGNED_BILLION + quote.surface.premiumOf();
        uint256 open = quote.openShare * index * positivePart(factor) / (WAD * BILLION);
        uint256 forward = quote.fixedPart + open;
        return forward == 0 ? 1 : forward;
    }

    /// @dev What a unit pays at a settlement price.
    function _payoff(Market memory market, uint256 price) private pure returns (uint256) {
        if (!market.option) return price;
        int256 gain = int256(price) - int256(market.strike);
        return positivePart(market.id.optionTypeOf() == OptionType.Call ? gain : -gain);
    }

    /// @dev Asks the margin engine for the marks of the set's options that wait for one.
    function _markOptions(WorkingSet memory set) internal view {
        InstrumentId[] memory ids = new InstrumentId[](set.marketCount);
        uint256 count;
        for (uint256 i; i < set.marketCount; ++i) {
            if (_waitsForMark(set.markets[i])) ids[count++] = set.markets[i].id;
        }
        if (count == 0) return;
        // Only shortens the array.
        assembly ("memory-safe") {
            mstore(ids, count)
        }
        uint256[] memory prices = IMarginEngine(_marginEngine).optionPrices(ids, set.quotes, set.expiries);
        for (uint256 i = set.marketCount; count != 0;) {
            Market memory market = set.markets[--i];
            if (!_waitsForMark(market)) continue;
            market.mark = prices[--count];
            market.marked = true;
        }
    }

    function _waitsForMark(Market memory market) private pure returns (bool) {
        return market.option && !market.settled && !market.marked;
    }

    /// @dev ⌊size · mark⌋ + quote − ⌈size · F⌉.
    function _valueOf(PositionWord position, Market memory market) internal pure returns (int256) {
        return mulWadDown(position.sizeIn(), int256(market.mark)) + _offsetOf(position, market);
    }

    /// @dev quote − ⌈size · F⌉; dated instruments have no funding.
    function _offsetOf(PositionWord position, Market memory market) internal pure returns (int256) {
        if (market.dated) return position.quoteIn();
        return position.quoteIn() + mulWadDown(-position.sizeIn(), market.funding);
    }

    /// @dev What a position has to do with shared losses: its size times what a unit of its side has paid so far, 1e-18 wei; 0 of
    ///      an option. It is part of the stored quote balance and no part of the one in memory: what is charged between two
    ///      acts lowers the value, and who takes a position owes nothing of what was charged before.
    function _lossShareOf(PositionWord position) internal view returns (uint256) {
        (uint256 longs, uint256 shorts) = unpackPair(_lossShares[position.instrumentIn()]);
        int256 size = position.sizeIn();
        return magnitude(size) * (size > 0 ? longs : shorts);
    }

    /// @dev A position as it is stored, without what shared losses have to do with it.
    function _withoutLossShare(PositionWord stored) internal view returns (PositionWord) {
        int256 quote = stored.quoteIn() - int256(_wadUp(_lossShareOf(stored)));
        return packPosition(stored.instrumentIn(), stored.sizeIn(), quote);
    }

    /// @dev And back. What the rounding of both leaves goes to fees.
    /// @param found What is stored in the position's place now, without its loss share.
    function _withLossShare(
        WorkingSet memory set,
        PositionWord found,
        PositionWord position
    ) internal view returns (PositionWord) {
        uint256 before = _lossShareOf(found);
        uint256 share = _lossShareOf(position);
        uint256 rounded = _wadUp(share);
        set.totals.newFeesRay += int256((_wadUp(before) * WAD - before) * BILLION)
        - int256((rounded * WAD - share) * BILLION);
        if (share == 0) return position;
        return packPosition(position.instrumentIn(), position.sizeIn(), position.quoteIn() + int256(rounded));
    }

    function _wadUp(uint256 value) private pure returns (uint256) {
        return mulDivUp(value, 1, WAD);
    }

    /// @dev The first large enough fill of a block makes a sample; it has weight zero in its own block.
    function _sampleBasis(Market memory market, uint256 notional, uint256 price) internal {
        StoredUnderlying storage limits = _underlyings[market.underlying];
        if (market.sampledAt == block.timestamp || !market.isTrusted()) return;
        if (notional < limits.minimumSampleNotional * WAD) return;
        int256 index = int256(market.spot);
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

    function _isReduceOnly(Market memory market) internal view returns (bool) {
        if (!market.isTrusted()) return true;
        return market.reduceOnlySet && _markets[market.index].reduceOnlyUntil > block.timestamp;
    }

    /// @dev Open interest follows one side's change from `before` to `afterwards`.
    function _countOpenInterest(Market memory market, int256 before, int256 afterwards) internal pure {
        market.openInterest = market.openInterest + positivePart(afterwards) - positivePart(before);
    }

    function _saveMarkets(WorkingSet memory set) internal {
        for (uint256 i; i < set.marketCount; ++i) {
            Market memory market = set.markets[i];
            bool isOpenInterestMoved = market.openInterest != market.foundOpenInterest;
            if (market.traded || isOpenInterestMoved) _saveMarket(market);
            // Longs and shorts that settle in one act leave no size, but what rounding left.
            if (market.settled && (isOpenInterestMoved || market.clearedSize != 0)) _saveClearing(set, market);
        }
    }

    /// @dev The clearing account's remainder, which rounding has left, goes to fees once everybody has settled.
    function _saveClearing(WorkingSet memory set, Market memory market) private {
        StoredMarket storage stored = _markets[market.index];
        int256 size = stored.clearedSize + market.clearedSize;
        int256 quote = stored.clearedQuote + market.clearedQuote;
        if (size == 0 && market.openInterest == 0) {
            set.totals.newFeesRay += quote * SIGNED_RAY;
            emit IClearinghouseCore.InstrumentCleared(uint24(market.index), quote);
            quote = 0;
        }
        (stored.clearedSize, stored.clearedQuote) = (SafeCast.toInt128(size), SafeCast.toInt128(quote));
    }

    function _saveMarket(Market memory market) internal {
        StoredMarket storage stored = _markets[market.index];
        if (!market.dated && market.accruedAt != block.timestamp) {
            if (market.isTrusted()) market.indexPrice = market.spot;
            market.accruedAt = block.timestamp;
            stored.funding = market.packFunding();
            emit IClearinghouseCore.FundingAccrued(
                uint24(market.index), market.funding, market.basis, market.indexPrice
            );
        }
        stored.terms = market.packTerms();
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
        uint256 value = mulDivDown(total, market.spot, WAD);
        if (total > underlying.openInterestCap || value > underlying.openInterestValueCap) {
            revert IClearinghouseCore.UnderlyingOpenInterestCapExceeded(uint8(market.underlying), total, value);
        }
    }

    /// @dev Reverts unless the fill's price is within the band around mark: a part of mark, for options of the index.
    function _requireInsideBand(Market memory market, uint256 price) internal view {
        uint256 distance = magnitude(int256(price) - int256(market.mark));
        uint256 scale = market.option ? market.spot : market.mark;
        if (distance * BILLION > scale * _underlyings[market.underlying].priceBand) {
            revert IClearinghouseCore.OutsidePriceBand(uint24(market.index), price, market.mark);
        }
    }
}
