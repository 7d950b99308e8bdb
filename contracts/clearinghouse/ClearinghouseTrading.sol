// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Act} from "../interfaces/IClearinghouseCore.sol";
import {IClearinghouseTrading} from "../interfaces/IClearinghouseTrading.sol";
import {IExchange} from "../interfaces/IExchange.sol";
import {Acts} from "./Acts.sol";
import {Continued} from "./Continued.sol";
import {Trading} from "./Trading.sol";
import {WorkingSet} from "./WorkingSet.sol";

/// @title The clearinghouse's batches and fills
/// @notice Runs only as the clearinghouse's delegate, on the clearinghouse's storage; alone it is an empty shell that holds
///         nothing and knows no exchange.
contract ClearinghouseTrading is IClearinghouseTrading, Acts, Trading, Continued {
    /// @param liquidation The next part.
    constructor(address liquidation) Continued(liquidation) {}

    /// @inheritdoc IClearinghouseTrading
    function batch(Act[] calldata acts) external locked {
        _runBatch(acts);
    }

    /// @inheritdoc IClearinghouseTrading
    function settleFills(bytes memory trade)
        external
        onlyUnderLock(_exchange)
        returns (bool[] memory applied, uint256[2][] memory delegateLosses)
    {
        WorkingSet memory set = _newSet();
        (applied, delegateLosses) = _applyFills(set, trade);
        _saveAll(set);
        _checkAll(set);
    }

    /// @dev The exchange's only calls out are bounded static ones, and it is trusted with nothing but its own books.
    function _runTrade(WorkingSet memory set, bytes memory data) internal override {
        IExchange exchange = IExchange(_exchange);
        (bytes memory trade, bytes memory context) = exchange.prepare(data);
        (bool[] memory applied, uint256[2][] memory delegateLosses) = _applyFills(set, trade);
        exchange.record(context, applied, delegateLosses);
    }
}
