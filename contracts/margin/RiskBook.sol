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
/// @param derived Memory address of what `RiskBook.extended` appends for the first record.
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

    /// @notice The blob with, for each record, the list of the nodes that its rows name, as `listNodes` writes it, and for
    ///         each price shock the logarithm of one plus it, wad, eight bytes; both padded with zeros to 32.
    /// @param blob Of a valid book.
    function extended(bytes memory blob) internal pure returns (bytes memory) {
        Book memory book = open(blob);
        bytes memory derived = new bytes(book.underlyings * derivedSize(book));
        uint256 position = addressOf(derived);
        for (uint256 i; i < book.underlyings; ++i) {
            Record record = Record.wrap(book.records + i * book.recordSize);
            uint256 used;
            for (uint256 row; row < book.rows; ++row) {
                used |= 1 << nodeOf(book, record, row);
            }
            listNodes(book, record, used, position);
            for (uint256 p; p < book.priceShocks; ++p) {
                uint256 logarithm = uint256(FixedPointMathLib.lnWad(1e18 + priceShockOf(record, p)));
                uint256 place = position + listSize(book) + 8 * p;
                // What follows the eight bytes stays as it is.
                setWord(place, (logarithm << 192) | (wordAt(place) & (type(uint256).max >> 64)));
            }
            position += derivedSize(book);
        }
        return bytes.concat(blob, derived);
    }

    /// @notice Writes which nodes of an underlying are priced: those of `used`, and the one at which only volatility moves,
    ///         to its highest. A byte each: the place of that one, for each volatility the number of nodes up to it, and the
    ///         nodes, by volatility, then by price.
    /// @param used A bit a node.
    /// @param list Memory address of `listSize` bytes.
    function listNodes(Book memory book, Record record, uint256 used, uint256 list) internal pure {
        unchecked {
            (uint256 prices, uint256 volatilities) = (book.priceShocks, book.volatilityShocks);
            uint256 base;
            while (priceShockOf(record, base) != 0) ++base;
            uint256 upNode = base * volatilities + volatilities - 1;
            used |= 1 << upNode;
            uint256 count;
            for (uint256 v; v < volatilities; ++v) {
                for (uint256 node = v; node < prices * volatilities; node += volatilities) {
                    if ((used >> node) & 1 == 0) continue;
                    if (node == upNode) setByte(list, count);
                    setByte(list + 1 + volatilities + count, node);
                    ++count;
                }
                setByte(list + 1 + v, count);
            }
        }
    }

    /// @notice The blob of an extended one, in place.
    function shortened(bytes memory blob) internal pure returns (bytes memory) {
        uint256 size = open(blob).derived - addressOf(blob);
        assembly ("memory-safe") {
            mstore(blob, size)
        }
        return blob;
    }

    function listSize(Book memory book) internal pure returns (uint256) {
        unchecked {
            return padded(1 + book.volatilityShocks + book.priceShocks * book.volatilityShocks);
        }
    }

    function derivedSize(Book memory book) private pure returns (uint256) {
        unchecked {
            return listSize(book) + padded(8 * book.priceShocks);
        }
    }

    /// @notice Memory address of the list of the nodes that the record's rows name; the logarithms of one plus each price
    ///         shock, wad, eight bytes each, follow it.
    function derivedOf(Book memory book, Record record) internal pure returns (uint256) {
        unchecked {
            return book.derived + (Record.unwrap(record) - book.records) / book.recordSize * derivedSize(book);
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
