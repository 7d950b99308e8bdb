// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IMarginEngine} from "../interfaces/IMarginEngine.sol";
import {positivePart} from "../math/FixedPoint.sol";
import {NormalLanes} from "../pricing/NormalDistribution.sol";
import {Margin} from "../types/Margin.sol";
import {OracleState, Quote} from "../types/Quote.sol";
import {Expiry} from "./Dated.sol";
import {Rounding} from "./Rounding.sol";
import {NodeValues} from "./Scenarios.sol";
import {Zeroed} from "./Zeroed.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

/// @notice Everything a portfolio holds in one underlying.
/// @param underlying Its id.
/// @param trusted Whether its price may support new risk: neither `Stale` nor `Halted`.
/// @param halted Whether its price is only the last good one.
/// @param index Price, wad.
/// @param multiplier Of its price shocks, 1e9 is one.
/// @param stableShock The stable price over index, less one, wad.
/// @param secondShock The same for the second source while the oracle is `Wide` and it is known, else 0.
/// @param linearValue Σ ⌊quantity · price⌋ of whatever moves with the index, wad: perps and collateral, the open part of
///        futures, and of what sets puts apart from calls.
/// @param longQuantity Σ of positive quantities, units of the underlying, wad.
/// @param shortQuantity Σ of negative quantities, as a positive number.
/// @param positionQuantity Σ of the absolute sizes of positions that are not settled.
/// @param firstExpiry Memory address of one of its expiries with options that are not settled; 0 without one. What they
///        sum up to:
/// @param optionDelta Σ of size · delta, units of the underlying, wad.
/// @param optionStableChange What they are worth more at the stable price, as calls, wad.
/// @param optionSecondChange At the second source's.
/// @param optionsSold Σ over expiries and types of what is sold more than bought.
struct Exposure {
    uint8 underlying;
    bool trusted;
    bool halted;
    uint256 index;
    uint256 multiplier;
    int256 stableShock;
    int256 secondShock;
    int256 linearValue;
    uint256 longQuantity;
    uint256 shortQuantity;
    uint256 positionQuantity;
    uint256 firstExpiry;
    int256 optionDelta;
    int256 optionStableChange;
    int256 optionSecondChange;
    uint256 optionsSold;
}

/// @notice A portfolio as the risk book needs it.
/// @param exposures One a quote, in the order of the quotes.
/// @param collateralValuesUp ⌈amount · index⌉ of each collateral leg, wad.
/// @param settlementTokenUsd USD price of the settlement token, wad; left for the caller.
/// @param lookup Where `Exposures.placeOf` finds an underlying's exposure.
/// @param expiryKeys Where `DatedExpiries` finds an expiry's place.
/// @param expiries Of those that legs have asked for.
/// @param lastExpiry Place of the one asked for last.
/// @param normalTable Where Φ is kept.
/// @param lanes Φ in memory, once an option has asked for it.
/// @param nodeValues One an exposure: where the book measured last keeps its values by node; empty where nobody wants them.
/// @param lossBound What the account can lose at least, before its worst pay-off is looked for, wad; without a bound to
///        what it can lose the largest uint.
/// @param lossCap Most that it can lose, once somebody has asked.
struct Gathered {
    Exposure[] exposures;
    uint256[] collateralValuesUp;
    uint256 settlementTokenUsd;
    uint256 lookup;
    uint256[] expiryKeys;
    Expiry[] expiries;
    uint256 lastExpiry;
    address normalTable;
    NormalLanes lanes;
    NodeValues[] nodeValues;
    uint256 lossBound;
    uint256 lossCap;
}

/// @notice Holdings by underlying.
/// @dev Limits, so that no product anywhere in the engine leaves 256 bits: a quantity is below 2^112, a price below
///      2^96, cash within 192 bits, a portfolio has at most 256 legs, and a stable or second price counts as at most
///      a million times the index. Hence a leg's value is below 2^149 and an underlying's below 2^157.
library Exposures {
    using Rounding for int256;
    using Rounding for uint256;

    uint256 internal constant QUANTITY_LIMIT = 1 << 112;
    uint256 internal constant PRICE_LIMIT = 1 << 96;
    uint256 internal constant LEG_LIMIT = 256;
    /// @dev Of an `Exposure` in memory.
    uint256 internal constant EXPOSURE_SIZE = 512;
    int256 internal constant ONE = 1e18;
    uint256 internal constant HIGHEST_PRICE_RATIO = 1e24;

    /// @notice ⌊quantity · price⌋.
    function valueDown(int256 quantity, uint256 price) internal pure returns (int256) {
        unchecked {
            return (quantity * int256(price)).divDown(ONE); // < 2^112 · 2^96
        }
    }

    /// @notice ⌊value · shock⌋.
    function changeDown(int256 value, int256 shock) internal pure returns (int256) {
        unchecked {
            return (value * shock).divDown(ONE); // < 2^157 · 2^80
        }
    }

    /// @dev Legs without a quantity are no legs.
    function isHeld(Exposure memory exposure) internal pure returns (bool) {
        return exposure.longQuantity | exposure.shortQuantity | exposure.firstExpiry != 0;
    }

    /// @dev Δ: linear quantities and the deltas of options.
    function netDelta(Exposure memory exposure) internal pure returns (int256) {
        unchecked {
            return int256(exposure.longQuantity) - int256(exposure.shortQuantity) + exposure.optionDelta;
        }
    }

    /// @notice Adds a position's value to equity and, where positive, to what it does not support.
    function addValue(int256 value, bool trusted, Margin memory margin) internal pure {
        unchecked {
            margin.equity += value;
            if (value <= 0) return;
            margin.unrealisedGain += uint256(value);
            if (!trusted) margin.untrustedGain += uint256(value);
        }
    }

    /// @notice An empty exposure a quote; multipliers are left for the caller.
    function fromQuotes(Quote[] calldata quotes, uint256 lookup) internal pure returns (Exposure[] memory exposures) {
        uint256 count = quotes.length;
        uint256 list = Zeroed.list(count, EXPOSURE_SIZE);
        assembly ("memory-safe") {
            exposures := list
        }
        uint256 last;
        for (uint256 i; i < count; ++i) {
            Quote calldata quote = quotes[i];
            uint8 underlying = quote.underlying;
            if (underlying <= last) revert IMarginEngine.QuotesNotAscending(underlying);
            last = underlying;
            setPlace(lookup, underlying, i);
            uint256 index = quote.index;
            requirePrice(underlying, index);
            OracleState state = quote.state;
            Exposure memory exposure = exposures[i];
            exposure.underlying = underlying;
            exposure.trusted = state < OracleState.Stale;
            exposure.halted = state == OracleState.Halted;
            exposure.index = index;
            exposure.stableShock = priceShockDown(underlying, quote.stable, index);
            if (state == OracleState.Wide) exposure.secondShock = secondShockDown(underlying, quote.second, index);
        }
    }

    /// @dev 0 where there is no second price.
    function secondShockDown(uint8 underlying, uint256 price, uint256 index) private pure returns (int256) {
        return price == 0 ? int256(0) : priceShockDown(underlying, price, index);
    }

    function requirePrice(uint8 underlying, uint256 price) private pure {
        if (price == 0 || price >= PRICE_LIMIT) revert IMarginEngine.PriceOutOfRange(underlying, price);
    }

    /// @dev ⌊price / index⌋ − 1, wad.
    function priceShockDown(uint8 underlying, uint256 price, uint256 index) private pure returns (int256) {
        requirePrice(underlying, price);
        unchecked {
            return int256(FixedPointMathLib.min(price * 1e18 / index, HIGHEST_PRICE_RATIO)) - ONE;
        }
    }

    /// @notice max(0, loss at the stable price, loss at the second source's price).
    function stableLossOf(Exposure memory exposure) internal pure returns (uint256) {
        int256 atStable = changeDown(exposure.linearValue, exposure.stableShock);
        int256 atSecond = changeDown(exposure.linearValue, exposure.secondShock);
        unchecked {
            atStable += exposure.optionStableChange;
            atSecond += exposure.optionSecondChange;
            return positivePart(-(atStable < atSecond ? atStable : atSecond));
        }
    }

    // Place of an underlying's exposure: 256 bytes of memory, one an id, 0 where there is no quote, else place + 1. ----

    function newLookup() internal pure returns (uint256 lookup) {
        assembly ("memory-safe") {
            lookup := mload(0x40)
            mstore(0x40, add(lookup, 256))
            calldatacopy(lookup, calldatasize(), 256) // reads beyond calldata are zeros
        }
    }

    function setPlace(uint256 lookup, uint256 underlying, uint256 place) private pure {
        assembly ("memory-safe") {
            mstore8(add(lookup, underlying), add(place, 1))
        }
    }

    function placeOf(Gathered memory gathered, uint8 underlying) internal pure returns (uint256 place) {
        uint256 lookup = gathered.lookup;
        assembly ("memory-safe") {
            place := byte(0, mload(add(lookup, underlying)))
        }
        if (place == 0) revert IMarginEngine.QuoteMissing(underlying);
        unchecked {
            return place - 1;
        }
    }
}
