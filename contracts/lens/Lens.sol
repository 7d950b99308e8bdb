// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IClearinghouse, AssetView, VaultView} from "../interfaces/IClearinghouse.sol";
import {IClearinghouseAdmin} from "../interfaces/IClearinghouseAdmin.sol";
import {AccountHealth, AccountReport, AccountReportResult, ILens, MarketView} from "../interfaces/ILens.sol";
import {IExpiries} from "../interfaces/IExpiries.sol";
import {IMarginEngine} from "../interfaces/IMarginEngine.sol";
import {IOracleHub} from "../interfaces/IOracleHub.sol";
import {AccountId} from "../types/AccountId.sol";
import {expiryKeyOf} from "../types/ExpiryKey.sol";
import {ExpiryQuote} from "../types/ExpiryQuote.sol";
import {InstrumentId} from "../types/InstrumentId.sol";
import {Margin} from "../types/Margin.sol";
import {Portfolio} from "../types/Portfolio.sol";
import {Quote} from "../types/Quote.sol";
import {LibSort} from "solady/utils/LibSort.sol";

/// @title Many reads in one call
contract Lens is ILens {
    /// @notice Longest revert data that is passed on.
    uint256 public constant MAX_FAILURE_LENGTH = 256;

    IClearinghouse public immutable clearinghouse;

    constructor(IClearinghouse clearinghouse_) {
        clearinghouse = clearinghouse_;
    }

    /// @inheritdoc ILens
    function healthOf(AccountId[] calldata accounts) external view returns (AccountHealth[] memory healths) {
        healths = new AccountHealth[](accounts.length);
        for (uint256 i; i < accounts.length; ++i) {
            healths[i] = _healthOf(accounts[i]);
        }
    }

    /// @inheritdoc ILens
    function reportsOf(AccountId[] calldata accounts) external view returns (AccountReportResult[] memory results) {
        results = new AccountReportResult[](accounts.length);
        for (uint256 i; i < accounts.length; ++i) {
            AccountReportResult memory result = results[i];
            result.account = accounts[i];
            try this.reportOf(accounts[i]) returns (AccountReport memory report) {
                result.known = true;
                result.report = report;
            } catch (bytes memory failure) {
                result.failure = _cut(failure);
            }
        }
    }

    /// @inheritdoc ILens
    function reportOf(AccountId account) external view returns (AccountReport memory report) {
        report.account = clearinghouse.accountOf(account);
        report.portfolio = clearinghouse.portfolioOf(account);
        (Quote[] memory quotes, uint256 settlementTokenUsd) = _hub().quotesOf(_underlyingsOf(report.portfolio));
        IMarginEngine engine = IMarginEngine(_admin().marginEngine());
        ExpiryQuote[] memory expiries = _expiriesOf(report.portfolio);
        report.explanation = engine.explain(report.portfolio, quotes, expiries, settlementTokenUsd);
        report.healthFactor = report.explanation.margin.healthFactorDown();
        report.liquidatable = report.explanation.margin.isLiquidatable();
    }

    /// @inheritdoc ILens
    function markets() external view returns (MarketView[] memory found) {
        IOracleHub hub = _hub();
        uint256 count = clearinghouse.instrumentCount();
        found = new MarketView[](count);
        for (uint256 i; i < count; ++i) {
            // Registry indices are uint24 and start at 1.
            uint24 index = uint24(i + 1);
            found[i].instrument = clearinghouse.instrumentOf(index);
            found[i].mark = clearinghouse.markOf(index);
            (Quote[] memory quotes,) = hub.quotesOf(1 << found[i].instrument.id.underlyingOf());
            found[i].quote = quotes[0];
        }
    }

    /// @inheritdoc ILens
    function vault() external view returns (VaultView memory state, AssetView[] memory assets) {
        state = clearinghouse.vaultState();
        assets = new AssetView[](clearinghouse.assetCount());
        for (uint256 i; i < assets.length; ++i) {
            // Asset ids are uint8.
            assets[i] = clearinghouse.assetOf(uint8(i));
        }
    }

    function _healthOf(AccountId account) private view returns (AccountHealth memory health) {
        health.account = account;
        try clearinghouse.marginOf(account) returns (Margin memory margin) {
            health.known = true;
            health.margin = margin;
            health.healthFactor = margin.healthFactorDown();
            health.liquidatable = margin.isLiquidatable();
        } catch (bytes memory failure) {
            health.failure = _cut(failure);
        }
    }

    function _underlyingsOf(Portfolio memory portfolio) private pure returns (uint256 underlyings) {
        for (uint256 i; i < portfolio.collaterals.length; ++i) {
            underlyings |= 1 << portfolio.collaterals[i].underlying;
        }
        for (uint256 i; i < portfolio.positions.length; ++i) {
            underlyings |= 1 << portfolio.positions[i].instrument.underlyingOf();
        }
    }

    /// @dev Of every dated position, ascending and distinct.
    function _expiriesOf(Portfolio memory portfolio) private view returns (ExpiryQuote[] memory quotes) {
        uint256 count = portfolio.positions.length;
        uint256[] memory keys = new uint256[](count);
        uint256 dated;
        for (uint256 i; i < count; ++i) {
            InstrumentId id = portfolio.positions[i].instrument;
            if (id.expiryOf() != 0) keys[dated++] = expiryKeyOf(id.underlyingOf(), id.expiryOf());
        }
        if (dated == 0) return quotes;
        // Only shortens the array.
        assembly ("memory-safe") {
            mstore(keys, dated)
        }
        LibSort.sort(keys);
        LibSort.uniquifySorted(keys);
        return IExpiries(_admin().expiries()).quotesOf(keys);
    }

    function _cut(bytes memory failure) private pure returns (bytes memory) {
        if (failure.length <= MAX_FAILURE_LENGTH) return failure;
        uint256 length = MAX_FAILURE_LENGTH;
        // Only ever shortens.
        assembly ("memory-safe") {
            mstore(failure, length)
        }
        return failure;
    }

    function _hub() private view returns (IOracleHub) {
        return IOracleHub(_admin().oracleHub());
    }

    function _admin() private view returns (IClearinghouseAdmin) {
        return IClearinghouseAdmin(address(clearinghouse));
    }
}
