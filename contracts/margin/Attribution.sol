// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {magnitude} from "../math/FixedPoint.sol";
import {CollateralLeg, Portfolio, PositionLeg} from "../types/Portfolio.sol";
import {Exposure, Exposures, Gathered} from "./Exposure.sol";
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
/// @param netQuantity Δ.
/// @param settlementTokenRate depeg · index, 1e36 is one; paid by positions.
struct Marginal {
    int256 tailShock;
    uint256 hedgedBasisRate;
    bool longIsCharged;
    uint256 concentration;
    int256 netQuantity;
    uint256 settlementTokenRate;
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
        Portfolio calldata portfolio
    ) internal pure returns (Requirement memory requirement, Tail memory tail, int256[] memory contributions) {
        (requirement, tail) = Requirements.measure(book, gathered, portfolio.collaterals);
        Marginal[] memory marginals = marginalsOf(book, gathered, tail);
        uint256 collaterals = portfolio.collaterals.length;
        contributions = new int256[](collaterals + portfolio.positions.length);
        for (uint256 i; i < collaterals; ++i) {
            CollateralLeg calldata leg = portfolio.collaterals[i];
            uint256 place = gathered.placeOf(leg.underlying);
            int256 quantity = int256(uint256(leg.amount));
            int256 value = Exposures.valueDown(quantity, gathered.exposures[place].index);
            contributions[i] = scanShare(book, tail, marginals[place], value) + chargeShare(marginals[place], quantity)
                + int256(Requirements.haircutOfLegUp(book, leg.asset, gathered.collateralValuesUp[i]));
        }
        for (uint256 i; i < portfolio.positions.length; ++i) {
            PositionLeg calldata leg = portfolio.positions[i];
            Marginal memory marginal = marginals[gathered.placeOf(leg.instrument.underlyingOf())];
            int256 value = Exposures.valueDown(leg.size, leg.mark);
            contributions[collaterals + i] = scanShare(book, tail, marginal, value) + chargeShare(marginal, leg.size)
                + settlementTokenShare(marginal, leg.size);
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
            marginal.netQuantity = exposure.netQuantity();
            marginal.settlementTokenRate = depeg * exposure.index;
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

    /// @dev The leg's loss over the rows of the scan, ⌊mean⌋ or ⌊weight · loss⌋; 0 where there is no scan.
    function scanShare(
        Book memory book,
        Tail memory tail,
        Marginal memory marginal,
        int256 value
    ) private pure returns (int256) {
        if (tail.scan == 0) return 0;
        int256 loss = (-value * marginal.tailShock).divDown(1e18);
        if (!tail.isStress) return loss.divDown(int256(tail.rows.length));
        return (loss * int256(book.weightOf(tail.rows[0].rowOf()))).divDown(1e9);
    }

    /// @dev Hedged basis, rounded down, and concentration, rounded towards 0; a leg against the net side earns its part
    ///      of the latter.
    function chargeShare(Marginal memory marginal, int256 quantity) private pure returns (int256 share) {
        if ((quantity > 0) == marginal.longIsCharged) {
            share = int256(marginal.hedgedBasisRate * magnitude(quantity) / 1e27);
        }
        if (marginal.concentration == 0) return share;
        (uint256 size, uint256 net) = (magnitude(quantity), magnitude(marginal.netQuantity));
        int256 part = int256(FixedPointMathLib.fullMulDiv(marginal.concentration, size, net));
        return (quantity > 0) == (marginal.netQuantity > 0) ? share + part : share - part;
    }

    function settlementTokenShare(Marginal memory marginal, int256 size) private pure returns (int256) {
        return int256(FixedPointMathLib.fullMulDiv(marginal.settlementTokenRate, magnitude(size), 1e36));
    }
}
