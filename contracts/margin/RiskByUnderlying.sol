// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Charges} from "../interfaces/IMarginEngine.sol";
import {magnitude} from "../math/FixedPoint.sol";
import {UnderlyingRisk} from "../types/Margin.sol";
import {CollateralLeg} from "../types/Portfolio.sol";
import {Exposure, Exposures, Gathered} from "./Exposure.sol";
import {Requirement, Requirements} from "./Requirements.sol";
import {Book, Record, RiskBook} from "./RiskBook.sol";
import {Rounding} from "./Rounding.sol";
import {NodeValues, Scenarios, Tail} from "./Scenarios.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

/// @notice What each underlying adds to a requirement: its part of the scan, and its charges.
library RiskByUnderlying {
    using Exposures for Exposure;
    using Exposures for Gathered;
    using RiskBook for Book;
    using RiskBook for Record;
    using Rounding for int256;
    using Rounding for uint256;

    /// @notice One an exposure. By a book that has just measured `gathered`, which kept its node values and its vega.
    function split(
        Book memory book,
        Gathered memory gathered,
        CollateralLeg[] calldata collaterals,
        Requirement memory requirement,
        Tail memory tail
    ) internal pure returns (UnderlyingRisk[] memory parts) {
        parts = new UnderlyingRisk[](gathered.exposures.length);
        Record record = book.firstRecord();
        for (uint256 i; i < parts.length; ++i) {
            Exposure memory exposure = gathered.exposures[i];
            UnderlyingRisk memory part = parts[i];
            part.underlying = exposure.underlying;
            if (!exposure.isHeld()) continue;
            record = Requirements.recordOf(book, record, exposure.underlying);
            part.charges = chargesOf(book, record, exposure, gathered);
            if (tail.scan != 0) fillScan(part, book, record, exposure, gathered.nodeValues[i], requirement, tail);
        }
        for (uint256 i; i < collaterals.length; ++i) {
            UnderlyingRisk memory part = parts[gathered.placeOf(collaterals[i].underlying)];
            part.charges += Requirements.haircutOfLegUp(book, collaterals[i].asset, gathered.collateralValuesUp[i]);
        }
    }

    /// @notice Writes the blend of both into `current`, losses and shocks rounded down, charges up.
    /// @param weight Of `current`, wad in [0, 1].
    function blend(UnderlyingRisk[] memory previous, UnderlyingRisk[] memory current, uint256 weight) internal pure {
        int256 w = int256(weight);
        for (uint256 i; i < current.length; ++i) {
            (UnderlyingRisk memory from, UnderlyingRisk memory to) = (previous[i], current[i]);
            to.loss = (from.loss * (1e18 - w) + to.loss * w).divDown(1e18);
            to.shock = (from.shock * (1e18 - w) + to.shock * w).divDown(1e18);
            to.charges = Requirements.mixUp(from.charges, to.charges, weight);
        }
    }

    /// @dev In proportion, rounded towards 0, where the account cannot lose as much as the scan.
    function fillScan(
        UnderlyingRisk memory part,
        Book memory book,
        Record record,
        Exposure memory exposure,
        NodeValues values,
        Requirement memory requirement,
        Tail memory tail
    ) private pure {
        int256 change;
        int256 shock;
        for (uint256 i; i < tail.rows.length; ++i) {
            uint256 node = book.nodeOf(record, tail.rows[i].rowOf());
            if (NodeValues.unwrap(values) != 0) change += Scenarios.at(values, node);
            shock += shockAt(book, record, exposure, node);
        }
        part.shock = inScanDown(book, tail, shock);
        part.loss = inScanDown(book, tail, -change);
        if (requirement.scan == tail.scan) return;
        uint256 size = FixedPointMathLib.fullMulDiv(magnitude(part.loss), requirement.scan, tail.scan);
        part.loss = part.loss < 0 ? -int256(size) : int256(size);
    }

    function shockAt(
        Book memory book,
        Record record,
        Exposure memory exposure,
        uint256 node
    ) private pure returns (int256) {
        uint256 price = node / book.volatilityShocks;
        if (price == book.priceShocks) return exposure.stableShock;
        return Scenarios.scaledShock(record.priceShockOf(price), exposure.multiplier);
    }

    /// @dev ⌊mean⌋ of the historical rows, or ⌊weight · the stress row's⌋.
    function inScanDown(Book memory book, Tail memory tail, int256 sum) private pure returns (int256) {
        if (!tail.isStress) return sum.divDown(int256(tail.rows.length));
        return (sum * int256(book.weightOf(tail.rows[0].rowOf()))).divDown(1e9);
    }

    /// @dev Haircuts and the fixed charge left out.
    function chargesOf(
        Book memory book,
        Record record,
        Exposure memory exposure,
        Gathered memory gathered
    ) private pure returns (uint256 total) {
        Charges memory charges;
        Requirements.addCharges(charges, book, record, exposure, gathered.settlementTokenUsd);
        total = charges.hedgedBasis + charges.shortOptions + charges.concentration + charges.settlementToken;
        if (exposure.firstExpiry != 0) total += Requirements.hedgedVegaUp(record, exposure, gathered);
    }
}
