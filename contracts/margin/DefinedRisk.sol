// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {positivePart} from "../math/FixedPoint.sol";
import {Expiry, Strike} from "./Dated.sol";
import {Exposure, Gathered} from "./Exposure.sol";
import {Rounding} from "./Rounding.sol";
import {LibSort} from "solady/utils/LibSort.sol";

/// @notice The most that an account of cash and bought or covered options can lose.
/// @dev At expiry, options of one expiry pay a function of the price that is straight between strikes. Where no more of a
///      type is sold than bought, it does not fall without end, and its least value is at 0 or at a strike.
library DefinedRisk {
    using Rounding for int256;

    uint256 internal constant SIZE_OFFSET = 1 << 127;

    /// @notice Writes max(0, Σ over expiries of value less worst pay-off) to `lossCap`, or leaves it unbounded: where
    ///         there is a linear leg, or an expiry in which more calls or puts are sold than bought.
    function cap(Gathered memory gathered) internal pure {
        Exposure[] memory exposures = gathered.exposures;
        for (uint256 i; i < exposures.length; ++i) {
            if (exposures[i].longQuantity | exposures[i].shortQuantity != 0) return;
        }
        if (gathered.strikeCount == 0) return;
        int256 most;
        for (uint256 i; i < exposures.length; ++i) {
            for (uint256 at = exposures[i].firstExpiry; at != 0;) {
                Expiry memory expiry = gathered.expiries[at - 1];
                if (expiry.calls < 0 || expiry.puts < 0) return;
                most += expiry.value - worstPayoff(expiry, gathered.strikes).divDown(1e18);
                at = expiry.next;
            }
        }
        gathered.lossCap = positivePart(most);
    }

    /// @dev Exact. Every option bends the pay-off upwards by its size at its strike.
    function worstPayoff(Expiry memory expiry, Strike[] memory strikes) private pure returns (int256 worst) {
        uint256[] memory bends = bendsOf(expiry, strikes);
        if (bends.length == 0) return 0;
        LibSort.sort(bends);
        unchecked {
            int256 payoff = expiry.putPayoff;
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

    /// @dev strike << 128 | size + 2^127, none where nothing is sold and all is of one type: the least is 0 then.
    function bendsOf(Expiry memory expiry, Strike[] memory strikes) private pure returns (uint256[] memory bends) {
        if (!expiry.anySold && (expiry.calls == 0 || expiry.puts == 0)) return bends;
        unchecked {
            uint256 count;
            for (uint256 at = expiry.firstStrike; at != 0; at = strikes[at - 1].next) {
                ++count;
            }
            bends = new uint256[](count);
            for (uint256 at = expiry.firstStrike; at != 0; at = strikes[at - 1].next) {
                Strike memory strike = strikes[at - 1];
                bends[--count] = (strike.strike << 128) | uint256(strike.size + int256(SIZE_OFFSET));
            }
        }
    }
}
