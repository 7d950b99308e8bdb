// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccountId} from "../types/AccountId.sol";
import {InstrumentId} from "../types/InstrumentId.sol";
import {Margin, UnderlyingRisk} from "../types/Margin.sol";
import {Portfolio} from "../types/Portfolio.sol";

/// @notice A listed collateral token.
/// @param token Its contract.
/// @param decimals Read from the token at listing, 0–18.
/// @param underlying The risk factor it follows; one token unit is one unit of it.
/// @param total Held for accounts, token units. For asset 0 always 0: cash is not held in token units.
/// @param cap The deposit cap in force now, token units (it ramps from zero).
struct AssetView {
    address token;
    uint8 decimals;
    uint8 underlying;
    uint256 total;
    uint256 cap;
}

/// @notice A listed instrument, accrued to now.
struct InstrumentView {
    InstrumentId id;
    uint24 index;
    int256 cumulativeFunding; // value unit per unit of the underlying, wad
    int256 basis; // mark / index − 1, 1e9 is one
    uint256 openInterest; // Σ of long sizes, wad
    uint256 openInterestCap; // wad
    uint256 sizeStep; // wad
    bool reduceOnly;
    int256 clearedSize; // of the clearing account of an expired instrument, wad
    int256 clearedQuote; // its quote balance, wad
    uint256 longLossShare; // what a unit of the longs has paid for losses of the shorts since the listing, wad
    uint256 shortLossShare; // and the other way round
}

struct PositionView {
    uint24 index;
    InstrumentId instrument;
    int256 size;
    int256 quote; // quote balance, loss shares taken off, wad
    int256 value; // at mark, funding accrued, wad, rounded down
}

struct CollateralView {
    uint8 asset;
    uint256 amount; // token units
}

/// @notice One account, interest and funding accrued to now.
struct AccountView {
    int256 cash;
    CollateralView[] collaterals;
    PositionView[] positions;
    uint64 positionNonce;
    uint8 boundUnderlying; // of an isolated account that is not flat, else 0
    bool inLiquidation;
}

/// @notice The vault's own books, accrued to now; all wad of the value unit unless said. Between integers, always:
///         supplyShares · supplyIndex − debtShares · borrowIndex + feesRay
///         + (Σ quote balances, cleared ones too, + claimPool) · 1e27 = (tokens in wad + uncoveredLoss) · 1e27.
struct VaultView {
    uint256 supplyIndex; // 1e27 is one
    uint256 borrowIndex; // 1e27 is one
    uint256 totalCash; // Σ of positive cash
    uint256 totalDebt; // Σ of negative cash, as a positive number
    int256 fees; // not yet distributed, rounded down
    uint256 uncoveredLoss; // paid out to bidders of insolvent auctions beyond what insurance covered, and written off
    uint40 accruedAt; // of the last written accrual
    uint256 supplyShares;
    uint256 debtShares;
    int256 feesRay; // 1e-27 wei
    uint256 tokens; // settlement tokens held for cash, token units
    uint256 claimPool; // repaid to holders of claims, not yet collected
}

/// @title What the clearinghouse reports of itself
interface IClearinghouseReports {
    /// @notice What the margin engine is asked about, as the next act would see it: perpetuals and futures whose price is
    ///         trusted are realised, so that their value is in `cash`; what has expired is settled.
    function portfolioOf(AccountId account) external view returns (Portfolio memory);

    /// @notice The account's margin, and what each underlying adds to it, as the next act would see it.
    function marginInPartsOf(AccountId account) external view returns (Margin memory, UnderlyingRisk[] memory);

    function cashOf(AccountId account) external view returns (int256);

    function accountOf(AccountId account) external view returns (AccountView memory);

    /// @notice Counts the owner's changes of positions and collateral; deposits and bids on the account do not count.
    function positionNonceOf(AccountId account) external view returns (uint64);

    function assetOf(uint8 asset) external view returns (AssetView memory);

    function assetCount() external view returns (uint256);

    function instrumentOf(uint24 instrument) external view returns (InstrumentView memory);

    function instrumentCount() external view returns (uint256);

    function markOf(uint24 instrument) external view returns (uint256);

    function vaultState() external view returns (VaultView memory);
}
