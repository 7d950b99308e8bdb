// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @notice What a signed report is about. The feed stores `Price`; `Surface` and `SettlementPrice` are submitted to
///         `IExpiries`, which asks the feed for the signatures; `PerpMark` has its place, and nobody to read it yet.
/// @dev subject · value · confidence:
///      `Price`: the underlying's id · USD per whole unit, wad · half-width of the confidence interval, wad;
///      `PerpMark`: the instrument's id;
///      `Surface`: the expiry's key (`ExpiryKey`) · its `SurfaceWord`, time left 0: the batch's counts · unused;
///      `SettlementPrice`: the expiry's key · value unit per whole unit, wad · unused.
enum ReportKind {
    Price,
    PerpMark,
    Surface,
    SettlementPrice
}

/// @notice One value of a batch.
/// @param kind What it is about; the other fields mean what `ReportKind` says.
struct SignedReport {
    ReportKind kind;
    uint256 subject;
    uint256 value;
    uint256 confidence;
}

/// @notice What the signers sign, every one of them the same bytes (EIP-712, bound to chain and contract).
/// @param epoch The signer set it was signed under; another is refused.
/// @param publishedAt Unix second at which the values held.
/// @param reports Values, all of that second.
struct ReportBatch {
    uint32 epoch;
    uint40 publishedAt;
    SignedReport[] reports;
}

/// @notice A 65-byte ECDSA signature in 64 bytes (ERC-2098): s with the recovery parity in its highest bit.
struct CompactSignature {
    bytes32 r;
    bytes32 vs;
}

/// @title Prices signed by m of n known signers, submitted by anyone; and whether a batch is signed
/// @notice Whoever holds fresh signed batches chooses among them, but never back in time: a batch older than `maxAge` or
///         not newer than what is stored changes nothing, so the choice is at most `maxAge` of honest history wide, and
///         one submission of the newest batch by anybody ends it.
interface IQuorumFeed {
    event ReportStored(
        ReportKind indexed kind, uint256 indexed subject, uint256 value, uint256 confidence, uint256 publishedAt
    );
    event SignersSet(uint32 indexed epoch, address[] signers, uint256 threshold);
    event MaxAgeSet(uint256 maxAge);

    error ReportKindNotSupported(ReportKind kind);
    error InvalidReport(uint256 subject, uint256 value, uint256 confidence);
    error ReportFromFuture(uint256 publishedAt, uint256 timestamp);
    error ReportTooOld(uint256 publishedAt, uint256 timestamp, uint256 maxAge);
    /// @dev No report of the batch is newer than the one stored for its subject.
    error NothingNewer(uint256 publishedAt);
    error EpochPassed(uint32 epoch, uint32 current);
    error TooFewSignatures(uint256 given, uint256 threshold);
    error NotSigner(address recovered);
    /// @dev Signatures come by strictly ascending signer, so that none counts twice.
    error SignersNotAscending(address previous, address next);
    error InvalidSigner(address signer);
    error InvalidThreshold(uint256 threshold, uint256 signers);
    error TooManySigners(uint256 signers, uint256 most);
    error MaxAgeOutOfBounds(uint256 maxAge, uint256 least, uint256 most);

    /// @notice Stores every price of the batch that is newer than what is stored for its subject. Anyone may call.
    /// @param signatures At least the threshold, by ascending signer.
    function submit(ReportBatch calldata batch, CompactSignature[] calldata signatures) external;

    /// @notice Reverts unless the batch is signed by enough of the present signers, and neither from the future nor older
    ///         than `maxAge`.
    function verify(ReportBatch calldata batch, CompactSignature[] calldata signatures) external view;

    /// @notice Replaces the whole signer set; everything signed under the old one is void. Restricted.
    /// @param signers Ascending, distinct.
    /// @param threshold m: more than half of them.
    function setSigners(address[] calldata signers, uint256 threshold) external;

    /// @notice Bounds how old a submitted batch may be. Restricted.
    function setMaxAge(uint256 maxAge_) external;

    function hashBatch(ReportBatch calldata batch) external view returns (bytes32);

    /// @notice The newest stored report; zeros where there is none.
    function reportOf(
        ReportKind kind,
        uint256 subject
    ) external view returns (uint256 value, uint256 confidence, uint256 publishedAt);

    function signers() external view returns (address[] memory);

    function isSigner(address account) external view returns (bool);

    function threshold() external view returns (uint256);

    function epoch() external view returns (uint32);

    function maxAge() external view returns (uint256);
}
