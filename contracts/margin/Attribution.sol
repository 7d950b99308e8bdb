// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {magnitude} from "../math/FixedPoint.sol";
import {ExpiryQuote} from "../types/ExpiryQuote.sol";
import {InstrumentId, InstrumentKind, OptionType} from "../types/InstrumentId.sol";
import {CollateralLeg, Portfolio, PositionLeg} from "../types/Portfolio.sol";
import {DatedPositions} from "./DatedPositions.sol";
import {Expiry, Strike} from "./Dated.sol";
import {Exposure, Exposures, Gathered} from "./Exposure.sol";
import {Lattice, Plan} from "./Lattice.sol";
import {Requirement, Requirements} from "./Requirements.sol";
import {Book, Record, RiskBook} from "./RiskBook.sol";
import {Rounding} from "./Rounding.sol";
import {NodeValues, Scenarios, Tail} from "./Scenarios.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

/// @notice What one more unit in an underlying adds to the requirement, by the rule that asks for it.
/// @param tailShock Sum of the underlying's shocks over the rows that made the scan, wad.
/// @param hedgedBasisRate β · index, 1e27 is one; paid by the legs of the charged side.
/// @param longIsCharged Whether the hedged basis falls on long legs: they are fewer, or as many.
/// @param concentration The underlying's whole concentration charge, shared by signed quantity.
/// @param netDelta Δ.
/// @param vegaRate γ, 1e9 is one; paid by options of the expiries of the charged side.
/// @param longVegaIsCharged Whether those gain from a rise of volatility: they gain less than the others lose, or as much.
/// @param shortOptionRate ω · index, 1e27 is one; paid by sold options, earned by bought, where a type is net short.
/// @param settlementTokenRate depeg · index, 1e36 is one; paid by positions.
struct Marginal {
    int256 tailShock;
    uint256 hedgedBasisRate;
    bool longIsCharged;
    uint256 concentration;
    int256 netDelta;
    uint256 settlementTokenRate;
    uint256 vegaRate;
    bool longVegaIsCharged;
    uint256 shortOptionRate;
}

/// @notice What attribution looks at: one book's requirement of one portfolio.
struct Measured {
    Book book;
    Gathered gathered;
    Requirement requirement;
    Tail tail;
    Marginal[] marginals;
}

/// @notice Euler contributions: each leg's share of a requirement that is homogeneous but for its fixed part.
/// @dev Each share is rounded by itself; whoever adds them up gives what is left over to the last leg.
library Attribution {
    using Exposures for Exposure;
    using Exposures for Gathered;
    using RiskBook for Book;
    using RiskBook for Record;
    using Rounding for int256;

    /// @notice Requirement by one book, the rows of its scan, and every leg's contribution to it: collaterals first,
    ///         then positions; the fixed charge belongs to none.
    function attribute(
        Book memory book,
        Gathered memory gathered,
        Portfolio calldata portfolio,
        ExpiryQuote[] calldata expiries
    ) internal view returns (Requirement memory requirement, Tail memory tail, int256[] memory contributions) {
        (requirement, tail) = Requirements.measure(book, gathered, portfolio.collaterals);
        Measured memory measured = Measured(book, gathered, requirement, tail, marginalsOf(book, gathered, tail));
        uint256 collaterals = portfolio.collaterals.length;
        contributions = new int256[](collaterals + portfolio.positions.length);
        for (uint256 i; i < collaterals; ++i) {
            CollateralLeg calldata leg = portfolio.collaterals[i];
            uint256 place = gathered.placeOf(leg.underlying);
            int256 quantity = int256(uint256(leg.amount));
            int256 value = Exposures.valueDown(quantity, gathered.exposures[place].index);
            contributions[i] = linearShare(measured, measured.marginals[place], value, quantity)
                + int256(Requirements.haircutOfLegUp(book, leg.asset, gathered.collateralValuesUp[i]));
        }
        for (uint256 i; i < portfolio.positions.length; ++i) {
            contributions[collaterals + i] = positionShare(measured, portfolio.positions[i], expiries);
        }
    }

    /// @notice Writes ⌊(1 − weight) · previous + weight · current⌋ into `current`.
    /// @param weight Of `current`, wad in [0, 1].
    function blendDown(int256[] memory previous, int256[] memory current, uint256 weight) internal pure {
        int256 w = int256(weight);
        for (uint256 i; i < current.length; ++i) {
            current[i] = (previous[i] * (1e18 - w) + current[i] * w).divDown(1e18);
        }
    }

    function marginalsOf(
        Book memory book,
        Gathered memory gathered,
        Tail memory tail
    ) private pure returns (Marginal[] memory marginals) {
        marginals = new Marginal[](gathered.exposures.length);
        NodeValues shocks = Scenarios.newNodeValues(book);
        uint256 depeg = Requirements.depegOf(book, gathered.settlementTokenUsd);
        Record record = book.firstRecord();
        for (uint256 i; i < marginals.length; ++i) {
            Exposure memory exposure = gathered.exposures[i];
            if (!exposure.isHeld()) continue;
            record = Requirements.recordOf(book, record, exposure.underlying);
            Marginal memory marginal = marginals[i];
            marginal.tailShock = tailShockOf(book, record, exposure, tail, shocks);
            marginal.hedgedBasisRate = record.hedgedBasisOf() * exposure.index;
            marginal.longIsCharged = exposure.longQuantity <= exposure.shortQuantity;
            marginal.concentration = Requirements.concentrationUp(record, exposure);
            marginal.netDelta = exposure.netDelta();
            marginal.settlementTokenRate = depeg * exposure.index;
            if (exposure.firstExpiry == 0) continue;
            marginal.vegaRate = record.hedgedVegaOf();
            (uint256 long, uint256 short) = Requirements.vegaOf(exposure, gathered);
            marginal.longVegaIsCharged = long <= short;
            marginal.shortOptionRate = record.shortOptionsOf() * exposure.index;
        }
    }

    /// @param shocks Room for the underlying's shocks by node.
    function tailShockOf(
        Book memory book,
        Record record,
        Exposure memory exposure,
        Tail memory tail,
        NodeValues shocks
    ) private pure returns (int256 sum) {
        Scenarios.fillDown(shocks, book, record, exposure, 1e18);
        for (uint256 i; i < tail.rows.length; ++i) {
            sum += Scenarios.at(shocks, book.nodeOf(record, tail.rows[i].rowOf()));
        }
    }

    // Shares ----------------------------------------------------------------------------------------------------

    function positionShare(
        Measured memory measured,
        PositionLeg calldata leg,
        ExpiryQuote[] calldata expiries
    ) private view returns (int256) {
        InstrumentId id = leg.instrument;
        int256 size = leg.size;
        if (size == 0) return 0;
        Marginal memory marginal = measured.marginals[measured.gathered.placeOf(id.underlyingOf())];
        int256 ofToken = settlementTokenShare(marginal, size);
        if (InstrumentId.unwrap(id) >> 248 == uint256(InstrumentKind.Perp)) {
            return ofToken + linearShare(measured, marginal, Exposures.valueDown(size, leg.mark), size);
        }
        (Exposure memory exposure, Expiry memory expiry, Strike memory strike) =
            DatedPositions.find(id, expiries, measured.gathered);
        if (expiry.openShare == 0) return 0;
        if (DatedPositions.isFuture(id)) {
            int256 value = Exposures.valueDown(size, expiry.openPart);
            return ofToken + linearShare(measured, marginal, value, DatedPositions.openQuantity(expiry, size));
        }
        return ofToken + optionShare(measured, marginal, exposure, expiry, strike, size, id.optionTypeOf());
    }

    function linearShare(
        Measured memory measured,
        Marginal memory marginal,
        int256 value,
        int256 quantity
    ) private pure returns (int256) {
        return scanShare(measured, value * marginal.tailShock) + basisShare(marginal, quantity)
            + concentrationShare(marginal, quantity);
    }

    function optionShare(
        Measured memory measured,
        Marginal memory marginal,
        Exposure memory exposure,
        Expiry memory expiry,
        Strike memory strike,
        int256 size,
        OptionType optionType
    ) private pure returns (int256 share) {
        bool isPut = optionType == OptionType.Put;
        (int256 change, int256 vega) = changeOf(measured, exposure, expiry, strike, size);
        if (isPut) change += Exposures.valueDown(-size, expiry.openPart) * marginal.tailShock;
        share = scanShare(measured, change);
        share += concentrationShare(marginal, DatedPositions.optionDelta(expiry, strike, size, isPut));
        if (expiry.vega != 0 && (expiry.vega > 0) == marginal.longVegaIsCharged) {
            int256 charged = expiry.vega > 0 ? vega : -vega;
            share += (charged * int256(marginal.vegaRate)).divDown(1e27);
        }
        if ((isPut ? expiry.puts : expiry.calls) < 0) {
            share += (-size * int256(marginal.shortOptionRate)).divDown(1e27);
        }
    }

    /// @return change Σ over the rows of the scan of what the option is worth more at their nodes, as a call. Exact.
    /// @return vega What it is worth more at the highest volatility.
    function changeOf(
        Measured memory measured,
        Exposure memory exposure,
        Expiry memory expiry,
        Strike memory strike,
        int256 size
    ) private pure returns (int256 change, int256 vega) {
        Book memory book = measured.book;
        Record record = Requirements.recordOf(book, book.firstRecord(), exposure.underlying);
        Plan memory plan;
        Lattice.fillPlan(plan, book, record, exposure.multiplier, true);
        int256[] memory changes;
        (changes, vega) = Lattice.changesOf(plan, book, record, expiry, measured.gathered.lanes, strike, size);
        for (uint256 i; i < measured.tail.rows.length; ++i) {
            change += changes[book.nodeOf(record, measured.tail.rows[i].rowOf())];
        }
    }

    /// @dev The leg's loss over the rows of the scan, ⌊mean⌋ or ⌊weight · loss⌋; 0 where there is no scan. In
    ///      proportion, rounded towards 0, where the account cannot lose as much as the scan.
    /// @param change Σ over the rows of what the leg is worth more. Exact: a product of two wads.
    function scanShare(Measured memory measured, int256 change) private pure returns (int256 share) {
        Tail memory tail = measured.tail;
        if (tail.scan == 0) return 0;
        int256 loss = (-change).divDown(1e18);
        if (!tail.isStress) share = loss.divDown(int256(tail.rows.length));
        else share = (loss * int256(measured.book.weightOf(tail.rows[0].rowOf()))).divDown(1e9);
        if (measured.requirement.scan == tail.scan) return share;
        uint256 part = FixedPointMathLib.fullMulDiv(magnitude(share), measured.requirement.scan, tail.scan);
        return share < 0 ? -int256(part) : int256(part);
    }

    /// @dev Rounded down.
    function basisShare(Marginal memory marginal, int256 quantity) private pure returns (int256) {
        if ((quantity > 0) != marginal.longIsCharged) return 0;
        return int256(marginal.hedgedBasisRate * magnitude(quantity) / 1e27);
    }

    /// @dev Rounded towards 0; a leg against the net side earns its part.
    function concentrationShare(Marginal memory marginal, int256 delta) private pure returns (int256) {
        if (marginal.concentration == 0) return 0;
        (uint256 size, uint256 net) = (magnitude(delta), magnitude(marginal.netDelta));
        int256 part = int256(FixedPointMathLib.fullMulDiv(marginal.concentration, size, net));
        return (delta > 0) == (marginal.netDelta > 0) ? part : -part;
    }

    function settlementTokenShare(Marginal memory marginal, int256 size) private pure returns (int256) {
        return int256(FixedPointMathLib.fullMulDiv(marginal.settlementTokenRate, magnitude(size), 1e36));
    }
}
