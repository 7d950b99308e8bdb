// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccountId} from "../types/AccountId.sol";
import {Fill} from "../types/Fill.sol";
import {Match} from "../types/Order.sol";
import {Candidate} from "./Candidate.sol";

/// @notice A settlement between verification and record.
/// @param candidates The orders.
/// @param accounts Those with a fill.
/// @param fills What the clearinghouse applies.
/// @param crossed `crossed[i]` is the match behind `fills[i]`.
/// @param anyWhole Whether any order is filled whole or not at all.
/// @param anyTriggered Whether any order has a trigger.
/// @param bounties `bounties[i]`, wad, is in the fees of `fills[i]`; none where no order has a trigger, or nobody is paid.
struct Settlement {
    Candidate[] candidates;
    AccountId[] accounts;
    Fill[] fills;
    Match[] crossed;
    bool anyWhole;
    bool anyTriggered;
    uint256[] bounties;
}

/// @title A settlement as bytes, for the way through the clearinghouse and back
/// @dev Its structs hold value types alone, a word each: the words go as they lie in memory. A codec that spells out every
///      field of every struct takes 1.5 KB of code.
library SettlementWords {
    uint256 private constant CANDIDATE_WORDS = 12;
    uint256 private constant FILL_WORDS = 11;
    uint256 private constant MATCH_WORDS = 3;

    /// @dev Without bounties, which a batch has not.
    function pack(Settlement memory settlement) internal pure returns (bytes memory) {
        (Candidate[] memory candidates, Fill[] memory fills) = (settlement.candidates, settlement.fills);
        Match[] memory crossed = settlement.crossed;
        uint256[][3] memory places;
        // An array of references is an array of words.
        assembly ("memory-safe") {
            mstore(places, candidates)
            mstore(add(places, 0x20), fills)
            mstore(add(places, 0x40), crossed)
        }
        return abi.encode(
            settlement.anyWhole,
            settlement.accounts,
            _gather(places[0], CANDIDATE_WORDS),
            _gather(places[1], FILL_WORDS),
            _gather(places[2], MATCH_WORDS)
        );
    }

    /// @dev The inverse, of what `pack` returned and nothing else.
    function unpack(bytes calldata context) internal pure returns (Settlement memory settlement) {
        uint256[][3] memory words;
        (settlement.anyWhole, settlement.accounts, words[0], words[1], words[2]) =
            abi.decode(context, (bool, AccountId[], uint256[], uint256[], uint256[]));
        uint256[] memory candidates = _scatter(words[0], CANDIDATE_WORDS);
        uint256[] memory fills = _scatter(words[1], FILL_WORDS);
        uint256[] memory crossed = _scatter(words[2], MATCH_WORDS);
        // As above; the fields stand in the order of the structs' declarations.
        assembly ("memory-safe") {
            mstore(settlement, candidates)
            mstore(add(settlement, 0x40), fills)
            mstore(add(settlement, 0x60), crossed)
        }
    }

    /// @dev The words of `width` each that `places` point to, one after the other.
    function _gather(uint256[] memory places, uint256 width) private pure returns (uint256[] memory words) {
        words = new uint256[](places.length * width);
        assembly ("memory-safe") {
            let to := add(words, 0x20)
            let from := add(places, 0x20)
            for { let end := add(from, shl(5, mload(places))) } lt(from, end) { from := add(from, 0x20) } {
                mcopy(to, mload(from), shl(5, width))
                to := add(to, shl(5, width))
            }
        }
    }

    /// @dev Pointers to every `width`-th of the words, which stay where they are.
    function _scatter(uint256[] memory words, uint256 width) private pure returns (uint256[] memory places) {
        places = new uint256[](words.length / width);
        assembly ("memory-safe") {
            let to := add(places, 0x20)
            let from := add(words, 0x20)
            for { let end := add(from, shl(5, mload(words))) } lt(from, end) { from := add(from, shl(5, width)) } {
                mstore(to, from)
                to := add(to, 0x20)
            }
        }
    }
}
