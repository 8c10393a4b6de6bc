// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";

/// @title Authority
/// @notice Who may govern, veto and mint, with delays: OpenZeppelin's AccessManager as it is.
contract Authority is AccessManager {
    constructor(address admin) AccessManager(admin) {}
}
