// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {
    divDown,
    divUp,
    magnitude,
    mulDivDown,
    mulDivUp,
    mulWadDown,
    positivePart
} from "../../contracts/math/FixedPoint.sol";

/// @title Rounding goes where the name says
contract FixedPointTest {
    function check_magnitude(int256 a) external pure {
        unchecked {
            assert(magnitude(a) == (a < 0 ? 0 - uint256(a) : uint256(a)) && magnitude(a) <= 1 << 255);
        }
    }

    function check_positivePart(int256 a) external pure {
        assert(positivePart(a) == (a > 0 ? uint256(a) : 0));
    }

    /// @dev Any dividend, any divisor above 0: both directions agree where nothing remains, else they are neighbours.
    function check_divUp_divDown(int256 a, int256 b) external pure {
        if (b <= 0) return;
        unchecked {
            assert(divUp(a, b) - divDown(a, b) == (a % b == 0 ? int256(0) : int256(1)));
        }
    }

    /// @dev The definition, by trial: solvers do not get through divisions of such width.
    function test_divDown__anything__leavesARestBelowTheDivisor(int248 a, uint128 divisor) external pure {
        if (divisor == 0) return;
        int256 b = int256(uint256(divisor));
        int256 rest = a - divDown(a, b) * b;
        assert(rest >= 0 && rest < b);
    }

    function test_divUp__anything__isMinusDivDownOfTheNegative(int248 a, uint128 divisor) external pure {
        if (divisor == 0) return;
        int256 b = int256(uint256(divisor));
        assert(divUp(a, b) == -divDown(-int256(a), b));
    }

    function test_mulDiv__anything__boundsTheQuotient(uint128 a, uint128 b, uint128 c) external pure {
        if (c == 0) return;
        uint256 product = uint256(a) * b;
        (uint256 down, uint256 up) = (mulDivDown(a, b, c), mulDivUp(a, b, c));
        assert(down * c <= product && product - down * c < c);
        assert(up == (product % c == 0 ? down : down + 1));
    }

    /// @dev Sizes times prices, funding: 104 and 128 bits.
    function test_mulWadDown__largestFields__doesNotOverflow(int104 a, int128 b) external pure {
        int256 product = int256(a) * b; // checked
        int256 rest = product - mulWadDown(a, b) * 1e18;
        assert(rest >= 0 && rest < 1e18);
    }
}
