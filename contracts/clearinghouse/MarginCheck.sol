// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {SafeCastLib as SafeCast} from "solady/utils/SafeCastLib.sol";

import {IClearinghouseCore} from "../interfaces/IClearinghouseCore.sol";
import {magnitude} from "../math/FixedPoint.sol";
import {AccountId} from "../types/AccountId.sol";
import {InstrumentId} from "../types/InstrumentId.sol";
import {Margin, UnderlyingRisk} from "../types/Margin.sol";
import {CollateralLeg} from "../types/Portfolio.sol";
import {Accounts} from "./Accounts.sol";
import {EngineCall, EngineCalls, LegPlace} from "./EngineCall.sol";
import {Market} from "./Market.sol";
import {PositionWord} from "./Words.sol";
import {Check, OpenAccount, WorkingSet, placesForMarkets} from "./WorkingSet.sol";

/// @title The one margin check
abstract contract MarginCheck is Accounts {
    using EngineCalls for EngineCall;
    using EngineCalls for LegPlace;

    /// @dev Each account, once, after all changes.
    function _checkAll(WorkingSet memory set) internal {
        for (uint256 i; i < set.accountCount; ++i) {
            if (set.accounts[i].check != Check.None) _checkMargin(set, set.accounts[i]);
        }
    }

    /// @dev Above initial margin everything is allowed; from maintenance margin, as found, only what lowers risk.
    function _checkMargin(WorkingSet memory set, OpenAccount memory account) internal {
        if (_isFlat(account) && account.storedPositions.length == 0) return;
        _needCollateral(set, account.header.assets);
        _needCollateral(set, account.foundAssets);
        _refreshQuotes(set);
        Margin memory margin = _assess(set, account);
        int256 equity = account.check == Check.Withdrawal ? margin.withdrawalEquity() : margin.newRiskEquity();
        if (equity >= int256(margin.initialMargin)) return;
        Margin memory found = _assessFound(set, account);
        if (found.equity < int256(found.maintenanceMargin)) {
            revert IClearinghouseCore.BelowMaintenanceMargin(account.id, found.equity, found.maintenanceMargin);
        }
        bytes32 rule = _riskRaised(account, found, margin);
        if (rule == 0) return;
        if (found.newRiskEquity() >= int256(found.initialMargin)) {
            revert IClearinghouseCore.InitialMarginShortfall(account.id, equity, margin.initialMargin);
        }
        revert IClearinghouseCore.RiskNotReduced(account.id, rule);
    }

    /// @return The first rule by which risk rose, or 0.
    function _riskRaised(
        OpenAccount memory account,
        Margin memory found,
        Margin memory margin
    ) private pure returns (bytes32) {
        if (margin.scan > found.scan) return "scan";
        if (margin.maintenanceMargin > found.maintenanceMargin) return "maintenanceMargin";
        int256 excess = margin.equity - int256(margin.maintenanceMargin);
        if (excess < found.equity - int256(found.maintenanceMargin)) return "excess";
        if (margin.equity < found.equity - int256(account.tolerance)) return "equity";
        if (_legRaised(account)) return "leg";
        return 0;
    }

    function _legRaised(OpenAccount memory account) private pure returns (bool) {
        for (uint256 k; k < MAX_COLLATERALS; ++k) {
            uint256 asset = _assetAt(account.header.assets, k);
            if (asset == 0) continue;
            uint256 found = _assetAt(account.foundAssets, k) == asset ? account.foundAmounts[k] : 0;
            if (account.amounts[k] > found) return true;
        }
        for (uint256 k; k < account.header.positionCount; ++k) {
            PositionWord position = account.positions[k];
            int256 size = position.sizeIn();
            int256 found = _foundSize(account, position.instrumentIn());
            if (magnitude(size) > magnitude(found) || (size < 0) != (found < 0)) return true;
        }
        return false;
    }

    function _foundSize(OpenAccount memory account, uint256 instrument) private pure returns (int256) {
        for (uint256 k; k < account.storedPositions.length; ++k) {
            PositionWord position = account.storedPositions[k];
            if (position.instrumentIn() == instrument) return position.sizeIn();
        }
        return 0;
    }

    function _assess(WorkingSet memory set, OpenAccount memory account) internal view returns (Margin memory margin) {
        _requestFor(set, account).ask(_marginEngine, margin);
    }

    /// @dev The same, and what each underlying adds to it.
    function _assessInParts(
        WorkingSet memory set,
        OpenAccount memory account
    ) internal view returns (Margin memory margin, UnderlyingRisk[] memory parts) {
        parts = _requestFor(set, account).askInParts(_marginEngine, margin);
    }

    /// @dev As the account was found, what it was given since included: deposits are always allowed.
    function _assessFound(
        WorkingSet memory set,
        OpenAccount memory account
    ) private view returns (Margin memory margin) {
        CollateralLeg[] memory collaterals = _collateralLegs(account.foundAssets, account.foundAmounts);
        PositionWord[] memory found = account.storedPositions;
        int256 cash = account.foundCash + account.deposited;
        _request(set, cash, collaterals, found, found.length, placesForMarkets(0)).ask(_marginEngine, margin);
    }

    function _requestFor(WorkingSet memory set, OpenAccount memory account) private view returns (EngineCall) {
        CollateralLeg[] memory collaterals = _collateralLegs(account.header.assets, account.amounts);
        uint256 count = account.header.positionCount;
        return _request(set, account.cash, collaterals, account.positions, count, account.markets);
    }

    /// @param markets Of the positions that are no options; none where the set has to be asked for them.
    function _request(
        WorkingSet memory set,
        int256 cash,
        CollateralLeg[] memory collaterals,
        PositionWord[] memory positions,
        uint256 count,
        Market[] memory markets
    ) private view returns (EngineCall) {
        (EngineCall request, LegPlace leg) = EngineCalls.encode(
            cash, collaterals, count, set.quotes, set.expiries, set.settlementTokenUsd
        );
        // Unchecked: places.
        unchecked {
            for (uint256 k; k < count; ++k) {
                PositionWord position = positions[k];
                InstrumentId id = position.optionIn();
                uint256 mark;
                int256 offset;
                if (!position.isOption()) {
                    Market memory market = markets.length == 0 ? _loadMarket(set, position.instrumentIn()) : markets[k];
                    // The engine prices dated instruments itself, and refuses what has too many bits.
                    (id, mark, offset) = (market.id, market.dated ? 0 : market.mark, _offsetOf(position, market));
                }
                leg = leg.write(id, position.sizeIn(), mark, offset);
            }
        }
        return request;
    }

    function _collateralLegs(
        uint256 assets,
        uint256[8] memory amounts
    ) internal view returns (CollateralLeg[] memory legs) {
        // Unchecked: amounts have 128 bits, a scale 60, places are eight.
        unchecked {
            uint256 count;
            for (uint256 rest = assets; rest != 0; rest >>= 8) {
                if (rest & 0xff != 0) ++count;
            }
            legs = new CollateralLeg[](count);
            for (uint256 k = MAX_COLLATERALS; count != 0;) {
                uint256 asset = _assetAt(assets, --k);
                if (asset == 0) continue;
                CollateralLeg memory leg = legs[--count];
                leg.asset = uint8(asset);
                (uint256 underlying, uint256 decimals) = _termsOf(asset);
                leg.underlying = uint8(underlying);
                leg.amount = SafeCast.toUint128(amounts[k] * 10 ** (18 - decimals));
            }
        }
    }

    /// @dev Margin of an account as it is stored, opened afresh, everything accrued and realised in memory only.
    function _marginNow(AccountId id) internal view returns (Margin memory) {
        WorkingSet memory set = _view(id);
        return _assess(set, set.accounts[0]);
    }

    /// @return set With that one account, as the next act would open it.
    function _view(AccountId id) internal view returns (WorkingSet memory set) {
        _accrueTotals(set.totals);
        _loadAccount(set, id);
        OpenAccount memory account = set.accounts[0];
        _needCollateral(set, account.foundAssets);
        _readQuotes(set);
        for (uint256 k = account.storedPositions.length; k != 0;) {
            if (!_keepsValue(set, account.storedPositions[--k])) _realiseAt(set, account, k);
        }
    }
}
