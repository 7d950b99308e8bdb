// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {positivePart} from "../math/FixedPoint.sol";
import {Exposure, Exposures} from "./Exposure.sol";
import {Book, Record, RiskBook} from "./RiskBook.sol";
import {Rounding} from "./Rounding.sol";
import {RowLoss, rowLossOf} from "./RowLoss.sol";
import {NEUTRAL_MULTIPLIER} from "./ShockMultiplier.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

/// @notice The part of the scenario rows that makes the scan.
/// @param scan Wad.
/// @param isStress Whether one stress row made it rather than the mean of the worst historical ones.
/// @param rows Those rows, worst first, ties to the lower row; empty where `scan` is 0.
struct Tail {
    uint256 scan;
    bool isStress;
    RowLoss[] rows;
}

/// @notice Memory address of one underlying's values by node, a word each.
type NodeValues is uint256;

/// @notice Losses by row while underlyings are added, which happens two at a time.
/// @param losses L: Σ over underlyings of −A_u at each row's node, wad. Entries beyond the book's rows mean nothing.
/// @param first Node values of the underlying that waits for its pair.
/// @param second Node values of its pair. Both are written again for the next two.
/// @param waiting Column of the underlying that waits, 0 if none does.
struct Rows {
    int256[] losses;
    NodeValues first;
    NodeValues second;
    uint256 waiting;
}

/// @notice Values at nodes, losses by row, expected shortfall.
library Scenarios {
    using RiskBook for Book;
    using RiskBook for Record;
    using Rounding for int256;
    using Rounding for uint256;

    int256 internal constant LOWEST_SHOCK = -0.99e18;
    uint256 internal constant UNSCALED = NEUTRAL_MULTIPLIER;

    // Nodes -----------------------------------------------------------------------------------------------------

    /// @dev Not zeroed: `fillDown` writes every entry. Three spare words follow, for `fillShocksDown`.
    function newNodeValues(Book memory book) internal pure returns (NodeValues values) {
        unchecked {
            uint256 count = book.priceShocks * book.volatilityShocks + 1;
            assembly ("memory-safe") {
                values := mload(0x40)
                mstore(0x40, add(values, shl(5, add(count, 3))))
            }
        }
    }

    /// @notice The same values, in memory of their own.
    function copyOf(Book memory book, NodeValues values) internal pure returns (NodeValues copy) {
        copy = newNodeValues(book);
        unchecked {
            uint256 size = (book.priceShocks * book.volatilityShocks + 1) << 5;
            assembly ("memory-safe") {
                mcopy(copy, values, size)
            }
        }
    }

    /// @notice Writes A_u: what linear legs of one underlying worth `linearValue` are worth at each node less what they are
    ///         worth now, wad, each rounded down once; the same at every volatility. Of a value of one: the shocks.
    function fillDown(
        NodeValues values,
        Book memory book,
        Record record,
        Exposure memory exposure,
        int256 linearValue
    ) internal pure {
        unchecked {
            (uint256 prices, uint256 volatilities) = (book.priceShocks, book.volatilityShocks);
            fillShocksDown(values, record.shocks(), prices, volatilities, linearValue, exposure.multiplier);
            setAt(values, prices * volatilities, Exposures.changeDown(linearValue, exposure.stableShock));
        }
    }

    /// @dev For each price shock, ⌊linearValue · max(⌊shock · multiplier⌋, −0.99)⌋ to as many entries as there are
    ///      volatility shocks, and to up to two beyond the last. No price reaches zero.
    /// @param shocks Memory address of the price shocks, eight bytes each.
    function fillShocksDown(
        NodeValues values,
        uint256 shocks,
        uint256 prices,
        uint256 volatilities,
        int256 linearValue,
        uint256 multiplier
    ) private pure {
        assembly ("memory-safe") {
            function put(values_, product) {
                let value := sub(sdiv(product, 1000000000000000000), slt(smod(product, 1000000000000000000), 0))
                mstore(values_, value)
                mstore(add(values_, 32), value)
                mstore(add(values_, 64), value)
            }
            let stride := shl(5, volatilities)
            let end := add(shocks, shl(3, prices))
            // A book's own shocks are above the lowest: without a multiplier there is nothing to do to them.
            switch or(sub(multiplier, UNSCALED), gt(volatilities, 3))
            case 0 {
                for {} lt(shocks, end) { shocks := add(shocks, 8) } {
                    put(values, mul(linearValue, sar(192, mload(shocks))))
                    values := add(values, stride)
                }
            }
            default {
                for {} lt(shocks, end) { shocks := add(shocks, 8) } {
                    let product := mul(sar(192, mload(shocks)), multiplier)
                    let shock := sub(sdiv(product, 1000000000), slt(smod(product, 1000000000), 0))
                    if slt(shock, LOWEST_SHOCK) { shock := LOWEST_SHOCK }
                    put(values, mul(linearValue, shock))
                    let next := add(values, stride)
                    for { let rest := add(values, 96) } lt(rest, next) { rest := add(rest, 32) } {
                        mstore(rest, mload(values))
                    }
                    values := next
                }
            }
        }
    }

    /// @notice The price shock that a multiplier makes of one, wad, rounded down; no price reaches zero.
    function scaledShock(int256 shock, uint256 multiplier) internal pure returns (int256) {
        unchecked {
            if (multiplier == UNSCALED) return shock;
            return FixedPointMathLib.max((shock * int256(multiplier)).divDown(1e9), LOWEST_SHOCK);
        }
    }

    /// @notice max over all nodes.
    function maxOf(Book memory book, NodeValues values) internal pure returns (int256 highest) {
        uint256 count = book.priceShocks * book.volatilityShocks + 1;
        highest = at(values, 0);
        for (uint256 i = 1; i < count; ++i) {
            highest = FixedPointMathLib.max(highest, at(values, i));
        }
    }

    // Rows ------------------------------------------------------------------------------------------------------

    function newRows(Book memory book) internal pure returns (Rows memory rows) {
        unchecked {
            rows.losses = new int256[]((book.rows + 7) & ~uint256(7));
        }
        rows.first = newNodeValues(book);
        rows.second = newNodeValues(book);
    }

    /// @notice Where the next underlying's node values are to be written.
    function nextValues(Rows memory rows) internal pure returns (NodeValues) {
        return rows.waiting == 0 ? rows.first : rows.second;
    }

    /// @notice Takes the values written to `nextValues` off each row's loss, at once or with the next underlying's.
    /// @param column Memory address of the underlying's nodes by row, a byte each, padded to 32.
    function push(Rows memory rows, uint256 column) internal pure {
        if (rows.waiting == 0) {
            rows.waiting = column;
        } else {
            subtractPair(rows.losses, rows.waiting, rows.first, column, rows.second);
            rows.waiting = 0;
        }
    }

    /// @notice The losses once every underlying is in.
    function finish(Rows memory rows) internal pure returns (int256[] memory losses) {
        losses = rows.losses;
        if (rows.waiting != 0) subtract(losses, rows.waiting, rows.first);
    }

    /// @dev Takes an underlying's node values off each row's loss, eight rows a turn.
    function subtract(int256[] memory losses, uint256 column, NodeValues values) private pure {
        assembly ("memory-safe") {
            // The loss `i` words on, less the value at the node in byte `i`.
            function take(i, row, nodes, table) {
                let position := add(row, shl(5, i))
                mstore(position, sub(mload(position), mload(add(table, shl(5, byte(i, nodes))))))
            }
            let row := add(losses, 32)
            for { let end := add(row, shl(5, mload(losses))) } lt(row, end) { row := add(row, 256) } {
                let nodes := mload(column)
                take(0, row, nodes, values)
                take(1, row, nodes, values)
                take(2, row, nodes, values)
                take(3, row, nodes, values)
                take(4, row, nodes, values)
                take(5, row, nodes, values)
                take(6, row, nodes, values)
                take(7, row, nodes, values)
                column := add(column, 8)
            }
        }
    }

    /// @dev The same for two underlyings at once: each loss is read and written once.
    function subtractPair(
        int256[] memory losses,
        uint256 columnA,
        NodeValues valuesA,
        uint256 columnB,
        NodeValues valuesB
    ) private pure {
        assembly ("memory-safe") {
            function take(i, row, nodesA, tableA, nodesB, tableB) {
                let position := add(row, shl(5, i))
                let both :=
                    add(mload(add(tableA, shl(5, byte(i, nodesA)))), mload(add(tableB, shl(5, byte(i, nodesB)))))
                mstore(position, sub(mload(position), both))
            }
            let row := add(losses, 32)
            for { let end := add(row, shl(5, mload(losses))) } lt(row, end) { row := add(row, 256) } {
                let nodesA := mload(columnA)
                let nodesB := mload(columnB)
                take(0, row, nodesA, valuesA, nodesB, valuesB)
                take(1, row, nodesA, valuesA, nodesB, valuesB)
                take(2, row, nodesA, valuesA, nodesB, valuesB)
                take(3, row, nodesA, valuesA, nodesB, valuesB)
                take(4, row, nodesA, valuesA, nodesB, valuesB)
                take(5, row, nodesA, valuesA, nodesB, valuesB)
                take(6, row, nodesA, valuesA, nodesB, valuesB)
                take(7, row, nodesA, valuesA, nodesB, valuesB)
                columnA := add(columnA, 8)
                columnB := add(columnB, 8)
            }
        }
    }

    // Tail ------------------------------------------------------------------------------------------------------

    /// @notice scan = max(0, ⌈mean of the k largest historical losses⌉, largest ⌈weight · loss⌉ of the stress rows).
    /// @dev Between equals: historical before stress, the lower row before the higher.
    function findTail(Book memory book, int256[] memory losses, Tail memory tail) internal pure {
        RowLoss[] memory worst = worstHistorical(book, losses);
        uint256 shortfall = meanUp(worst);
        (RowLoss stressRow, uint256 stress) = worstStress(book, losses);
        if (stress == 0 && shortfall == 0) return;
        tail.isStress = stress > shortfall;
        tail.scan = tail.isStress ? stress : shortfall;
        tail.rows = tail.isStress ? listOf(stressRow) : worst;
    }

    function worstHistorical(Book memory book, int256[] memory losses) private pure returns (RowLoss[] memory worst) {
        worst = new RowLoss[](book.tailRows);
        selectLargest(losses, book.rowsHistorical, worst);
    }

    function worstStress(
        Book memory book,
        int256[] memory losses
    ) private pure returns (RowLoss stressRow, uint256 stress) {
        unchecked {
            uint256 rows = book.rows;
            int256 highest;
            uint256 row = nextAbove(losses, book.rowsHistorical, rows, 0);
            while (row < rows) {
                int256 loss = at(losses, row);
                int256 weighted = loss * int256(book.weightOf(row));
                if (weighted > highest) (highest, stressRow) = (weighted, rowLossOf(loss, row));
                // A weight is at most one. With `highest` from 0 up, this leaves gains out as well.
                row = nextAbove(losses, row + 1, rows, highest / 1e9);
            }
            stress = uint256(highest).divUp(1e9);
        }
    }

    /// @dev The first row from `row` on whose loss exceeds `bar`; `rows` where there is none.
    function nextAbove(int256[] memory losses, uint256 row, uint256 rows, int256 bar) private pure returns (uint256) {
        assembly ("memory-safe") {
            let start := add(losses, 32)
            let position := add(start, shl(5, row))
            let end := add(start, shl(5, rows))
            for {} lt(position, end) { position := add(position, 32) } { if sgt(mload(position), bar) { break } }
            row := shr(5, sub(position, start))
        }
        return row;
    }

    /// @dev Fills `worst` with the largest of the first `count` losses, in falling order, in one pass: whatever exceeds
    ///      the last of the list is put in its place. A row that only equals it comes later and stays out.
    function selectLargest(int256[] memory losses, uint256 count, RowLoss[] memory worst) private pure {
        assembly ("memory-safe") {
            // Puts the loss at `position` in its place of the list, moving smaller items down and the last one out.
            function insert(position, start, first, last) -> threshold {
                let item := or(shl(8, mload(position)), sub(255, shr(5, sub(position, start)))) // a `RowLoss`
                let place := last
                for {} gt(place, first) {} {
                    let above := mload(sub(place, 32))
                    if sgt(above, item) { break }
                    mstore(place, above)
                    place := sub(place, 32)
                }
                mstore(place, item)
                threshold := sar(8, mload(last))
            }
            let first := add(worst, 32)
            let last := add(worst, shl(5, mload(worst)))
            let threshold := shl(255, 1)
            for { let place := first } iszero(gt(place, last)) { place := add(place, 32) } { mstore(place, threshold) }
            let start := add(losses, 32)
            let position := start
            let end := add(start, shl(5, count))
            for { let fours := sub(end, 96) } lt(position, fours) { position := add(position, 128) } {
                if sgt(mload(position), threshold) { threshold := insert(position, start, first, last) }
                let second := add(position, 32)
                if sgt(mload(second), threshold) { threshold := insert(second, start, first, last) }
                let third := add(position, 64)
                if sgt(mload(third), threshold) { threshold := insert(third, start, first, last) }
                let fourth := add(position, 96)
                if sgt(mload(fourth), threshold) { threshold := insert(fourth, start, first, last) }
            }
            for {} lt(position, end) { position := add(position, 32) } {
                if sgt(mload(position), threshold) { threshold := insert(position, start, first, last) }
            }
        }
    }

    /// @dev max(0, ⌈mean⌉).
    function meanUp(RowLoss[] memory worst) private pure returns (uint256) {
        unchecked {
            uint256 count = worst.length;
            int256 total;
            for (uint256 i; i < count; ++i) {
                total += at(worst, i).lossOf(); // 64 · 2^194 at most
            }
            return positivePart(total).divUp(count);
        }
    }

    function listOf(RowLoss item) private pure returns (RowLoss[] memory list) {
        list = new RowLoss[](1);
        list[0] = item;
    }

    // Memory: indices come from a validated book ------------------------------------------------------------------

    function at(int256[] memory list, uint256 i) private pure returns (int256 item) {
        assembly ("memory-safe") {
            item := mload(add(add(list, 32), shl(5, i)))
        }
    }

    function at(RowLoss[] memory list, uint256 i) private pure returns (RowLoss item) {
        assembly ("memory-safe") {
            item := mload(add(add(list, 32), shl(5, i)))
        }
    }

    function at(NodeValues values, uint256 i) internal pure returns (int256 item) {
        assembly ("memory-safe") {
            item := mload(add(values, shl(5, i)))
        }
    }

    function setAt(NodeValues values, uint256 i, int256 item) internal pure {
        assembly ("memory-safe") {
            mstore(add(values, shl(5, i)), item)
        }
    }
}
