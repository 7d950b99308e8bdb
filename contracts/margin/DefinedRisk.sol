// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {positivePart} from "../math/FixedPoint.sol";
import {Expiry, Strike} from "./Dated.sol";
import {Exposure, Gathered} from "./Exposure.sol";
import {Rounding} from "./Rounding.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {LibSort} from "solady/utils/LibSort.sol";

/// @notice The most that an account of cash and bought or covered options can lose: max(0, Σ over expiries of value less
///         worst pay-off).
/// @dev At expiry, options of one expiry pay a function of the price that is straight between strikes. Where no more of a
///      type is sold than bought, it does not fall without end, and its least value is at 0 or at a strike.
library DefinedRisk {
    using Rounding for int256;

    uint256 internal constant SIZE_OFFSET = 1 << 127;

    /// @notice Writes `lossBound` of options without a linear leg: pay-offs at a price of 0 and at the highest prices are
    ///         no less than the worst. Leaves it without a bound where more calls or puts of an expiry are sold than
    ///         bought.
    function open(Gathered memory gathered) internal pure {
        Exposure[] memory exposures = gathered.exposures;
        int256 least;
        Expiry memory expiry = gathered.expiries[0];
        for (uint256 i; i < exposures.length; ++i) {
            for (uint256 at = exposures[i].firstExpiry; at != 0; at = expiry.next) {
                assembly ("memory-safe") {
                    expiry := at
                }
                if (expiry.calls < 0 || expiry.puts < 0) return;
                int256 payoff = expiry.putStrikes;
                if (expiry.calls == 0) payoff = FixedPointMathLib.min(payoff, -expiry.callStrikes);
                least += expiry.value - payoff.divDown(1e18);
            }
        }
        gathered.lossBound = positivePart(least);
    }

    /// @notice The lesser of an amount and what the account can lose.
    function capped(Gathered memory gathered, uint256 amount) internal pure returns (uint256) {
        if (amount <= gathered.lossBound) return amount;
        if (gathered.lossCap == type(uint256).max) gathered.lossCap = lossCapOf(gathered);
        return FixedPointMathLib.min(amount, gathered.lossCap);
    }

    function lossCapOf(Gathered memory gathered) private pure returns (uint256) {
        Exposure[] memory exposures = gathered.exposures;
        int256 most;
        Expiry memory expiry = gathered.expiries[0];
        for (uint256 i; i < exposures.length; ++i) {
            for (uint256 at = exposures[i].firstExpiry; at != 0; at = expiry.next) {
                assembly ("memory-safe") {
                    expiry := at
                }
                most += expiry.value - worstPayoff(expiry).divDown(1e18);
            }
        }
        return positivePart(most);
    }

    /// @dev Exact. Every option bends the pay-off upwards by its size at its strike.
    function worstPayoff(Expiry memory expiry) private pure returns (int256 worst) {
        uint256[] memory bends = bendsOf(expiry);
        LibSort.sort(bends);
        unchecked {
            int256 payoff = expiry.putStrikes;
            int256 slope = -expiry.puts;
            uint256 last;
            worst = payoff;
            for (uint256 i; i < bends.length; ++i) {
                uint256 strike = bends[i] >> 128;
                payoff += slope * int256(strike - last);
                if (payoff < worst) worst = payoff;
                slope += int256(uint256(uint128(bends[i]))) - int256(SIZE_OFFSET);
                last = strike;
            }
        }
    }

    /// @dev strike << 128 | size + 2^127.
    function bendsOf(Expiry memory expiry) private pure returns (uint256[] memory bends) {
        Strike memory strike;
        uint256 start;
        assembly ("memory-safe") {
            bends := mload(0x40)
            start := add(bends, 32)
        }
        uint256 end = start;
        unchecked {
            for (uint256 at = expiry.firstStrike; at != 0; at = strike.next) {
                assembly ("memory-safe") {
                    strike := at
                }
                uint256 bend = (strike.strike << 128) | uint256(strike.size + int256(SIZE_OFFSET));
                assembly ("memory-safe") {
                    mstore(end, bend)
                    end := add(end, 32)
                }
            }
        }
        assembly ("memory-safe") {
            mstore(bends, shr(5, sub(end, start)))
            mstore(0x40, end)
        }
    }
}
