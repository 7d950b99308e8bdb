// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccountId} from "../types/AccountId.sol";

/// @notice What all claims come to, wad.
/// @param outstanding Lost to socialised losses and not yet repaid.
/// @param pool Repaid, waiting to be collected.
/// @param epoch Counts the cuts of the supply index, and the times at which all claims were repaid.
struct ClaimsView {
    uint256 outstanding;
    uint256 pool;
    uint256 epoch;
}

/// @title The last levels of the default waterfall, and the vault's liquidity
/// @notice A loss that neither the account nor the insurance fund pays is borne, in the act in which it shows, first by the
///         other side of the perpetuals and futures that made it, up to a part of their marks a day; then by all positive cash alike. Who bore it keeps a claim, which the insurance fund's income repays before the fund. Claims are
///         not equity and cannot be transferred; they outlast the account's cash.
interface IClearinghouseWaterfall {
    /// @dev One side of an instrument paid for a loss of the other: every long (else short) position `perUnit` a unit, wad, out of
    ///      its quote balance, rounded up; `amount` in all, wad, rounded down.
    event LossShared(uint24 indexed instrument, bool longs, uint256 perUnit, uint256 amount);
    /// @dev Every positive cash balance shrank as the supply index did. `amount` of the uncovered loss is made good by it, wad;
    ///      `uncoveredLoss` is left.
    event LossSocialised(uint256 amount, uint256 supplyIndex, uint256 uncoveredLoss, uint256 epoch);
    /// @dev Income of the insurance fund was set aside for claims.
    event ClaimsRepaid(uint256 amount, uint256 outstanding);
    /// @dev What was repaid of an account's claim came to its cash.
    event ClaimCollected(AccountId indexed account, uint256 amount, uint256 outstanding);

    /// @dev Somebody bought collateral of an account in debt.
    event Converted(
        AccountId indexed account,
        uint8 indexed asset,
        address indexed buyer,
        uint256 amount,
        uint256 payment,
        uint256 discount
    );

    error LiquiditySufficient(uint256 held, uint256 threshold);
    error NoDebt(AccountId account);
    error PaymentAboveDebt(uint256 payment, uint256 debt);
    error PaymentAboveMaximum(uint256 payment, uint256 maximum);

    /// @notice While the vault holds few settlement tokens for its positive cash, anyone may buy collateral of an account
    ///         in debt at its index less a discount, which rises from 0 at the threshold to its most where the vault holds
    ///         none, up to the debt. The account must meet initial margin afterwards or carry less risk than before, beside
    ///         what the discount costs. Not while it is in liquidation or the collateral's price is not trusted.
    /// @param amount Of `asset`, token units.
    /// @param maxPayment Settlement tokens, token units.
    /// @return payment Settlement tokens that the caller pays, rounded up.
    function convert(
        AccountId account,
        uint8 asset,
        uint256 amount,
        uint256 maxPayment
    ) external returns (uint256 payment);

    /// @notice Whether `convert` is open, and at what discount.
    /// @return held Settlement tokens in the vault for cash, wad.
    /// @return threshold Below it `convert` is open, wad.
    /// @return discount Off the index, wad; 0 where it is not open.
    function conversionTerms() external view returns (uint256 held, uint256 threshold, uint256 discount);

    /// @notice Pays an account what was repaid of its claim. Anyone may call; 0 where nothing was. Counts 128 of the balances that
    ///         it held while losses were socialised, oldest first: whoever has a longer history calls again.
    /// @return amount Wad.
    function collectClaim(AccountId account) external returns (uint256 amount);

    /// @notice Spreads an uncovered loss that is left, because it was too small or there was too little cash. Anyone may call.
    function socialiseLoss() external;

    /// @return outstanding Not yet repaid, wad, rounded down.
    /// @return collectable What `collectClaim` would pay now, wad.
    function claimOf(AccountId account) external view returns (uint256 outstanding, uint256 collectable);

    function claims() external view returns (ClaimsView memory);
}
