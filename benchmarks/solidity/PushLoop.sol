// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

/// @title Baseline: each epoch pays every node of every job in one loop.
/// @dev The cheapest form of it: prices and nodes packed, no checks of bounds, no books, nothing held back.
contract PushLoop {
    using SafeERC20 for IERC20;

    struct Seat {
        address node;
        uint96 price;
    }

    IERC20 private immutable TOKEN;
    uint256 private immutable EPOCH_LENGTH;
    Seat[][] private _jobs;

    constructor(IERC20 token, uint256 epochLength) {
        TOKEN = token;
        EPOCH_LENGTH = epochLength;
    }

    /// @notice Adds a job with one seat for each node.
    function add(address[] calldata nodes, uint96 price) external {
        Seat[] storage seats = _jobs.push();
        for (uint256 i = 0; i < nodes.length; ++i) seats.push(Seat({node: nodes[i], price: price}));
    }

    /// @notice Pays one epoch.
    /// @param upSeconds for each seat of each job, in their order
    function pay(uint32[] calldata upSeconds) external {
        uint256 at = 0;
        for (uint256 job = 0; job < _jobs.length; ++job) {
            Seat[] storage seats = _jobs[job];
            uint256 size = seats.length;
            for (uint256 i = 0; i < size; ++i) {
                Seat memory seat = seats[i];
                TOKEN.safeTransfer(seat.node, (uint256(seat.price) * upSeconds[at++]) / EPOCH_LENGTH);
            }
        }
    }
}
