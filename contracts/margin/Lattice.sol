// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Black76} from "../pricing/Black76.sol";
import {NormalLanes} from "../pricing/NormalDistribution.sol";
import {Expiry, Strike} from "./Dated.sol";
import {DatedExpiries} from "./DatedExpiries.sol";
import {Exposure, Gathered} from "./Exposure.sol";
import {Book, Record, RiskBook} from "./RiskBook.sol";
import {Rounding} from "./Rounding.sol";
import {NodeValues, Scenarios} from "./Scenarios.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

/// @notice Which nodes of an underlying are priced, by volatility, then by price: those its rows name.
/// @dev Addresses in memory.
/// @param entries Of a word a node, as `RiskBook` draws it.
/// @param count Entries.
/// @param ends Of a byte a volatility: the number of entries up to its last.
/// @param upEntry The entry at which only volatility moves, to its highest.
/// @param nodes Of the nodes of one expiry, three words each: the forward's logarithm, the forward, and what its options
///        are worth more than now, exact.
/// @param own Of a list that no book keeps.
/// @param scales Of how much shocks of volatility are scaled, two words each: for which terms, and the scale, wad.
/// @param scalesEnd Beyond the last scale.
struct Plan {
    uint256 entries;
    uint256 count;
    uint256 ends;
    uint256 upEntry;
    uint256 nodes;
    uint256 own;
    uint256 scales;
    uint256 scalesEnd;
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
    int256 internal constant LOWEST_FACTOR = 250000000000000000;
    uint256 internal constant TENOR_UNIT = 30 days * 1e18;
    uint256 internal constant MOST_SCALES = 8;
    uint256 internal constant SLOPE_MASK = 0xfffffffffff00000000;
    uint256 internal constant LEVEL_MASK = 0xffffffffffff0000000000000000;
    /// @dev Of `NormalDistribution`, as numbers.
    int256 internal constant TABLE_TOP = 0x46000000000;
    int256 internal constant TABLE_MIDDLE = 0x23000000000;
    int256 internal constant LANE = 0x100000000;
    int256 internal constant INNER_TOP = 0x45f00000000;
    int256 internal constant POSITIONS_A_UNIT = 0x6000000000;
    /// @dev Of `Black76` and `Svi`, likewise.
    uint256 internal constant INVERSE_UNIT = 0x6000000000000000000000000000000000;
    uint256 internal constant LOWEST_VOLATILITY = 50000000000000000;
    uint256 internal constant HIGHEST_VOLATILITY = 5000000000000000000;
    /// @dev Where a `Strike` has its size.
    uint256 internal constant STRIKE_SIZE_AT = 128;

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
            for (uint256 at = exposure.firstExpiry; at != 0; at = expiry.next) {
                assembly ("memory-safe") {
                    expiry := at
                }
                addStrikes(plan, book, record, expiry, gathered.lanes, expiry.firstStrike, expiry.baseValue);
                expiry.vega = int256(wordAt(plan.nodes + NODE_SIZE * plan.upEntry + 64));
                collect(plan, values);
            }
            uint256 stable = book.priceShocks * book.volatilityShocks;
            Scenarios.setAt(values, stable, Scenarios.at(values, stable) + exposure.optionStableChange);
        }
    }

    /// @notice What a call of `size` is worth more at each node, and at the highest volatility. Exact.
    /// @param plan Of all nodes.
    /// @param strike One that no other follows.
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
        uint256 place;
        assembly ("memory-safe") {
            place := strike
        }
        unchecked {
            addStrikes(plan, book, record, expiry, lanes, place, size * int256(strike.price));
            uint256 stable = book.priceShocks * book.volatilityShocks;
            changes = new int256[](stable + 1);
            for (uint256 i; i < plan.count; ++i) {
                changes[uint8(wordAt(plan.entries + 32 * i))] = int256(wordAt(plan.nodes + NODE_SIZE * i + 64));
            }
            changes[stable] = size * strike.stableChange;
            vega = int256(wordAt(plan.nodes + NODE_SIZE * plan.upEntry + 64));
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
        unchecked {
            if (plan.nodes == 0) plan.nodes = allocate(NODE_SIZE * book.priceShocks * book.volatilityShocks);
            uint256 logarithms = book.derivedOf(record);
            uint256 list = logarithms + book.listOffset();
            if (allNodes || multiplier != Scenarios.UNSCALED) {
                if (plan.own == 0) plan.own = allocate(book.listSize());
                if (allNodes) book.listNodes(record, type(uint256).max, logarithms, plan.own);
                else copy(list, plan.own, book.listSize());
                list = plan.own;
            }
            plan.upEntry = byteAt(list);
            plan.ends = list + 1;
            plan.count = byteAt(list + book.volatilityShocks);
            plan.entries = book.entriesOf(list);
            if (multiplier != Scenarios.UNSCALED) scaleEntries(plan, multiplier);
        }
    }

    function scaleEntries(Plan memory plan, uint256 multiplier) private pure {
        unchecked {
            uint256 end = plan.entries + 32 * plan.count;
            for (uint256 place = plan.entries; place < end; place += 32) {
                uint256 entry = wordAt(place);
                int256 shock = int256(entry) >> 160;
                if (shock == 0) continue;
                shock = Scenarios.scaledShock(shock, multiplier);
                setWord(place, RiskBook.entryOf(shock, FixedPointMathLib.lnWad(1e18 + shock), uint8(entry)));
            }
        }
    }

    // Prices ----------------------------------------------------------------------------------------------------

    /// @dev Writes to each node of an expiry its forward and what options are worth more there.
    /// @param strike Memory address of the first; the rest are linked to it.
    /// @param base What they are worth now, exact.
    function addStrikes(
        Plan memory plan,
        Book memory book,
        Record record,
        Expiry memory expiry,
        NormalLanes lanes,
        uint256 strike,
        int256 base
    ) private pure {
        setForwards(plan, expiry.openPart, expiry.fixedPart, expiry.lnForward, base);
        if (expiry.tenor == 0) return addIntrinsics(plan, strike);
        uint256 factors = factorsOf(plan, book, record, expiry.tenor);
        addCalls(plan.nodes, strike, factors, book.volatilityShocks, expiry.rootOfTime, lanes);
    }

    /// @dev The first two words of each node, as `DatedExpiries.forwardAt` has them, and −base in the third. Without a
    ///      fixed part, logarithms of forward and of the move add up.
    function setForwards(
        Plan memory plan,
        uint256 openPart,
        uint256 fixedPart,
        int256 lnForward,
        int256 base
    ) private pure {
        unchecked {
            uint256 entry = plan.entries;
            uint256 node = plan.nodes;
            uint256 end = node + NODE_SIZE * plan.count;
            if (fixedPart == 0) {
                assembly ("memory-safe") {
                    base := sub(0, base)
                    for {} lt(node, end) { node := add(node, 96) } {
                        let move := mload(entry)
                        let forward := mul(openPart, add(sar(160, move), 1000000000000000000))
                        forward := div(forward, 1000000000000000000)
                        mstore(node, add(lnForward, sar(160, shl(96, move))))
                        mstore(add(node, 32), add(forward, iszero(forward)))
                        mstore(add(node, 64), base)
                        entry := add(entry, 32)
                    }
                }
                return;
            }
            for (; node < end; node += NODE_SIZE) {
                uint256 forward = fixedPart + openPart * uint256(1e18 + (int256(wordAt(entry)) >> 160)) / 1e18;
                setWord(node, uint256(Black76.lnOf(forward)));
                setWord(node + 32, forward);
                setWord(node + 64, uint256(-base));
                entry += 32;
            }
        }
    }

    /// @dev Two words a volatility shock s: max(1/4, ⌊1 + s · (30 d / max(T, shortest))^p⌋), wad, and where its nodes end.
    function factorsOf(
        Plan memory plan,
        Book memory book,
        Record record,
        uint256 tenor
    ) private pure returns (uint256 factors) {
        unchecked {
            uint256 volatilities = book.volatilityShocks;
            factors = allocate(64 * volatilities);
            int256 scale = scaleOf(plan, tenor, record.shortestTenorOf(), record.volatilityTenorPowerOf());
            uint256 shocks = record.shocks() + 8 * book.priceShocks;
            (uint256 nodes, uint256 ends) = (plan.nodes, plan.ends);
            assembly ("memory-safe") {
                let place := factors
                for { let last := add(ends, volatilities) } lt(ends, last) { ends := add(ends, 1) } {
                    let change := mul(sar(192, mload(shocks)), scale)
                    let rest := slt(smod(change, 1000000000000000000), 0)
                    let factor := add(sub(sdiv(change, 1000000000000000000), rest), 1000000000000000000)
                    if slt(factor, LOWEST_FACTOR) { factor := LOWEST_FACTOR }
                    mstore(place, factor)
                    mstore(add(place, 32), add(nodes, mul(NODE_SIZE, byte(0, mload(ends)))))
                    place := add(place, 64)
                    shocks := add(shocks, 8)
                }
            }
        }
    }

    /// @dev (30 d / max(T, shortest))^p, wad, found once for all expiries of equal terms: underlyings have dates in common.
    function scaleOf(
        Plan memory plan,
        uint256 tenor,
        uint256 shortest,
        uint256 power
    ) private pure returns (int256 scale) {
        unchecked {
            uint256 terms = (tenor << 64) | (shortest << 32) | power;
            (uint256 place, uint256 end) = (plan.scales, plan.scalesEnd);
            for (; place != end; place += 64) {
                if (wordAt(place) == terms) return int256(wordAt(place + 32));
            }
            uint256 ratio = TENOR_UNIT / FixedPointMathLib.max(tenor, shortest);
            int256 exponent = FixedPointMathLib.lnWad(int256(ratio)) * int256(power);
            scale = FixedPointMathLib.expWad(exponent.divDown(1e9));
            if (end == 0) plan.scales = end = allocate(64 * MOST_SCALES);
            else if (end == plan.scales + 64 * MOST_SCALES) return scale;
            setWord(end, terms);
            setWord(end + 32, uint256(scale));
            plan.scalesEnd = end + 64;
        }
    }

    function addIntrinsics(Plan memory plan, uint256 strike) private pure {
        unchecked {
            for (; strike != 0; strike = wordAt(strike)) {
                int256 size = int256(wordAt(strike + STRIKE_SIZE_AT));
                for (uint256 i; i < plan.count; ++i) {
                    uint256 node = plan.nodes + NODE_SIZE * i;
                    uint256 intrinsic = FixedPointMathLib.zeroFloorSub(wordAt(node + 32), wordAt(strike + 32));
                    setWord(node + 64, wordAt(node + 64) + uint256(size * int256(intrinsic)));
                }
            }
        }
    }

    /// @dev Adds size · (F·Φ(d₁) − K·Φ(d₂)) to the nodes, strike by strike. `Black76.callDown` with what does not depend
    ///      on the node taken out of the loop; positions are shifted so that their top bits are a lane's address / 16.
    function addCalls(
        uint256 nodes,
        uint256 strike,
        uint256 factors,
        uint256 volatilities,
        uint256 rootOfTime,
        NormalLanes lanes
    ) private pure {
        assembly ("memory-safe") {
            function chanceAt(position, lowest, span) -> chance {
                chance := shl(112, sgt(position, lowest))
                if lt(sub(position, lowest), span) {
                    let lane := mload(shl(4, sar(32, position))) // of unsigned shifts solc makes a mask
                    let t := and(position, 0xffffffff)
                    chance := mul(add(mul(sar(220, lane), t), and(shr(144, lane), SLOPE_MASK)), t)
                    chance := add(chance, and(shr(64, lane), mload(0)))
                }
            }
            mstore(0, LEVEL_MASK) // fetched from there for less than it is made for
            let low := shl(28, lanes)
            let last := add(factors, shl(6, volatilities))
            for {} strike { strike := mload(strike) } {
                let size := mload(add(strike, STRIKE_SIZE_AT))
                if iszero(size) { continue }
                let price_ := mload(add(strike, 32))
                let node := nodes
                for { let factor := factors } lt(factor, last) { factor := add(factor, 64) } {
                    let end := mload(add(factor, 32))
                    if eq(node, end) { continue }
                    let deviation := div(mul(mload(add(strike, 96)), mload(factor)), 1000000000000000000)
                    if lt(deviation, LOWEST_VOLATILITY) { deviation := LOWEST_VOLATILITY }
                    if gt(deviation, HIGHEST_VOLATILITY) { deviation := HIGHEST_VOLATILITY }
                    deviation := div(mul(deviation, rootOfTime), 1000000000000000000)
                    let inverse := div(INVERSE_UNIT, deviation)
                    let width := div(mul(deviation, POSITIONS_A_UNIT), 1000000000000000000)
                    let start := shl(96, add(add(low, TABLE_MIDDLE), sub(shr(1, width), width)))
                    start := sub(start, mul(mload(add(strike, 64)), inverse))
                    let lowest := sar(96, add(mul(mload(node), inverse), start))
                    let highest := add(sar(96, add(mul(mload(sub(end, 96)), inverse), start)), width)
                    if and(sgt(lowest, add(low, LANE)), slt(highest, add(low, INNER_TOP))) {
                        for {} lt(node, end) { node := add(node, 96) } {
                            let position := sar(96, add(mul(mload(node), inverse), start))
                            let lane := mload(shl(4, sar(32, position)))
                            let t := and(position, 0xffffffff)
                            let value := mul(add(mul(sar(220, lane), t), and(shr(144, lane), SLOPE_MASK)), t)
                            value := mul(add(value, and(shr(64, lane), mload(0))), price_)
                            position := add(position, width)
                            lane := mload(shl(4, sar(32, position)))
                            t := and(position, 0xffffffff)
                            let chance := mul(add(mul(sar(220, lane), t), and(shr(144, lane), SLOPE_MASK)), t)
                            chance := mul(add(chance, and(shr(64, lane), mload(0))), mload(add(node, 32)))
                            let sum := add(node, 64)
                            mstore(sum, add(mload(sum), mul(size, sar(112, sub(chance, value)))))
                        }
                    }
                    for {} lt(node, end) { node := add(node, 96) } {
                        let position := sar(96, add(mul(mload(node), inverse), start))
                        let chance := chanceAt(add(position, width), low, TABLE_TOP)
                        let value := mul(price_, chanceAt(position, low, TABLE_TOP))
                        value := sar(112, sub(mul(mload(add(node, 32)), chance), value))
                        let sum := add(node, 64)
                        mstore(sum, add(mload(sum), mul(size, value)))
                    }
                }
            }
        }
    }

    /// @dev Into the underlying's values, one rounding an expiry and node.
    function collect(Plan memory plan, NodeValues values) private pure {
        unchecked {
            uint256 entry = plan.entries;
            uint256 sum = plan.nodes + 64;
            uint256 end = sum + NODE_SIZE * plan.count;
            assembly ("memory-safe") {
                for {} lt(sum, end) { sum := add(sum, 96) } {
                    let change := mload(sum)
                    let node := add(values, shl(5, and(mload(entry), 0xff)))
                    let rest := slt(smod(change, 1000000000000000000), 0)
                    mstore(node, add(mload(node), sub(sdiv(change, 1000000000000000000), rest)))
                    entry := add(entry, 32)
                }
            }
        }
    }

    // Memory ----------------------------------------------------------------------------------------------------

    function copy(uint256 from, uint256 to, uint256 size) private pure {
        assembly ("memory-safe") {
            mcopy(to, from, size)
        }
    }

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
