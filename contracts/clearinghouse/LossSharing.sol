// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IClearinghouseWaterfall} from "../interfaces/IClearinghouseWaterfall.sol";
import {BILLION, RAY, WAD, mulDivDown, mulDivUp, mulWadDown, positivePart} from "../math/FixedPoint.sol";
import {UnderlyingRisk} from "../types/Margin.sol";
import {Claims} from "./Claims.sol";
import {Market} from "./Market.sol";
import {MarginCheck} from "./MarginCheck.sol";
import {packPair, unpackPair} from "./Words.sol";
import {OpenAccount} from "./WorkingSet.sol";

/// @notice One leg of an account whose loss nobody pays.
/// @param market What it is in.
/// @param isLong Its side; the other one pays.
/// @param weight What it loses in the scan, wad.
struct LosingLeg {
    Market market;
    bool isLong;
    uint256 weight;
}

/// @title Losses shared by the other side of the positions that made them
/// @dev Who holds the other side of a leg has gained what the account cannot pay. What an account lacks is split over its legs
///      by what each loses in the scan: a leg that gains there is a hedge, and nobody's loss. The other side of a leg pays by the
///      unit, O(1), up to a part of its mark a day, and keeps its positions. What falls on options, whose price was paid in full,
///      on collateral, and what the limit leaves, is for all who hold cash.
abstract contract LossSharing is MarginCheck, Claims {
    uint256 private constant BUDGET_PERIOD = 1 days;

    /// @param parts What each underlying adds to the account's margin. Their losses are changed.
    /// @return legs Perpetuals and futures that lose in the scan.
    /// @return total What they lose, and what options and collateral of each underlying lose together, wad.
    function _losingLegs(
        OpenAccount memory account,
        UnderlyingRisk[] memory parts
    ) internal pure returns (LosingLeg[] memory legs, uint256 total) {
        uint256 places = account.header.positionCount;
        legs = new LosingLeg[](places);
        uint256 count;
        for (uint256 k; k < places; ++k) {
            if (account.positions[k].isOption()) continue;
            Market memory market = account.markets[k];
            int256 size = account.positions[k].sizeIn();
            UnderlyingRisk memory part = _partOf(parts, market.id.underlyingOf());
            int256 loss = mulWadDown(-mulWadDown(size, int256(market.mark)), part.shock);
            part.loss -= loss;
            if (loss <= 0) continue;
            total += uint256(loss);
            legs[count++] = LosingLeg(market, size > 0, uint256(loss));
        }
        for (uint256 i; i < parts.length; ++i) {
            total += positivePart(parts[i].loss);
        }
        // Only shortens the array.
        assembly ("memory-safe") {
            mstore(legs, count)
        }
    }

    /// @dev Every underlying of a position has a quote, hence a part.
    function _partOf(
        UnderlyingRisk[] memory parts,
        uint8 underlying
    ) private pure returns (UnderlyingRisk memory part) {
        for (uint256 i; part.underlying != underlying; ++i) {
            part = parts[i];
        }
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
