// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

// Whoever imports the whole interface gets its structs with it.
/* solhint-disable no-unused-import */

import {Act, ActKind, IClearinghouseCore} from "./IClearinghouseCore.sol";
import {
    AccountView,
    AssetView,
    CollateralView,
    IClearinghouseReports,
    InstrumentView,
    PositionView,
    VaultView
} from "./IClearinghouseReports.sol";
import {IClearinghouseLiquidation} from "./IClearinghouseLiquidation.sol";
import {IClearinghouseTrading} from "./IClearinghouseTrading.sol";
import {IClearinghouseUpkeep} from "./IClearinghouseUpkeep.sol";
import {ClaimsView, IClearinghouseWaterfall} from "./IClearinghouseWaterfall.sol";

/// @title The clearinghouse as everyone but its administrators sees it, at one address
interface IClearinghouse is
    IClearinghouseCore,
    IClearinghouseTrading,
    IClearinghouseLiquidation,
    IClearinghouseUpkeep,
    IClearinghouseWaterfall,
    IClearinghouseReports
{}
