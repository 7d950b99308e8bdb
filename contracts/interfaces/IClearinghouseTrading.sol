// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Act} from "./IClearinghouseCore.sol";

/// @title Several acts, or fills of many accounts, with one margin check an account
interface IClearinghouseTrading {
    /// @notice Runs acts in order and checks margin once an account at the end.
    function batch(Act[] calldata acts) external;

    /// @notice Exchange only. Applies fills in order and checks margin once an account.
    /// @param trade `abi.encode(AccountId[] accounts, Fill[] fills)`: distinct accounts, and the fills that point into them.
    /// @return applied False for a fill that was skipped because for a reduce-only side it would not have moved the
    ///         position towards 0, or past it.
    /// @return delegateLosses For each fill, taker's then maker's loss where a delegate signed, wad: of a buyer against
    ///         the lower of mark and index, of a seller against the higher.
    function settleFills(bytes memory trade)
        external
        returns (bool[] memory applied, uint256[2][] memory delegateLosses);
}
