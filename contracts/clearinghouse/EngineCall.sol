// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IMarginEngine} from "../interfaces/IMarginEngine.sol";
import {ExpiryQuote} from "../types/ExpiryQuote.sol";
import {InstrumentId} from "../types/InstrumentId.sol";
import {Margin, UnderlyingRisk} from "../types/Margin.sol";
import {CollateralLeg} from "../types/Portfolio.sol";
import {Quote} from "../types/Quote.sol";

/// @notice Memory address of the calldata of one `IMarginEngine.assess`, its size in the word before.
type EngineCall is uint256;

/// @notice Memory address of one position leg within it, four words.
type LegPlace is uint256;

/// @title The call of `IMarginEngine.assess` or `assessInParts`, written in place
/// @notice The same bytes that `abi.encodeCall` makes. Position legs are written where they are sent from, instead of into
///         structs that are copied: an account may have 64.
/// @dev Static structs lie in memory as they do in calldata, a word a field.
library EngineCalls {
    uint256 private constant COLLATERAL_SIZE = 96;
    uint256 private constant POSITION_SIZE = 128;
    uint256 private constant QUOTE_SIZE = 160;
    uint256 private constant EXPIRY_SIZE = 224;
    uint256 private constant MARGIN_SIZE = 384;
    uint256 private constant PART_SIZE = 128;
    uint256 private constant HEAD_SIZE = 128;

    /// @param positions How many legs are to be written.
    /// @return request All but those.
    /// @return legs Of the first of them.
    function encode(
        int256 cash,
        CollateralLeg[] memory collaterals,
        uint256 positions,
        Quote[] memory quotes,
        ExpiryQuote[] memory expiries,
        uint256 settlementTokenUsd
    ) internal pure returns (EngineCall request, LegPlace legs) {
        uint256 start;
        bytes4 selector = IMarginEngine.assess.selector;
        assembly ("memory-safe") {
            request := add(mload(0x40), 32)
            mstore(request, selector)
            start := add(request, 4)
            mstore(add(start, 0x00), HEAD_SIZE)
            mstore(add(start, 0x60), settlementTokenUsd)
            mstore(add(start, 0x80), cash)
            mstore(add(start, 0xa0), 0x60)
        }
        uint256 end = append(start + HEAD_SIZE + 0x60, references(collaterals), COLLATERAL_SIZE);
        assembly ("memory-safe") {
            mstore(add(start, 0xc0), sub(end, add(start, HEAD_SIZE)))
            mstore(end, positions)
            legs := add(end, 32)
            end := add(legs, mul(positions, POSITION_SIZE))
            mstore(add(start, 0x20), sub(end, start))
        }
        end = append(end, references(quotes), QUOTE_SIZE);
        assembly ("memory-safe") {
            mstore(add(start, 0x40), sub(end, start))
        }
        end = append(end, references(expiries), EXPIRY_SIZE);
        assembly ("memory-safe") {
            mstore(sub(request, 32), sub(end, request))
            mstore(0x40, end)
        }
    }

    /// @return Of the leg after it.
    function write(
        LegPlace leg,
        InstrumentId instrument,
        int256 size,
        uint256 mark,
        int256 offset
    ) internal pure returns (LegPlace) {
        assembly ("memory-safe") {
            mstore(leg, instrument)
            mstore(add(leg, 32), size)
            mstore(add(leg, 64), mark)
            mstore(add(leg, 96), offset)
            leg := add(leg, POSITION_SIZE)
        }
        return leg;
    }

    /// @dev A revert is passed on as it is. Frees the request's memory, behind which lies nothing of use: a settlement makes many.
    function ask(EngineCall request, address engine, Margin memory margin) internal view {
        assembly ("memory-safe") {
            if iszero(staticcall(gas(), engine, request, mload(sub(request, 32)), margin, MARGIN_SIZE)) {
                returndatacopy(mload(0x40), 0, returndatasize())
                revert(mload(0x40), returndatasize())
            }
            if lt(returndatasize(), MARGIN_SIZE) { revert(0, 0) }
            mstore(0x40, sub(request, 32))
        }
    }

    /// @notice The same by `assessInParts`.
    /// @dev Parts are written over the request.
    function askInParts(
        EngineCall request,
        address engine,
        Margin memory margin
    ) internal view returns (UnderlyingRisk[] memory parts) {
        bytes4 selector = IMarginEngine.assessInParts.selector;
        assembly ("memory-safe") {
            mstore(request, or(selector, and(mload(request), shr(32, not(0)))))
            if iszero(staticcall(gas(), engine, request, mload(sub(request, 32)), 0, 0)) {
                returndatacopy(mload(0x40), 0, returndatasize())
                revert(mload(0x40), returndatasize())
            }
            returndatacopy(margin, 0, MARGIN_SIZE)
            parts := sub(request, 32)
            // Behind the margin lie the place of the list, its length, and its items; what is not there reverts.
            returndatacopy(parts, add(MARGIN_SIZE, 32), 32)
            let places := add(parts, 32)
            let item := add(places, shl(5, mload(parts)))
            let size := mul(mload(parts), PART_SIZE)
            returndatacopy(item, add(MARGIN_SIZE, 64), size)
            mstore(0x40, add(item, size))
            for { let end := item } lt(places, end) { places := add(places, 32) } {
                mstore(places, item)
                item := add(item, PART_SIZE)
            }
        }
    }

    /// @dev An array of static structs, behind all allocated memory.
    function append(uint256 place, uint256[] memory structs, uint256 size) private pure returns (uint256 end) {
        assembly ("memory-safe") {
            mstore(place, mload(structs))
            end := add(place, 32)
            let last := add(structs, shl(5, mload(structs)))
            for {} lt(structs, last) {} {
                structs := add(structs, 32)
                mcopy(end, mload(structs), size)
                end := add(end, size)
            }
        }
    }

    // An array of references is an array of words. ----------------------------------------------------------------

    function references(CollateralLeg[] memory legs) private pure returns (uint256[] memory words) {
        assembly ("memory-safe") {
            words := legs
        }
    }

    function references(Quote[] memory quotes) private pure returns (uint256[] memory words) {
        assembly ("memory-safe") {
            words := quotes
        }
    }

    function references(ExpiryQuote[] memory expiries) private pure returns (uint256[] memory words) {
        assembly ("memory-safe") {
            words := expiries
        }
    }
}
