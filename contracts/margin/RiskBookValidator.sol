// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IMarginEngine} from "../interfaces/IMarginEngine.sol";
import {Book, Record, RiskBook} from "./RiskBook.sol";

/// @title Refuses every blob that is not a sound risk book, so that reads need no checks
/// @notice Of the margin engine, which it does not fit into; holds no state.
contract RiskBookValidator {
    using RiskBook for Book;
    using RiskBook for Record;

    uint256 internal constant VERSION = 1;
    uint256 internal constant MOST_ROWS = 64;
    uint256 internal constant ONE = 1e9;
    uint256 internal constant HIGHEST_FACTOR = 4e9;
    uint256 internal constant HIGHEST_FIXED_CHARGE = 1000e18;
    int256 internal constant LOWEST_PRICE_SHOCK = -0.99e18;
    int256 internal constant LOWEST_VOLATILITY_SHOCK = -1e18;

    /// @notice What the engine stores of a blob (`RiskBook.extended`). Reverts with `InvalidRiskBook` unless `blob` is a book, or
    ///         where it leaves out what `previous` has.
    /// @param previous The blob that it replaces; empty at the first.
    function prepare(bytes memory blob, bytes memory previous) external pure returns (bytes memory) {
        Book memory book = validate(blob);
        if (previous.length != 0) requireKeeps(book, RiskBook.open(previous));
        return RiskBook.extended(blob);
    }

    function validate(bytes memory blob) private pure returns (Book memory book) {
        check(blob.length >= RiskBook.HEADER_SIZE, "length");
        uint256 header = RiskBook.wordAt(RiskBook.addressOf(blob));
        check(header >> 248 == VERSION, "version");
        check(uint32(header) == 0, "padding");
        book = RiskBook.open(blob);
        validateHeader(book);
        uint256 end = book.records + book.underlyings * book.recordSize;
        check(blob.length == end - RiskBook.addressOf(blob), "length");
        validateWeights(book);
        validateHaircuts(book);
        uint256 last;
        for (uint256 i; i < book.underlyings; ++i) {
            Record record = Record.wrap(book.records + i * book.recordSize);
            check(record.underlyingIn() > last, "underlyings not ascending from 1");
            last = record.underlyingIn();
            validateRecord(book, record);
        }
    }

    /// @dev An account that holds an underlying or asset that is left out could not be margined any more.
    function requireKeeps(Book memory next, Book memory previous) private pure {
        check(next.assets >= previous.assets, "asset dropped");
        Record at = next.firstRecord();
        bool found;
        for (uint256 i; i < previous.underlyings; ++i) {
            Record record = Record.wrap(previous.records + i * previous.recordSize);
            (at, found) = next.seek(at, record.underlyingIn());
            check(found, "underlying dropped");
        }
    }

    function validateHeader(Book memory book) private pure {
        check(book.rows <= MOST_ROWS && book.rowsHistorical <= book.rows, "rows");
        check(book.tailRows > 0 && book.tailRows <= book.rowsHistorical, "tail rows");
        check(book.priceShocks * book.volatilityShocks <= 255, "nodes");
        check(book.assets > 0, "assets");
        check(book.liquidationEndFactor >= ONE, "liquidation end factor");
        check(book.initialFactor >= book.liquidationEndFactor && book.initialFactor <= HIGHEST_FACTOR, "initial factor");
        check(book.settlementTokenFloor <= ONE, "settlement token floor");
        check(book.fixedCharge <= HIGHEST_FIXED_CHARGE, "fixed charge");
    }

    function validateWeights(Book memory book) private pure {
        for (uint256 row = book.rowsHistorical; row < book.rows; ++row) {
            uint256 weight = book.weightOf(row);
            check(weight > 0 && weight <= ONE, "weight");
        }
        requireZeros(book.weights + 4 * (book.rows - book.rowsHistorical), book.haircuts);
    }

    function validateHaircuts(Book memory book) private pure {
        check(book.haircutOf(0) == 0, "haircut of cash");
        for (uint256 asset = 1; asset < book.assets; ++asset) {
            check(book.haircutOf(asset) <= ONE, "haircut");
        }
        requireZeros(book.haircuts + 4 * book.assets, book.records);
    }

    function validateRecord(Book memory book, Record record) private pure {
        uint256 start = Record.unwrap(record);
        for (uint256 offset = 1; offset <= 13; offset += 4) {
            check(RiskBook.uint32At(start + offset) <= ONE, "charge");
        }
        check(RiskBook.uint32At(start + 33) <= ONE, "tenor power");
        requireZeros(start + 41, start + RiskBook.RECORD_HEADER_SIZE);
        validateShocks(record, 0, book.priceShocks, LOWEST_PRICE_SHOCK);
        validateShocks(record, book.priceShocks, book.volatilityShocks, LOWEST_VOLATILITY_SHOCK);
        uint256 column = book.columnOf(record);
        uint256 shocks = book.priceShocks + book.volatilityShocks;
        requireZeros(start + RiskBook.RECORD_HEADER_SIZE + 8 * shocks, column);
        for (uint256 row; row < book.rows; ++row) {
            uint256 stableNode = book.priceShocks * book.volatilityShocks;
            check(book.nodeOf(record, row) <= stableNode, "node");
        }
        requireZeros(column + book.rows, start + book.recordSize);
    }

    /// @dev They ascend, so that the first and the last are the farthest, and one of them is 0: the base node.
    function validateShocks(Record record, uint256 first, uint256 count, int256 lowest) private pure {
        bool base;
        for (uint256 i = first; i < first + count; ++i) {
            int256 shock = record.priceShockOf(i);
            check(shock >= lowest, "shock");
            check(i == first || shock > record.priceShockOf(i - 1), "shocks not ascending");
            if (shock == 0) base = true;
        }
        check(base, "no base node");
    }

    function requireZeros(uint256 start, uint256 end) private pure {
        for (uint256 position = start; position < end; ++position) {
            check(RiskBook.wordAt(position) >> 248 == 0, "padding");
        }
    }

    function check(bool condition, string memory reason) private pure {
        if (!condition) revert IMarginEngine.InvalidRiskBook(reason);
    }
}
