// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IClearinghouse} from "../interfaces/IClearinghouse.sol";
import {AccountId} from "../types/AccountId.sol";

/// @title Reads an account in the middle of somebody's transfer
contract BooksProbe {
    IClearinghouse private immutable _clearinghouse;

    uint256 public seenAmount;

    constructor(IClearinghouse clearinghouse) {
        _clearinghouse = clearinghouse;
    }

    function look(AccountId account) external {
        seenAmount = _clearinghouse.accountOf(account).collaterals[0].amount;
    }
}
