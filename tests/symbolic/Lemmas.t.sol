// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {
    halves,
    isPart,
    keepsBelow,
    ordersDividends,
    ordersDivisors,
    ordersProducts,
    ordersSquares,
    passes,
    picksLess,
    picksMore,
    undoes
} from "./Lemmas.sol";

/// @title Every lemma is true of all words
/// @custom:halmos --solver-command "python tools/audit/solve.py"
contract LemmasTest {
    function check_undoes(uint256 x, uint256 y) external pure {
        assert(undoes(x, y));
    }

    function check_ordersProducts(uint256 x, uint256 y, uint256 z) external pure {
        assert(ordersProducts(x, y, z));
    }

    function check_ordersSquares(uint256 x, uint256 y) external pure {
        assert(ordersSquares(x, y));
    }

    function check_ordersDividends(uint256 n, uint256 m, uint256 d) external pure {
        assert(ordersDividends(n, m, d));
    }

    function check_ordersDivisors(uint256 n, uint256 d, uint256 e) external pure {
        assert(ordersDivisors(n, d, e));
    }

    function check_keepsBelow(uint256 x, uint256 d, uint256 k) external pure {
        assert(keepsBelow(x, d, k));
    }

    function check_passes(uint256 x, uint256 y, uint256 d) external pure {
        assert(passes(x, y, d));
    }

    function check_picksLess(uint256 x, uint256 y) external pure {
        assert(picksLess(x, y));
    }

    function check_picksMore(uint256 x, uint256 y) external pure {
        assert(picksMore(x, y));
    }

    function check_isPart(uint256 x, uint256 y) external pure {
        assert(isPart(x, y));
    }

    function check_halves(uint256 x) external pure {
        assert(halves(x));
    }
}
