// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IMarginEngine} from "../interfaces/IMarginEngine.sol";
import {magnitude, positivePart} from "../math/FixedPoint.sol";
import {Black76} from "../pricing/Black76.sol";
import {NormalDistribution, NormalLanes} from "../pricing/NormalDistribution.sol";
import {ExpiryQuote} from "../types/ExpiryQuote.sol";
import {InstrumentId, InstrumentKind, OptionType} from "../types/InstrumentId.sol";
import {Margin} from "../types/Margin.sol";
import {PositionLeg} from "../types/Portfolio.sol";
import {Expiry, Strike} from "./Dated.sol";
import {DatedExpiries} from "./DatedExpiries.sol";
import {Exposure, Exposures, Gathered} from "./Exposure.sol";
import {Rounding} from "./Rounding.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

/// @notice Gathers futures and options by expiry.
/// @dev A settled leg has its final value and nothing else: no quantity, no risk, no charge.
library DatedPositions {
    using DatedExpiries for Expiry;
    using DatedExpiries for Gathered;
    using Exposures for Exposure;
    using Exposures for Gathered;
    using Rounding for int256;

    /// @dev Of a `Strike` in memory.
    uint256 internal constant STRIKE_SIZE = 9 * 32;
    /// @dev Of a `PositionLeg` in calldata.
    uint256 internal constant LEG_SIZE = 128;

    /// @notice Adds a position that is no perp, and those of its expiry that follow it.
    /// @param i Place of the first.
    /// @return Place of the first that is not added.
    function addRun(
        PositionLeg[] calldata positions,
        uint256 i,
        ExpiryQuote[] calldata quotes,
        Gathered memory gathered,
        Margin memory margin
    ) internal view returns (uint256) {
        PositionLeg calldata leg = positions[i];
        InstrumentId id = leg.instrument;
        requireDated(id);
        uint256 key = keyOf(id);
        Exposure memory exposure = gathered.exposures[gathered.placeOf(id.underlyingOf())];
        Expiry memory expiry = gathered.expiries[gathered.placeOf(quotes, exposure, key)];
        bool trusted = exposure.trusted && expiry.trusted;
        unchecked {
            do {
                Exposures.addValue(addLeg(leg, exposure, expiry, gathered) + leg.offset, trusted, margin);
                if (++i == positions.length) break;
                assembly ("memory-safe") {
                    leg := add(leg, LEG_SIZE)
                }
                id = leg.instrument;
            } while (keyOf(id) == key && InstrumentId.unwrap(id) >> 248 != uint256(InstrumentKind.Perp));
        }
        return i;
    }

    /// @return Its value, without the offset.
    function addLeg(
        PositionLeg calldata leg,
        Exposure memory exposure,
        Expiry memory expiry,
        Gathered memory gathered
    ) private view returns (int256) {
        (InstrumentId id, int256 size) = (leg.instrument, leg.size);
        uint256 quantity = magnitude(size);
        if (quantity >= Exposures.QUANTITY_LIMIT) revert IMarginEngine.QuantityOutOfRange(id.underlyingOf(), quantity);
        (bool isOption, bool isPut) = requireDated(id);
        unchecked {
            if (expiry.openShare != 0) exposure.positionQuantity += quantity;
        }
        return isOption ? addOption(exposure, expiry, gathered, id, size, isPut) : addFuture(exposure, expiry, size);
    }

    /// @notice Sums up an underlying's options, once all legs are in.
    /// @param expiry Any: a place for a reference.
    function finish(Exposure memory exposure, Expiry memory expiry) internal pure {
        unchecked {
            for (uint256 at = exposure.firstExpiry; at != 0; at = expiry.next) {
                assembly ("memory-safe") {
                    expiry := at
                }
                exposure.optionStableChange += expiry.stableChange.divDown(Exposures.ONE);
                exposure.optionSecondChange += expiry.secondChange.divDown(Exposures.ONE);
                exposure.optionsSold += positivePart(-expiry.calls) + positivePart(-expiry.puts);
            }
        }
    }

    /// @notice A unit's price, wad, rounded down, and the final price once settled.
    function priceOf(
        InstrumentId id,
        ExpiryQuote[] calldata quotes,
        Gathered memory gathered
    ) internal view returns (uint256) {
        (bool isOption, bool isPut) = requireDated(id);
        Exposure memory exposure = gathered.exposures[gathered.placeOf(id.underlyingOf())];
        Expiry memory expiry = gathered.expiries[gathered.placeOf(quotes, exposure, keyOf(id))];
        if (!isOption) return expiry.openShare == 0 ? expiry.fixedPart : expiry.forward;
        if (expiry.openShare == 0) return settledPrice(expiry, id.strikeOf(), isPut);
        expiry.openOptions(exposure);
        Strike memory strike;
        expiry.fillStrike(lanesOf(gathered), requireStrike(id), strike);
        return unitPrice(expiry, strike, isPut);
    }

    /// @notice The expiry of a gathered leg, and a `Strike` of its own where it is an option that is not settled.
    function find(
        InstrumentId id,
        ExpiryQuote[] calldata quotes,
        Gathered memory gathered
    ) internal view returns (Exposure memory exposure, Expiry memory expiry, Strike memory strike) {
        exposure = gathered.exposures[gathered.placeOf(id.underlyingOf())];
        expiry = gathered.expiries[gathered.placeOf(quotes, exposure, keyOf(id))];
        if (!isFuture(id) && expiry.openShare != 0) expiry.fillStrike(lanesOf(gathered), id.strikeOf(), strike);
    }

    // Legs ------------------------------------------------------------------------------------------------------

    function addFuture(Exposure memory exposure, Expiry memory expiry, int256 size) private pure returns (int256) {
        if (expiry.openShare == 0) return Exposures.valueDown(size, expiry.fixedPart);
        int256 quantity = openQuantity(expiry, size);
        unchecked {
            if (size > 0) exposure.longQuantity += uint256(quantity);
            else exposure.shortQuantity += uint256(-quantity);
            exposure.linearValue += Exposures.valueDown(size, expiry.openPart);
        }
        return Exposures.valueDown(size, expiry.forward);
    }

    function addOption(
        Exposure memory exposure,
        Expiry memory expiry,
        Gathered memory gathered,
        InstrumentId id,
        int256 size,
        bool isPut
    ) private view returns (int256 value) {
        uint256 strike = requireStrike(id);
        if (expiry.openShare == 0) return Exposures.valueDown(size, settledPrice(expiry, strike, isPut));
        if (size == 0) return 0;
        if (expiry.firstStrike == 0 || expiry.lastStrike.strike != strike) {
            openStrike(exposure, expiry, gathered, strike);
        }
        Strike memory at = expiry.lastStrike;
        value = Exposures.valueDown(size, unitPrice(expiry, at, isPut));
        unchecked {
            at.size += size;
            expiry.value += value;
            expiry.baseValue += size * int256(at.price);
            if (at.stableChange != 0) expiry.stableChange += size * at.stableChange;
            if (at.secondChange != 0) expiry.secondChange += size * at.secondChange;
            exposure.optionDelta += optionDelta(expiry, at, size, isPut);
            if (isPut) {
                expiry.puts += size;
                expiry.putStrikes += size * int256(strike);
                exposure.linearValue += Exposures.valueDown(-size, expiry.openPart);
            } else {
                expiry.calls += size;
                expiry.callStrikes += size * int256(strike);
            }
        }
    }

    /// @dev ⌊size · (Φ(d₁), less one for a put) · openShare⌋, each product rounded down.
    function optionDelta(
        Expiry memory expiry,
        Strike memory at,
        int256 size,
        bool isPut
    ) internal pure returns (int256) {
        unchecked {
            int256 unit = int256(at.chance * expiry.openShare >> 112);
            if (isPut) unit -= int256(expiry.openShare);
            return (size * unit).divDown(Exposures.ONE);
        }
    }

    /// @dev What of a size still moves, rounded away from 0: a leg at risk is never without a quantity.
    function openQuantity(Expiry memory expiry, int256 size) internal pure returns (int256) {
        if (expiry.openShare == 1e18) return size;
        unchecked {
            int256 open = int256((magnitude(size) * expiry.openShare + (1e18 - 1)) / 1e18);
            return size < 0 ? -open : open;
        }
    }

    /// @dev Writes the expiry's `lastStrike`, and readies it for options with its first.
    function openStrike(
        Exposure memory exposure,
        Expiry memory expiry,
        Gathered memory gathered,
        uint256 strike
    ) private view {
        uint256 place;
        assembly ("memory-safe") {
            place := mload(0x40)
            mstore(0x40, add(place, STRIKE_SIZE))
        }
        Strike memory made = expiry.lastStrike;
        if (expiry.firstStrike == 0) {
            expiry.openOptions(exposure);
            (expiry.next, expiry.firstStrike) = (exposure.firstExpiry, place);
            uint256 first;
            assembly ("memory-safe") {
                first := expiry
            }
            exposure.firstExpiry = first;
        } else {
            made.next = place;
        }
        assembly ("memory-safe") {
            made := place
        }
        expiry.lastStrike = made;
        expiry.fillStrike(lanesOf(gathered), strike, made);
    }

    function lanesOf(Gathered memory gathered) internal view returns (NormalLanes lanes) {
        lanes = gathered.lanes;
        if (NormalLanes.unwrap(lanes) != 0) return lanes;
        lanes = NormalDistribution.load(gathered.normalTable);
        gathered.lanes = lanes;
    }

    function unitPrice(Expiry memory expiry, Strike memory at, bool isPut) private pure returns (uint256) {
        return isPut ? Black76.putOf(at.price, expiry.forward, at.strike) : at.price;
    }

    function settledPrice(Expiry memory expiry, uint256 strike, bool isPut) private pure returns (uint256) {
        (uint256 settled, uint256 from) = isPut ? (strike, expiry.fixedPart) : (expiry.fixedPart, strike);
        return FixedPointMathLib.zeroFloorSub(settled, from);
    }

    // Instruments -----------------------------------------------------------------------------------------------

    function keyOf(InstrumentId id) internal pure returns (uint256) {
        return uint48(InstrumentId.unwrap(id) >> 200);
    }

    function isFuture(InstrumentId id) internal pure returns (bool) {
        return InstrumentId.unwrap(id) >> 248 == uint256(InstrumentKind.Future);
    }

    function requireDated(InstrumentId id) private pure returns (bool isOption, bool isPut) {
        uint256 kind = InstrumentId.unwrap(id) >> 248;
        if (kind == uint256(InstrumentKind.Future)) return (false, false);
        uint256 optionType = uint8(InstrumentId.unwrap(id) >> 192);
        unchecked {
            // Types count from calls, at 1, to puts.
            if (kind != uint256(InstrumentKind.Option) || optionType - 1 > 1) {
                revert IMarginEngine.UnsupportedInstrument(id);
            }
        }
        return (true, optionType == uint256(OptionType.Put));
    }

    function requireStrike(InstrumentId id) private pure returns (uint256 strike) {
        strike = id.strikeOf();
        if (strike >= Exposures.PRICE_LIMIT) revert IMarginEngine.PriceOutOfRange(id.underlyingOf(), strike);
    }
}
