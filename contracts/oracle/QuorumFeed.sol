// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {IPriceSource, PriceReport} from "../interfaces/IPriceSource.sol";
import {CompactSignature, IQuorumFeed, ReportBatch, ReportKind, SignedReport} from "../interfaces/IQuorumFeed.sol";

/// @title Prices signed by m of n known signers, submitted by anyone
contract QuorumFeed is IQuorumFeed, IPriceSource, EIP712, AccessManaged {
    /// @dev One slot: 12 + 12 + 5 = 29 bytes.
    struct StoredReport {
        uint96 value;
        uint96 confidence;
        uint40 publishedAt;
    }

    /// @dev One slot: 4 + 1 + 4 = 9 bytes.
    struct Quorum {
        uint32 epoch;
        uint8 threshold;
        uint32 maxAge;
    }

    bytes32 private constant REPORT_TYPEHASH =
        keccak256("SignedReport(uint8 kind,uint256 subject,uint256 value,uint256 confidence)");
    bytes32 private constant BATCH_TYPEHASH = keccak256(
        "ReportBatch(uint32 epoch,uint40 publishedAt,SignedReport[] reports)"
        "SignedReport(uint8 kind,uint256 subject,uint256 value,uint256 confidence)"
    );
    uint256 private constant MOST_SIGNERS = 31;
    uint256 private constant LEAST_MAX_AGE = 10 seconds;
    uint256 private constant MOST_MAX_AGE = 10 minutes;
    uint32 private constant DEFAULT_MAX_AGE = 1 minutes;

    Quorum private _quorum = Quorum({epoch: 0, threshold: 0, maxAge: DEFAULT_MAX_AGE});
    address[] private _signers;
    /// @dev The epoch an address last was a signer in: replacing the set needs no clearing. 0 never counts.
    mapping(address signer => uint32) private _signerEpochs;
    mapping(ReportKind => mapping(uint256 subject => StoredReport)) private _reports;

    constructor(address authority) EIP712("Ballast QuorumFeed", "1") AccessManaged(authority) {}

    /// @inheritdoc IQuorumFeed
    /// @dev No re-entrancy stance: it calls nothing.
    function submit(ReportBatch calldata batch, CompactSignature[] calldata signatures) external {
        verify(batch, signatures);
        bool isAnyNewer;
        for (uint256 i = 0; i < batch.reports.length; ++i) {
            if (_storeIfNewer(batch.reports[i], batch.publishedAt)) isAnyNewer = true;
        }
        if (!isAnyNewer) revert NothingNewer(batch.publishedAt);
    }

    /// @inheritdoc IQuorumFeed
    function verify(ReportBatch calldata batch, CompactSignature[] calldata signatures) public view {
        Quorum memory quorum = _quorum;
        if (batch.epoch != quorum.epoch) revert EpochPassed(batch.epoch, quorum.epoch);
        if (batch.publishedAt > block.timestamp) revert ReportFromFuture(batch.publishedAt, block.timestamp);
        if (block.timestamp - batch.publishedAt > quorum.maxAge) {
            revert ReportTooOld(batch.publishedAt, block.timestamp, quorum.maxAge);
        }
        _checkSignatures(hashBatch(batch), signatures, quorum);
    }

    function _checkSignatures(
        bytes32 digest,
        CompactSignature[] calldata signatures,
        Quorum memory quorum
    ) private view {
        bool isEnough = quorum.threshold != 0 && signatures.length >= quorum.threshold;
        if (!isEnough) revert TooFewSignatures(signatures.length, quorum.threshold);
        address previous = address(0);
        for (uint256 i = 0; i < signatures.length; ++i) {
            address signer = ECDSA.recover(digest, signatures[i].r, signatures[i].vs);
            if (signer <= previous) revert SignersNotAscending(previous, signer);
            if (_signerEpochs[signer] != quorum.epoch) revert NotSigner(signer);
            previous = signer;
        }
    }

    function _storeIfNewer(SignedReport calldata report, uint40 publishedAt) private returns (bool) {
        if (report.kind != ReportKind.Price) revert ReportKindNotSupported(report.kind);
        bool fits = report.value <= type(uint96).max && report.confidence <= type(uint96).max;
        if (report.value == 0 || !fits || report.subject > type(uint8).max) {
            revert InvalidReport(report.subject, report.value, report.confidence);
        }
        if (publishedAt <= _reports[report.kind][report.subject].publishedAt) return false;
        _reports[report.kind][report.subject] =
            StoredReport(uint96(report.value), uint96(report.confidence), publishedAt);
        emit ReportStored(report.kind, report.subject, report.value, report.confidence, publishedAt);
        return true;
    }

    /// @inheritdoc IQuorumFeed
    function setSigners(address[] calldata signers_, uint256 threshold_) external restricted {
        if (signers_.length > MOST_SIGNERS) revert TooManySigners(signers_.length, MOST_SIGNERS);
        bool isMajority = 2 * threshold_ > signers_.length && threshold_ <= signers_.length;
        if (!isMajority) revert InvalidThreshold(threshold_, signers_.length);
        uint32 next = _quorum.epoch + 1;
        address previous = address(0);
        for (uint256 i = 0; i < signers_.length; ++i) {
            if (signers_[i] <= previous) revert InvalidSigner(signers_[i]);
            _signerEpochs[signers_[i]] = next;
            previous = signers_[i];
        }
        _quorum.epoch = next;
        _quorum.threshold = uint8(threshold_);
        _signers = signers_;
        emit SignersSet(next, signers_, threshold_);
    }

    /// @inheritdoc IQuorumFeed
    function setMaxAge(uint256 maxAge_) external restricted {
        bool isWithin = maxAge_ >= LEAST_MAX_AGE && maxAge_ <= MOST_MAX_AGE;
        if (!isWithin) revert MaxAgeOutOfBounds(maxAge_, LEAST_MAX_AGE, MOST_MAX_AGE);
        _quorum.maxAge = uint32(maxAge_);
        emit MaxAgeSet(maxAge_);
    }

    /// @inheritdoc IPriceSource
    function latestReport(uint8 underlying) external view returns (PriceReport memory) {
        StoredReport memory stored = _reports[ReportKind.Price][underlying];
        return PriceReport(stored.value, stored.confidence, stored.publishedAt);
    }

    /// @inheritdoc IQuorumFeed
    function hashBatch(ReportBatch calldata batch) public view returns (bytes32) {
        bytes32[] memory hashes = new bytes32[](batch.reports.length);
        for (uint256 i = 0; i < hashes.length; ++i) {
            hashes[i] = keccak256(abi.encode(REPORT_TYPEHASH, batch.reports[i]));
        }
        bytes32 reportsHash = keccak256(abi.encodePacked(hashes));
        return _hashTypedDataV4(keccak256(abi.encode(BATCH_TYPEHASH, batch.epoch, batch.publishedAt, reportsHash)));
    }

    /// @inheritdoc IQuorumFeed
    function reportOf(
        ReportKind kind,
        uint256 subject
    ) external view returns (uint256 value, uint256 confidence, uint256 publishedAt) {
        StoredReport memory stored = _reports[kind][subject];
        return (stored.value, stored.confidence, stored.publishedAt);
    }

    /// @inheritdoc IQuorumFeed
    function signers() external view returns (address[] memory) {
        return _signers;
    }

    /// @inheritdoc IQuorumFeed
    function isSigner(address account) external view returns (bool) {
        return _quorum.epoch != 0 && _signerEpochs[account] == _quorum.epoch;
    }

    /// @inheritdoc IQuorumFeed
    function threshold() external view returns (uint256) {
        return _quorum.threshold;
    }

    /// @inheritdoc IQuorumFeed
    function epoch() external view returns (uint32) {
        return _quorum.epoch;
    }

    /// @inheritdoc IQuorumFeed
    function maxAge() external view returns (uint256) {
        return _quorum.maxAge;
    }
}
