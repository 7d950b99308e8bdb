// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ExpiryQuote} from "../types/ExpiryQuote.sol";
import {InstrumentId} from "../types/InstrumentId.sol";
import {Margin, UnderlyingRisk} from "../types/Margin.sol";
import {Portfolio} from "../types/Portfolio.sol";
import {Quote} from "../types/Quote.sol";

/// @notice Charges of one portfolio, value unit, wad, rounded up.
struct Charges {
    uint256 haircut;
    uint256 hedgedBasis;
    uint256 hedgedVega;
    uint256 shortOptions;
    uint256 concentration;
    uint256 settlementToken;
    uint256 fixedCharge;
}

/// @notice Why a requirement is what it is.
/// @param margin What `assess` returns for the same input.
/// @param charges Each charge by name.
/// @param rows The scenario rows that made `scan`, worst first, ties to the lower row: the k rows of the shortfall, or
///        the one stress row; none where the scan is 0. Between shortfall and an equal stress row: the shortfall. Where two books are blended, those of the newer.
/// @param rowLosses Their losses, unweighted, wad.
/// @param isStress Whether the scan came from a single stress row rather than the mean of historical ones.
/// @param collateralContributions Euler contribution of each collateral leg to `maintenanceMargin`, wad.
/// @param positionContributions The same for each position.
/// @param accountContribution What belongs to no leg: the fixed charge.
///        The contributions sum to `maintenanceMargin` to the wei.
struct Explanation {
    Margin margin;
    Charges charges;
    uint256[] rows;
    int256[] rowLosses;
    bool isStress;
    int256[] collateralContributions;
    int256[] positionContributions;
    int256 accountContribution;
}

/// @title Margin of one portfolio: expected shortfall over joint scenarios, plus charges
/// @notice A function of its arguments and of the active risk book alone: it reads no account and no oracle.
///         Limits, beyond which it reverts with a typed error: 256 legs, quantities below 2^112, prices from 1 wei and
///         below 2^96 (an index, stable or second price of 0 is no price), cash within 192 bits. Futures and
///         options are valued at the engine's own prices: a leg's mark counts for perps alone.
interface IMarginEngine {
    event RiskBookScheduled(address indexed pointer, uint40 activeFrom, uint40 blendedUntil);
    event ShockMultiplierSet(uint8 indexed underlying, uint256 from, uint256 target);

    error UnderlyingNotInBook(uint8 underlying);
    error QuoteMissing(uint8 underlying);
    error InvalidRiskBook(string reason);
    error BlendInProgress(uint40 blendedUntil);
    error ShockMultiplierOutOfBounds(uint256 multiplier);
    error NoRiskBook();
    error AssetNotInBook(uint8 asset);
    error UnsupportedInstrument(InstrumentId instrument);
    error QuotesNotAscending(uint8 underlying);
    error ExpiryMissing(uint8 underlying, uint40 expiry);
    error ExpiriesNotAscending(uint8 underlying, uint40 expiry);
    error TooManyLegs(uint256 legs);
    error CashOutOfRange(int256 cash);
    error QuantityOutOfRange(uint8 underlying, uint256 quantity);
    error PriceOutOfRange(uint8 underlying, uint256 price);

    /// @notice Margin of `portfolio` at the given quotes.
    /// @param quotes By ascending underlying; every underlying of the portfolio must be there.
    /// @param expiries By ascending underlying, then expiry; every one of a dated position must be there.
    /// @param settlementTokenUsd USD price of the settlement token, wad.
    function assess(
        Portfolio calldata portfolio,
        Quote[] calldata quotes,
        ExpiryQuote[] calldata expiries,
        uint256 settlementTokenUsd
    ) external view returns (Margin memory);

    /// @notice The same margin, and what each underlying adds to it: one a quote, in their order.
    function assessInParts(
        Portfolio calldata portfolio,
        Quote[] calldata quotes,
        ExpiryQuote[] calldata expiries,
        uint256 settlementTokenUsd
    ) external view returns (Margin memory, UnderlyingRisk[] memory);

    /// @notice Prices of futures and options, value unit a unit, wad, rounded down: the marks that `assess` values them at.
    ///         Once settled, what a unit pays.
    function optionPrices(
        InstrumentId[] calldata options,
        Quote[] calldata quotes,
        ExpiryQuote[] calldata expiries
    ) external view returns (uint256[] memory prices);

    /// @notice The same computation, and what made it.
    function explain(
        Portfolio calldata portfolio,
        Quote[] calldata quotes,
        ExpiryQuote[] calldata expiries,
        uint256 settlementTokenUsd
    ) external view returns (Explanation memory);

    /// @notice Publishes a risk book. It is validated, stored as code, and blended in linearly over a day.
    /// @dev Restricted. The encoding is drawn in docs/architecture.md, "Risk book blob".
    function setRiskBook(bytes calldata blob) external;

    /// @notice Scales an underlying's price shocks; 1e9 is one. Bounds [0.5, 3]·1e9. It moves along a straight line,
    ///         by 5 % of where it stands an hour, in both directions: a smaller shock of one underlying can raise the
    ///         scan of a portfolio that it hedges (I31). Restricted.
    function setShockMultiplier(uint8 underlying, uint32 target) external;

    /// @notice Whether the book in force, or blended towards, knows an asset and the underlying it follows: an account that holds
    ///         what it does not know cannot be margined.
    function covers(uint8 asset, uint8 underlying) external view returns (bool);

    /// @notice The multiplier in force now, 1e9 is one.
    function shockMultiplierOf(uint8 underlying) external view returns (uint256);

    /// @return current The book in force (or blended towards).
    /// @return previous The book blended from; equals `current` once the blend is over.
    /// @return weightOfCurrent Wad in [0, 1].
    function riskBooks() external view returns (bytes memory current, bytes memory previous, uint256 weightOfCurrent);
}
