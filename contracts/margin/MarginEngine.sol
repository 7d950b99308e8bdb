// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Explanation, IMarginEngine} from "../interfaces/IMarginEngine.sol";
import {ExpiryQuote} from "../types/ExpiryQuote.sol";
import {InstrumentId} from "../types/InstrumentId.sol";
import {Margin} from "../types/Margin.sol";
import {Portfolio} from "../types/Portfolio.sol";
import {Quote} from "../types/Quote.sol";
import {Attribution} from "./Attribution.sol";
import {Exposure, Exposures, Gathered} from "./Exposure.sol";
import {Requirement, Requirements} from "./Requirements.sol";
import {Book, RiskBook} from "./RiskBook.sol";
import {RiskBookValidator} from "./RiskBookValidator.sol";
import {Tail} from "./Scenarios.sol";
import {
    HIGHEST_MULTIPLIER,
    LOWEST_MULTIPLIER,
    NEUTRAL_MULTIPLIER,
    ShockMultiplier,
    shockMultiplierFrom
} from "./ShockMultiplier.sol";
import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {SSTORE2} from "solady/utils/SSTORE2.sol";

/// @title Scenario margin of cross-margin accounts
/// @dev Views need no re-entrancy stance: they call nothing. Setters call nothing that is not created by them.
contract MarginEngine is IMarginEngine, AccessManaged {
    using Exposures for Exposure;
    using Requirements for Book;
    using Requirements for Margin;
    using Requirements for Requirement;
    using RiskBookValidator for Book;

    /// @dev One slot: 20 + 5 + 5 = 30. `previous` is read only while it is blended from.
    struct ActiveBook {
        address current;
        uint40 blendedFrom;
        uint40 blendedUntil;
    }

    uint40 internal constant BLEND_DURATION = 1 days;
    uint256 internal constant ONE = 1e18;

    ActiveBook private _active;
    address private _previous;
    /// @dev Two a slot: entry `underlying − 1`.
    ShockMultiplier[256] private _shockMultipliers;

    constructor(address authority) AccessManaged(authority) {}

    // Margin ----------------------------------------------------------------------------------------------------

    /// @inheritdoc IMarginEngine
    function assess(
        Portfolio calldata portfolio,
        Quote[] calldata quotes,
        ExpiryQuote[] calldata,
        uint256 settlementTokenUsd
    ) external view returns (Margin memory margin) {
        ActiveBook memory active = _requireBook();
        Gathered memory gathered = _gather(portfolio, quotes, settlementTokenUsd, margin);
        (Requirement memory requirement,) =
            RiskBook.open(SSTORE2.read(active.current)).measure(gathered, portfolio.collaterals);
        uint256 weight = _weightOfCurrent(active);
        if (weight < ONE) {
            Book memory previous = RiskBook.open(SSTORE2.read(_previous));
            if (previous.covers(gathered, portfolio.collaterals)) {
                (Requirement memory before,) = previous.measure(gathered, portfolio.collaterals);
                requirement = before.blendUp(requirement, weight);
            }
        }
        margin.fill(requirement);
    }

    /// @inheritdoc IMarginEngine
    function explain(
        Portfolio calldata portfolio,
        Quote[] calldata quotes,
        ExpiryQuote[] calldata,
        uint256 settlementTokenUsd
    ) external view returns (Explanation memory explanation) {
        ActiveBook memory active = _requireBook();
        Gathered memory gathered = _gather(portfolio, quotes, settlementTokenUsd, explanation.margin);
        (Requirement memory requirement, Tail memory tail, int256[] memory contributions) =
            Attribution.attribute(RiskBook.open(SSTORE2.read(active.current)), gathered, portfolio);
        uint256 weight = _weightOfCurrent(active);
        if (weight < ONE) {
            Book memory previous = RiskBook.open(SSTORE2.read(_previous));
            if (previous.covers(gathered, portfolio.collaterals)) {
                (Requirement memory before,, int256[] memory contributionsBefore) =
                    Attribution.attribute(previous, gathered, portfolio);
                requirement = before.blendUp(requirement, weight);
                Attribution.blendDown(contributionsBefore, contributions, weight);
            }
        }
        explanation.margin.fill(requirement);
        explanation.charges = requirement.charges;
        _describe(explanation, tail);
        _distribute(explanation, contributions, portfolio.collaterals.length);
    }

    /// @inheritdoc IMarginEngine
    function optionPrices(
        InstrumentId[] calldata options,
        Quote[] calldata,
        ExpiryQuote[] calldata
    ) external pure returns (uint256[] memory) {
        revert UnsupportedInstrument(options[0]);
    }

    // Parameters ------------------------------------------------------------------------------------------------

    /// @inheritdoc IMarginEngine
    function setRiskBook(bytes calldata blob) external restricted {
        ActiveBook memory active = _active;
        if (block.timestamp < active.blendedUntil) revert BlendInProgress(active.blendedUntil);
        Book memory book = RiskBookValidator.validate(blob);
        uint40 from = uint40(block.timestamp);
        uint40 until = from;
        if (active.current != address(0)) {
            book.requireKeeps(RiskBook.open(SSTORE2.read(active.current)));
            until += BLEND_DURATION;
        }
        address pointer = SSTORE2.write(blob);
        _previous = active.current;
        _active = ActiveBook(pointer, from, until);
        emit RiskBookScheduled(pointer, from, until);
    }

    /// @inheritdoc IMarginEngine
    function setShockMultiplier(uint8 underlying, uint32 target) external restricted {
        if (target < LOWEST_MULTIPLIER || target > HIGHEST_MULTIPLIER) revert ShockMultiplierOutOfBounds(target);
        if (underlying == 0) revert UnderlyingNotInBook(underlying);
        uint256 from = shockMultiplierOf(underlying);
        _shockMultipliers[underlying - 1] = shockMultiplierFrom(from, target, block.timestamp);
        emit ShockMultiplierSet(underlying, from, target);
    }

    /// @inheritdoc IMarginEngine
    function shockMultiplierOf(uint8 underlying) public view returns (uint256) {
        if (underlying == 0) return NEUTRAL_MULTIPLIER;
        return _shockMultipliers[underlying - 1].valueAt(block.timestamp);
    }

    /// @inheritdoc IMarginEngine
    function riskBooks() external view returns (bytes memory current, bytes memory previous, uint256 weightOfCurrent) {
        ActiveBook memory active = _requireBook();
        weightOfCurrent = _weightOfCurrent(active);
        current = SSTORE2.read(active.current);
        previous = weightOfCurrent < ONE ? SSTORE2.read(_previous) : current;
    }

    // Internals -------------------------------------------------------------------------------------------------

    function _gather(
        Portfolio calldata portfolio,
        Quote[] calldata quotes,
        uint256 settlementTokenUsd,
        Margin memory margin
    ) private view returns (Gathered memory gathered) {
        Exposures.gather(portfolio, quotes, gathered, margin);
        gathered.settlementTokenUsd = settlementTokenUsd;
        Exposure[] memory exposures = gathered.exposures;
        for (uint256 i; i < exposures.length; ++i) {
            Exposure memory exposure = exposures[i];
            if (exposure.isHeld()) exposure.multiplier = shockMultiplierOf(exposure.underlying);
        }
    }

    function _requireBook() private view returns (ActiveBook memory active) {
        active = _active;
        if (active.current == address(0)) revert NoRiskBook();
    }

    /// @dev 0 in the block of the change, one a day later.
    function _weightOfCurrent(ActiveBook memory active) private view returns (uint256) {
        if (block.timestamp >= active.blendedUntil) return ONE;
        return (block.timestamp - active.blendedFrom) * ONE / BLEND_DURATION;
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
