// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {InstrumentId} from "./InstrumentId.sol";

/// @notice One collateral balance as the margin engine sees it.
/// @param asset The vault's asset id (never 0, which is cash).
/// @param underlying The risk factor the token follows.
/// @param amount Whole units of the underlying, wad.
struct CollateralLeg {
    uint8 asset;
    uint8 underlying;
    uint128 amount;
}

/// @notice One position as the margin engine sees it. Its value is ⌊size · mark⌋ + offset.
/// @param instrument What it is.
/// @param size Signed units of the underlying, wad.
/// @param mark Mark price in the value unit, wad; 0 for options, which the engine prices itself.
/// @param offset Quote balance less funding owed and loss shares, in the value unit, wad, rounded down.
struct PositionLeg {
    InstrumentId instrument;
    int128 size;
    uint128 mark;
    int128 offset;
}

/// @notice A whole account, interest and funding accrued to now.
/// @param cash In the value unit, wad; negative is debt.
struct Portfolio {
    int256 cash;
    CollateralLeg[] collaterals;
    PositionLeg[] positions;
}
