// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccountId} from "../types/AccountId.sol";
import {InstrumentId} from "../types/InstrumentId.sol";
import {Margin} from "../types/Margin.sol";
import {SlicedCollateral, SlicedPosition} from "../types/Slice.sol";

enum ActKind {
    Deposit,
    Withdraw,
    Move,
    Realise,
    Trade
}

/// @notice One step of a batch.
/// @param kind What to do.
/// @param account Whose account (the paying side of a move).
/// @param counterpart The receiving account of a move; else ignored.
/// @param receiver Where a withdrawal goes; else ignored.
/// @param asset Asset id; 0 is the settlement token.
/// @param amount In the asset's own decimals; `type(uint256).max` withdraws or moves all.
/// @param data For `Trade`, the arguments of `IExchange.settle`, ABI-encoded; else empty.
struct Act {
    ActKind kind;
    AccountId account;
    AccountId counterpart;
    address receiver;
    uint8 asset;
    uint256 amount;
    bytes data;
}

/// @title The clearinghouse: one vault, every account, one margin check
/// @notice Holds every token and every account's cash, collateral and positions. Cash is the settlement token in wad
///         and alone may go negative. Collateral balances are kept in the token's own units.
///         Amounts at the edge are in the token's own decimals.
interface IClearinghouseCore {
    event Deposited(AccountId indexed account, uint8 indexed asset, address indexed from, uint256 amount);
    event Withdrawn(AccountId indexed account, uint8 indexed asset, address indexed to, uint256 amount);
    event Moved(AccountId indexed from, AccountId indexed to, uint8 indexed asset, uint256 amount);
    /// @dev `value` moved from the position's quote balance into cash.
    event Realised(AccountId indexed account, uint24 indexed instrument, int256 value);
    /// @dev `size` and `quote` are the changes of the taker's position, of an option `quote` that of his cash: the premium;
    ///      the maker's are their negatives.
    event Filled(
        AccountId indexed taker,
        AccountId indexed maker,
        uint24 indexed instrument,
        int256 size,
        uint256 price,
        int256 quote,
        uint256 takerFee,
        uint256 makerFee
    );
    /// @dev A position reached size 0 and its remaining quote balance went to cash.
    event PositionClosed(AccountId indexed account, uint24 indexed instrument, int256 quoteToCash);
    /// @dev A position of an expired instrument was settled at `price` a unit: `value` moved into cash, the clearing account
    ///      took over its size and what its quote balance lacked.
    event PositionSettled(
        AccountId indexed account, uint24 indexed instrument, int256 size, uint256 price, int256 value
    );
    /// @dev Every position of an expired instrument is settled; what rounding left in its clearing account went to fees.
    event InstrumentCleared(uint24 indexed instrument, int256 remainder);
    event InterestAccrued(uint256 supplyIndex, uint256 borrowIndex, uint256 totalCash, uint256 totalDebt);
    /// @dev An account's cash was brought from its last index to now.
    event CashAccrued(AccountId indexed account, int256 interest);
    event FundingAccrued(uint24 indexed instrument, int256 cumulativeFunding, int256 basis, uint256 indexPrice);
    /// @dev From now the basis ramps from `start` to `sample` over `window` seconds. 1e9 is one.
    event BasisSampled(uint24 indexed instrument, int256 start, int256 sample, uint256 window);
    event CashTransferred(AccountId indexed from, AccountId indexed to, uint256 amount);
    /// @dev One slice of an auction: what left `from` and came to `to`, positions in their order.
    event SliceTransferred(
        AccountId indexed from,
        AccountId indexed to,
        uint256 fraction,
        int256 cash,
        SlicedCollateral[] collaterals,
        SlicedPosition[] positions
    );
    event LossRecorded(AccountId indexed account, uint256 amount, uint256 total);
    /// @dev To the executor of triggered orders, out of the fees that their fills have been charged.
    event BountyPaid(AccountId indexed account, uint256 amount);
    event FeesDistributed(uint256 toInsurance, uint256 toTreasury);
    event LiquidationFlagSet(AccountId indexed account, bool inLiquidation);
    event AssetListed(uint8 indexed asset, address indexed token, uint8 underlying, uint8 decimals);
    event DepositCapSet(uint8 indexed asset, uint256 cap, uint40 rampStart, uint40 rampEnd);
    event InstrumentListed(uint24 indexed index, InstrumentId indexed instrument, uint256 sizeStep);
    event OpenInterestCapSet(uint24 indexed instrument, uint256 cap);
    event ReduceOnlySet(uint24 indexed instrument, bool reduceOnly, uint40 until);
    event ExitRequested(AccountId indexed account, uint8 indexed asset, uint256 balance);

    error Locked();
    error NotLocked();
    error NotModule(address caller);
    error NotAuthorised(AccountId account, address caller);
    error InvalidOwner(address owner);
    error UnknownAsset(uint8 asset);
    error UnknownInstrument(uint24 instrument);
    error ZeroAmount();
    error DepositCapExceeded(uint8 asset, uint256 total, uint256 cap);
    error DepositsPaused(uint8 asset);
    error TransferShortfall(address token, uint256 expected, uint256 received);
    error InsufficientBalance(AccountId account, uint8 asset, uint256 balance, uint256 requested);
    error InsufficientLiquidity(uint8 asset, uint256 available, uint256 requested);
    error OutflowLimitExceeded(uint8 asset, uint256 available, uint256 requested);
    error TooManyCollaterals(AccountId account);
    error TooManyPositions(AccountId account);
    error TooManyUnderlyings(AccountId account);
    error IsolatedAccountBound(AccountId account, uint8 bound, uint8 underlying);
    error InitialMarginShortfall(AccountId account, int256 equity, uint256 requirement);
    /// @dev Between maintenance and initial margin only acts that lower risk are allowed; `rule` names which broke.
    error RiskNotReduced(AccountId account, bytes32 rule);
    error BelowMaintenanceMargin(AccountId account, int256 equity, uint256 requirement);
    error AccountInLiquidation(AccountId account);
    error NotFlat(AccountId account);
    error OracleNotUsable(uint8 underlying);
    error InstrumentExpired(uint24 instrument, uint256 expiry);
    error ReduceOnlyInstrument(uint24 instrument);
    error OpenInterestCapExceeded(uint24 instrument, uint256 openInterest, uint256 cap);
    /// @dev `value` is `openInterest` at index, wad.
    error UnderlyingOpenInterestCapExceeded(uint8 underlying, uint256 openInterest, uint256 value);
    error OutsidePriceBand(uint24 instrument, uint256 price, uint256 mark);
    error InvalidSize(uint24 instrument, int256 size);
    error SelfTrade(AccountId account);
    error FractionOutOfRange(uint256 fraction);
    error DifferentOwners(AccountId from, AccountId to);

    // Acts ------------------------------------------------------------------------------------------------------

    /// @notice Pulls `amount` of `asset` from the caller into `account`; what arrives is measured and must be `amount`.
    /// @dev Only the owner or a delegate. Needs no oracle and no margin check.
    function deposit(AccountId account, uint8 asset, uint256 amount) external;

    /// @notice Sends `amount` of `asset` to `to`. Only the owner. A flat account needs no oracle and no margin check.
    function withdraw(AccountId account, uint8 asset, uint256 amount, address to) external;

    /// @notice Moves `amount` of `asset` between two accounts of the caller.
    function move(AccountId from, AccountId to, uint8 asset, uint256 amount) external;

    /// @notice Moves the value of every position into cash, options left out, and settles what has expired. Anyone may call.
    function realise(AccountId account) external;

    // Modules (the exchange, the auctions, the insurance fund) --------------------------------------------------------

    /// @notice Takes the lock that all state-changing entries share, for one of the modules.
    function lock() external;

    function unlock() external;

    // Views -----------------------------------------------------------------------------------------------------

    /// @notice Margin of an account as the next act would see it. The one cold call that keepers and users make.
    function marginOf(AccountId account) external view returns (Margin memory);

    /// @return Its registry index, or 0 where it is not listed.
    function instrumentIndexOf(InstrumentId instrument) external view returns (uint24);
}
