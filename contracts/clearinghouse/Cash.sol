// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IClearinghouseCore} from "../interfaces/IClearinghouseCore.sol";
import {InterestCurve} from "../interfaces/IClearinghouseAdmin.sol";
import {BILLION, RAY, SIGNED_RAY, magnitude, mulDivDown, mulDivUp} from "../math/FixedPoint.sol";
import {ClearinghouseStorage} from "./Storage.sol";
import {
    MAX_INDEX,
    CashWord,
    packCash,
    packIndices,
    packPair,
    packPastShares,
    unpackCash,
    unpackIndices,
    unpackPair
} from "./Words.sol";
import {OpenAccount, Totals} from "./WorkingSet.sol";

/// @title Cash, interest and the exact books of both
/// @dev Between integers, at all times:
///      supplyShares · supplyIndex − debtShares · borrowIndex + feesRay
///      + (Σ quote balances, cleared ones too, + claim pool) · 1e27 = (tokens in wad + uncoveredLoss) · 1e27.
abstract contract Cash is ClearinghouseStorage {
    uint256 private constant YEAR = 365 days;

    /// @dev The books accrued to now. Writes nothing.
    function _accrueTotals(Totals memory totals) internal view {
        StoredTotals storage stored = _totals;
        (totals.supplyIndex, totals.borrowIndex, totals.accruedAt, totals.epoch) = unpackIndices(stored.indices);
        (totals.supplyShares, totals.debtShares) = unpackPair(stored.shares);
        totals.foundDebtShares = totals.debtShares;
        if (totals.accruedAt != block.timestamp && totals.debtShares != 0) _accrueInterest(totals);
    }

    /// @dev What debtors pay and suppliers do not get goes to fees, in ray-wei, exactly. Suppliers never earn more than
    ///      the borrow rate, however little they are.
    function _accrueInterest(Totals memory totals) private view {
        uint256 elapsed = block.timestamp - totals.accruedAt;
        InterestCurve memory curve = _interestCurve;
        uint256 rate = _borrowRate(curve, totals);
        uint256 borrowGrowth = mulDivDown(totals.borrowIndex, rate * elapsed, BILLION * YEAR);
        if (totals.borrowIndex + borrowGrowth > MAX_INDEX) return;
        uint256 interest = totals.debtShares * borrowGrowth;
        uint256 supplyGrowth;
        if (totals.supplyShares != 0) {
            uint256 shared = mulDivDown(interest, BILLION - curve.reserveFactor, BILLION) / totals.supplyShares;
            uint256 most = mulDivDown(totals.supplyIndex, borrowGrowth, totals.borrowIndex);
            supplyGrowth = shared < most ? shared : most;
        }
        totals.accrued = true;
        totals.borrowIndex += borrowGrowth;
        totals.supplyIndex += supplyGrowth;
        totals.newFeesRay += int256(interest - totals.supplyShares * supplyGrowth);
    }

    /// @dev A year, 1e9 is one.
    function _borrowRate(InterestCurve memory curve, Totals memory totals) internal pure returns (uint256) {
        uint256 supplied = totals.supplyShares * totals.supplyIndex / BILLION;
        uint256 owed = totals.debtShares * totals.borrowIndex;
        uint256 utilisation = owed >= supplied * BILLION ? BILLION : owed / supplied;
        if (utilisation <= curve.kink) {
            return curve.baseRate + mulDivDown(curve.kinkRate - curve.baseRate, utilisation, curve.kink);
        }
        return
            curve.kinkRate + mulDivDown(curve.fullRate - curve.kinkRate, utilisation - curve.kink, BILLION - curve.kink);
    }

    function _saveTotals(Totals memory totals) internal {
        StoredTotals storage stored = _totals;
        // While nobody owes, time does not count.
        if (totals.accruedAt != block.timestamp && totals.foundDebtShares | totals.debtShares != 0) {
            stored.indices = packIndices(totals.supplyIndex, totals.borrowIndex, block.timestamp, totals.epoch);
            if (totals.accrued) {
                emit IClearinghouseCore.InterestAccrued(
                    totals.supplyIndex, totals.borrowIndex, _totalCash(totals), _totalDebt(totals)
                );
            }
        }
        stored.shares = packPair(totals.supplyShares, totals.debtShares);
        if (totals.newFeesRay != 0) stored.feesRay += totals.newFeesRay;
    }

    /// @dev Counts settlement tokens into and out of the vault.
    function _countTokens(uint256 amountIn, uint256 amountOut) internal {
        (uint256 tokens, uint256 uncoveredLoss) = unpackPair(_totals.assets);
        tokens += amountIn;
        if (amountOut > tokens) revert IClearinghouseCore.InsufficientLiquidity(0, tokens, amountOut);
        _totals.assets = packPair(tokens - amountOut, uncoveredLoss);
    }

    /// @dev Σ of positive cash, rounded up.
    function _totalCash(Totals memory totals) internal pure returns (uint256) {
        return mulDivUp(totals.supplyShares, totals.supplyIndex, RAY);
    }

    /// @dev Σ of debts, rounded down.
    function _totalDebt(Totals memory totals) internal pure returns (uint256) {
        return mulDivDown(totals.debtShares, totals.borrowIndex, RAY);
    }

    /// @dev Reads an account's cash and brings it up to now, rounded down.
    function _loadCash(OpenAccount memory account, CashWord word, Totals memory totals) internal pure {
        (account.storedCash, account.storedIndex, account.storedEpoch) = unpackCash(word);
        int256 cash = account.storedCash;
        if (cash > 0) {
            cash = int256(mulDivDown(uint256(cash), totals.supplyIndex, account.storedIndex));
        } else if (cash < 0) {
            cash = -int256(mulDivUp(magnitude(cash), totals.borrowIndex, account.storedIndex));
        }
        account.foundCash = account.cash = cash;
    }

    /// @dev Rewrites an account's cash where an act changed it. What rounding to shares leaves goes to fees.
    function _saveCash(OpenAccount memory account, Totals memory totals) internal {
        if (account.cash == account.foundCash) return;
        int256 booked = _rebook(account, totals);
        totals.newFeesRay += (account.cash - account.foundCash) * SIGNED_RAY - booked;
        uint256 index = account.cash < 0 ? totals.borrowIndex : totals.supplyIndex;
        if (account.storedEpoch != totals.epoch) _keepShares(account, totals.epoch);
        _accounts[account.id].cash = packCash(account.cash, index, totals.epoch);
        int256 interest = account.foundCash - account.storedCash;
        if (interest != 0) emit IClearinghouseCore.CashAccrued(account.id, interest);
    }

    /// @dev Remembers what an account held while the supply index was cut: it has a claim on what it lost.
    function _keepShares(OpenAccount memory account, uint256 epoch) private {
        (uint256 shares,) = _shares(account.storedCash, account.storedIndex);
        if (shares != 0) _pastShares[account.id].push(packPastShares(shares, account.storedEpoch, epoch));
    }

    /// @dev Replaces the shares of the stored cash by those of the cash now.
    /// @return booked By how much the books' net claim grew, ray-wei.
    function _rebook(OpenAccount memory account, Totals memory totals) private pure returns (int256 booked) {
        (uint256 supplyBefore, uint256 debtBefore) = _shares(account.storedCash, account.storedIndex);
        (uint256 supplyAfter, uint256 debtAfter) =
            _shares(account.cash, account.cash < 0 ? totals.borrowIndex : totals.supplyIndex);
        totals.supplyShares = totals.supplyShares - supplyBefore + supplyAfter;
        totals.debtShares = totals.debtShares - debtBefore + debtAfter;
        booked = (int256(supplyAfter) - int256(supplyBefore)) * int256(totals.supplyIndex)
            - (int256(debtAfter) - int256(debtBefore)) * int256(totals.borrowIndex);
    }

    /// @dev Claims rounded up, debts rounded down: the books never owe less than the accounts are told.
    function _shares(int256 cash, uint256 index) internal pure returns (uint256 supply, uint256 debt) {
        if (cash > 0) supply = mulDivUp(uint256(cash), RAY, index);
        else if (cash < 0) debt = mulDivDown(magnitude(cash), RAY, index);
    }
}
