// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Account, Held} from "../libraries/Accrual.sol";
import {Tally} from "../libraries/Money.sol";

/// @dev The escrow's records. {EscrowLens} inherits them too, so that it finds them where the escrow has them.
abstract contract EscrowStorage {
    /// @dev What never changes in a job. The first slot is what a payment reads.
    struct Job {
        address token;
        uint96 price;
        address orchestrator;
        uint48 account;
        uint24 cspSharePpm;
        uint24 penaltyPpm;
        bytes32 terms;
    }

    /// @dev What a settlement reads of a job, in one slot.
    struct Status {
        uint40 startsAt;
        uint40 stop;
        uint16 windowEpochs;
        bool leaving;
        bool closed;
        bool penal;
        uint48 funded;
        uint48 deposited;
        uint32 slots;
    }

    /// @dev Slots from `slotsBefore` on can't be served before `from`, UNIX seconds.
    struct Enlargement {
        uint40 from;
        uint32 slotsBefore;
    }

    /// @dev What went out to others than payees, in the token's smallest unit.
    struct Outflow {
        uint128 refunded;
        uint128 burned;
        uint128 protocol;
    }

    /// @dev Who serves and who is paid, fixed when the assignment opens.
    struct Parties {
        address payee;
        uint96 licence;
        address node;
    }

    /// @dev An account that can be pointed to: its place is worked out once for reading and writing.
    struct Record {
        Account account;
    }

    // slither-disable-start constable-states,uninitialized-state,unused-state -- {EscrowLens} has them for their places only
    uint64 internal _jobCount;
    mapping(uint64 job => Job) internal _jobs;
    mapping(uint64 job => Status) internal _status;
    mapping(uint64 job => Tally) internal _tallies;
    mapping(uint64 job => Outflow) internal _outflows;
    mapping(uint64 job => Enlargement) internal _enlargements;
    mapping(uint64 job => mapping(uint32 slot => uint32)) internal _generations;
    mapping(uint256 assignment => Record) internal _records;
    mapping(uint256 assignment => Parties) internal _parties;
    mapping(uint256 assignment => Held) internal _held;
    // slither-disable-end constable-states,uninitialized-state,unused-state
}
