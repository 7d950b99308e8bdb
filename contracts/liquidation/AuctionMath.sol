// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

import {AuctionParameters, Phase} from "../interfaces/IAuctions.sol";
import {Margin} from "../types/Margin.sol";
import {Slice} from "../types/Slice.sol";

/// @notice An account for sale, at one moment.
/// @param phase Of its auction.
/// @param rate Discount while solvent, else premium rate; wad.
/// @param equity E, wad.
/// @param proceeds P, wad.
/// @param target R: equity at which the auction ends, less what halted underlyings could add; wad.
/// @param maintenanceMargin Wad.
/// @param fixedCharge m, wad.
struct Sale {
    Phase phase;
    uint256 rate;
    int256 equity;
    uint256 proceeds;
    int256 target;
    uint256 maintenanceMargin;
    uint256 fixedCharge;
}

/// @title The arithmetic of auctions
/// @dev Pure; `ballast.risk.auction` holds the same integers.
library AuctionMath {
    using FixedPointMathLib for uint256;

    uint256 internal constant WAD = 1e18;
    uint256 internal constant BILLION = 1e9;

    /// @dev min(`fastest`, (maintenance / equity)²), wad; `fastest` where equity ≤ 0.
    function clockSpeedDown(int256 equity, uint256 maintenanceMargin, uint256 fastest) internal pure returns (uint256) {
        if (equity <= 0 || maintenanceMargin >= uint256(equity) * fastest) return fastest * WAD;
        uint256 ratio = maintenanceMargin.mulDiv(WAD, uint256(equity));
        return FixedPointMathLib.min(fastest * WAD, ratio.mulDiv(ratio, WAD));
    }

    /// @dev startDiscount → kneeDiscount → 1 over wad seconds `elapsed`; wad.
    function discountDown(uint256 elapsed, AuctionParameters memory parameters) internal pure returns (uint256) {
        uint256 startDiscount = uint256(parameters.startDiscount) * BILLION;
        uint256 kneeDiscount = uint256(parameters.kneeDiscount) * BILLION;
        uint256 toKnee = uint256(parameters.secondsToKnee) * WAD;
        uint256 toFull = uint256(parameters.secondsToFull) * WAD;
        if (elapsed < toKnee) return startDiscount + (kneeDiscount - startDiscount).mulDiv(elapsed, toKnee);
        if (elapsed - toKnee < toFull) return kneeDiscount + (WAD - kneeDiscount).mulDiv(elapsed - toKnee, toFull);
        return WAD;
    }

    /// @dev 0 → 1 over wad seconds `elapsed`; wad.
    function premiumRateDown(uint256 elapsed, uint256 premiumSeconds) internal pure returns (uint256) {
        return FixedPointMathLib.min(WAD, elapsed / premiumSeconds);
    }

    /// @dev The phase after a look at the account.
    /// - Solvent until nothing is for sale, or the discount is 100 %.
    /// - Insolvent until equity is `solventAgain` of maintenance margin, so that hovering around zero does not turn it.
    /// - Exhausted to the end: the price was 0 and nobody came.
    function nextPhase(Sale memory sale, AuctionParameters memory parameters) internal pure returns (Phase) {
        bool hasForSale = equityForSale(sale) > 0;
        if (sale.phase == Phase.Solvent) {
            if (!hasForSale) return Phase.Insolvent;
            return sale.rate == WAD ? Phase.Exhausted : Phase.Solvent;
        }
        if (sale.phase == Phase.Exhausted || !hasForSale) return sale.phase;
        int256 solventAgain = int256(sale.maintenanceMargin.mulDivUp(parameters.solventAgain, BILLION));
        return sale.equity >= solventAgain ? Phase.Solvent : Phase.Insolvent;
    }

    /// @dev E − P.
    function equityForSale(Sale memory sale) internal pure returns (int256) {
        return sale.equity - int256(sale.proceeds);
    }

    /// @dev What a taker of the whole gains, wad. The fixed charge scales with no fraction: it is part of the premium only
    ///      where the whole is taken, so that splitting a bid earns nothing.
    function concessionDown(Sale memory sale, bool takesWhole) internal pure returns (uint256) {
        int256 forSale = equityForSale(sale);
        uint256 positiveForSale = forSale > 0 ? uint256(forSale) : 0;
        if (sale.phase == Phase.Solvent) return positiveForSale.mulDiv(sale.rate, WAD);
        uint256 premium = (sale.maintenanceMargin - sale.fixedCharge).mulDiv(sale.rate, WAD);
        if (sale.phase == Phase.Exhausted) premium = FixedPointMathLib.max(premium, positiveForSale);
        return takesWhole ? premium + sale.fixedCharge.mulDiv(sale.rate, WAD) : premium;
    }

    /// @dev Price of the whole, wad; negative is paid to the taker.
    function price(Sale memory sale, bool takesWhole) internal pure returns (int256) {
        return equityForSale(sale) - int256(concessionDown(sale, takesWhole));
    }

    /// @dev Price of a unit of equity for sale, wad; 0 where the taker is paid.
    function pricePerEquityUp(Sale memory sale, bool takesWhole) internal pure returns (uint256) {
        int256 whole = price(sale, takesWhole);
        // A price above 0 needs equity for sale above 0.
        return whole > 0 ? uint256(whole).mulDivUp(WAD, uint256(equityForSale(sale))) : 0;
    }

    /// @dev Smallest and largest fraction of a bid, wad. Below its target, an account has room > 0 for f · room ≥ target − E,
    ///      or is sold whole.
    function fractions(Sale memory sale, uint256 minimumFraction) internal pure returns (uint256 least, uint256 most) {
        int256 room = sale.target - int256(sale.fixedCharge) - int256(concessionDown(sale, false));
        if (room <= 0 || _isDust(sale)) return (WAD, WAD);
        uint256 gap = uint256(sale.target - sale.equity);
        most = FixedPointMathLib.min(WAD, gap.mulDivUp(WAD, uint256(room)));
        least = FixedPointMathLib.min(most, minimumFraction);
    }

    /// @dev What `fraction` costs: a payment rounded up or a reward rounded down, and which part of the reward only makes good
    ///      what the account lacks.
    function settlement(
        Sale memory sale,
        uint256 fraction
    ) internal pure returns (uint256 payment, uint256 reward, uint256 deficit) {
        int256 whole = price(sale, fraction == WAD);
        if (whole > 0) return (uint256(whole).mulDivUp(fraction, WAD), 0, 0);
        reward = uint256(-whole).mulDiv(fraction, WAD);
        int256 forSale = equityForSale(sale);
        if (forSale < 0) deficit = uint256(-forSale).mulDiv(fraction, WAD);
    }

    /// @dev Margin of an account once a slice has left it, in all that an auction reads: every requirement but the fixed
    ///      charge shrinks by the fraction. Equity is rounded down and requirements up, by a few wei, and what is left may
    ///      need less, as the concentration charge falls faster than the position: whoever has recovered by this has
    ///      recovered, and who has not may find so at the next touch. One less portfolio to price in a bid.
    function marginAfter(Margin memory margin, Slice memory slice) internal pure returns (Margin memory left) {
        int256 keptCash = int256(slice.keptCash);
        int256 forSale = margin.equity - int256(slice.fromProceeds) - keptCash;
        uint256 share = WAD - slice.fraction;
        left.equity = keptCash + int256(slice.payment) + _shareDown(forSale, share);
        if (share == 0) return left;
        left.fixedCharge = margin.fixedCharge;
        left.maintenanceMargin = _shareUp(margin.maintenanceMargin, margin.fixedCharge, share);
        left.liquidationEndMargin = _shareUp(margin.liquidationEndMargin, margin.fixedCharge, share);
        left.haltBonus = margin.haltBonus.mulDiv(share, WAD);
    }

    function _shareDown(int256 amount, uint256 share) private pure returns (int256) {
        if (amount < 0) return -int256(uint256(-amount).mulDivUp(share, WAD));
        return int256(uint256(amount).mulDiv(share, WAD));
    }

    function _shareUp(uint256 requirement, uint256 fixedCharge, uint256 share) private pure returns (uint256) {
        return fixedCharge + (requirement - fixedCharge).mulDivUp(share, WAD);
    }

    function _isDust(Sale memory sale) private pure returns (bool) {
        int256 size = sale.phase == Phase.Solvent ? sale.equity : int256(sale.maintenanceMargin);
        return size < 2 * int256(sale.fixedCharge);
    }
}
