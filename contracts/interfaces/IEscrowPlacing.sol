// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICspAccounts} from "./ICspAccounts.sol";
import {Account} from "../libraries/Accrual.sol";

/// @title What placing needs of the escrow: jobs and assignments are its, who may open and close them is {IPlacements}'.
interface IEscrowPlacing {
    /// @notice Opens the next generation of a slot from now on. Placements only.
    /// @dev Reverts unless the job runs, has the slot, the slot is free and the licence is linked.
    /// @return assignment its id
    /// @return holder who holds the licence, the assignment's payee
    /// @return node the node it is linked to
    function openAssignment(
        uint64 job,
        uint32 slot,
        uint256 licence
    ) external returns (uint256 assignment, address holder, address node);

    /// @notice Closes an open assignment. Placements only.
    /// @param time when it ends, UNIX seconds; the job's stop if that is earlier
    function endAssignment(uint256 assignment, uint40 time) external;

    /// @notice Who places nodes into a job, whose it is, and the hash of its terms; reverts when there is no such job.
    /// @return orchestrator who places
    /// @return account of the cloud service provider, see {ICspAccounts}
    /// @return terms keccak-256 of (token, price, hash of the policy, hash of the intent), ABI-encoded
    function placementOf(uint64 job) external view returns (address orchestrator, uint48 account, bytes32 terms);

    /// @notice The slot's last generation; zero when it never had an assignment.
    function generations(uint64 job, uint32 slot) external view returns (uint32);

    /// @notice Who serves and who is paid, fixed when the assignment opened; zeros when there is none.
    function partiesOf(uint256 assignment) external view returns (address payee, uint256 licence, address node);

    /// @notice The assignment's seconds; zero when there is no such assignment.
    function accountOf(uint256 assignment) external view returns (Account);

    /// @notice When the job stops accruing, UNIX seconds.
    function stopOf(uint64 job) external view returns (uint40);

    /// @notice The accounts of cloud service providers.
    function accounts() external view returns (ICspAccounts);
}
