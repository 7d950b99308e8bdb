// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {
    AccountView,
    AssetView,
    CollateralView,
    IClearinghouseReports,
    InstrumentView,
    PositionView,
    VaultView
} from "../interfaces/IClearinghouseReports.sol";
import {SIGNED_RAY, divDown} from "../math/FixedPoint.sol";
import {AccountId} from "../types/AccountId.sol";
import {Margin, UnderlyingRisk} from "../types/Margin.sol";
import {Portfolio} from "../types/Portfolio.sol";
import {Continued} from "./Continued.sol";
import {Market} from "./Market.sol";
import {Portfolios} from "./Portfolios.sol";
import {PositionWord, positionNonceIn, unpackPair} from "./Words.sol";
import {OpenAccount, Totals, WorkingSet, placesForMarkets} from "./WorkingSet.sol";

/// @title The clearinghouse's reports
/// @notice Runs only as the clearinghouse's delegate, on the clearinghouse's storage; alone it has nothing to tell.
contract ClearinghouseReports is IClearinghouseReports, Portfolios, Continued {
    /// @param upkeep The next part.
    constructor(address upkeep) Continued(upkeep) {}

    /// @inheritdoc IClearinghouseReports
    function portfolioOf(AccountId account) external view returns (Portfolio memory) {
        WorkingSet memory set = _view(account);
        return _portfolio(set, set.accounts[0]);
    }

    /// @inheritdoc IClearinghouseReports
    function marginInPartsOf(AccountId account) external view returns (Margin memory, UnderlyingRisk[] memory) {
        WorkingSet memory set = _view(account);
        return _assessInParts(set, set.accounts[0]);
    }

    /// @inheritdoc IClearinghouseReports
    function cashOf(AccountId account) external view returns (int256) {
        return _openLight(_newSet(), account).cash;
    }

    /// @inheritdoc IClearinghouseReports
    function accountOf(AccountId account) external view returns (AccountView memory report) {
        WorkingSet memory set = _newSet();
        _loadAccount(set, account);
        OpenAccount memory opened = set.accounts[0];
        _readQuotes(set);
        report.cash = opened.cash;
        report.positionNonce = uint64(opened.header.positionNonce);
        report.boundUnderlying = uint8(opened.header.boundUnderlying);
        report.inLiquidation = opened.header.inLiquidation;
        report.collaterals = _collateralViews(opened);
        report.positions = _positionViews(set, opened);
    }

    function _positionViews(
        WorkingSet memory set,
        OpenAccount memory opened
    ) private view returns (PositionView[] memory views) {
        views = new PositionView[](opened.header.positionCount);
        Market[] memory markets = placesForMarkets(views.length);
        for (uint256 k; k < views.length; ++k) {
            markets[k] = _marketAt(set, opened, k);
        }
        _markMarkets(set);
        _markOptions(set);
        for (uint256 k; k < views.length; ++k) {
            PositionWord position = opened.positions[k];
            Market memory market = markets[k];
            views[k] = PositionView({
                index: uint24(market.index),
                instrument: market.id,
                size: position.sizeIn(),
                quote: position.quoteIn(),
                value: _valueOf(position, market)
            });
        }
    }

    function _collateralViews(OpenAccount memory opened) private pure returns (CollateralView[] memory views) {
        uint256 count;
        views = new CollateralView[](MAX_COLLATERALS);
        for (uint256 k; k < MAX_COLLATERALS; ++k) {
            uint256 asset = _assetAt(opened.header.assets, k);
            if (asset != 0) views[count++] = CollateralView(uint8(asset), opened.amounts[k]);
        }
        // Only shortens the array.
        assembly ("memory-safe") {
            mstore(views, count)
        }
    }

    /// @inheritdoc IClearinghouseReports
    function assetOf(uint8 asset) external view returns (AssetView memory) {
        StoredAsset storage stored = _asset(asset);
        return AssetView(stored.token, stored.decimals, stored.underlying, stored.total, _capOf(stored));
    }

    /// @inheritdoc IClearinghouseReports
    function assetCount() external view returns (uint256) {
        return _assetCount;
    }

    /// @inheritdoc IClearinghouseReports
    function instrumentOf(uint24 instrument) external view returns (InstrumentView memory) {
        WorkingSet memory set = _newSet();
        Market memory market = _loadMarket(set, instrument);
        StoredMarket storage stored = _markets[instrument];
        (uint256 longLossShare, uint256 shortLossShare) = unpackPair(_lossShares[instrument]);
        return InstrumentView({
            id: market.id,
            index: instrument,
            cumulativeFunding: market.funding,
            basis: market.basis,
            openInterest: market.openInterest,
            openInterestCap: stored.openInterestCap,
            sizeStep: 10 ** market.sizeStepExponent,
            reduceOnly: stored.reduceOnlyUntil > block.timestamp,
            clearedSize: stored.clearedSize,
            clearedQuote: stored.clearedQuote,
            longLossShare: longLossShare,
            shortLossShare: shortLossShare
        });
    }

    /// @inheritdoc IClearinghouseReports
    function instrumentCount() external view returns (uint256) {
        return _marketCount;
    }

    /// @inheritdoc IClearinghouseReports
    function markOf(uint24 instrument) external view returns (uint256) {
        WorkingSet memory set = _newSet();
        Market memory market = _loadMarket(set, instrument);
        _readQuotes(set);
        _markOptions(set);
        return market.mark;
    }

    /// @inheritdoc IClearinghouseReports
    function vaultState() external view returns (VaultView memory) {
        Totals memory totals;
        _accrueTotals(totals);
        int256 feesRay = _totals.feesRay + totals.newFeesRay;
        (uint256 tokens, uint256 uncoveredLoss) = unpackPair(_totals.assets);
        return VaultView({
            supplyIndex: totals.supplyIndex,
            borrowIndex: totals.borrowIndex,
            totalCash: _totalCash(totals),
            totalDebt: _totalDebt(totals),
            fees: divDown(feesRay, SIGNED_RAY),
            uncoveredLoss: uncoveredLoss,
            accruedAt: uint40(totals.accruedAt),
            supplyShares: totals.supplyShares,
            debtShares: totals.debtShares,
            feesRay: feesRay,
            tokens: tokens,
            claimPool: _claims.pool
        });
    }

    /// @inheritdoc IClearinghouseReports
    function positionNonceOf(AccountId account) external view returns (uint64) {
        return positionNonceIn(_accounts[account].header);
    }
}
