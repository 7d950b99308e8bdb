// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Charges, IMarginEngine} from "../interfaces/IMarginEngine.sol";
import {magnitude, positivePart} from "../math/FixedPoint.sol";
import {Margin} from "../types/Margin.sol";
import {CollateralLeg} from "../types/Portfolio.sol";
import {Expiry} from "./Dated.sol";
import {DefinedRisk} from "./DefinedRisk.sol";
import {Exposure, Exposures, Gathered} from "./Exposure.sol";
import {Lattice, Plan} from "./Lattice.sol";
import {Book, Record, RiskBook} from "./RiskBook.sol";
import {Rounding} from "./Rounding.sol";
import {NodeValues, Rows, Scenarios, Tail} from "./Scenarios.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

/// @notice What one risk book asks of a portfolio. Wad; factors in 1e9.
struct Requirement {
    uint256 scan;
    uint256 haltBonus;
    uint256 initialFactor;
    uint256 liquidationEndFactor;
    Charges charges;
}

/// @notice Scan and charges of one book, the blend of two, and the margin they make.
library Requirements {
    using Exposures for Exposure;
    using RiskBook for Book;
    using RiskBook for Record;
    using Rounding for uint256;

    /// @notice Requirement of a portfolio by one book, and the rows that made its scan.
    function measure(
        Book memory book,
        Gathered memory gathered,
        CollateralLeg[] calldata collaterals
    ) internal pure returns (Requirement memory requirement, Tail memory tail) {
        requirement.initialFactor = book.initialFactor;
        requirement.liquidationEndFactor = book.liquidationEndFactor;
        requirement.charges.haircut = haircutUp(book, gathered, collaterals);
        Exposure[] memory exposures = gathered.exposures;
        Rows memory rows = Scenarios.newRows(book);
        Record record = book.firstRecord();
        Plan memory plan;
        bool atRisk;
        for (uint256 i; i < exposures.length; ++i) {
            Exposure memory exposure = exposures[i];
            if (!exposure.isHeld()) continue;
            record = recordOf(book, record, exposure.underlying);
            addCharges(requirement.charges, book, record, exposure, gathered.settlementTokenUsd);
            if (exposure.linearValue == 0 && exposure.firstExpiry == 0) continue;
            atRisk = true;
            NodeValues values = addShocks(requirement, rows, book, record, exposure, gathered, plan);
            if (gathered.nodeValues.length != 0) gathered.nodeValues[i] = Scenarios.copyOf(book, values);
        }
        if (atRisk) Scenarios.findTail(book, Scenarios.finish(rows), tail);
        requirement.scan = DefinedRisk.capped(gathered, tail.scan);
    }

    function addShocks(
        Requirement memory requirement,
        Rows memory rows,
        Book memory book,
        Record record,
        Exposure memory exposure,
        Gathered memory gathered,
        Plan memory plan
    ) private pure returns (NodeValues values) {
        values = Scenarios.nextValues(rows);
        Scenarios.fillDown(values, book, record, exposure, exposure.linearValue);
        if (exposure.firstExpiry != 0) {
            Lattice.addOptions(values, book, record, exposure, gathered, plan);
            requirement.charges.hedgedVega += hedgedVegaUp(record, exposure, gathered);
        }
        Scenarios.push(rows, book.columnOf(record));
        if (exposure.halted) requirement.haltBonus += positivePart(Scenarios.maxOf(book, values));
    }

    /// @notice Whether a book knows every underlying and asset of a portfolio.
    function covers(
        Book memory book,
        Gathered memory gathered,
        CollateralLeg[] calldata collaterals
    ) internal pure returns (bool found) {
        for (uint256 i; i < collaterals.length; ++i) {
            if (collaterals[i].amount != 0 && collaterals[i].asset >= book.assets) {
                return false;
            }
        }
        Record record = book.firstRecord();
        for (uint256 i; i < gathered.exposures.length; ++i) {
            if (!gathered.exposures[i].isHeld()) continue;
            (record, found) = book.seek(record, gathered.exposures[i].underlying);
            if (!found) return false;
        }
        return true;
    }

    /// @notice Every part of `current` and `previous`, weighted and rounded up.
    /// @param weight Of `current`, wad in [0, 1].
    function blendUp(
        Requirement memory previous,
        Requirement memory current,
        uint256 weight
    ) internal pure returns (Requirement memory blended) {
        blended.scan = mixUp(previous.scan, current.scan, weight);
        blended.haltBonus = mixUp(previous.haltBonus, current.haltBonus, weight);
        blended.initialFactor = mixUp(previous.initialFactor, current.initialFactor, weight);
        blended.liquidationEndFactor = mixUp(previous.liquidationEndFactor, current.liquidationEndFactor, weight);
        (Charges memory to, Charges memory a, Charges memory b) = (blended.charges, previous.charges, current.charges);
        to.haircut = mixUp(a.haircut, b.haircut, weight);
        to.hedgedBasis = mixUp(a.hedgedBasis, b.hedgedBasis, weight);
        to.hedgedVega = mixUp(a.hedgedVega, b.hedgedVega, weight);
        to.shortOptions = mixUp(a.shortOptions, b.shortOptions, weight);
        to.concentration = mixUp(a.concentration, b.concentration, weight);
        to.settlementToken = mixUp(a.settlementToken, b.settlementToken, weight);
        to.fixedCharge = mixUp(a.fixedCharge, b.fixedCharge, weight);
    }

    /// @notice Writes what a requirement decides into a margin.
    function fill(Margin memory margin, Requirement memory requirement, Gathered memory gathered) internal pure {
        Charges memory charges = requirement.charges;
        uint256 scan = requirement.scan;
        margin.haltBonus = requirement.haltBonus;
        margin.scan = scan;
        margin.concentration = charges.concentration;
        margin.fixedCharge = charges.fixedCharge;
        // The scan is below 2^200, each charge below 2^170.
        unchecked {
            uint256 scaling = charges.haircut + charges.hedgedBasis + charges.hedgedVega + charges.shortOptions
                + charges.settlementToken;
            uint256 total = scaling + charges.concentration + charges.fixedCharge;
            margin.scalingCharges = scaling;
            margin.maintenanceMargin = scan + total;
            margin.liquidationEndMargin = multipleUp(gathered, scan, requirement.liquidationEndFactor) + total;
            margin.initialMargin = multipleUp(gathered, scan, requirement.initialFactor) + total;
        }
    }

    /// @dev No more than the account can lose, above which blending may have rounded the scan.
    function multipleUp(Gathered memory gathered, uint256 scan, uint256 factor) private pure returns (uint256) {
        unchecked {
            return FixedPointMathLib.max(DefinedRisk.capped(gathered, (scan * factor).divUp(1e9)), scan);
        }
    }

    // Charges ---------------------------------------------------------------------------------------------------

    /// @dev Σ ⌈haircut · ⌈index · amount⌉⌉.
    function haircutUp(
        Book memory book,
        Gathered memory gathered,
        CollateralLeg[] calldata collaterals
    ) private pure returns (uint256 total) {
        unchecked {
            for (uint256 i; i < collaterals.length; ++i) {
                total += haircutOfLegUp(book, collaterals[i].asset, gathered.collateralValuesUp[i]); // 256 · 2^149
            }
        }
    }

    function haircutOfLegUp(Book memory book, uint8 asset, uint256 valueUp) internal pure returns (uint256) {
        if (valueUp == 0) return 0;
        if (asset >= book.assets) revert IMarginEngine.AssetNotInBook(asset);
        unchecked {
            return (valueUp * book.haircutOf(asset)).divUp(1e9); // < 2^149 · 2^32
        }
    }

    function addCharges(
        Charges memory charges,
        Book memory book,
        Record record,
        Exposure memory exposure,
        uint256 settlementTokenUsd
    ) internal pure {
        unchecked {
            charges.hedgedBasis += hedgedBasisUp(record, exposure);
            if (exposure.optionsSold != 0) charges.shortOptions += shortOptionsUp(record, exposure);
            charges.concentration += concentrationUp(record, exposure);
            if (exposure.positionQuantity == 0) return;
            charges.settlementToken += settlementTokenUp(exposure, depegOf(book, settlementTokenUsd));
            charges.fixedCharge = book.fixedCharge;
        }
    }

    /// @dev ⌈β · index · min(Σq⁺, Σq⁻)⌉.
    function hedgedBasisUp(Record record, Exposure memory exposure) internal pure returns (uint256) {
        uint256 hedged = FixedPointMathLib.min(exposure.longQuantity, exposure.shortQuantity);
        if (hedged == 0) return 0;
        unchecked {
            return (record.hedgedBasisOf() * exposure.index * hedged).divUp(1e27); // < 2^30 · 2^96 · 2^120
        }
    }

    /// @dev ⌈γ · min(ΣV⁺, ΣV⁻)⌉ of the exact least of both.
    function hedgedVegaUp(
        Record record,
        Exposure memory exposure,
        Gathered memory gathered
    ) internal pure returns (uint256) {
        (uint256 long, uint256 short) = vegaOf(exposure, gathered);
        unchecked {
            return (record.hedgedVegaOf() * FixedPointMathLib.min(long, short)).divUp(1e27); // < 2^30 · 2^220
        }
    }

    /// @notice Sums of what the options of each expiry gain at the highest volatility: where they gain, where they lose.
    ///         Exact products of two wads, as the book measured last has them.
    function vegaOf(
        Exposure memory exposure,
        Gathered memory gathered
    ) internal pure returns (uint256 long, uint256 short) {
        Expiry memory expiry = gathered.expiries[0];
        unchecked {
            for (uint256 at = exposure.firstExpiry; at != 0; at = expiry.next) {
                assembly ("memory-safe") {
                    expiry := at
                }
                int256 vega = expiry.vega;
                if (vega > 0) long += uint256(vega);
                else short += uint256(-vega);
            }
        }
    }

    /// @dev ⌈ω · index · Σ of what is sold more than bought⌉.
    function shortOptionsUp(Record record, Exposure memory exposure) private pure returns (uint256) {
        unchecked {
            // < 2^30 · 2^96 · 2^121
            return (record.shortOptionsOf() * exposure.index * exposure.optionsSold).divUp(1e27);
        }
    }

    /// @dev ⌈c · index · max(0, |Δ| − depth)⌉.
    function concentrationUp(Record record, Exposure memory exposure) internal pure returns (uint256) {
        uint256 net = magnitude(exposure.netDelta());
        uint256 depth = record.depthOf();
        if (net <= depth) return 0;
        unchecked {
            return (record.concentrationOf() * exposure.index * (net - depth)).divUp(1e27); // < 2^30 · 2^96 · 2^120
        }
    }

    /// @dev ⌈depeg · index · Σ|size|⌉.
    function settlementTokenUp(Exposure memory exposure, uint256 depeg) private pure returns (uint256) {
        if (depeg == 0) return 0;
        return FixedPointMathLib.fullMulDivUp(depeg * exposure.index, exposure.positionQuantity, 1e36);
    }

    /// @notice How far the settlement token is below the book's floor, wad of a dollar.
    function depegOf(Book memory book, uint256 settlementTokenUsd) internal pure returns (uint256) {
        return FixedPointMathLib.zeroFloorSub(book.settlementTokenFloor * 1e9, settlementTokenUsd);
    }

    // Helpers ---------------------------------------------------------------------------------------------------

    function recordOf(Book memory book, Record from, uint8 underlying) internal pure returns (Record record) {
        bool found;
        (record, found) = book.seek(from, underlying);
        if (!found) revert IMarginEngine.UnderlyingNotInBook(underlying);
    }

    function mixUp(uint256 previous, uint256 current, uint256 weight) internal pure returns (uint256) {
        return (previous * (1e18 - weight) + current * weight).divUp(1e18);
    }
}
