// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";

import {Act, ActKind, IClearinghouseCore} from "../interfaces/IClearinghouseCore.sol";
import {AccountId} from "../types/AccountId.sol";
import {InstrumentId} from "../types/InstrumentId.sol";
import {Margin} from "../types/Margin.sol";
import {Acts} from "./Acts.sol";
import {ClearinghouseAdmin} from "./ClearinghouseAdmin.sol";
import {Continued} from "./Continued.sol";
import {OpenAccount, WorkingSet} from "./WorkingSet.sol";

/// @title The clearinghouse
/// @notice Batches and fills, what the auctions call, reports, upkeep and setters are at this address too, but their code is that
///         of `ClearinghouseTrading`, `ClearinghouseLiquidation`, `ClearinghouseReports`, `ClearinghouseUpkeep` and
///         `ClearinghouseAdmin`, fixed at creation.
contract Clearinghouse is IClearinghouseCore, Acts, Continued {
    /// @param trading The next part, which knows the one after it, and so on.
    /// @param authority The access manager.
    /// @param settlementToken Asset 0.
    constructor(
        address trading,
        address authority,
        address settlementToken,
        address marginEngine,
        address oracleHub
    ) Continued(trading) {
        Address.functionDelegateCall(
            trading,
            abi.encodeCall(ClearinghouseAdmin.initialise, (authority, settlementToken, marginEngine, oracleHub))
        );
    }

    // Acts ------------------------------------------------------------------------------------------------------

    /// @inheritdoc IClearinghouseCore
    function deposit(AccountId account, uint8 asset, uint256 amount) external locked {
        WorkingSet memory set = _newSet();
        OpenAccount memory opened = _openLight(set, account);
        _depositInto(opened, asset, amount);
        _save(opened, set);
        _saveTotals(set.totals);
    }

    /// @inheritdoc IClearinghouseCore
    function withdraw(AccountId account, uint8 asset, uint256 amount, address to) external {
        _runOne(Act(ActKind.Withdraw, account, account, to, asset, amount, ""));
    }

    /// @inheritdoc IClearinghouseCore
    function move(AccountId from, AccountId to, uint8 asset, uint256 amount) external {
        _runOne(Act(ActKind.Move, from, to, address(0), asset, amount, ""));
    }

    /// @inheritdoc IClearinghouseCore
    function realise(AccountId account) external {
        _runOne(Act(ActKind.Realise, account, account, address(0), 0, 0, ""));
    }

    // Modules ---------------------------------------------------------------------------------------------------

    /// @inheritdoc IClearinghouseCore
    function lock() external {
        if (!_isModule(msg.sender)) revert NotModule(msg.sender);
        _take(msg.sender);
    }

    /// @inheritdoc IClearinghouseCore
    function unlock() external {
        if (_lockHolder != msg.sender) revert NotModule(msg.sender);
        _lockHolder = address(0);
    }

    // Views -----------------------------------------------------------------------------------------------------

    /// @inheritdoc IClearinghouseCore
    function marginOf(AccountId account) external view returns (Margin memory) {
        return _marginNow(account);
    }

    /// @inheritdoc IClearinghouseCore
    function instrumentIndexOf(InstrumentId instrument) external view returns (uint24) {
        return _marketIndex[instrument];
    }

    // Helpers ---------------------------------------------------------------------------------------------------

    function _runOne(Act memory act) private locked {
        Act[] memory acts = new Act[](1);
        acts[0] = act;
        _runBatch(acts);
    }

    /// @dev Single acts are no trades.
    function _runTrade(WorkingSet memory, bytes memory) internal override {}
}
