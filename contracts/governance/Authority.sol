// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";

/// @title Who may call which setter, after what delay
/// @notice OpenZeppelin's access manager as it is. A deployment gives every restricted function its role and every role
///         its delay, and leaves nobody an administrator without one (docs/deployment.md).
contract Authority is AccessManager {
    constructor(address deployer) AccessManager(deployer) {}
}
