// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Exposure, Exposures} from "./Exposure.sol";
import {Book, Record, RiskBook} from "./RiskBook.sol";
import {Rounding} from "./Rounding.sol";
import {RowLoss, rowLossOf} from "./RowLoss.sol";

/// @notice The part of the scenario rows that makes the scan.
/// @param scan Wad.
/// @param isStress Whether one stress row made it rather than the mean of the worst historical ones.
/// @param rows Those rows, worst first, ties to the lower row; empty where `scan` is 0.
struct Tail {
    uint256 scan;
    bool isStress;
    RowLoss[] rows;
}

/// @notice Values at nodes, losses by row, expected shortfall.
library Scenarios {
    using RiskBook for Book;
    using RiskBook for Record;
    using Rounding for int256;
    using Rounding for uint256;

    int256 internal constant LOWEST_SHOCK = -0.99e18;

    // Nodes -----------------------------------------------------------------------------------------------------

    /// @notice A_u: what everything in one underlying is worth at each node less what it is worth now, wad, each
    ///         rounded down once. Linear legs are the same at every volatility.
    function nodeValuesDown(
        Book memory book,
        Record record,
        Exposure memory exposure
    ) internal pure returns (int256[] memory values) {
        unchecked {
            uint256 volatilityShocks = book.volatilityShocks;
            uint256 priceNodes = book.priceShocks * volatilityShocks;
            values = allocate(priceNodes + 1);
            int256 linearValue = exposure.linearValue;
            for (uint256 node; node < priceNodes;) {
                int256 shock = scaledShock(record.priceShockOf(node / volatilityShocks), exposure.multiplier);
                int256 value = Exposures.changeDown(linearValue, shock);
                for (uint256 end = node + volatilityShocks; node < end; ++node) {
                    setAt(values, node, value);
                }
            }
            setAt(values, priceNodes, Exposures.changeDown(linearValue, exposure.stableShock));
        }
    }

    /// @notice The price shock of a node, multiplier and stable price included, wad.
    function shockAt(
        Book memory book,
        Record record,
        Exposure memory exposure,
        uint256 node
    ) internal pure returns (int256) {
        if (node == book.priceShocks * book.volatilityShocks) return exposure.stableShock;
        return scaledShock(record.priceShockOf(node / book.volatilityShocks), exposure.multiplier);
    }

    function maxOf(int256[] memory values) internal pure returns (int256 highest) {
        highest = values[0];
        for (uint256 i = 1; i < values.length; ++i) {
            if (values[i] > highest) highest = values[i];
        }
    }

    /// @dev max(⌊shock · multiplier⌋, −0.99): no price reaches zero.
    function scaledShock(int256 shock, uint256 multiplier) private pure returns (int256) {
        unchecked {
            int256 scaled = (shock * int256(multiplier)).divDown(1e9);
            return scaled > LOWEST_SHOCK ? scaled : LOWEST_SHOCK;
        }
    }

    // Rows ------------------------------------------------------------------------------------------------------

    /// @notice Losses by row, all 0; padded to a multiple of 8 for `accumulate`.
    function noLosses(Book memory book) internal pure returns (int256[] memory) {
        unchecked {
            return new int256[]((book.rows + 7) & ~uint256(7));
        }
    }

    /// @notice Takes an underlying's node values off each row's loss.
    /// @param column Memory address of the underlying's nodes by row, a byte each, padded to 32.
    function accumulate(int256[] memory losses, uint256 column, int256[] memory values) internal pure {
        assembly ("memory-safe") {
            // Losses less the value at byte `i`'s node, at the loss `i` words on.
            function take(word, i, row, table) {
                let position := add(row, shl(5, i))
                mstore(position, sub(mload(position), mload(add(table, shl(5, byte(i, word))))))
            }
            let table := add(values, 32)
            let row := add(losses, 32)
            let end := add(row, shl(5, mload(losses)))
            for {} lt(row, end) { column := add(column, 8) } {
                let word := mload(column)
                take(word, 0, row, table)
                take(word, 1, row, table)
                take(word, 2, row, table)
                take(word, 3, row, table)
                take(word, 4, row, table)
                take(word, 5, row, table)
                take(word, 6, row, table)
                take(word, 7, row, table)
                row := add(row, 256)
            }
        }
    }

    // Tail ------------------------------------------------------------------------------------------------------

    /// @notice scan = max(0, ⌈mean of the k largest historical losses⌉, largest ⌈weight · loss⌉ of the stress rows).
    /// @dev Between equals: historical before stress, the lower row before the higher.
    function tailOf(Book memory book, int256[] memory losses) internal pure returns (Tail memory tail) {
        RowLoss[] memory worst = worstHistorical(book, losses);
        uint256 shortfall = meanUp(worst);
        (RowLoss stressRow, uint256 stress) = worstStress(book, losses);
        if (stress > shortfall) {
            worst = new RowLoss[](1);
            worst[0] = stressRow;
            return Tail(stress, true, worst);
        }
        if (shortfall == 0) return tail;
        return Tail(shortfall, false, worst);
    }

    function worstHistorical(Book memory book, int256[] memory losses) private pure returns (RowLoss[] memory worst) {
        unchecked {
            (uint256 rows, uint256 k) = (book.rowsHistorical, book.tailRows);
            worst = lowestRowLosses(k);
            int256 threshold = type(int256).min;
            for (uint256 row; row < rows; ++row) {
                int256 loss = at(losses, row);
                if (loss > threshold) threshold = insert(worst, k, rowLossOf(loss, row)).lossOf();
            }
        }
    }

    function worstStress(
        Book memory book,
        int256[] memory losses
    ) private pure returns (RowLoss stressRow, uint256 stress) {
        unchecked {
            (uint256 row, uint256 end) = (book.rowsHistorical, book.rows);
            int256 highest;
            for (; row < end; ++row) {
                int256 loss = at(losses, row);
                if (loss <= 0) continue;
                int256 weighted = loss * int256(book.weightOf(row));
                if (weighted <= highest) continue;
                highest = weighted;
                stressRow = rowLossOf(loss, row);
            }
            stress = uint256(highest).divUp(1e9);
        }
    }

    /// @dev max(0, ⌈mean⌉).
    function meanUp(RowLoss[] memory worst) private pure returns (uint256) {
        int256 total;
        for (uint256 i; i < worst.length; ++i) {
            total += worst[i].lossOf();
        }
        return total.positivePart().divUp(worst.length);
    }

    function lowestRowLosses(uint256 count) private pure returns (RowLoss[] memory worst) {
        worst = new RowLoss[](count);
        for (uint256 i; i < count; ++i) {
            worst[i] = RowLoss.wrap(type(int256).min);
        }
    }

    /// @dev Puts `item` in its place of a list in falling order, drops the last, and returns the new last.
    function insert(RowLoss[] memory list, uint256 count, RowLoss item) private pure returns (RowLoss last) {
        assembly ("memory-safe") {
            let first := add(list, 32)
            let place := add(list, shl(5, count))
            for {} gt(place, first) {} {
                let before := mload(sub(place, 32))
                if iszero(slt(before, item)) { break }
                mstore(place, before)
                place := sub(place, 32)
            }
            mstore(place, item)
            last := mload(add(list, shl(5, count)))
        }
    }

    // Memory: indices come from a validated book ------------------------------------------------------------------

    function at(int256[] memory list, uint256 i) private pure returns (int256 item) {
        assembly ("memory-safe") {
            item := mload(add(add(list, 32), shl(5, i)))
        }
    }

    function setAt(int256[] memory list, uint256 i, int256 item) private pure {
        assembly ("memory-safe") {
            mstore(add(add(list, 32), shl(5, i)), item)
        }
    }

    /// @dev Not zeroed: the caller writes every entry.
    function allocate(uint256 count) private pure returns (int256[] memory list) {
        assembly ("memory-safe") {
            list := mload(0x40)
            mstore(list, count)
            mstore(0x40, add(add(list, 32), shl(5, count)))
        }
    }
}
