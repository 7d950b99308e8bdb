// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IMarginEngine} from "../interfaces/IMarginEngine.sol";
import {magnitude} from "../math/FixedPoint.sol";
import {ExpiryQuote} from "../types/ExpiryQuote.sol";
import {InstrumentId, InstrumentKind} from "../types/InstrumentId.sol";
import {Margin} from "../types/Margin.sol";
import {CollateralLeg, Portfolio, PositionLeg} from "../types/Portfolio.sol";
import {Quote} from "../types/Quote.sol";
import {DatedPositions} from "./DatedPositions.sol";
import {DefinedRisk} from "./DefinedRisk.sol";
import {DatedExpiries} from "./DatedExpiries.sol";
import {Exposure, Exposures, Gathered} from "./Exposure.sol";
import {Rounding} from "./Rounding.sol";

/// @notice Gathers the legs of a portfolio by underlying and by expiry.
library Gathering {
    using Exposures for Exposure;
    using Exposures for Gathered;
    using Rounding for uint256;

    /// @notice Reads portfolio and quotes once into `gathered`; multipliers are left for the caller.
    /// @dev Writes `equity`, `stableGap`, `untrustedGain` and `unrealisedGain`, which no risk book enters.
    function gather(
        Portfolio calldata portfolio,
        Quote[] calldata quotes,
        ExpiryQuote[] calldata expiries,
        Gathered memory gathered,
        Margin memory margin
    ) internal view {
        requireWithinLimits(portfolio);
        open(quotes, expiries, gathered);
        margin.equity = portfolio.cash;
        addCollaterals(portfolio.collaterals, gathered, margin);
        addPositions(portfolio.positions, expiries, gathered, margin);
        finish(gathered, margin);
    }

    /// @notice Reads the quotes alone.
    function open(Quote[] calldata quotes, ExpiryQuote[] calldata expiries, Gathered memory gathered) internal pure {
        gathered.lookup = Exposures.newLookup();
        gathered.exposures = Exposures.fromQuotes(quotes, gathered.lookup);
        DatedExpiries.open(expiries, gathered);
    }

    function requireWithinLimits(Portfolio calldata portfolio) private pure {
        uint256 legs = portfolio.collaterals.length + portfolio.positions.length;
        if (legs > Exposures.LEG_LIMIT) revert IMarginEngine.TooManyLegs(legs);
        if (portfolio.cash != int192(portfolio.cash)) revert IMarginEngine.CashOutOfRange(portfolio.cash);
    }

    function addCollaterals(
        CollateralLeg[] calldata collaterals,
        Gathered memory gathered,
        Margin memory margin
    ) private pure {
        uint256[] memory valuesUp = new uint256[](collaterals.length);
        gathered.collateralValuesUp = valuesUp;
        for (uint256 i; i < collaterals.length; ++i) {
            valuesUp[i] = addCollateral(collaterals[i], gathered, margin);
        }
    }

    /// @return valueUp ⌈amount · index⌉, what the haircut is taken of.
    function addCollateral(
        CollateralLeg calldata leg,
        Gathered memory gathered,
        Margin memory margin
    ) private pure returns (uint256 valueUp) {
        uint8 underlying = leg.underlying;
        uint256 amount = leg.amount;
        if (amount >= Exposures.QUANTITY_LIMIT) revert IMarginEngine.QuantityOutOfRange(underlying, amount);
        Exposure memory exposure = gathered.exposures[gathered.placeOf(underlying)];
        unchecked {
            int256 value = Exposures.valueDown(int256(amount), exposure.index);
            exposure.longQuantity += amount;
            exposure.linearValue += value;
            margin.equity += value;
            if (!exposure.trusted) margin.untrustedGain += uint256(value);
            return (amount * exposure.index).divUp(1e18);
        }
    }

    function addPositions(
        PositionLeg[] calldata positions,
        ExpiryQuote[] calldata expiries,
        Gathered memory gathered,
        Margin memory margin
    ) private view {
        for (uint256 i; i < positions.length;) {
            PositionLeg calldata leg = positions[i];
            if (InstrumentId.unwrap(leg.instrument) >> 248 == uint256(InstrumentKind.Perp)) {
                addPerp(leg, gathered, margin);
                ++i;
            } else {
                i = DatedPositions.addRun(positions, i, expiries, gathered, margin);
            }
        }
    }

    function addPerp(PositionLeg calldata leg, Gathered memory gathered, Margin memory margin) private pure {
        uint8 underlying = leg.instrument.underlyingOf();
        (int256 size, uint256 mark) = (leg.size, leg.mark);
        uint256 quantity = magnitude(size);
        if (quantity >= Exposures.QUANTITY_LIMIT) revert IMarginEngine.QuantityOutOfRange(underlying, quantity);
        if (mark >= Exposures.PRICE_LIMIT) revert IMarginEngine.PriceOutOfRange(underlying, mark);
        Exposure memory exposure = gathered.exposures[gathered.placeOf(underlying)];
        unchecked {
            int256 linear = Exposures.valueDown(size, mark);
            if (size > 0) exposure.longQuantity += quantity;
            else exposure.shortQuantity += quantity;
            exposure.positionQuantity += quantity;
            exposure.linearValue += linear;
            Exposures.addValue(linear + leg.offset, exposure.trusted, margin);
        }
    }

    /// @dev What needs every leg of an underlying.
    function finish(Gathered memory gathered, Margin memory margin) private pure {
        (gathered.lossBound, gathered.lossCap) = (type(uint256).max, type(uint256).max);
        Exposure[] memory exposures = gathered.exposures;
        (uint256 linear, uint256 dated, uint256 gaps) = (0, 0, 0);
        unchecked {
            for (uint256 i; i < exposures.length; ++i) {
                Exposure memory exposure = exposures[i];
                linear |= exposure.longQuantity | exposure.shortQuantity;
                if (exposure.firstExpiry != 0) {
                    dated = 1;
                    DatedPositions.finish(exposure, gathered.expiries[0]);
                }
                gaps += exposure.stableLossOf(); // 256 · 2^157
            }
        }
        margin.stableGap = gaps;
        if (linear == 0 && dated != 0) DefinedRisk.open(gathered);
    }
}
