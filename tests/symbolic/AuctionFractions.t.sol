// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Phase} from "../../contracts/interfaces/IAuctions.sol";
import {AuctionMath, Sale} from "../../contracts/liquidation/AuctionMath.sol";
import {WAD, all, halves, isPart, passes, picksLess, picksMore, quotient, undoes} from "./Lemmas.sol";

/// @title A bid's fractions are in order and at most all, all where nothing less may be sold, and asking never reverts
/// @dev Over every account below its target: equity and target of 128 bits, proceeds and margins of 120, a fixed charge of at
///      most maintenance margin, rates of at most one.
/// @custom:halmos --solver-command "python tools/audit/solve.py"
contract AuctionFractionsTest {
    function check_fractions_solvent(Sale memory sale, uint64 minimum) external view {
        sale.phase = Phase.Solvent;
        _requireBounds(sale, minimum);
    }

    function check_fractions_insolvent(Sale memory sale, uint64 minimum) external view {
        sale.phase = Phase.Insolvent;
        _requireBounds(sale, minimum);
    }

    function check_fractions_exhausted(Sale memory sale, uint64 minimum) external view {
        sale.phase = Phase.Exhausted;
        _requireBounds(sale, minimum);
    }

    function fractionsOf(Sale memory sale, uint256 minimum) external pure returns (uint256 least, uint256 most) {
        return AuctionMath.fractions(sale, minimum);
    }

    function _requireBounds(Sale memory sale, uint256 minimum) private view {
        if (!_isWithin(sale)) return;
        (bool isWhole, bool isKnown) = _formulaOf(sale, minimum);
        if (!isKnown) return;
        try this.fractionsOf(sale, minimum) returns (uint256 least, uint256 most) {
            assert(least <= most && most <= WAD);
            assert(isWhole ? least == WAD : least <= minimum);
        } catch {
            assert(false);
        }
    }

    function _isWithin(Sale memory sale) private pure returns (bool within) {
        (int256 equity, int256 target) = (sale.equity, sale.target);
        (uint256 proceeds, uint256 maintenance, uint256 fixedCharge, uint256 rate) =
            (sale.proceeds, sale.maintenanceMargin, sale.fixedCharge, sale.rate);
        assembly ("memory-safe") {
            within := and(eq(equity, signextend(15, equity)), eq(target, signextend(15, target)))
            within := and(within, and(slt(equity, target), iszero(gt(rate, WAD))))
            within := and(
                within,
                and(iszero(shr(120, or(proceeds, maintenance))), iszero(gt(fixedCharge, maintenance)))
            )
        }
    }

    /// @return isWhole Whether nothing less than all may be sold.
    /// @return isKnown Always true: what a solver has to know.
    function _formulaOf(Sale memory sale, uint256 minimum) private pure returns (bool isWhole, bool isKnown) {
        unchecked {
            int256 difference = sale.equity - int256(sale.proceeds);
            uint256 forSale = difference > 0 ? uint256(difference) : 0;
            uint256 part = sale.phase == Phase.Solvent ? forSale : sale.maintenanceMargin - sale.fixedCharge;
            uint256 concession = quotient(_product(part, sale.rate), WAD);
            isKnown = all(
                undoes(part, sale.rate), passes(part, sale.rate, WAD), isPart(part, sale.rate), halves(sale.fixedCharge)
            );
            if (sale.phase == Phase.Exhausted) {
                isKnown = all(isKnown, picksMore(concession, forSale), true, true);
                concession = _more(concession, forSale);
            }
            uint256 room = uint256(sale.target - int256(sale.fixedCharge) - int256(concession));
            uint256 gap = uint256(sale.target - sale.equity);
            int256 size = sale.phase == Phase.Solvent ? sale.equity : int256(sale.maintenanceMargin);
            isWhole = int256(room) <= 0 || size < int256(sale.fixedCharge << 1);
            uint256 lacking = _quotientUp(_product(gap, WAD), room);
            isKnown = all(isKnown, undoes(gap, WAD), passes(gap, WAD, room), picksLess(WAD, lacking));
            isKnown = all(isKnown, picksLess(_less(WAD, lacking), minimum), true, true);
        }
    }

    function _product(uint256 x, uint256 y) private pure returns (uint256 z) {
        assembly ("memory-safe") {
            z := mul(x, y)
        }
    }

    function _quotientUp(uint256 n, uint256 d) private pure returns (uint256 q) {
        assembly ("memory-safe") {
            q := add(iszero(iszero(mod(n, d))), div(n, d))
        }
    }

    function _more(uint256 x, uint256 y) private pure returns (uint256 z) {
        assembly ("memory-safe") {
            z := xor(x, mul(xor(x, y), gt(y, x)))
        }
    }

    function _less(uint256 x, uint256 y) private pure returns (uint256 z) {
        assembly ("memory-safe") {
            z := xor(x, mul(xor(x, y), lt(y, x)))
        }
    }
}
