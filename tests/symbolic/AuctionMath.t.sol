// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

import {AuctionParameters, Phase} from "../../contracts/interfaces/IAuctions.sol";
import {AuctionMath, Sale} from "../../contracts/liquidation/AuctionMath.sol";
import {AuctionParameterBounds} from "../../contracts/liquidation/AuctionParameterBounds.sol";
import {Margin} from "../../contracts/types/Margin.sol";
import {Slice} from "../../contracts/types/Slice.sol";

/// @dev A sale as solver and fuzzer draw it: the phase by number, values of 128 bits.
struct Drawn {
    uint8 phase;
    uint64 rate;
    int128 equity;
    uint120 proceeds;
    int128 target;
    uint120 maintenanceMargin;
    uint120 fixedCharge;
}

/// @title Auctions ask for no more than there is for sale, and pay no more than they owe
/// @dev Equity and target are below 2^127 wad, proceeds and margins below 2^120, rates and fractions at most one, the fixed
///      charge at most maintenance margin. An overflow of checked arithmetic within these ranges fails a property.
contract AuctionMathTest {
    uint256 private constant WAD = 1e18;

    /// @dev Money flows one way, and a deficit is made good only where the taker is paid and equity is short. Overflow is left
    ///      to the fuzz below: the solver does not bound quotients of products.
    /// @custom:halmos --panic-error-codes 0x01
    function check_settlement_oneWay(Drawn memory drawn, uint64 fraction) external pure {
        if (!_isWithin(drawn) || fraction > WAD) return;
        Sale memory sale = _saleOf(drawn);
        (uint256 payment, uint256 reward, uint256 deficit) = AuctionMath.settlement(sale, fraction);
        assert(payment == 0 || (reward == 0 && deficit == 0));
        assert(deficit == 0 || AuctionMath.equityForSale(sale) < 0);
    }

    /// @dev Why a bid's fractions are in order, whatever is asked and lacking: they are these two minima.
    function check_fractions_minima(uint256 asked, uint256 lacking) external pure {
        uint256 most = FixedPointMathLib.min(WAD, lacking);
        uint256 least = FixedPointMathLib.min(most, asked);
        assert(least <= most && most <= WAD && least <= asked && most <= lacking);
    }

    /// @dev Exhausted to the end, insolvent never exhausted, and solvent only with something for sale.
    function check_nextPhase(Drawn memory drawn, uint32 solventAgain) external pure {
        if (!_isWithin(drawn)) return;
        Sale memory sale = _saleOf(drawn);
        AuctionParameters memory parameters;
        parameters.solventAgain = solventAgain;
        Phase next = AuctionMath.nextPhase(sale, parameters);
        if (sale.phase == Phase.Exhausted && AuctionMath.equityForSale(sale) <= 0) assert(next == Phase.Exhausted);
        if (sale.phase == Phase.Insolvent) assert(next != Phase.Exhausted);
        if (next == Phase.Solvent) assert(AuctionMath.equityForSale(sale) > 0);
        assert(next != Phase.None);
    }

    function check_premiumRate(uint256 elapsed, uint32 premiumSeconds) external pure {
        if (premiumSeconds != 0) assert(AuctionMath.premiumRateDown(elapsed, premiumSeconds) <= WAD);
    }

    /// @dev Sold whole, an account keeps its proceeds and the payment, and needs no margin.
    function check_marginAfter_whole(
        Margin memory margin,
        uint128 keptCash,
        uint128 payment,
        uint128 paid
    ) external pure {
        if (margin.equity <= -(1 << 127) || margin.equity >= 1 << 127) return;
        Margin memory left = AuctionMath.marginAfter(margin, Slice(WAD, keptCash, payment, paid, 0, 0, false));
        assert(left.equity == int256(uint256(keptCash) + payment));
        assert(left.maintenanceMargin == 0 && left.liquidationEndMargin == 0 && left.fixedCharge == 0);
    }

    function test_settlement__anyFraction__isAPartOfThePrice(Drawn memory drawn, uint256 fraction) external pure {
        Sale memory sale = _broughtIn(drawn);
        fraction %= WAD + 1;
        int256 price = AuctionMath.price(sale, fraction == WAD);
        (uint256 payment, uint256 reward, uint256 deficit) = AuctionMath.settlement(sale, fraction);
        assert(price > 0 ? payment <= uint256(price) : reward <= uint256(-price));
        assert(deficit <= reward && (payment == 0 || reward == 0));
        assert(deficit == 0 || AuctionMath.equityForSale(sale) < 0);
    }

    function test_settlement__inTwo__costsTheTakerNoLess(
        Drawn memory drawn,
        uint256 first,
        uint256 second
    ) external pure {
        Sale memory sale = _broughtIn(drawn);
        first %= WAD;
        second %= WAD - first;
        (uint256 paymentA, uint256 rewardA,) = AuctionMath.settlement(sale, first);
        (uint256 paymentB, uint256 rewardB,) = AuctionMath.settlement(sale, second);
        (uint256 payment, uint256 reward,) = AuctionMath.settlement(sale, first + second);
        assert(paymentA + paymentB >= payment && rewardA + rewardB <= reward);
    }

    function test_clockSpeed__lessEquity__runsNoSlower(
        int128 equity,
        uint64 less,
        uint128 margin,
        uint8 most
    ) external pure {
        uint256 speed = AuctionMath.clockSpeedDown(equity, margin, most);
        assert(speed <= most * WAD);
        assert(AuctionMath.clockSpeedDown(int256(equity) - int256(uint256(less)), margin, most) >= speed);
    }

    function test_price__solvent__isBetweenNothingAndAllForSale(Drawn memory drawn, bool takesWhole) external pure {
        Sale memory sale = _broughtIn(drawn);
        sale.phase = Phase.Solvent;
        int256 forSale = AuctionMath.equityForSale(sale);
        int256 price = AuctionMath.price(sale, takesWhole);
        assert(forSale < 0 ? price == forSale : price >= 0 && price <= forSale);
        assert(AuctionMath.pricePerEquityUp(sale, takesWhole) <= WAD);
    }

    /// @dev Least ≤ most ≤ 1, and a bid of `most` brings the account up to its target, if anything does.
    function test_fractions__mostTaken__reachesTheTarget(Drawn memory drawn, uint64 minimumFraction) external pure {
        Sale memory sale = _broughtIn(drawn);
        if (sale.equity >= sale.target) return;
        (uint256 least, uint256 most) = AuctionMath.fractions(sale, minimumFraction);
        assert(least <= most && most <= WAD && (least != 0 || minimumFraction == 0));
        int256 room = sale.target - int256(sale.fixedCharge) - int256(AuctionMath.concessionDown(sale, false));
        if (most < WAD) assert(int256(most) * room / int256(WAD) >= sale.target - sale.equity - 1);
    }

    function test_discount__later__isNoLower(
        AuctionParameters memory drawn,
        uint64 elapsed,
        uint64 more
    ) external pure {
        AuctionParameters memory p = _broughtIn(drawn);
        uint256 early = elapsed % 8 days * WAD;
        uint256 discount = AuctionMath.discountDown(early, p);
        assert(discount >= uint256(p.startDiscount) * 1e9 && discount <= WAD);
        assert(AuctionMath.discountDown(early + more, p) >= discount);
        assert(AuctionMath.discountDown(8 days * WAD, p) == WAD);
    }

    function test_marginAfter__anyFraction__needsNoMore(
        Margin memory margin,
        uint256 fraction,
        uint128 kept
    ) external pure {
        margin = _broughtIn(margin);
        fraction %= WAD;
        Margin memory left = AuctionMath.marginAfter(margin, Slice(fraction, kept, 0, 0, 0, 0, false));
        assert(left.fixedCharge == margin.fixedCharge && left.maintenanceMargin >= margin.fixedCharge);
        assert(left.maintenanceMargin <= margin.maintenanceMargin);
        assert(left.liquidationEndMargin <= margin.liquidationEndMargin);
        assert(left.haltBonus <= margin.haltBonus);
    }

    function _isWithin(Drawn memory drawn) private pure returns (bool) {
        bool isPhase = drawn.phase != uint8(Phase.None) && drawn.phase <= uint8(type(Phase).max);
        return isPhase && drawn.rate <= WAD && drawn.fixedCharge <= drawn.maintenanceMargin;
    }

    /// @dev Into the same ranges, for what a fuzzer throws.
    function _broughtIn(Drawn memory drawn) private pure returns (Sale memory) {
        drawn.phase = 1 + drawn.phase % uint8(type(Phase).max);
        drawn.rate %= uint64(WAD + 1);
        if (drawn.fixedCharge > drawn.maintenanceMargin) drawn.fixedCharge = drawn.maintenanceMargin / 2;
        return _saleOf(drawn);
    }

    function _saleOf(Drawn memory drawn) private pure returns (Sale memory) {
        return Sale({
            phase: Phase(drawn.phase),
            rate: drawn.rate,
            equity: drawn.equity,
            proceeds: drawn.proceeds,
            target: drawn.target,
            maintenanceMargin: drawn.maintenanceMargin,
            fixedCharge: drawn.fixedCharge
        });
    }

    function _broughtIn(Margin memory margin) private pure returns (Margin memory) {
        margin.equity %= 1 << 127;
        margin.fixedCharge %= 1 << 100;
        margin.maintenanceMargin = margin.fixedCharge + margin.maintenanceMargin % (1 << 126);
        margin.liquidationEndMargin = margin.fixedCharge + margin.liquidationEndMargin % (1 << 126);
        margin.haltBonus %= 1 << 127;
        return margin;
    }

    /// @dev To what governance may set.
    function _broughtIn(AuctionParameters memory p) private pure returns (AuctionParameters memory within) {
        within = AuctionParameters({
            startDiscount: p.startDiscount % 1e8,
            kneeDiscount: 1e8 + p.kneeDiscount % 4e8,
            minimumFraction: 1e7 + p.minimumFraction % 4e8,
            solventAgain: 1e8 + p.solventAgain % 9e8,
            secondsToKnee: 1 minutes + p.secondsToKnee % 1 days / 2,
            secondsToFull: 10 minutes + p.secondsToFull % 6 days,
            premiumSeconds: 10 minutes + p.premiumSeconds % 1 days / 2,
            observationSeconds: 1 minutes + p.observationSeconds % 1 hours / 2,
            fastestClock: 1 + p.fastestClock % 64,
            bountyRate: p.bountyRate % 5e7,
            premiumFundShare: p.premiumFundShare % 25e7,
            bountyCap: p.bountyCap % 100e18
        });
        AuctionParameterBounds.requireWithin(within);
    }
}
