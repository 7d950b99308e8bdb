// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IMarginEngine} from "../interfaces/IMarginEngine.sol";
import {Black76} from "../pricing/Black76.sol";
import {NormalDistribution, NormalLanes} from "../pricing/NormalDistribution.sol";
import {Svi} from "../pricing/Svi.sol";
import {expiryKeyOf} from "../types/ExpiryKey.sol";
import {ExpiryQuote, SurfaceWord} from "../types/ExpiryQuote.sol";
import {Expiry, Strike} from "./Dated.sol";
import {Exposure, Exposures, Gathered} from "./Exposure.sol";
import {Rounding} from "./Rounding.sol";
import {Zeroed} from "./Zeroed.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

/// @notice Expiries of a portfolio, made from their quotes when a leg first asks for them.
library DatedExpiries {
    using Rounding for int256;

    uint256 internal constant FORWARD_SCALE = 1e27;
    /// @dev Of an `Expiry` in memory.
    uint256 internal constant EXPIRY_SIZE = 800;

    /// @notice Checks that the quotes ascend and makes room for expiries.
    /// @dev `expiryKeys` holds key << 1, and one more where the expiry has been made.
    function open(ExpiryQuote[] calldata quotes, Gathered memory gathered) internal pure {
        uint256 count = quotes.length;
        if (count == 0) return;
        uint256[] memory keys = new uint256[](count);
        uint256 last;
        for (uint256 i; i < count; ++i) {
            uint256 key = expiryKeyOf(quotes[i].underlying, quotes[i].expiry);
            if (key <= last) revert IMarginEngine.ExpiriesNotAscending(quotes[i].underlying, quotes[i].expiry);
            last = key;
            keys[i] = key << 1;
        }
        gathered.expiryKeys = keys;
        uint256 list = Zeroed.list(count, EXPIRY_SIZE);
        Expiry[] memory expiries;
        assembly ("memory-safe") {
            expiries := list
        }
        gathered.expiries = expiries;
    }

    /// @notice Place of the expiry with a key, which stands in its instruments' ids.
    function placeOf(
        Gathered memory gathered,
        ExpiryQuote[] calldata quotes,
        Exposure memory exposure,
        uint256 key
    ) internal pure returns (uint256 place) {
        unchecked {
            uint256[] memory keys = gathered.expiryKeys;
            place = gathered.lastExpiry; // legs of one expiry are often neighbours
            if (place >= keys.length || at(keys, place) >> 1 != key) {
                place = 0;
                uint256 end = keys.length;
                while (place < end) {
                    uint256 middle = (place + end) >> 1;
                    if (at(keys, middle) >> 1 < key) place = middle + 1;
                    else end = middle;
                }
                if (place == keys.length || at(keys, place) >> 1 != key) {
                    revert IMarginEngine.ExpiryMissing(uint8(key >> 40), uint40(key));
                }
                gathered.lastExpiry = place;
            }
            if (at(keys, place) & 1 != 0) return place;
            keys[place] |= 1;
            fill(gathered.expiries[place], quotes[place], exposure);
        }
    }

    /// @dev Of a place below the length.
    function at(uint256[] memory keys, uint256 place) private pure returns (uint256 key) {
        assembly ("memory-safe") {
            key := mload(add(add(keys, 32), shl(5, place)))
        }
    }

    /// @param expiry Of zeros.
    function fill(Expiry memory expiry, ExpiryQuote calldata quote, Exposure memory exposure) private pure {
        uint256 fixedPart = quote.fixedPart;
        if (fixedPart >= Exposures.PRICE_LIMIT) revert IMarginEngine.PriceOutOfRange(quote.underlying, fixedPart);
        expiry.trusted = quote.trusted;
        expiry.openShare = quote.openShare;
        expiry.fixedPart = fixedPart;
        expiry.tenor = quote.tenor;
        expiry.surface = quote.surface;
        unchecked {
            int256 premium = int256(SurfaceWord.unwrap(quote.surface)) >> 224;
            uint256 share = uint256(FixedPointMathLib.max(1e9 + premium, int256(0)));
            expiry.openPart = expiry.openShare * exposure.index * share / FORWARD_SCALE; // < 2^64 · 2^96 · 2^32
        }
        expiry.forward = forwardAt(expiry, 0);
    }

    /// @notice The forward while the index moves by `shock`, at least one wei.
    function forwardAt(Expiry memory expiry, int256 shock) internal pure returns (uint256) {
        unchecked {
            uint256 open = expiry.openPart * uint256(1e18 + shock) / 1e18; // < 2^102 · 2^80
            return FixedPointMathLib.max(expiry.fixedPart + open, 1);
        }
    }

    /// @notice Readies an expiry for options.
    function openOptions(Expiry memory expiry, Exposure memory exposure) internal pure {
        if (expiry.stableForward != 0) return;
        expiry.stableForward = forwardAt(expiry, exposure.stableShock);
        expiry.secondForward = forwardAt(expiry, exposure.secondShock);
        if (expiry.tenor == 0) return;
        expiry.lnForward = Black76.lnOf(expiry.forward);
        expiry.lnStableForward = lnAt(expiry, expiry.stableForward);
        expiry.lnSecondForward = lnAt(expiry, expiry.secondForward);
        expiry.rootOfTime = Black76.rootOfTimeDown(expiry.tenor);
    }

    /// @notice Writes every word of `made`, whatever it held: the options of one strike, without a size.
    function fillStrike(Expiry memory expiry, NormalLanes lanes, uint256 strike, Strike memory made) internal pure {
        (made.next, made.strike, made.size) = (0, strike, 0);
        uint256 forward = expiry.forward;
        if (expiry.tenor == 0) {
            (made.lnStrike, made.volatility) = (0, 0);
            made.price = FixedPointMathLib.zeroFloorSub(forward, strike);
            made.chance = made.price == 0 ? 0 : NormalDistribution.CERTAIN;
        } else {
            (int256 lnStrike, int256 lnForward) = (Black76.lnOf(strike), expiry.lnForward);
            uint256 volatility;
            unchecked {
                volatility = Svi.volatilityDown(expiry.surface, lnStrike - lnForward);
            }
            (made.lnStrike, made.volatility) = (lnStrike, volatility);
            uint256 deviation = Black76.deviationDown(volatility, expiry.rootOfTime);
            (made.price, made.chance) = Black76.callDown(lanes, forward, lnForward, strike, lnStrike, deviation);
        }
        uint256 moved = expiry.stableForward;
        made.stableChange = moved == forward ? int256(0) : changeAt(expiry, lanes, made, moved, expiry.lnStableForward);
        moved = expiry.secondForward;
        made.secondChange = moved == forward ? int256(0) : changeAt(expiry, lanes, made, moved, expiry.lnSecondForward);
    }

    function lnAt(Expiry memory expiry, uint256 forward) private pure returns (int256) {
        return forward == expiry.forward ? expiry.lnForward : Black76.lnOf(forward);
    }

    function changeAt(
        Expiry memory expiry,
        NormalLanes lanes,
        Strike memory made,
        uint256 forward,
        int256 lnForward
    ) private pure returns (int256) {
        uint256 price;
        if (expiry.tenor == 0) {
            price = FixedPointMathLib.zeroFloorSub(forward, made.strike);
        } else {
            uint256 deviation = Black76.deviationDown(made.volatility, expiry.rootOfTime);
            (price,) = Black76.callDown(lanes, forward, lnForward, made.strike, made.lnStrike, deviation);
        }
        unchecked {
            return int256(price) - int256(made.price);
        }
    }
}
