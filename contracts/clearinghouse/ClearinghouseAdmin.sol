// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";

import {
    DepositCap,
    IClearinghouseAdmin,
    InterestCurve,
    OutflowLimit,
    UnderlyingLimits,
    WaterfallParameters
} from "../interfaces/IClearinghouseAdmin.sol";
import {IClearinghouseCore} from "../interfaces/IClearinghouseCore.sol";
import {ExpiryPhase, IExpiries} from "../interfaces/IExpiries.sol";
import {IMarginEngine} from "../interfaces/IMarginEngine.sol";
import {BILLION, RAY} from "../math/FixedPoint.sol";
import {InstrumentId, InstrumentKind, OptionType, instrumentIdOf, perpOf} from "../types/InstrumentId.sol";
import {Market, unpackTerms} from "./Market.sol";
import {Markets} from "./Markets.sol";
import {Vault} from "./Vault.sol";
import {STRIKE_UNIT, packIndices} from "./Words.sol";
import {Totals} from "./WorkingSet.sol";

/// @title The clearinghouse's setters
/// @notice Runs only as the clearinghouse's delegate, on the clearinghouse's storage; alone it is an empty shell that
///         obeys nobody.
/// @dev Re-entrancy: they need no lock, as they call nothing but a token's `decimals` at listing and views of the protocol's own,
///      and the one that writes what an act in progress holds in memory refuses to run under the lock.
contract ClearinghouseAdmin is IClearinghouseAdmin, Vault, Markets, AccessManaged {
    uint256 private constant MAX_PAUSE = 7 days;
    uint256 private constant MIN_CAP_RAMP = 1 days;
    uint256 private constant MAX_RATE = 2e9;
    uint256 private constant MAX_RESERVE_FACTOR = 0.5e9;
    uint256 private constant MAX_PRICE_BAND = 0.1e9;
    uint256 private constant MAX_BASIS_LIMIT = 0.05e9;
    uint256 private constant MIN_BASIS_WINDOW = 1 minutes;
    uint256 private constant MAX_BASIS_WINDOW = 1 days;
    uint256 private constant MAX_DECIMALS = 18;
    uint256 private constant MAX_CONVERSION_THRESHOLD = 0.2e9;
    uint256 private constant MAX_CONVERSION_DISCOUNT = 0.05e9;
    uint256 private constant MAX_LOSS_SHARE = 0.2e9;

    constructor() AccessManaged(address(0)) {}

    /// @dev For the clearinghouse's constructor alone: nothing else that has this code runs without code of its own.
    function initialise(address authority_, address settlementToken, address engine, address hub) external {
        if (address(this).code.length != 0) revert AlreadyInitialised();
        _setAuthority(_nonZero(authority_, "authority"));
        _totals.indices = packIndices(RAY, RAY, 0, 0);
        _claims.remaining = uint96(RAY);
        _waterfall = WaterfallParameters({conversionThreshold: 0.05e9, conversionDiscount: 0.02e9, lossShare: 0.05e9});
        _setMarginEngine(engine);
        _setOracleHub(hub);
        _list(settlementToken, 0);
    }

    // Connections -----------------------------------------------------------------------------------------------

    /// @inheritdoc IClearinghouseAdmin
    function connect(address exchange_, address auctions_, address insuranceFund_) external restricted {
        if (_exchange != address(0)) revert AlreadyConnected();
        _exchange = _nonZero(exchange_, "exchange");
        _auctions = _nonZero(auctions_, "auctions");
        _insuranceFund = _nonZero(insuranceFund_, "insuranceFund");
        emit ModulesConnected(exchange_, auctions_, insuranceFund_);
    }

    /// @inheritdoc IClearinghouseAdmin
    function setMarginEngine(address engine) external restricted {
        _setMarginEngine(engine);
    }

    /// @inheritdoc IClearinghouseAdmin
    function setExpiries(address expiries_) external restricted {
        _expiries = _nonZero(expiries_, "expiries");
        emit ExpiriesSet(expiries_);
    }

    /// @inheritdoc IClearinghouseAdmin
    function setOracleHub(address hub) external restricted {
        _setOracleHub(hub);
    }

    /// @inheritdoc IClearinghouseAdmin
    function setTreasury(address account, uint32 insuranceShare) external restricted {
        _requireAtMost("insuranceShare", insuranceShare, BILLION);
        _treasury = _nonZero(account, "treasury");
        _insuranceShare = insuranceShare;
        emit TreasurySet(account, insuranceShare);
    }

    // Vault -----------------------------------------------------------------------------------------------------

    /// @inheritdoc IClearinghouseAdmin
    function setInterestCurve(InterestCurve calldata curve) external restricted {
        // An act in progress holds the totals in memory.
        if (_lockHolder != address(0)) revert IClearinghouseCore.Locked();
        _requireAtMost("fullRate", curve.fullRate, MAX_RATE);
        _requireAtMost("kinkRate", curve.kinkRate, curve.fullRate);
        _requireAtMost("baseRate", curve.baseRate, curve.kinkRate);
        _requireAtMost("kink", curve.kink, BILLION - 1);
        _requireAtLeast("kink", curve.kink, 1);
        _requireAtMost("reserveFactor", curve.reserveFactor, MAX_RESERVE_FACTOR);
        Totals memory totals;
        _accrueTotals(totals);
        _saveTotals(totals);
        _interestCurve = curve;
        emit InterestCurveSet(curve);
    }

    /// @inheritdoc IClearinghouseAdmin
    function setWaterfall(WaterfallParameters calldata parameters) external restricted {
        _requireAtMost("conversionThreshold", parameters.conversionThreshold, MAX_CONVERSION_THRESHOLD);
        _requireAtMost("conversionDiscount", parameters.conversionDiscount, MAX_CONVERSION_DISCOUNT);
        _requireAtMost("lossShare", parameters.lossShare, MAX_LOSS_SHARE);
        _waterfall = parameters;
        emit WaterfallSet(parameters);
    }

    /// @inheritdoc IClearinghouseAdmin
    function listAsset(address token, uint8 underlying) external restricted returns (uint8 asset) {
        _requireAtLeast("underlying", underlying, 1);
        for (uint256 i; i < _assetCount; ++i) {
            if (_assets[i].token == token) revert AlreadyListed(token);
        }
        return _list(token, underlying);
    }

    /// @inheritdoc IClearinghouseAdmin
    function setDepositCap(uint8 asset, uint96 cap, uint32 rampSeconds) external restricted {
        _requireAtLeast("asset", asset, 1);
        StoredAsset storage stored = _asset(asset);
        // One unit of it would keep an account from being margined, and so from being liquidated.
        if (cap != 0 && !IMarginEngine(_marginEngine).covers(asset, stored.underlying)) {
            revert IMarginEngine.AssetNotInBook(asset);
        }
        uint256 current = _capOf(stored);
        if (cap <= current) rampSeconds = 0;
        else _requireAtLeast("rampSeconds", rampSeconds, MIN_CAP_RAMP);
        stored.capFrom = uint96(current); // a cap, or between two
        stored.capTo = cap;
        stored.capRampStart = uint32(block.timestamp);
        stored.capRampEnd = uint32(block.timestamp) + rampSeconds;
        emit IClearinghouseCore.DepositCapSet(asset, cap, stored.capRampStart, stored.capRampEnd);
    }

    /// @inheritdoc IClearinghouseAdmin
    function setOutflowLimit(uint8 asset, uint96 capacity, uint32 refillPeriod) external restricted {
        StoredAsset storage stored = _asset(asset);
        uint256 available = stored.outflowRefillPeriod == 0 ? capacity : _outflowAvailable(stored);
        stored.outflowAvailable = available < capacity ? uint96(available) : capacity;
        stored.outflowCapacity = capacity;
        stored.outflowRefillPeriod = refillPeriod;
        stored.outflowUpdatedAt = uint32(block.timestamp);
        emit OutflowLimitSet(asset, capacity, refillPeriod);
    }

    /// @inheritdoc IClearinghouseAdmin
    function pauseDeposits(uint8 asset, uint40 until) external restricted {
        _requireAtLeast("asset", asset, 1);
        _requireAtMost("until", until, block.timestamp + MAX_PAUSE);
        _asset(asset).depositsPausedUntil = until;
        emit DepositsPausedSet(asset, until);
    }

    // Markets ---------------------------------------------------------------------------------------------------

    /// @inheritdoc IClearinghouseAdmin
    function listPerp(
        uint8 underlying,
        uint8 sizeStepExponent,
        uint104 openInterestCap
    ) external restricted returns (uint24 index) {
        _requireAtLeast("underlying", underlying, 1);
        Market memory market;
        market.setId(perpOf(underlying));
        market.sizeStepExponent = sizeStepExponent;
        market.window = _underlyings[underlying].basisWindow;
        market.accruedAt = market.sampledAt = block.timestamp;
        index = _listInstrument(market, openInterestCap);
        _markets[index].funding = market.packFunding();
    }

    /// @inheritdoc IClearinghouseAdmin
    function listFuture(
        uint8 underlying,
        uint40 expiry,
        uint8 sizeStepExponent,
        uint104 openInterestCap
    ) external restricted returns (uint24) {
        return _listDated(OptionType.None, underlying, expiry, 0, sizeStepExponent, openInterestCap);
    }

    /// @inheritdoc IClearinghouseAdmin
    function listOptions(
        uint8 underlying,
        uint40 expiry,
        uint128[] calldata strikes,
        uint8 sizeStepExponent,
        uint104 openInterestCap
    ) external restricted {
        for (uint256 i; i < strikes.length; ++i) {
            uint256 strike = strikes[i];
            _requireAtLeast("strike", strike, STRIKE_UNIT);
            _requireAtMost("strike", strike, type(uint64).max * STRIKE_UNIT);
            if (strike % STRIKE_UNIT != 0) revert ParameterOutOfBounds("strike", strike, STRIKE_UNIT);
            _listDated(OptionType.Call, underlying, expiry, strike, sizeStepExponent, openInterestCap);
            _listDated(OptionType.Put, underlying, expiry, strike, sizeStepExponent, openInterestCap);
        }
    }

    function _listDated(
        OptionType optionType,
        uint8 underlying,
        uint40 expiry,
        uint256 strike,
        uint8 sizeStepExponent,
        uint104 openInterestCap
    ) private returns (uint24) {
        if (IExpiries(_expiries).phaseOf(underlying, expiry) != ExpiryPhase.Live) {
            revert ExpiryNotLive(underlying, expiry);
        }
        Market memory market;
        InstrumentKind kind = optionType == OptionType.None ? InstrumentKind.Future : InstrumentKind.Option;
        // Strikes have 110 bits.
        market.setId(instrumentIdOf(kind, underlying, expiry, optionType, uint128(strike)));
        market.sizeStepExponent = sizeStepExponent;
        return _listInstrument(market, openInterestCap);
    }

    function _listInstrument(Market memory market, uint104 openInterestCap) private returns (uint24 index) {
        _requireAtLeast("basisWindow", _underlyings[market.underlying].basisWindow, 1);
        _requireAtMost("sizeStepExponent", market.sizeStepExponent, MAX_DECIMALS);
        InstrumentId id = market.id;
        if (_marketIndex[id] != 0) revert InstrumentAlreadyListed(_marketIndex[id]);
        _requireAtMost("instrument", _marketCount, type(uint24).max - 1);
        index = uint24(++_marketCount);
        _marketIndex[id] = index;
        _markets[index].terms = market.packTerms();
        _markets[index].openInterestCap = openInterestCap;
        emit IClearinghouseCore.InstrumentListed(index, id, 10 ** market.sizeStepExponent);
        emit IClearinghouseCore.OpenInterestCapSet(index, openInterestCap);
    }

    /// @inheritdoc IClearinghouseAdmin
    function setOpenInterestCap(uint24 instrument, uint104 cap) external restricted {
        _storedMarket(instrument).openInterestCap = cap;
        emit IClearinghouseCore.OpenInterestCapSet(instrument, cap);
    }

    /// @inheritdoc IClearinghouseAdmin
    function setUnderlyingLimits(uint8 underlying, UnderlyingLimits calldata limits) external restricted {
        _requireAtMost("priceBand", limits.priceBand, MAX_PRICE_BAND);
        _requireAtMost("basisLimit", limits.basisLimit, MAX_BASIS_LIMIT);
        _requireAtMost("basisWindow", limits.basisWindow, MAX_BASIS_WINDOW);
        _requireAtLeast("basisWindow", limits.basisWindow, MIN_BASIS_WINDOW);
        StoredUnderlying storage stored = _underlyings[underlying];
        stored.priceBand = limits.priceBand;
        stored.basisLimit = limits.basisLimit;
        stored.basisWindow = limits.basisWindow;
        stored.minimumSampleNotional = limits.minimumSampleNotional;
        stored.openInterestCap = limits.openInterestCap;
        stored.openInterestValueCap = limits.openInterestValueCap;
        emit UnderlyingLimitsSet(underlying, limits);
    }

    /// @inheritdoc IClearinghouseAdmin
    function setReduceOnly(uint24 instrument, uint40 until) external restricted {
        _requireAtMost("until", until, block.timestamp + MAX_PAUSE);
        StoredMarket storage stored = _storedMarket(instrument);
        Market memory market;
        unpackTerms(stored.terms, market);
        market.reduceOnlySet = until > block.timestamp;
        stored.terms = market.packTerms();
        stored.reduceOnlyUntil = until;
        emit IClearinghouseCore.ReduceOnlySet(instrument, until > block.timestamp, until);
    }

    // Settings --------------------------------------------------------------------------------------------------

    /// @inheritdoc IClearinghouseAdmin
    function exchange() external view returns (address) {
        return _exchange;
    }

    /// @inheritdoc IClearinghouseAdmin
    function auctions() external view returns (address) {
        return _auctions;
    }

    /// @inheritdoc IClearinghouseAdmin
    function expiries() external view returns (address) {
        return _expiries;
    }

    /// @inheritdoc IClearinghouseAdmin
    function insuranceFund() external view returns (address) {
        return _insuranceFund;
    }

    /// @inheritdoc IClearinghouseAdmin
    function marginEngine() external view returns (address) {
        return _marginEngine;
    }

    /// @inheritdoc IClearinghouseAdmin
    function oracleHub() external view returns (address) {
        return _oracleHub;
    }

    /// @inheritdoc IClearinghouseAdmin
    function treasury() external view returns (address account, uint32 insuranceShare) {
        return (_treasury, _insuranceShare);
    }

    /// @inheritdoc IClearinghouseAdmin
    function interestCurve() external view returns (InterestCurve memory) {
        return _interestCurve;
    }

    /// @inheritdoc IClearinghouseAdmin
    function waterfall() external view returns (WaterfallParameters memory) {
        return _waterfall;
    }

    /// @inheritdoc IClearinghouseAdmin
    function underlyingLimitsOf(uint8 underlying)
        external
        view
        returns (UnderlyingLimits memory limits, uint256 openInterest)
    {
        StoredUnderlying storage stored = _underlyings[underlying];
        limits = UnderlyingLimits({
            openInterestCap: stored.openInterestCap,
            openInterestValueCap: stored.openInterestValueCap,
            priceBand: stored.priceBand,
            basisLimit: stored.basisLimit,
            basisWindow: stored.basisWindow,
            minimumSampleNotional: stored.minimumSampleNotional
        });
        openInterest = stored.openInterest;
    }

    /// @inheritdoc IClearinghouseAdmin
    function depositCapOf(uint8 asset) external view returns (DepositCap memory) {
        StoredAsset storage stored = _asset(asset);
        return DepositCap(stored.capFrom, stored.capTo, stored.capRampStart, stored.capRampEnd);
    }

    /// @inheritdoc IClearinghouseAdmin
    function outflowLimitOf(uint8 asset) external view returns (OutflowLimit memory) {
        StoredAsset storage stored = _asset(asset);
        return OutflowLimit(stored.outflowCapacity, _outflowAvailable(stored), stored.outflowRefillPeriod);
    }

    /// @inheritdoc IClearinghouseAdmin
    function depositsPausedUntil(uint8 asset) external view returns (uint40) {
        return _asset(asset).depositsPausedUntil;
    }

    // Helpers ---------------------------------------------------------------------------------------------------

    function _setMarginEngine(address engine) private {
        _marginEngine = _nonZero(engine, "marginEngine");
        emit MarginEngineSet(engine);
    }

    function _setOracleHub(address hub) private {
        _oracleHub = _nonZero(hub, "oracleHub");
        emit OracleHubSet(hub);
    }

    function _list(address token, uint8 underlying) private returns (uint8 asset) {
        uint256 decimals = IERC20Metadata(_nonZero(token, "token")).decimals();
        _requireAtMost("decimals", decimals, MAX_DECIMALS);
        _requireAtMost("asset", _assetCount, type(uint8).max);
        asset = uint8(_assetCount++);
        StoredAsset storage stored = _assets[asset];
        stored.token = token;
        stored.decimals = uint8(decimals);
        stored.underlying = underlying;
        _assetTerms[asset >> 4] |= (decimals << 8 | underlying) << ((asset & 15) << 4);
        emit IClearinghouseCore.AssetListed(asset, token, underlying, uint8(decimals));
    }

    function _nonZero(address value, bytes32 name) private pure returns (address) {
        if (value == address(0)) revert ZeroAddress(name);
        return value;
    }

    function _requireAtMost(bytes32 name, uint256 value, uint256 bound) private pure {
        if (value > bound) revert ParameterOutOfBounds(name, value, bound);
    }

    function _requireAtLeast(bytes32 name, uint256 value, uint256 bound) private pure {
        if (value < bound) revert ParameterOutOfBounds(name, value, bound);
    }
}
