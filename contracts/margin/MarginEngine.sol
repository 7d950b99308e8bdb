// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Explanation, IMarginEngine} from "../interfaces/IMarginEngine.sol";
import {ExpiryQuote} from "../types/ExpiryQuote.sol";
import {InstrumentId} from "../types/InstrumentId.sol";
import {Margin, UnderlyingRisk} from "../types/Margin.sol";
import {Portfolio} from "../types/Portfolio.sol";
import {Quote} from "../types/Quote.sol";
import {DatedPositions} from "./DatedPositions.sol";
import {Exposure, Exposures, Gathered} from "./Exposure.sol";
import {Gathering} from "./Gathering.sol";
import {MarginExplainer} from "./MarginExplainer.sol";
import {Requirement, Requirements} from "./Requirements.sol";
import {Book, RiskBook} from "./RiskBook.sol";
import {RiskByUnderlying} from "./RiskByUnderlying.sol";
import {RiskBookValidator} from "./RiskBookValidator.sol";
import {NodeValues, Tail} from "./Scenarios.sol";
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
    using RiskBook for Book;
    using RiskByUnderlying for Book;
    using RiskByUnderlying for UnderlyingRisk[];
    using Requirements for Margin;
    using Requirements for Requirement;

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

    /// @notice What new risk books must pass.
    RiskBookValidator public immutable validator = new RiskBookValidator();
    /// @notice What answers `explain`.
    MarginExplainer public immutable explainer;
    /// @notice Where Φ is kept.
    address public immutable normalTable;

    constructor(address authority, MarginExplainer explainer_) AccessManaged(authority) {
        explainer = explainer_;
        normalTable = explainer_.normalTable();
    }

    // Margin ----------------------------------------------------------------------------------------------------

    /// @inheritdoc IMarginEngine
    function assess(
        Portfolio calldata portfolio,
        Quote[] calldata quotes,
        ExpiryQuote[] calldata expiries,
        uint256 settlementTokenUsd
    ) external view returns (Margin memory margin) {
        _assess(portfolio, quotes, expiries, settlementTokenUsd, margin);
    }

    /// @inheritdoc IMarginEngine
    function assessInParts(
        Portfolio calldata portfolio,
        Quote[] calldata quotes,
        ExpiryQuote[] calldata expiries,
        uint256 settlementTokenUsd
    ) external view returns (Margin memory margin, UnderlyingRisk[] memory parts) {
        parts = _assess(portfolio, quotes, expiries, settlementTokenUsd, margin);
    }

    /// @inheritdoc IMarginEngine
    function explain(
        Portfolio calldata,
        Quote[] calldata,
        ExpiryQuote[] calldata,
        uint256
    ) external view returns (Explanation memory) {
        address target = address(explainer);
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, 0, calldatasize())
            let success := staticcall(gas(), target, free, calldatasize(), 0, 0)
            returndatacopy(free, 0, returndatasize())
            if success { return(free, returndatasize()) }
            revert(free, returndatasize())
        }
    }

    /// @inheritdoc IMarginEngine
    function optionPrices(
        InstrumentId[] calldata options,
        Quote[] calldata quotes,
        ExpiryQuote[] calldata expiries
    ) external view returns (uint256[] memory prices) {
        Gathered memory gathered;
        gathered.normalTable = normalTable;
        Gathering.open(quotes, expiries, gathered);
        prices = new uint256[](options.length);
        for (uint256 i; i < prices.length; ++i) {
            prices[i] = DatedPositions.priceOf(options[i], expiries, gathered);
        }
    }

    // Parameters ------------------------------------------------------------------------------------------------

    /// @inheritdoc IMarginEngine
    function setRiskBook(bytes calldata blob) external restricted {
        ActiveBook memory active = _active;
        if (block.timestamp < active.blendedUntil) revert BlendInProgress(active.blendedUntil);
        uint40 from = uint40(block.timestamp);
        uint40 until = from;
        bytes memory previous;
        if (active.current != address(0)) {
            previous = SSTORE2.read(active.current);
            until += BLEND_DURATION;
        }
        address pointer = SSTORE2.write(validator.prepare(blob, previous));
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
    function covers(uint8 asset, uint8 underlying) external view returns (bool known) {
        Book memory book = RiskBook.open(SSTORE2.read(_requireBook().current));
        (, known) = book.seek(book.firstRecord(), underlying);
        return known && asset < book.assets;
    }

    /// @inheritdoc IMarginEngine
    function riskBooks() external view returns (bytes memory current, bytes memory previous, uint256 weightOfCurrent) {
        ActiveBook memory active = _requireBook();
        weightOfCurrent = _weightOfCurrent(active);
        current = RiskBook.shortened(SSTORE2.read(active.current));
        previous = weightOfCurrent < ONE ? RiskBook.shortened(SSTORE2.read(_previous)) : current;
    }

    // Internals -------------------------------------------------------------------------------------------------

    /// @dev Fills `margin`. Parts are left out where nobody asks for them: most checks do not.
    function _assess(
        Portfolio calldata portfolio,
        Quote[] calldata quotes,
        ExpiryQuote[] calldata expiries,
        uint256 settlementTokenUsd,
        Margin memory margin
    ) private view returns (UnderlyingRisk[] memory parts) {
        ActiveBook memory active = _requireBook();
        Gathered memory gathered = _gather(portfolio, quotes, expiries, settlementTokenUsd, margin);
        bool inParts = msg.sig == IMarginEngine.assessInParts.selector;
        if (inParts) gathered.nodeValues = new NodeValues[](quotes.length);
        Book memory book = RiskBook.open(SSTORE2.read(active.current));
        (Requirement memory requirement, Tail memory tail) = book.measure(gathered, portfolio.collaterals);
        if (inParts) parts = book.split(gathered, portfolio.collaterals, requirement, tail);
        uint256 weight = _weightOfCurrent(active);
        if (weight < ONE) {
            book = RiskBook.open(SSTORE2.read(_previous));
            if (book.covers(gathered, portfolio.collaterals)) {
                Requirement memory before;
                (before, tail) = book.measure(gathered, portfolio.collaterals);
                if (inParts) {
                    book.split(gathered, portfolio.collaterals, before, tail).blend(parts, weight);
                }
                requirement = before.blendUp(requirement, weight);
            }
        }
        margin.fill(requirement, gathered);
    }

    function _gather(
        Portfolio calldata portfolio,
        Quote[] calldata quotes,
        ExpiryQuote[] calldata expiries,
        uint256 settlementTokenUsd,
        Margin memory margin
    ) private view returns (Gathered memory gathered) {
        gathered.normalTable = normalTable;
        Gathering.gather(portfolio, quotes, expiries, gathered, margin);
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
}
