// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IClearinghouseWaterfall} from "../interfaces/IClearinghouseWaterfall.sol";
import {Explanation, IMarginEngine} from "../interfaces/IMarginEngine.sol";
import {BILLION, RAY, WAD, mulDivDown, mulDivUp, positivePart} from "../math/FixedPoint.sol";
import {Claims} from "./Claims.sol";
import {Market} from "./Market.sol";
import {Portfolios} from "./Portfolios.sol";
import {packPair, unpackPair} from "./Words.sol";
import {OpenAccount, WorkingSet} from "./WorkingSet.sol";

/// @notice One leg of an account whose loss nobody pays.
/// @param market What it is in.
/// @param isLong Its side; the other one pays.
/// @param weight Its part of the account's maintenance margin, wad.
struct LosingLeg {
    Market market;
    bool isLong;
    uint256 weight;
}

/// @title Losses shared by the other side of the positions that made them
/// @dev Who holds the other side of a leg has gained what the account cannot pay. What an account lacks is split over its legs
///      by their Euler contributions to maintenance margin, of those that have a positive one: a hedge is nobody's loss. The
///      other side of a leg pays by the unit, O(1), up to a part of its mark a day, and keeps its positions. What falls on options,
///      whose price was paid in full, on collateral, and what the limit leaves, is for all who hold cash.
abstract contract LossSharing is Portfolios, Claims {
    uint256 private constant BUDGET_PERIOD = 1 days;

    /// @return legs Perpetuals and futures with a positive contribution.
    /// @return total Σ of all positive contributions, wad.
    function _losingLegs(
        WorkingSet memory set,
        OpenAccount memory account
    ) internal view returns (LosingLeg[] memory legs, uint256 total) {
        if (!_holdsLinear(account)) return (legs, 0);
        Explanation memory explanation = IMarginEngine(_marginEngine)
            .explain(_portfolio(set, account), set.quotes, set.expiries, set.settlementTokenUsd);
        for (uint256 k; k < explanation.collateralContributions.length; ++k) {
            total += positivePart(explanation.collateralContributions[k]);
        }
        legs = new LosingLeg[](explanation.positionContributions.length);
        uint256 count;
        for (uint256 k; k < explanation.positionContributions.length; ++k) {
            uint256 weight = positivePart(explanation.positionContributions[k]);
            total += weight;
            if (weight == 0 || account.positions[k].isOption()) continue;
            legs[count++] = LosingLeg(account.markets[k], account.positions[k].sizeIn() > 0, weight);
        }
        // Only shortens the array.
        assembly ("memory-safe") {
            mstore(legs, count)
        }
    }

    /// @dev Explaining a portfolio of many options costs as much as a bid on it.
    function _holdsLinear(OpenAccount memory account) private pure returns (bool) {
        for (uint256 k; k < account.header.positionCount; ++k) {
            if (!account.positions[k].isOption()) return true;
        }
        return false;
    }

    /// @dev Charges the other sides on stored books, after every open account is written: what they hold by then pays.
    function _shareLoss(LosingLeg[] memory legs, uint256 total, uint256 loss) internal {
        uint256 exact; // 1e-18 wei
        uint256 shared; // wei, each instrument's rounded down
        for (uint256 i; i < legs.length; ++i) {
            uint256 charged = _charge(legs[i].market, !legs[i].isLong, mulDivDown(loss, legs[i].weight, total));
            exact += charged;
            shared += charged / WAD;
        }
        if (exact == 0) return;
        (uint256 tokens, uint256 uncoveredLoss) = unpackPair(_totals.assets);
        _totals.assets = packPair(tokens, uncoveredLoss - shared);
        _totals.feesRay += int256(exact * BILLION - shared * RAY);
    }

    /// @return exact What it comes to, 1e-18 wei.
    function _charge(Market memory market, bool longs, uint256 part) private returns (uint256 exact) {
        // Open interest is the size of either side.
        if (market.openInterest == 0) return 0;
        uint256 perUnit = mulDivDown(part, WAD, market.openInterest);
        LossBudget storage budget = _lossBudgets[market.index][longs];
        uint256 paid = _paidLately(budget);
        uint256 limit = mulDivDown(market.mark, _waterfall.lossShare, BILLION);
        uint256 left = limit > paid ? limit - paid : 0;
        if (perUnit > left) perUnit = left;
        if (perUnit == 0) return 0;
        (budget.paid, budget.at) = (uint128(paid + perUnit), uint40(block.timestamp)); // at most a mark
        (uint256 perLong, uint256 perShort) = unpackPair(_lossShares[market.index]);
        if (longs) perLong += perUnit;
        else perShort += perUnit;
        _lossShares[market.index] = packPair(perLong, perShort);
        if (!market.lossShared) {
            market.lossShared = true;
            _markets[market.index].terms = market.packTerms();
        }
        exact = perUnit * market.openInterest;
        emit IClearinghouseWaterfall.LossShared(uint24(market.index), longs, perUnit, exact / WAD);
    }

    function _paidLately(LossBudget storage budget) private view returns (uint256) {
        uint256 elapsed = block.timestamp - budget.at;
        return elapsed >= BUDGET_PERIOD ? 0 : mulDivUp(budget.paid, BUDGET_PERIOD - elapsed, BUDGET_PERIOD);
    }
}
