// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Black76} from "../pricing/Black76.sol";
import {NormalDistribution, NormalLanes} from "../pricing/NormalDistribution.sol";
import {Svi} from "../pricing/Svi.sol";
import {Expiry, Strike} from "./Dated.sol";
import {DatedExpiries} from "./DatedExpiries.sol";
import {Exposure, Exposures, Gathered} from "./Exposure.sol";
import {Book, Record, RiskBook} from "./RiskBook.sol";
import {Rounding} from "./Rounding.sol";
import {NodeValues, Scenarios} from "./Scenarios.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

/// @notice Which nodes of an underlying are priced: those its rows name, by volatility, then by price.
/// @dev Addresses in memory. An entry is two words: the address of the node's price shock, and the node.
/// @param shocks A price shock and the logarithm of one plus it, wad, for each price.
/// @param entries Of the first entry.
/// @param count Entries.
/// @param ends Of a word a volatility: the end of its nodes, counted in entries.
/// @param upEntry The entry at which only volatility moves, to its highest.
/// @param nodes Of the nodes of one expiry, three words each: the forward's logarithm, the forward, and the sum of
///        size · price.
struct Plan {
    uint256 shocks;
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

    /// @notice Adds an underlying's options to its node values.
    /// @param allNodes Whether every node is to be right, not only those that rows name.
    /// @dev Writes each expiry's `vega`.
    function addOptions(
        NodeValues values,
        Book memory book,
        Record record,
        Exposure memory exposure,
        Gathered memory gathered,
        bool allNodes
    ) internal pure {
        Plan memory plan = planOf(book, record, exposure, allNodes);
        unchecked {
            for (uint256 place = exposure.firstExpiry; place != 0;) {
                Expiry memory expiry = gathered.expiries[place - 1];
                uint256 factors = open(plan, book, record, expiry);
                for (uint256 at = expiry.firstStrike; at != 0;) {
                    Strike memory strike = gathered.strikes[at - 1];
                    addStrike(plan, book, factors, expiry, gathered.lanes, strike);
                    at = strike.next;
                }
                collect(plan, values, expiry);
                place = expiry.next;
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
                changes[wordAt(plan.entries + 64 * i + 32)] = int256(wordAt(plan.nodes + NODE_SIZE * i + 64)) - base;
            }
            changes[stable] = size * strike.stableChange;
            vega = int256(wordAt(plan.nodes + NODE_SIZE * plan.upEntry + 64)) - base;
        }
    }

    // Plan ------------------------------------------------------------------------------------------------------

    function planOf(
        Book memory book,
        Record record,
        Exposure memory exposure,
        bool allNodes
    ) internal pure returns (Plan memory plan) {
        unchecked {
            uint256 volatilities = book.volatilityShocks;
            uint256 prices = book.priceShocks;
            uint256 base;
            (plan.shocks, base) = shocksOf(record, prices, exposure.multiplier);
            uint256 upNode = base * volatilities + volatilities - 1;
            uint256 used = allNodes ? type(uint256).max : usedNodes(book, record) | (1 << upNode);
            plan.ends = allocate(32 * volatilities);
            plan.entries = allocate(64 * prices * volatilities);
            uint256 entry = plan.entries;
            for (uint256 v; v < volatilities; ++v) {
                for (uint256 node = v; node < prices * volatilities; node += volatilities) {
                    if ((used >> node) & 1 == 0) continue;
                    if (node == upNode) plan.upEntry = (entry - plan.entries) / 64;
                    setWord(entry, plan.shocks + 64 * (node / volatilities));
                    setWord(entry + 32, node);
                    entry += 64;
                }
                setWord(plan.ends + 32 * v, (entry - plan.entries) / 64);
            }
            plan.count = (entry - plan.entries) / 64;
            plan.nodes = allocate(NODE_SIZE * plan.count);
        }
    }

    /// @return shocks As in `Plan`.
    /// @return base Place of the price shock that is none.
    function shocksOf(
        Record record,
        uint256 prices,
        uint256 multiplier
    ) private pure returns (uint256 shocks, uint256 base) {
        unchecked {
            shocks = allocate(64 * prices);
            for (uint256 i; i < prices; ++i) {
                int256 shock = record.priceShockOf(i);
                int256 logarithm;
                if (shock == 0) {
                    base = i;
                } else {
                    shock = Scenarios.scaledShock(shock, multiplier);
                    logarithm = FixedPointMathLib.lnWad(1e18 + shock);
                }
                setWord(shocks + 64 * i, uint256(shock));
                setWord(shocks + 64 * i + 32, uint256(logarithm));
            }
        }
    }

    /// @dev A bit a node.
    function usedNodes(Book memory book, Record record) private pure returns (uint256 used) {
        uint256 column = book.columnOf(record);
        uint256 end;
        unchecked {
            end = column + book.rows;
        }
        assembly ("memory-safe") {
            for {} lt(column, end) {} {
                let nodes := mload(column)
                // Not beyond the last row: padding would read as node 0.
                if lt(sub(end, column), 8) {
                    for {} lt(column, end) { column := add(column, 1) } {
                        used := or(used, shl(byte(0, mload(column)), 1))
                    }
                    break
                }
                let first :=
                    or(
                        or(shl(byte(0, nodes), 1), shl(byte(1, nodes), 1)),
                        or(shl(byte(2, nodes), 1), shl(byte(3, nodes), 1))
                    )
                let second :=
                    or(
                        or(shl(byte(4, nodes), 1), shl(byte(5, nodes), 1)),
                        or(shl(byte(6, nodes), 1), shl(byte(7, nodes), 1))
                    )
                used := or(used, or(first, second))
                column := add(column, 8)
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
        setForwards(plan, expiry);
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
            uint256 node = plan.nodes;
            for (uint256 v; v < book.volatilityShocks; ++v) {
                uint256 end = plan.nodes + NODE_SIZE * wordAt(plan.ends + 32 * v);
                if (node == end) continue;
                uint256 volatility = Svi.clamp(strike.volatility * wordAt(factors + 32 * v) / 1e18);
                addCalls(node, end, strike, Black76.deviationDown(volatility, expiry.rootOfTime), lanes);
                node = end;
            }
        }
    }

    /// @dev The first two words of each node, and nothing in the third.
    function setForwards(Plan memory plan, Expiry memory expiry) private pure {
        unchecked {
            uint256 node = plan.nodes;
            bool moves = expiry.fixedPart == 0;
            for (uint256 i; i < plan.count; ++i) {
                uint256 shock = wordAt(plan.entries + 64 * i);
                uint256 forward = expiry.forwardAt(int256(wordAt(shock)));
                // Without a fixed part, logarithms of forward and of the move add up.
                int256 logarithm = moves ? expiry.lnForward + int256(wordAt(shock + 32)) : Black76.lnOf(forward);
                setWord(node, uint256(logarithm));
                setWord(node + 32, forward);
                setWord(node + 64, 0);
                node += NODE_SIZE;
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
        int256 inverse;
        int256 width;
        int256 low;
        int256 start;
        unchecked {
            inverse = int256(Black76.INVERSE_UNIT / deviation);
            width = int256(deviation * NormalDistribution.POSITIONS_A_UNIT / 1e18);
            low = int256(NormalLanes.unwrap(lanes) << 28);
            start = ((low + NormalDistribution.MIDDLE + (width >> 1) - width) << 96) - strike.lnStrike * inverse;
        }
        (uint256 price_, int256 size) = (strike.strike, strike.size);
        uint256 top = uint256(NormalDistribution.TOP);
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
            let both := mul(sub(top, width), slt(width, top))
            for {} lt(node, end) { node := add(node, 96) } {
                let position := sar(96, add(mul(mload(node), inverse), start))
                let value
                switch lt(sub(position, low), both)
                case 1 {
                    let lane := mload(shl(4, shr(32, position)))
                    let t := and(position, 0xffffffff)
                    value := mul(add(mul(sar(220, lane), t), and(shr(144, lane), SLOPE_MASK)), t)
                    value := mul(add(value, and(shr(64, lane), LEVEL_MASK)), price_)
                    position := add(position, width)
                    lane := mload(shl(4, shr(32, position)))
                    t := and(position, 0xffffffff)
                    lane := add(
                        mul(add(mul(sar(220, lane), t), and(shr(144, lane), SLOPE_MASK)), t),
                        and(shr(64, lane), LEVEL_MASK)
                    )
                    value := sar(112, sub(mul(mload(add(node, 32)), lane), value))
                }
                default {
                    let first := add(position, width)
                    if slt(first, low) { continue }
                    value := mul(mload(add(node, 32)), chanceAt(first, low, top))
                    value := sar(112, sub(value, mul(price_, chanceAt(position, low, top))))
                }
                let sum := add(node, 64)
                mstore(sum, add(mload(sum), mul(size, value)))
            }
        }
    }

    /// @dev Into the underlying's values, one rounding an expiry and node.
    function collect(Plan memory plan, NodeValues values, Expiry memory expiry) private pure {
        unchecked {
            int256 base = expiry.baseValue;
            for (uint256 i; i < plan.count; ++i) {
                int256 change = int256(wordAt(plan.nodes + NODE_SIZE * i + 64)) - base;
                uint256 node = wordAt(plan.entries + 64 * i + 32);
                Scenarios.setAt(values, node, Scenarios.at(values, node) + change.divDown(Exposures.ONE));
                if (i == plan.upEntry) expiry.vega = change;
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

    function setWord(uint256 position, uint256 word) private pure {
        assembly ("memory-safe") {
            mstore(position, word)
        }
    }
}
