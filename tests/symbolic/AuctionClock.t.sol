// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AuctionMath} from "../../contracts/liquidation/AuctionMath.sol";
import {
    WAD,
    all,
    keepsBelow,
    ordersDividends,
    ordersDivisors,
    ordersProducts,
    ordersSquares,
    passes,
    picksLess,
    quotient,
    undoes
} from "./Lemmas.sol";

/// @title The clock of an auction runs no faster than the fastest, and no slower with less equity
/// @dev Over every equity and margin of 128 bits and every fastest clock of 8.
/// @custom:halmos --solver-command "python tools/audit/solve.py"
contract AuctionClockTest {
    /// @dev And never reverts.
    function check_clockSpeed_bounded(int128 equity, uint128 margin, uint8 fastest) external view {
        if (!_isKnown(equity, margin, fastest)) return;
        try this.speedOf(equity, margin, fastest) returns (uint256 speed) {
            assert(speed <= fastest * WAD);
            assert(equity > 0 || speed == fastest * WAD);
        } catch {
            assert(false);
        }
    }

    function check_clockSpeed_lessEquity(int128 less, int128 more, uint128 margin, uint8 fastest) external pure {
        if (less > more) return;
        if (!_isKnown(less, margin, fastest) || !_isKnown(more, margin, fastest)) return;
        if (!_isOrdered(less, more, margin, fastest)) return;
        uint256 speed = AuctionMath.clockSpeedDown(more, margin, fastest);
        assert(AuctionMath.clockSpeedDown(less, margin, fastest) >= speed);
    }

    function speedOf(int256 equity, uint256 margin, uint256 fastest) external pure returns (uint256) {
        return AuctionMath.clockSpeedDown(equity, margin, fastest);
    }

    /// @dev Always true: what a solver has to know of one speed.
    function _isKnown(int256 signedEquity, uint256 margin, uint256 fastest) private pure returns (bool) {
        unchecked {
            uint256 equity = uint256(signedEquity);
            uint256 ratio = quotient(margin * WAD, equity);
            bool isExact = all(undoes(equity, fastest), undoes(fastest, WAD), undoes(margin, WAD), undoes(ratio, ratio));
            bool isBounded = picksLess(fastest * WAD, quotient(ratio * ratio, WAD));
            return all(isExact, isBounded, passes(margin, WAD, equity), keepsBelow(margin, equity, fastest));
        }
    }

    /// @dev Always true: what it has to know of two.
    function _isOrdered(int256 less, int256 more, uint256 margin, uint256 fastest) private pure returns (bool) {
        unchecked {
            (uint256 small, uint256 large) = (uint256(less), uint256(more));
            (uint256 high, uint256 low) = (quotient(margin * WAD, small), quotient(margin * WAD, large));
            return all(
                ordersProducts(small, large, fastest),
                ordersDivisors(margin * WAD, small, large),
                ordersSquares(low, high),
                ordersDividends(low * low, high * high, WAD)
            );
        }
    }
}
