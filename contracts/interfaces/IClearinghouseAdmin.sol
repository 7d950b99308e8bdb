// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @notice Borrow rate a year by utilisation (debt ÷ positive cash): linear from `baseRate` to `kinkRate` at `kink`, then
///         to `fullRate` at 1. In all, 1e9 is one.
/// @param reserveFactor Part of the interest that goes to fees.
struct InterestCurve {
    uint32 baseRate;
    uint32 kinkRate;
    uint32 fullRate;
    uint32 kink;
    uint32 reserveFactor;
}

/// @notice The vault's liquidity and the last levels of the default waterfall. 1e9 is one.
/// @param conversionThreshold Collateral of debtors is for sale while the vault holds less than this part of positive cash in
///        settlement tokens.
/// @param conversionDiscount Off the index, at most: reached where the vault holds none.
/// @param lossShare Most of its mark that one side of an instrument pays a day for losses of the other.
struct WaterfallParameters {
    uint32 conversionThreshold;
    uint32 conversionDiscount;
    uint32 lossShare;
}

/// @notice Limits shared by all instruments of one underlying.
/// @param openInterestCap Σ of long sizes over its instruments, wad units.
/// @param openInterestValueCap The same times index, wad.
/// @param priceBand Furthest a fill may be from mark, of mark, 1e9 is one.
/// @param basisLimit A sample of the basis is clamped to ± this, 1e9 is one.
/// @param basisWindow Seconds over which the basis ramps to a new sample.
/// @param minimumSampleNotional A smaller fill makes no sample; whole value units.
struct UnderlyingLimits {
    uint104 openInterestCap;
    uint128 openInterestValueCap;
    uint32 priceBand;
    uint32 basisLimit;
    uint24 basisWindow;
    uint32 minimumSampleNotional;
}

/// @notice A token bucket an asset that withdrawals draw from. No limit while `refillPeriod` is 0.
/// @param capacity Token units.
/// @param available Left now, token units.
/// @param refillPeriod Seconds in which an empty bucket fills.
struct OutflowLimit {
    uint256 capacity;
    uint256 available;
    uint256 refillPeriod;
}

/// @notice How a deposit cap ramps: linearly from `from` at `rampStart` to `to` at `rampEnd`, and `to` from then on.
/// @param from Token units.
/// @param to Token units.
struct DepositCap {
    uint96 from;
    uint96 to;
    uint32 rampStart;
    uint32 rampEnd;
}

/// @title The clearinghouse's setters and their read-backs, at the clearinghouse's address
/// @notice Every setter is restricted by the access manager, bounded in code, and none makes an account liquidatable in
///         its own block, except that a replaced engine or oracle judges anew: those two are behind the longest delay.
interface IClearinghouseAdmin {
    event ModulesConnected(address exchange, address auctions, address insuranceFund);
    event MarginEngineSet(address marginEngine);
    event OracleHubSet(address oracleHub);
    event ExpiriesSet(address expiries);
    event TreasurySet(address treasury, uint32 insuranceShare);
    event InterestCurveSet(InterestCurve curve);
    event WaterfallSet(WaterfallParameters parameters);
    event UnderlyingLimitsSet(uint8 indexed underlying, UnderlyingLimits limits);
    event OutflowLimitSet(uint8 indexed asset, uint256 capacity, uint256 refillPeriod);
    event DepositsPausedSet(uint8 indexed asset, uint40 until);

    error AlreadyConnected();
    error AlreadyInitialised();
    error ZeroAddress(bytes32 name);
    error AlreadyListed(address token);
    error InstrumentAlreadyListed(uint24 index);
    error ExpiryNotLive(uint8 underlying, uint40 expiry);
    error ParameterOutOfBounds(bytes32 name, uint256 value, uint256 bound);

    /// @notice Once: the three modules the clearinghouse trusts.
    function connect(address exchange, address auctions, address insuranceFund) external;

    /// @notice Replaces the margin engine.
    function setMarginEngine(address marginEngine) external;

    /// @notice Replaces the oracle hub.
    function setOracleHub(address oracleHub) external;

    /// @notice Sets or replaces who knows the expiries; dated instruments can be listed once there is one.
    function setExpiries(address expiries) external;

    /// @param treasury Its sub-account 0 receives what the insurance fund does not.
    /// @param insuranceShare Of distributed fees, 1e9 is one.
    function setTreasury(address treasury, uint32 insuranceShare) external;

    /// @notice Interest up to now is accrued by the old curve.
    function setInterestCurve(InterestCurve calldata curve) external;

    function setWaterfall(WaterfallParameters calldata parameters) external;

    /// @notice Lists a collateral token with deposit cap 0. Its decimals are read and must be at most 18. The risk book
    ///         must know the asset before its cap is raised.
    /// @return asset Its id, ascending from 1.
    function listAsset(address token, uint8 underlying) external returns (uint8 asset);

    /// @notice Ramps the deposit cap linearly from the one in force to `cap` over `rampSeconds`, at least a day upwards;
    ///         downwards it holds at once. Tokens above the cap stay and may leave. Reverts with
    ///         `IMarginEngine.AssetNotInBook` where the risk book does not know the asset, and the cap is not 0.
    function setDepositCap(uint8 asset, uint96 cap, uint32 rampSeconds) external;

    /// @notice The bucket starts full, or keeps what is left in it where that is less.
    function setOutflowLimit(uint8 asset, uint96 capacity, uint32 refillPeriod) external;

    /// @notice Until then, at most 7 days from now, refuses deposits of a token other than the settlement token by accounts
    ///         that do not hold it or are at or above initial margin. A time in the past lifts the pause.
    function pauseDeposits(uint8 asset, uint40 until) external;

    /// @notice Lists the perpetual of an underlying that has limits.
    /// @param sizeStepExponent The size step is 10 to this power, wei of a unit.
    function listPerp(uint8 underlying, uint8 sizeStepExponent, uint104 openInterestCap) external returns (uint24 index);

    /// @notice Lists the dated future of an expiry that is listed and live, of an underlying that has limits.
    function listFuture(
        uint8 underlying,
        uint40 expiry,
        uint8 sizeStepExponent,
        uint104 openInterestCap
    ) external returns (uint24 index);

    /// @notice Lists a call and a put a strike, likewise.
    /// @param strikes Value unit a unit, wad, multiples of 1e9 wei.
    /// @param openInterestCap Of each.
    function listOptions(
        uint8 underlying,
        uint40 expiry,
        uint128[] calldata strikes,
        uint8 sizeStepExponent,
        uint104 openInterestCap
    ) external;

    function setOpenInterestCap(uint24 instrument, uint104 cap) external;

    function setUnderlyingLimits(uint8 underlying, UnderlyingLimits calldata limits) external;

    /// @notice Until then, at most 7 days from now, fills may only reduce both sides. A time in the past lifts it.
    function setReduceOnly(uint24 instrument, uint40 until) external;

    function exchange() external view returns (address);

    function auctions() external view returns (address);

    function insuranceFund() external view returns (address);

    function marginEngine() external view returns (address);

    function oracleHub() external view returns (address);

    function expiries() external view returns (address);

    function treasury() external view returns (address account, uint32 insuranceShare);

    function interestCurve() external view returns (InterestCurve memory);

    function waterfall() external view returns (WaterfallParameters memory);

    /// @return limits As set.
    /// @return openInterest Σ of long sizes over the underlying's instruments, wad.
    function underlyingLimitsOf(uint8 underlying)
        external
        view
        returns (UnderlyingLimits memory limits, uint256 openInterest);

    function depositCapOf(uint8 asset) external view returns (DepositCap memory);

    function outflowLimitOf(uint8 asset) external view returns (OutflowLimit memory);

    function depositsPausedUntil(uint8 asset) external view returns (uint40);
}
