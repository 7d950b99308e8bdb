// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccountId} from "../types/AccountId.sol";
import {InstrumentId} from "../types/InstrumentId.sol";
import {InterestCurve, WaterfallParameters} from "../interfaces/IClearinghouseAdmin.sol";
import {FundingWord, TermsWord} from "./Market.sol";
import {CashWord, IndexWord, PairWord, PastShares, PositionWord} from "./Words.sol";

/// @title All state of the clearinghouse, and its one lock
/// @dev Shared, slot for slot, by the parts of the clearinghouse: `Clearinghouse` and those it delegates to.
abstract contract ClearinghouseStorage {
    /// @dev `header` is drawn at `Header`. Collateral amounts lie two a word, by the header's place: 2k first, 2k + 1 second.
    struct StoredAccount {
        CashWord cash;
        uint256 header;
        mapping(uint256 pair => PairWord amounts) collateral;
        mapping(uint256 place => PositionWord) positions;
    }

    /// @param shares Supply shares, debt shares.
    /// @param feesRay Fees not yet distributed and every rounding, 1e-27 wei of a wad.
    /// @param assets Settlement tokens held for cash in token units, uncovered loss in wad.
    struct StoredTotals {
        IndexWord indices;
        PairWord shares;
        int256 feesRay;
        PairWord assets;
    }

    /// @dev Slot 0: 20 + 1 + 1 + 5. Slot 1: 16. Slot 2: 12 + 12 + 4 + 4. Slot 3: 12 + 12 + 4 + 4.
    struct StoredAsset {
        address token;
        uint8 decimals;
        uint8 underlying;
        uint40 depositsPausedUntil;
        uint128 total;
        uint96 capFrom;
        uint96 capTo;
        uint32 capRampStart;
        uint32 capRampEnd;
        uint96 outflowCapacity;
        uint96 outflowAvailable;
        uint32 outflowRefillPeriod;
        uint32 outflowUpdatedAt;
    }

    /// @dev Slot 2: 13 + 5 = 18. Slot 3: 16 + 16.
    /// @param clearedSize Of the clearing account, which takes the other side of every settlement, wad.
    /// @param clearedQuote Its quote balance, wad.
    struct StoredMarket {
        TermsWord terms;
        FundingWord funding;
        uint104 openInterestCap;
        uint40 reduceOnlyUntil;
        int128 clearedSize;
        int128 clearedQuote;
    }

    /// @dev Slot 0: 4 + 4 + 3 + 4 + 13 = 28. Slot 1: 13 + 16 = 29.
    struct StoredUnderlying {
        uint32 priceBand;
        uint32 basisLimit;
        uint24 basisWindow;
        uint32 minimumSampleNotional;
        uint104 openInterestCap;
        uint104 openInterest;
        uint128 openInterestValueCap;
    }

    /// @notice A flat account's right to leave beside the outflow limit.
    /// @dev 12 + 12 + 4 + 4 = 32.
    /// @param balance Token units at the request.
    /// @param taken Of it, what has left since.
    /// @param requestedAt Unix seconds.
    /// @param positionNonce At the request, its low bits: trading or moving balances away ends the right, so that no
    ///        money counts for two accounts.
    struct ExitRight {
        uint96 balance;
        uint96 taken;
        uint32 requestedAt;
        uint32 positionNonce;
    }

    /// @notice What holders of cash lost to socialised losses and were not repaid yet. A claim is counted in units, of which
    ///         each stands for `remaining`; repaying lowers `remaining`, for all units alike.
    /// @param outstanding Σ of all claims, wad.
    /// @param pool Repaid and not yet collected, wad.
    /// @param remaining Of a unit, 1e27 is one.
    /// @param firstEpoch The claims of cuts before it are repaid in full.
    struct StoredClaims {
        uint128 outstanding;
        uint128 pool;
        uint96 remaining;
        uint16 firstEpoch;
    }

    /// @notice Sums over all cuts up to an epoch, a supply share; 1e27 is one.
    /// @param units Claim units.
    /// @param value What they stood for when they were given.
    struct ClaimSums {
        uint128 units;
        uint128 value;
    }

    /// @notice An account's claim as last collected.
    /// @param units Of it, wad.
    /// @param remaining Of a unit, then.
    /// @param epoch Cuts up to it are counted.
    /// @param counted Of its past shares, those that are.
    struct AccountClaim {
        uint128 units;
        uint96 remaining;
        uint16 epoch;
        uint16 counted;
    }

    /// @notice What a side of an instrument paid lately, which is forgotten linearly over a day.
    struct LossBudget {
        uint128 paid; // a unit, wad, as of `at`
        uint40 at;
    }

    mapping(AccountId account => StoredAccount) internal _accounts;
    mapping(AccountId account => mapping(uint256 asset => ExitRight)) internal _exitRights;
    StoredTotals internal _totals;
    uint256 internal _assetCount;
    mapping(uint256 asset => StoredAsset) internal _assets;
    /// @dev Underlying and decimals of every asset, 8 + 8 bits, sixteen assets a word from the lowest: what a margin check
    ///      needs of them, in one read. Written at listing, with `_assets`.
    uint256[16] internal _assetTerms;
    uint256 internal _marketCount;
    mapping(uint256 index => StoredMarket) internal _markets;
    mapping(InstrumentId instrument => uint24 index) internal _marketIndex;
    mapping(uint256 underlying => StoredUnderlying) internal _underlyings;
    InterestCurve internal _interestCurve;
    address internal _treasury;
    uint32 internal _insuranceShare;
    address internal _marginEngine;
    address internal _oracleHub;
    address internal _exchange;
    address internal _auctions;
    address internal _insuranceFund;
    address internal _expiries;
    WaterfallParameters internal _waterfall;
    /// @dev What a unit of either side of an instrument has paid for losses of the other since it was listed, wad: longs first.
    mapping(uint256 instrument => PairWord) internal _lossShares;
    mapping(uint256 instrument => mapping(bool longs => LossBudget)) internal _lossBudgets;
    StoredClaims internal _claims;
    mapping(uint256 epoch => ClaimSums) internal _claimSums;
    mapping(AccountId account => AccountClaim) internal _accountClaims;
    mapping(AccountId account => PastShares[]) internal _pastShares;

    /// @dev Who holds the lock: this contract for its own acts, or a module. Ends with the transaction.
    address internal transient _lockHolder;
}
