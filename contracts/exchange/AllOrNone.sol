// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IExchange} from "../interfaces/IExchange.sol";
import {DeadReason, Match} from "../types/Order.sol";
import {Candidate} from "./Candidate.sol";

/// @title Orders that are filled whole or not at all: fill-or-kill, and several legs together
/// @notice Legs are orders of one account that share a group and say how many they are. All of them are filled whole in
///         one settlement, or none.
library AllOrNone {
    /// @dev Kills what the matches cannot fill whole, as the others are alive: one of those may have died since the
    ///      settlement was made. Each death may be another's, so it looks again until nobody dies. Where it sees too much,
    ///      as when two orders share a counterparty, `requireWhole` reverts.
    function killUnfillable(Candidate[] memory candidates, Match[] memory matches) internal pure {
        bool again = true;
        while (again) {
            again = false;
            for (uint256 i; i < candidates.length; ++i) {
                Candidate memory candidate = candidates[i];
                if (!candidate.whole || candidate.dead != DeadReason.None) continue;
                bool isSplit = candidate.legs != 0 && !_hasAllLegs(candidates, candidate);
                if (!isSplit && _fillable(candidates, matches, i) >= candidate.remaining) continue;
                candidate.dead = candidate.legs != 0 ? DeadReason.LegsNotWhole : DeadReason.CannotFillWhole;
                again = true;
            }
        }
    }

    /// @dev Whether exactly as many orders of its group are here as it says, all alive. One that says otherwise, or
    ///      nothing, is no leg of it and spoils it: a group is either legs or one-cancels-other.
    function _hasAllLegs(Candidate[] memory candidates, Candidate memory leg) private pure returns (bool) {
        uint256 count;
        for (uint256 i; i < candidates.length; ++i) {
            Candidate memory other = candidates[i];
            if (!_sharesGroup(other, leg)) continue;
            if (other.legs != leg.legs || other.dead != DeadReason.None) return false;
            ++count;
        }
        return count == leg.legs;
    }

    function _fillable(
        Candidate[] memory candidates,
        Match[] memory matches,
        uint256 index
    ) private pure returns (uint256 total) {
        for (uint256 i; i < matches.length; ++i) {
            Match memory crossing = matches[i];
            if (crossing.taker != index && crossing.maker != index) continue;
            Candidate memory other = candidates[crossing.taker == index ? crossing.maker : crossing.taker];
            if (other.dead == DeadReason.None) total += Math.min(crossing.size, other.remaining);
        }
    }

    /// @dev After all fills: what is not whole must not have been filled at all.
    function requireWhole(Candidate[] memory candidates) internal pure {
        for (uint256 i; i < candidates.length; ++i) {
            Candidate memory candidate = candidates[i];
            if (!candidate.whole || candidate.proposed == 0) continue;
            if (candidate.legs != 0) _requireAllLegs(candidates, candidate);
            else if (candidate.remaining != 0) revert IExchange.FillOrKillNotWhole(candidate.account, candidate.nonce);
        }
    }

    function _requireAllLegs(Candidate[] memory candidates, Candidate memory leg) private pure {
        for (uint256 i; i < candidates.length; ++i) {
            Candidate memory other = candidates[i];
            if (_sharesGroup(other, leg) && other.remaining != 0) {
                revert IExchange.LegsFilledInPart(leg.account, leg.group, other.nonce);
            }
        }
    }

    /// @dev Whether another order of its group has a fill in this settlement: one cancels other. Legs do not.
    function isGroupTaken(Candidate[] memory candidates, uint256 index) internal pure returns (bool) {
        Candidate memory own = candidates[index];
        if (own.group == 0 || own.legs != 0) return false;
        for (uint256 i; i < candidates.length; ++i) {
            if (i != index && candidates[i].proposed != 0 && _sharesGroup(candidates[i], own)) return true;
        }
        return false;
    }

    function _sharesGroup(Candidate memory one, Candidate memory other) private pure returns (bool) {
        return one.group == other.group && one.account == other.account;
    }
}
