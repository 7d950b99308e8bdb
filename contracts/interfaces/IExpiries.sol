// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ExpiryQuote, SurfaceWord} from "../types/ExpiryQuote.sol";
import {OracleState} from "../types/Quote.sol";
import {CompactSignature, ReportBatch} from "./IQuorumFeed.sol";

/// @notice Where in its life a listed expiry is.
///         `Live`: all of the settlement price is open. `Averaging`: the last 30 minutes, in which it is made.
///         `Waiting`: expired with too few observations, until the quorum signs the price.
///         `Settled`: the settlement price is known and final, whether or not `finalise` has been called.
enum ExpiryPhase {
    None,
    Live,
    Averaging,
    Waiting,
    Settled
}

/// @notice What is known of one expiry, now.
/// @param surface As last accepted, its time included.
/// @param trusted Whether forward and surface support new risk, as in its quote.
/// @param observed Buckets with an observation of their own, of 30.
/// @param counted Buckets in the average: the observed ones, and those a value was carried over to.
/// @param average Of the counted buckets so far, value unit, wad, rounded down; 0 where there is none.
/// @param settlementPrice Value unit, wad; 0 until the phase is `Settled`.
struct ExpiryView {
    ExpiryPhase phase;
    SurfaceWord surface;
    bool trusted;
    uint8 observed;
    uint8 counted;
    uint256 average;
    uint256 settlementPrice;
}

/// @title Forwards, volatility surfaces and settlement prices of the listed expiries
/// @notice An expiry of an underlying is named by its key, underlying << 40 | expiry in Unix seconds.
///
///         **Surfaces** are signed by the quorum feed's signers and submitted by anyone. A surface counts if it is newer
///         than the stored one, within its level and step limits, and free of static arbitrage: butterflies within it,
///         calendars against the expiries next to it.
///
///         **The settlement price** is the average of the index over the last 30 minutes: the first observation in each
///         of 30 one-minute buckets counts; a missing one takes the value of the one before, three times in a row at
///         most; at least 20 must have been observed. Otherwise, after a delay, the signers' price counts. Final.
///
///         What changes in a transaction counts in the quotes of the next one (I20); other views tell it at once.
interface IExpiries {
    event SurfaceStored(uint8 indexed underlying, uint40 indexed expiry, SurfaceWord surface);
    /// @dev `bounty` in token units; 0 where the contract held too little.
    event Observed(
        uint8 indexed underlying, uint40 indexed expiry, uint256 bucket, uint256 price, address observer, uint256 bounty
    );
    /// @dev The settlement price, final. `observed` buckets made it, or (`bySigners`) did not suffice.
    event Settled(uint8 indexed underlying, uint40 indexed expiry, uint256 price, uint256 observed, bool bySigners);

    error ExpiryNotListed(uint256 key);
    error KeysNotAscending(uint256 previous, uint256 next);
    /// @dev No report of the batch counts: each is of an expired expiry, or not `stepInterval` newer than what is stored.
    error NothingNewer(uint256 publishedAt);
    /// @dev A field is out of its range, or the time, which is the batch's, not left 0.
    error MalformedSurface(uint256 key, uint256 value);
    error PremiumOutOfBounds(uint256 key, int256 premium, uint256 most);
    error PremiumStepTooLarge(uint256 key, int256 from, int256 to, uint256 most);
    /// @dev The smile's lowest point. Variances a year, log-moneyness k, wad, here and below.
    error VarianceTooLow(uint256 key, int256 variance, uint256 least);
    error VarianceTooHigh(uint256 key, int256 k, uint256 variance, uint256 most);
    error VarianceStepTooLarge(uint256 key, int256 k, uint256 from, uint256 to);
    /// @dev Slope of the total variance in a wing, wad; beyond 2 moments of the price are infinite.
    error WingTooSteep(uint256 key, uint256 slope);
    error ButterflyArbitrage(uint256 key, int256 k);
    /// @dev The nearer expiry has more total variance at k than the farther one; the least and largest int256 are the
    ///      wings.
    error CalendarArbitrage(uint256 nearKey, uint256 farKey, int256 k);
    error OutsideWindow(uint256 key, uint256 opensAt, uint256 closesAt);
    error BucketObserved(uint256 key, uint256 bucket);
    error PriceNotUsable(uint8 underlying, OracleState state);
    error NotExpired(uint256 key);
    error TooFewObservations(uint256 key, uint256 observed, uint256 least);
    error AlreadySettled(uint256 key, uint256 price);
    /// @dev The observations suffice: the signers have no say.
    error AverageCounts(uint256 key, uint256 average);
    error FallbackNotDue(uint256 key, uint256 dueAt);
    error SettlementPriceOutOfBounds(uint256 key, uint256 price, uint256 index, uint256 mostBps);

    /// @notice What the margin engine is told of expiries, fixed for the transaction.
    /// @dev One cold storage read an expiry (two within the averaging window), and one a call. The quote's surface is 0
    ///      after expiry, when nothing follows it.
    /// @param keys Strictly ascending, all listed.
    function quotesOf(uint256[] calldata keys) external view returns (ExpiryQuote[] memory);

    /// @notice Where an expiry is in its life; `None` where it is not listed.
    function phaseOf(uint8 underlying, uint40 expiry) external view returns (ExpiryPhase);

    /// @notice The final price in the value unit, wad; 0 until the expiry is settled. `ExpiryNotListed` where it is not.
    function settlementPriceOf(uint8 underlying, uint40 expiry) external view returns (uint256);

    /// @dev Reverts with `ExpiryNotListed`.
    function expiryOf(uint8 underlying, uint40 expiry) external view returns (ExpiryView memory);

    /// @notice Listed expiries of an underlying that are not finalised, ascending.
    function expiriesOf(uint8 underlying) external view returns (uint40[] memory);

    /// @notice Stores every signed surface and settlement price of the batch that counts. Anyone may call.
    /// @dev One format, signer set and domain with prices: `IQuorumFeed`. Kinds `Surface` and `SettlementPrice` alone.
    ///      All surfaces of the batch are stored first, then held against their neighbours. One that breaks a limit
    ///      reverts the batch.
    ///      A settlement price counts from `fallbackDelay` after expiry if observations do not suffice, within
    ///      `settlementBps` of the index.
    /// @param signatures At least the threshold, by ascending signer.
    function submit(ReportBatch calldata batch, CompactSignature[] calldata signatures) external;

    /// @notice Observes the index for the present one-minute bucket of the averaging window. Anyone may call; the first
    ///         in a bucket is paid the bounty, as long as the contract has it.
    /// @dev Refreshes the hub; the state must be `Ok` or `Wide`. A transfer that fails costs the observer his bounty alone.
    function observe(uint8 underlying, uint40 expiry) external returns (uint256 price);

    /// @notice Records the average as the settlement price. Anyone may call, after expiry.
    /// @dev Changes no answer: `Settled` holds as soon as the expiry has passed with enough observations.
    function finalise(uint8 underlying, uint40 expiry) external returns (uint256 price);

    /// @notice The bucket `observe` would fill now; `isDue` is false outside the window and where it is filled.
    function dueBucket(uint8 underlying, uint40 expiry) external view returns (bool isDue, uint256 bucket);
}
