// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {SafeCastLib as SafeCast} from "solady/utils/SafeCastLib.sol";

import {Portfolio, PositionLeg} from "../types/Portfolio.sol";
import {Market} from "./Market.sol";
import {MarginCheck} from "./MarginCheck.sol";
import {PositionWord} from "./Words.sol";
import {OpenAccount, WorkingSet} from "./WorkingSet.sol";

/// @title What the margin engine is asked about, as structs: for reports, where gas is no concern
abstract contract Portfolios is MarginCheck {
    function _portfolio(
        WorkingSet memory set,
        OpenAccount memory opened
    ) internal view returns (Portfolio memory portfolio) {
        portfolio.cash = opened.cash;
        portfolio.collaterals = _collateralLegs(opened.header.assets, opened.amounts);
        portfolio.positions = _positionLegs(set, opened);
    }

    function _positionLegs(
        WorkingSet memory set,
        OpenAccount memory opened
    ) private view returns (PositionLeg[] memory legs) {
        legs = new PositionLeg[](opened.header.positionCount);
        for (uint256 k; k < legs.length; ++k) {
            PositionWord position = opened.positions[k];
            Market memory market = _marketAt(set, opened, k);
            legs[k] = PositionLeg({
                instrument: market.id,
                size: int128(position.sizeIn()),
                mark: market.dated ? 0 : SafeCast.toUint128(market.mark),
                offset: SafeCast.toInt128(_offsetOf(position, market))
            });
        }
    }
}
