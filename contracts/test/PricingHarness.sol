// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Black76} from "../pricing/Black76.sol";
import {NormalDistribution, NormalLanes} from "../pricing/NormalDistribution.sol";
import {NormalTable} from "../pricing/NormalTable.sol";
import {Svi} from "../pricing/Svi.sol";
import {SurfaceWord} from "../types/ExpiryQuote.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

/// @title Puts the pricing libraries behind an address, for tests to call
contract PricingHarness {
    address public immutable table = address(new NormalTable());

    struct Terms {
        uint256 forward;
        uint256 strike;
        uint256 volatility;
        uint256 tenor;
    }

    function cumulatives(int256[] calldata positions) external view returns (uint256[] memory probabilities) {
        NormalLanes lanes = NormalDistribution.load(table);
        probabilities = new uint256[](positions.length);
        for (uint256 i; i < positions.length; ++i) {
            probabilities[i] = lanes.cumulative(positions[i]);
        }
    }

    function calls(Terms[] calldata terms) public view returns (uint256[] memory prices) {
        NormalLanes lanes = NormalDistribution.load(table);
        prices = new uint256[](terms.length);
        for (uint256 i; i < terms.length; ++i) {
            Terms calldata term = terms[i];
            uint256 deviation = Black76.deviationDown(term.volatility, Black76.rootOfTimeDown(term.tenor));
            (prices[i],) = Black76.callDown(
                lanes, term.forward, Black76.lnOf(term.forward), term.strike, Black76.lnOf(term.strike), deviation
            );
        }
    }

    function puts(Terms[] calldata terms) external view returns (uint256[] memory prices) {
        prices = calls(terms);
        for (uint256 i; i < terms.length; ++i) {
            prices[i] = Black76.putOf(prices[i], terms[i].forward, terms[i].strike);
        }
    }

    function volatilities(
        SurfaceWord surface,
        int256[] calldata logMoneyness
    ) external pure returns (uint256[] memory found) {
        found = new uint256[](logMoneyness.length);
        for (uint256 i; i < logMoneyness.length; ++i) {
            found[i] = Svi.volatilityDown(surface, logMoneyness[i]);
        }
    }

    function logarithms(uint256[] calldata values) external pure returns (int256[] memory found) {
        found = new int256[](values.length);
        for (uint256 i; i < values.length; ++i) {
            found[i] = FixedPointMathLib.lnWad(int256(values[i]));
        }
    }

    function exponentials(int256[] calldata values) external pure returns (int256[] memory found) {
        found = new int256[](values.length);
        for (uint256 i; i < values.length; ++i) {
            found[i] = FixedPointMathLib.expWad(values[i]);
        }
    }
}
