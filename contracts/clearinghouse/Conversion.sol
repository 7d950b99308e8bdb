// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IClearinghouseCore} from "../interfaces/IClearinghouseCore.sol";
import {IClearinghouseWaterfall} from "../interfaces/IClearinghouseWaterfall.sol";
import {BILLION, WAD, magnitude, mulDivDown, mulDivUp} from "../math/FixedPoint.sol";
import {AccountId} from "../types/AccountId.sol";
import {OracleState, Quote} from "../types/Quote.sol";
import {Lock} from "./Lock.sol";
import {MarginCheck} from "./MarginCheck.sol";
import {unpackPair} from "./Words.sol";
import {Check, OpenAccount, Totals, WorkingSet} from "./WorkingSet.sol";

/// @title Collateral of debtors turned into settlement tokens while the vault is short of them
abstract contract Conversion is IClearinghouseWaterfall, MarginCheck, Lock {
    /// @inheritdoc IClearinghouseWaterfall
    function convert(
        AccountId id,
        uint8 asset,
        uint256 amount,
        uint256 maxPayment
    ) external locked returns (uint256 payment) {
        WorkingSet memory set = _newSet();
        _loadAccount(set, id);
        OpenAccount memory account = set.accounts[0];
        if (account.header.inLiquidation) revert IClearinghouseCore.AccountInLiquidation(id);
        _needCollateral(set, account.foundAssets);
        _refreshQuotes(set);
        _realiseAll(set);
        uint256 discount;
        (payment, discount) = _sell(set, account, asset, amount);
        if (payment > maxPayment) revert PaymentAboveMaximum(payment, maxPayment);
        _pull(0, msg.sender, payment);
        _countTokens({amountIn: payment, amountOut: 0});
        emit Converted(id, asset, msg.sender, amount, payment, discount);
        _saveAll(set);
        _checkAll(set);
        _send(asset, msg.sender, amount);
    }

    /// @inheritdoc IClearinghouseWaterfall
    function conversionTerms() external view returns (uint256 held, uint256 threshold, uint256 discount) {
        return _conversionTerms(_newSet().totals);
    }

    /// @dev Moves collateral out of an account and its price into its cash.
    function _sell(
        WorkingSet memory set,
        OpenAccount memory account,
        uint256 asset,
        uint256 amount
    ) private returns (uint256 payment, uint256 discount) {
        if (account.cash >= 0) revert NoDebt(account.id);
        if (amount == 0) revert IClearinghouseCore.ZeroAmount();
        discount = _openDiscount(set.totals);
        _takeBalance(account, asset, amount);
        _countOut(asset, amount, 0);
        uint256 value = mulDivUp(amount * _scaleOf(asset), _trustedIndexOf(set, asset), WAD);
        uint256 unit = _scaleOf(0);
        payment = mulDivUp(value, WAD - discount, WAD * unit);
        uint256 debt = mulDivUp(magnitude(account.cash), 1, unit);
        if (payment > debt) revert PaymentAboveDebt(payment, debt);
        _addBalance(account, 0, payment, false);
        if (value > payment * unit) account.tolerance += value - payment * unit;
        account.check = Check.NewRisk;
    }

    function _openDiscount(Totals memory totals) private view returns (uint256 discount) {
        uint256 held;
        uint256 threshold;
        (held, threshold, discount) = _conversionTerms(totals);
        if (held >= threshold) revert LiquiditySufficient(held, threshold);
    }

    function _conversionTerms(Totals memory totals)
        private
        view
        returns (uint256 held, uint256 threshold, uint256 discount)
    {
        (uint256 tokens,) = unpackPair(_totals.assets);
        held = tokens * _scaleOf(0);
        threshold = mulDivDown(_totalCash(totals), _waterfall.conversionThreshold, BILLION);
        if (held >= threshold) return (held, threshold, 0);
        uint256 most = _waterfall.conversionDiscount * BILLION;
        discount = mulDivDown(most, threshold - held, threshold);
    }

    /// @dev Of a collateral that the account held as it was opened.
    function _trustedIndexOf(WorkingSet memory set, uint256 asset) private view returns (uint256) {
        (uint256 underlying,) = _termsOf(asset);
        for (uint256 i; i < set.quotes.length; ++i) {
            Quote memory quote = set.quotes[i];
            if (quote.underlying != underlying) continue;
            if (quote.state == OracleState.Ok || quote.state == OracleState.Wide) return quote.index;
        }
        revert IClearinghouseCore.OracleNotUsable(uint8(underlying));
    }
}
