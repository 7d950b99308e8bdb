// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Explanation, IMarginEngine} from "../interfaces/IMarginEngine.sol";
import {NormalTable} from "../pricing/NormalTable.sol";
import {ExpiryQuote} from "../types/ExpiryQuote.sol";
import {Portfolio} from "../types/Portfolio.sol";
import {Quote} from "../types/Quote.sol";
import {Attribution} from "./Attribution.sol";
import {Exposure, Exposures, Gathered} from "./Exposure.sol";
import {Gathering} from "./Gathering.sol";
import {Requirement, Requirements} from "./Requirements.sol";
import {Book, RiskBook} from "./RiskBook.sol";
import {Tail} from "./Scenarios.sol";

/// @title Explains what a margin engine's margin is made of
/// @notice The engine passes `explain` on to here: both together do not fit one contract.
/// @dev Holds no state: books and multipliers are those of the caller, which must be a margin engine.
contract MarginExplainer {
    using Exposures for Exposure;
    using Requirements for *;

    uint256 internal constant ONE = 1e18;

    /// @notice Where Φ is kept.
    address public immutable normalTable = address(new NormalTable());

    /// @notice As `IMarginEngine.explain`, of the engine that calls.
    function explain(
        Portfolio calldata portfolio,
        Quote[] calldata quotes,
        ExpiryQuote[] calldata expiries,
        uint256 settlementTokenUsd
    ) external view returns (Explanation memory explanation) {
        IMarginEngine engine = IMarginEngine(msg.sender);
        (bytes memory current, bytes memory previous, uint256 weight) = engine.riskBooks();
        Gathered memory gathered;
        gathered.normalTable = normalTable;
        gathered.settlementTokenUsd = settlementTokenUsd;
        Gathering.gather(portfolio, quotes, expiries, gathered, explanation.margin);
        _readMultipliers(engine, gathered.exposures);
        (Requirement memory requirement, Tail memory tail, int256[] memory contributions) =
            Attribution.attribute(RiskBook.open(RiskBook.extended(current)), gathered, portfolio, expiries);
        if (weight < ONE) {
            Book memory book = RiskBook.open(RiskBook.extended(previous));
            if (book.covers(gathered, portfolio.collaterals)) {
                (Requirement memory before,, int256[] memory contributionsBefore) =
                    Attribution.attribute(book, gathered, portfolio, expiries);
                requirement = before.blendUp(requirement, weight);
                Attribution.blendDown(contributionsBefore, contributions, weight);
            }
        }
        explanation.margin.fill(requirement, gathered);
        explanation.charges = requirement.charges;
        _describe(explanation, tail);
        _distribute(explanation, contributions, portfolio.collaterals.length);
    }

    function _readMultipliers(IMarginEngine engine, Exposure[] memory exposures) private view {
        for (uint256 i; i < exposures.length; ++i) {
            if (exposures[i].isHeld()) exposures[i].multiplier = engine.shockMultiplierOf(exposures[i].underlying);
        }
    }

    function _describe(Explanation memory explanation, Tail memory tail) private pure {
        uint256 count = tail.rows.length;
        explanation.isStress = tail.isStress;
        explanation.rows = new uint256[](count);
        explanation.rowLosses = new int256[](count);
        for (uint256 i; i < count; ++i) {
            explanation.rows[i] = tail.rows[i].rowOf();
            explanation.rowLosses[i] = tail.rows[i].lossOf();
        }
    }

    /// @dev Splits contributions into collaterals and positions; the last leg takes what rounding left of maintenance
    ///      margin. A portfolio without legs has no maintenance margin.
    function _distribute(
        Explanation memory explanation,
        int256[] memory contributions,
        uint256 collaterals
    ) private pure {
        uint256 legs = contributions.length;
        explanation.collateralContributions = new int256[](collaterals);
        explanation.positionContributions = new int256[](legs - collaterals);
        explanation.accountContribution = int256(explanation.charges.fixedCharge);
        if (legs == 0) return;
        int256 left = int256(explanation.margin.maintenanceMargin) - explanation.accountContribution;
        for (uint256 i; i < legs - 1; ++i) {
            left -= contributions[i];
        }
        contributions[legs - 1] = left;
        for (uint256 i; i < legs; ++i) {
            if (i < collaterals) explanation.collateralContributions[i] = contributions[i];
            else explanation.positionContributions[i - collaterals] = contributions[i];
        }
    }
}
