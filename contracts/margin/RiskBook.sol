// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

/// @notice A decoded view of a risk book in memory; docs/architecture.md, "Risk book blob", draws the bytes.
/// @param rowsHistorical Rows of the expected shortfall; the rest are stress rows.
/// @param rows All rows.
/// @param tailRows k, how many of the worst historical rows make the shortfall.
/// @param priceShocks P.
/// @param volatilityShocks V.
/// @param underlyings Number of underlying records.
/// @param assets Number of haircuts.
/// @param initialFactor Initial margin's multiple of the scan, 1e9 is one.
/// @param liquidationEndFactor Liquidation end's multiple of the scan, 1e9 is one.
/// @param settlementTokenFloor USD price below which the settlement token is charged for, 1e9 is one.
/// @param fixedCharge Charge of an account with any position, wad.
/// @param weights Memory address of the stress rows' weights.
/// @param haircuts Memory address of the haircuts.
/// @param records Memory address of the first underlying record.
/// @param recordSize Bytes from one record to the next.
/// @param derived Memory address of what `RiskBook.extended` appends.
struct Book {
    uint256 rowsHistorical;
    uint256 rows;
    uint256 tailRows;
    uint256 priceShocks;
    uint256 volatilityShocks;
    uint256 underlyings;
    uint256 assets;
    uint256 initialFactor;
    uint256 liquidationEndFactor;
    uint256 settlementTokenFloor;
    uint256 fixedCharge;
    uint256 weights;
    uint256 haircuts;
    uint256 records;
    uint256 recordSize;
    uint256 derived;
}

/// @notice Memory address of one underlying's record.
type Record is uint256;

/// @notice Reads risk books that were validated when they were set.
/// @dev Every address comes from a validated blob, so reads carry no bounds checks.
library RiskBook {
    uint256 internal constant HEADER_SIZE = 32;
    uint256 internal constant RECORD_HEADER_SIZE = 64;

    /// @notice Opens a blob that is kept in memory for as long as the book is used.
    function open(bytes memory blob) internal pure returns (Book memory book) {
        uint256 start = addressOf(blob);
        uint256 header = wordAt(start);
        unchecked {
            book.rowsHistorical = uint8(header >> 240);
            book.rows = uint8(header >> 232);
            book.tailRows = uint8(header >> 224);
            book.priceShocks = uint8(header >> 216);
            book.volatilityShocks = uint8(header >> 208);
            book.underlyings = uint8(header >> 200);
            book.assets = uint8(header >> 192);
            book.initialFactor = uint32(header >> 160);
            book.liquidationEndFactor = uint32(header >> 128);
            book.settlementTokenFloor = uint32(header >> 96);
            book.fixedCharge = uint256(uint64(header >> 32)) * 1e9;
            book.weights = start + HEADER_SIZE;
            book.haircuts = book.weights + padded(4 * (book.rows - book.rowsHistorical));
            book.records = book.haircuts + padded(4 * book.assets);
            book.recordSize =
                RECORD_HEADER_SIZE + padded(8 * (book.priceShocks + book.volatilityShocks)) + padded(book.rows);
            book.derived = book.records + book.underlyings * book.recordSize;
        }
    }

    // Derived: what follows from a record, so that it is computed once a book and not once a check --------------------
    //
    // Two bytes a record say where its part begins, counted from their own start; padded with zeros to 32, as is each part:
    //
    //     logarithms   of one plus each price shock, wad, eight bytes each
    //     places       a byte each: of the entry at which only volatility moves, to its highest; for each volatility, of
    //                  the entry beyond its last
    //     entries      one a node that is priced, by volatility, then by price:
    //
    //   255            160 159                  64 63    8 7        0
    //  +------------------+-----------------------+-------+----------+
    //  | price shock (96) | ln(1 + shock), wad(96)| zeros | node (8) |
    //  +------------------+-----------------------+-------+----------+

    /// @notice The blob with, for each record, its logarithms and the list of the nodes that its rows name.
    /// @param blob Of a valid book.
    function extended(bytes memory blob) internal pure returns (bytes memory) {
        Book memory book = open(blob);
        uint256 directory = padded(2 * book.underlyings);
        uint256 largest = listOffset(book) + listSize(book);
        bytes memory derived = new bytes(directory + book.underlyings * largest);
        (uint256 start, uint256 position) = (addressOf(derived), addressOf(derived) + directory);
        for (uint256 i; i < book.underlyings; ++i) {
            Record record = Record.wrap(book.records + i * book.recordSize);
            setByte(start + 2 * i, (position - start) >> 8);
            setByte(start + 2 * i + 1, position - start);
            uint256 used;
            for (uint256 row; row < book.rows; ++row) {
                used |= 1 << nodeOf(book, record, row);
            }
            for (uint256 p; p < book.priceShocks; ++p) {
                uint256 logarithm = uint256(FixedPointMathLib.lnWad(1e18 + priceShockOf(record, p)));
                uint256 place = position + 8 * p;
                // What follows the eight bytes stays as it is.
                setWord(place, (logarithm << 192) | (wordAt(place) & (type(uint256).max >> 64)));
            }
            position = listNodes(book, record, used, position, position + listOffset(book));
        }
        setWord(start - 32, position - start);
        return bytes.concat(blob, derived);
    }

    /// @notice Writes which nodes of an underlying are priced: those of `used`, and the one at which only volatility moves,
    ///         to its highest.
    /// @param used A bit a node.
    /// @param logarithms Memory address of the record's.
    /// @param list Memory address of `listSize` bytes, where places and entries go.
    /// @return end Address beyond the last entry.
    function listNodes(
        Book memory book,
        Record record,
        uint256 used,
        uint256 logarithms,
        uint256 list
    ) internal pure returns (uint256 end) {
        unchecked {
            (uint256 prices, uint256 volatilities) = (book.priceShocks, book.volatilityShocks);
            uint256 upNode = volatilities - 1;
            for (uint256 p; priceShockOf(record, p) != 0; ++p) {
                upNode += volatilities;
            }
            used |= 1 << upNode;
            uint256 entries = entriesOf(book, list);
            end = entries;
            for (uint256 v; v < volatilities; ++v) {
                for (uint256 node = v; node < prices * volatilities; node += volatilities) {
                    if ((used >> node) & 1 == 0) continue;
                    uint256 p = node / volatilities;
                    int256 logarithm = int256(wordAt(logarithms + 8 * p)) >> 192;
                    setWord(end, entryOf(priceShockOf(record, p), logarithm, node));
                    end += 32;
                }
                setByte(list + 1 + v, (end - entries) / 32);
            }
            uint256 up = entries;
            while (uint8(wordAt(up)) != upNode) up += 32;
            setByte(list, (up - entries) / 32);
        }
    }

    function entryOf(int256 shock, int256 logarithm, uint256 node) internal pure returns (uint256) {
        return (uint256(shock) << 160) | (uint256(uint96(uint256(logarithm))) << 64) | node;
    }

    /// @notice The blob of an extended one, in place.
    function shortened(bytes memory blob) internal pure returns (bytes memory) {
        uint256 size = open(blob).derived - addressOf(blob);
        assembly ("memory-safe") {
            mstore(blob, size)
        }
        return blob;
    }

    /// @notice From a record's logarithms to its places.
    function listOffset(Book memory book) internal pure returns (uint256) {
        unchecked {
            return padded(8 * book.priceShocks);
        }
    }

    /// @notice Of places and entries, where every node is priced.
    function listSize(Book memory book) internal pure returns (uint256) {
        unchecked {
            return entriesOf(book, 0) + 32 * book.priceShocks * book.volatilityShocks;
        }
    }

    /// @notice Memory address of a list's entries.
    function entriesOf(Book memory book, uint256 list) internal pure returns (uint256) {
        unchecked {
            return list + padded(1 + book.volatilityShocks);
        }
    }

    /// @notice Memory address of what follows from a record.
    function derivedOf(Book memory book, Record record) internal pure returns (uint256) {
        unchecked {
            uint256 place = (Record.unwrap(record) - book.records) / book.recordSize;
            return book.derived + (wordAt(book.derived + 2 * place) >> 240);
        }
    }

    // Book ------------------------------------------------------------------------------------------------------

    /// @dev 1e9 is one.
    function weightOf(Book memory book, uint256 row) internal pure returns (uint256) {
        unchecked {
            return uint32At(book.weights + 4 * (row - book.rowsHistorical));
        }
    }

    /// @dev 1e9 is one.
    function haircutOf(Book memory book, uint256 asset) internal pure returns (uint256) {
        unchecked {
            return uint32At(book.haircuts + 4 * asset);
        }
    }

    /// @dev The first record at or after `from` whose underlying is not below `underlying`.
    /// @return record Where the search ended; the end of the book if there is none.
    /// @return found Whether it is the one asked for.
    function seek(Book memory book, Record from, uint256 underlying) internal pure returns (Record record, bool found) {
        unchecked {
            uint256 position = Record.unwrap(from);
            uint256 end = book.records + book.underlyings * book.recordSize;
            while (position < end) {
                uint256 here = wordAt(position) >> 248;
                if (here >= underlying) return (Record.wrap(position), here == underlying);
                position += book.recordSize;
            }
            return (Record.wrap(position), false);
        }
    }

    function firstRecord(Book memory book) internal pure returns (Record) {
        return Record.wrap(book.records);
    }

    // Record ----------------------------------------------------------------------------------------------------

    function underlyingIn(Record record) internal pure returns (uint8) {
        return uint8(wordAt(Record.unwrap(record)) >> 248);
    }

    /// @dev 1e9 is one.
    function hedgedBasisOf(Record record) internal pure returns (uint256) {
        return uint32(wordAt(Record.unwrap(record)) >> 216);
    }

    /// @dev 1e9 is one.
    function hedgedVegaOf(Record record) internal pure returns (uint256) {
        return uint32(wordAt(Record.unwrap(record)) >> 184);
    }

    /// @dev 1e9 is one.
    function shortOptionsOf(Record record) internal pure returns (uint256) {
        return uint32(wordAt(Record.unwrap(record)) >> 152);
    }

    /// @dev 1e9 is one.
    function concentrationOf(Record record) internal pure returns (uint256) {
        return uint32(wordAt(Record.unwrap(record)) >> 120);
    }

    /// @dev Units of the underlying, wad.
    function depthOf(Record record) internal pure returns (uint256) {
        unchecked {
            return wordAt(Record.unwrap(record) + 17) >> 128;
        }
    }

    /// @dev 1e9 is one.
    function volatilityTenorPowerOf(Record record) internal pure returns (uint256) {
        unchecked {
            return uint32At(Record.unwrap(record) + 33);
        }
    }

    /// @dev Seconds.
    function shortestTenorOf(Record record) internal pure returns (uint256) {
        unchecked {
            return uint32At(Record.unwrap(record) + 37);
        }
    }

    /// @dev Wad, unscaled; volatility shocks follow the price shocks.
    function priceShockOf(Record record, uint256 i) internal pure returns (int256) {
        unchecked {
            return int256(wordAt(Record.unwrap(record) + RECORD_HEADER_SIZE + 8 * i)) >> 192;
        }
    }

    /// @dev Memory address of the record's shocks, eight bytes each.
    function shocks(Record record) internal pure returns (uint256) {
        unchecked {
            return Record.unwrap(record) + RECORD_HEADER_SIZE;
        }
    }

    /// @dev Memory address of the record's column: one node a row, a byte each, padded with zeros to 32.
    function columnOf(Book memory book, Record record) internal pure returns (uint256) {
        unchecked {
            return Record.unwrap(record) + book.recordSize - padded(book.rows);
        }
    }

    function nodeOf(Book memory book, Record record, uint256 row) internal pure returns (uint256) {
        unchecked {
            return wordAt(columnOf(book, record) + row) >> 248;
        }
    }

    // Memory ----------------------------------------------------------------------------------------------------

    /// @dev Up to the next multiple of 32.
    function padded(uint256 size) internal pure returns (uint256) {
        unchecked {
            return (size + 31) & ~uint256(31);
        }
    }

    function addressOf(bytes memory blob) internal pure returns (uint256 start) {
        assembly ("memory-safe") {
            start := add(blob, 32)
        }
    }

    function wordAt(uint256 position) internal pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := mload(position)
        }
    }

    function setWord(uint256 position, uint256 word) private pure {
        assembly ("memory-safe") {
            mstore(position, word)
        }
    }

    function setByte(uint256 position, uint256 value) private pure {
        assembly ("memory-safe") {
            mstore8(position, value)
        }
    }

    function uint32At(uint256 position) internal pure returns (uint256) {
        return wordAt(position) >> 224;
    }
}
