// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Black76} from "../pricing/Black76.sol";
import {NormalLanes} from "../pricing/NormalDistribution.sol";
import {Svi} from "../pricing/Svi.sol";
import {Expiry, Strike} from "./Dated.sol";
import {DatedExpiries} from "./DatedExpiries.sol";
import {Exposure, Gathered} from "./Exposure.sol";
import {Book, Record, RiskBook} from "./RiskBook.sol";
import {Rounding} from "./Rounding.sol";
import {NodeValues, Scenarios} from "./Scenarios.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

/// @notice Which nodes of an underlying are priced, by volatility, then by price: those its rows name.
/// @dev Addresses in memory.
/// @param entries Of three words a node: the price shock, the logarithm of one plus it, wad, and the node.
/// @param count Entries.
/// @param ends Of a byte a volatility: the number of entries up to its last.
/// @param upEntry The entry at which only volatility moves, to its highest.
/// @param nodes Of the nodes of one expiry, three words each: the forward's logarithm, the forward, and the sum of
///        size · price.
struct Plan {
    uint256 entries;
    uint256 count;
    uint256 ends;
    uint256 upEntry;
    uint256 nodes;
}

/// @notice Values of options at the nodes of a risk book.
/// @dev Per expiry and node ⌊Σ size · (call price at the node − call price now)⌋. Node prices are those of `Black76`
///      without its floor at intrinsic: within 4e-9 of forward and strike, like the price now.
library Lattice {
    using DatedExpiries for Expiry;
    using RiskBook for Book;
    using RiskBook for Record;
    using Rounding for int256;

    uint256 internal constant NODE_SIZE = 96;
    int256 internal constant LOWEST_FACTOR = 0.25e18;
    uint256 internal constant TENOR_UNIT = 30 days * 1e18;
    uint256 internal constant SLOPE_MASK = 0xfffffffffff00000000;
    uint256 internal constant LEVEL_MASK = 0xffffffffffff0000000000000000;
    /// @dev Of `NormalDistribution`, as numbers.
    int256 internal constant TABLE_TOP = 0x46000000000;
    int256 internal constant TABLE_MIDDLE = 0x23000000000;
    int256 internal constant POSITIONS_A_UNIT = 0x6000000000;

    /// @notice Adds an underlying's options to its node values: where it is halted to all, else to those that rows name.
    /// @param plan As `fillPlan` takes it.
    /// @dev Writes each expiry's `vega`.
    function addOptions(
        NodeValues values,
        Book memory book,
        Record record,
        Exposure memory exposure,
        Gathered memory gathered,
        Plan memory plan
    ) internal pure {
        fillPlan(plan, book, record, exposure.multiplier, exposure.halted);
        unchecked {
            Expiry memory expiry = gathered.expiries[0];
            Strike memory strike;
            for (uint256 at = exposure.firstExpiry; at != 0; at = expiry.next) {
                assembly ("memory-safe") {
                    expiry := at
                }
                uint256 factors = open(plan, book, record, expiry);
                for (uint256 place = expiry.firstStrike; place != 0; place = strike.next) {
                    assembly ("memory-safe") {
                        strike := place
                    }
                    addStrike(plan, book, factors, expiry, gathered.lanes, strike);
                }
                collect(plan, values, expiry);
            }
            uint256 stable = book.priceShocks * book.volatilityShocks;
            Scenarios.setAt(values, stable, Scenarios.at(values, stable) + exposure.optionStableChange);
        }
    }

    /// @notice What a call of `size` is worth more at each node, and at the highest volatility. Exact.
    /// @param plan Of all nodes.
    function changesOf(
        Plan memory plan,
        Book memory book,
        Record record,
        Expiry memory expiry,
        NormalLanes lanes,
        Strike memory strike,
        int256 size
    ) internal pure returns (int256[] memory changes, int256 vega) {
        strike.size = size;
        addStrike(plan, book, open(plan, book, record, expiry), expiry, lanes, strike);
        unchecked {
            int256 base = size * int256(strike.price);
            uint256 stable = book.priceShocks * book.volatilityShocks;
            changes = new int256[](stable + 1);
            for (uint256 i; i < plan.count; ++i) {
                uint256 place = NODE_SIZE * i + 64;
                changes[wordAt(plan.entries + place)] = int256(wordAt(plan.nodes + place)) - base;
            }
            changes[stable] = size * strike.stableChange;
            vega = int256(wordAt(plan.nodes + NODE_SIZE * plan.upEntry + 64)) - base;
        }
    }

    // Plan ------------------------------------------------------------------------------------------------------

    /// @param plan Any: its memory is used again.
    /// @param allNodes Whether all nodes are to be priced, not only those that rows name.
    function fillPlan(
        Plan memory plan,
        Book memory book,
        Record record,
        uint256 multiplier,
        bool allNodes
    ) internal pure {
        uint256 volatilities = book.volatilityShocks;
        if (plan.entries == 0) allocatePlan(plan, book.priceShocks, volatilities);
        uint256 list = book.derivedOf(record);
        unchecked {
            uint256 logarithms = list + book.listSize();
            if (allNodes) {
                list = allocate(book.listSize());
                book.listNodes(record, type(uint256).max, list);
            }
            plan.upEntry = byteAt(list);
            plan.ends = list + 1;
            plan.count = byteAt(list + volatilities);
            fillEntries(plan.entries, list + 1 + volatilities, plan.count, volatilities, record.shocks(), logarithms);
            if (multiplier != Scenarios.UNSCALED) scaleEntries(plan, multiplier);
        }
    }

    function allocatePlan(Plan memory plan, uint256 prices, uint256 volatilities) private pure {
        unchecked {
            plan.entries = allocate(NODE_SIZE * prices * volatilities);
            plan.nodes = allocate(NODE_SIZE * prices * volatilities);
        }
    }

    /// @param nodes Memory address of the nodes, a byte each.
    /// @param shocks Of the price shocks, eight bytes each, as are the logarithms.
    function fillEntries(
        uint256 entry,
        uint256 nodes,
        uint256 count,
        uint256 volatilities,
        uint256 shocks,
        uint256 logarithms
    ) private pure {
        assembly ("memory-safe") {
            for { let end := add(entry, mul(96, count)) } lt(entry, end) { entry := add(entry, 96) } {
                let node := byte(0, mload(nodes))
                let price := shl(3, div(node, volatilities))
                mstore(entry, sar(192, mload(add(shocks, price))))
                mstore(add(entry, 32), sar(192, mload(add(logarithms, price))))
                mstore(add(entry, 64), node)
                nodes := add(nodes, 1)
            }
        }
    }

    function scaleEntries(Plan memory plan, uint256 multiplier) private pure {
        unchecked {
            uint256 end = plan.entries + NODE_SIZE * plan.count;
            for (uint256 entry = plan.entries; entry < end; entry += NODE_SIZE) {
                int256 shock = int256(wordAt(entry));
                if (shock == 0) continue;
                shock = Scenarios.scaledShock(shock, multiplier);
                setWord(entry, uint256(shock));
                setWord(entry + 32, uint256(FixedPointMathLib.lnWad(1e18 + shock)));
            }
        }
    }

    // Prices ----------------------------------------------------------------------------------------------------

    /// @dev Writes the forwards of an expiry at each node.
    /// @return factors Address of those of its volatilities; none at a tenor of 0.
    function open(
        Plan memory plan,
        Book memory book,
        Record record,
        Expiry memory expiry
    ) private pure returns (uint256 factors) {
        setForwards(plan, expiry.openPart, expiry.fixedPart, expiry.lnForward);
        if (expiry.tenor != 0) factors = factorsOf(book, record, expiry.tenor);
    }

    /// @dev Adds size · price to each node.
    function addStrike(
        Plan memory plan,
        Book memory book,
        uint256 factors,
        Expiry memory expiry,
        NormalLanes lanes,
        Strike memory strike
    ) private pure {
        if (expiry.tenor == 0) return addIntrinsic(plan, strike);
        if (strike.size == 0) return;
        unchecked {
            (uint256 volatility, uint256 rootOfTime) = (strike.volatility, expiry.rootOfTime);
            uint256 node = plan.nodes;
            uint256 last = factors + 32 * book.volatilityShocks;
            for (uint256 ends = plan.ends; factors < last; factors += 32) {
                uint256 end = plan.nodes + NODE_SIZE * byteAt(ends++);
                if (node == end) continue;
                uint256 shocked = volatility * wordAt(factors) / 1e18;
                if (shocked < Svi.LOWEST_VOLATILITY) shocked = Svi.LOWEST_VOLATILITY;
                if (shocked > Svi.HIGHEST_VOLATILITY) shocked = Svi.HIGHEST_VOLATILITY;
                addCalls(node, end, strike, shocked * rootOfTime / 1e18, lanes);
                node = end;
            }
        }
    }

    /// @dev The first two words of each node, as `DatedExpiries.forwardAt` has them, and nothing in the third. Without a
    ///      fixed part, logarithms of forward and of the move add up.
    function setForwards(Plan memory plan, uint256 openPart, uint256 fixedPart, int256 lnForward) private pure {
        unchecked {
            uint256 entry = plan.entries;
            uint256 node = plan.nodes;
            uint256 end = node + NODE_SIZE * plan.count;
            if (fixedPart == 0) {
                assembly ("memory-safe") {
                    for {} lt(node, end) { node := add(node, 96) } {
                        let forward := div(mul(openPart, add(mload(entry), 1000000000000000000)), 1000000000000000000)
                        mstore(node, add(lnForward, mload(add(entry, 32))))
                        mstore(add(node, 32), add(forward, iszero(forward)))
                        mstore(add(node, 64), 0)
                        entry := add(entry, 96)
                    }
                }
                return;
            }
            for (; node < end; node += NODE_SIZE) {
                uint256 forward = fixedPart + openPart * (1e18 + wordAt(entry)) / 1e18;
                setWord(node, uint256(Black76.lnOf(forward)));
                setWord(node + 32, forward);
                setWord(node + 64, 0);
                entry += NODE_SIZE;
            }
        }
    }

    /// @dev A word a volatility shock s: max(1/4, ⌊1 + s · (30 d / max(T, shortest))^p⌋), wad.
    function factorsOf(Book memory book, Record record, uint256 tenor) private pure returns (uint256 factors) {
        unchecked {
            uint256 volatilities = book.volatilityShocks;
            factors = allocate(32 * volatilities);
            uint256 ratio = TENOR_UNIT / FixedPointMathLib.max(tenor, record.shortestTenorOf());
            int256 power = FixedPointMathLib.lnWad(int256(ratio)) * int256(record.volatilityTenorPowerOf());
            int256 scale = FixedPointMathLib.expWad(power.divDown(1e9));
            for (uint256 v; v < volatilities; ++v) {
                int256 shock = record.priceShockOf(book.priceShocks + v);
                int256 factor = FixedPointMathLib.max(1e18 + (shock * scale).divDown(1e18), LOWEST_FACTOR);
                setWord(factors + 32 * v, uint256(factor));
            }
        }
    }

    function addIntrinsic(Plan memory plan, Strike memory strike) private pure {
        unchecked {
            for (uint256 i; i < plan.count; ++i) {
                uint256 node = plan.nodes + NODE_SIZE * i;
                uint256 intrinsic = FixedPointMathLib.zeroFloorSub(wordAt(node + 32), strike.strike);
                setWord(node + 64, wordAt(node + 64) + uint256(strike.size * int256(intrinsic)));
            }
        }
    }

    /// @dev Adds size · (F·Φ(d₁) − K·Φ(d₂)) to the nodes of one volatility. `Black76.callDown` with what does not depend
    ///      on the node taken out of the loop; positions are shifted so that their top bits are a lane's address / 16.
    function addCalls(
        uint256 node,
        uint256 end,
        Strike memory strike,
        uint256 deviation,
        NormalLanes lanes
    ) private pure {
        (int256 inverse, int256 width, int256 low, int256 start) = (int256(Black76.INVERSE_UNIT), 0, 0, strike.lnStrike);
        assembly ("memory-safe") {
            inverse := div(inverse, deviation)
            width := div(mul(deviation, POSITIONS_A_UNIT), 1000000000000000000)
            low := shl(28, lanes)
            start := sub(shl(96, add(add(low, TABLE_MIDDLE), sub(shr(1, width), width))), mul(start, inverse))
        }
        (uint256 price_, int256 size) = (strike.strike, strike.size);
        assembly ("memory-safe") {
            function chanceAt(position, lowest, span) -> chance {
                if slt(position, lowest) { leave }
                chance := shl(112, 1)
                if slt(position, add(lowest, span)) {
                    let lane := mload(shl(4, shr(32, position)))
                    let t := and(position, 0xffffffff)
                    chance := mul(add(mul(sar(220, lane), t), and(shr(144, lane), SLOPE_MASK)), t)
                    chance := add(chance, and(shr(64, lane), LEVEL_MASK))
                }
            }
            // Both positions are within the table from `low` on over `both`.
            let both := mul(sub(TABLE_TOP, width), slt(width, TABLE_TOP))
            for {} lt(node, end) { node := add(node, 96) } {
                let position := sar(96, add(mul(mload(node), inverse), start))
                if lt(sub(position, low), both) {
                    let lane := mload(and(shr(28, position), not(15)))
                    let t := and(position, 0xffffffff)
                    let value := mul(add(mul(sar(220, lane), t), and(shr(144, lane), SLOPE_MASK)), t)
                    value := mul(add(value, and(shr(64, lane), LEVEL_MASK)), price_)
                    position := add(position, width)
                    lane := mload(and(shr(28, position), not(15)))
                    t := and(position, 0xffffffff)
                    lane := add(
                        mul(add(mul(sar(220, lane), t), and(shr(144, lane), SLOPE_MASK)), t),
                        and(shr(64, lane), LEVEL_MASK)
                    )
                    value := sar(112, sub(mul(mload(add(node, 32)), lane), value))
                    mstore(add(node, 64), add(mload(add(node, 64)), mul(size, value)))
                    continue
                }
                let first := add(position, width)
                if slt(first, low) { continue }
                let value := mul(mload(add(node, 32)), chanceAt(first, low, TABLE_TOP))
                value := sar(112, sub(value, mul(price_, chanceAt(position, low, TABLE_TOP))))
                mstore(add(node, 64), add(mload(add(node, 64)), mul(size, value)))
            }
        }
    }

    /// @dev Into the underlying's values, one rounding an expiry and node.
    function collect(Plan memory plan, NodeValues values, Expiry memory expiry) private pure {
        unchecked {
            int256 base = expiry.baseValue;
            uint256 entry = plan.entries + 64;
            uint256 sum = plan.nodes + 64;
            uint256 end = sum + NODE_SIZE * plan.count;
            expiry.vega = int256(wordAt(sum + NODE_SIZE * plan.upEntry)) - base;
            assembly ("memory-safe") {
                for {} lt(sum, end) { sum := add(sum, 96) } {
                    let change := sub(mload(sum), base)
                    let node := add(values, shl(5, mload(entry)))
                    let rest := slt(smod(change, 1000000000000000000), 0)
                    mstore(node, add(mload(node), sub(sdiv(change, 1000000000000000000), rest)))
                    entry := add(entry, 96)
                }
            }
        }
    }

    // Memory ----------------------------------------------------------------------------------------------------

    /// @dev Not zeroed.
    function allocate(uint256 size) private pure returns (uint256 position) {
        assembly ("memory-safe") {
            position := mload(0x40)
            mstore(0x40, add(position, size))
        }
    }

    function wordAt(uint256 position) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := mload(position)
        }
    }

    function byteAt(uint256 position) private pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := byte(0, mload(position))
        }
    }

    function setWord(uint256 position, uint256 word) private pure {
        assembly ("memory-safe") {
            mstore(position, word)
        }
    }
}
