// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AssignmentView, IEscrowLens, JobView} from "../interfaces/IEscrowLens.sol";
import {IJobEscrow} from "../interfaces/IJobEscrow.sol";
import {Account} from "../libraries/Accrual.sol";
import {AssignmentIds} from "../libraries/AssignmentIds.sol";
import {Money, Rates, Tally, TallyView} from "../libraries/Money.sol";
import {EscrowStorage} from "../escrow/EscrowStorage.sol";

/// @dev Reads the escrow's storage by {IJobEscrow.words}: what screens and scripts need would not fit into the escrow itself. The words of
/// a struct are read as {EscrowStorage} lays them out; a test holds both together.
abstract contract EscrowLens is IEscrowLens, EscrowStorage {
    using Money for *;

    /// @inheritdoc IEscrowLens
    IJobEscrow public immutable escrow;
    uint32 private immutable EPOCH_LENGTH;
    uint24 private immutable PROTOCOL_SHARE_PPM;

    constructor(IJobEscrow escrow_) {
        escrow = escrow_;
        EPOCH_LENGTH = escrow_.attestations().timing().epochLength;
        PROTOCOL_SHARE_PPM = escrow_.protocolSharePpm();
    }

    /// @inheritdoc IEscrowLens
    function jobsFrom(uint64 first, uint256 count) external view returns (JobView[] memory views) {
        uint64 last = escrow.jobCount();
        if (first == 0) first = 1;
        uint256 there = first > last ? 0 : uint256(last) - first + 1;
        views = new JobView[](count < there ? count : there);
        for (uint256 i = 0; i < views.length; ++i) views[i] = jobOf(first + uint64(i));
    }

    /// @inheritdoc IEscrowLens
    function assignmentsOf(uint256[] calldata assignments) external view returns (AssignmentView[] memory views) {
        views = new AssignmentView[](assignments.length);
        for (uint256 i = 0; i < assignments.length; ++i) views[i] = assignmentOf(assignments[i]);
    }

    /// @inheritdoc IEscrowLens
    function latestIn(uint64 job, uint32 firstSlot, uint32 count) external view returns (uint256[] memory assignments) {
        assignments = new uint256[](count);
        for (uint32 i = 0; i < count; ++i) {
            uint32 generation = escrow.generations(job, firstSlot + i);
            if (generation != 0) assignments[i] = AssignmentIds.pack(job, firstSlot + i, generation);
        }
    }

    /// @inheritdoc IEscrowLens
    function claimable(uint256[] calldata assignments) external view returns (uint256[] memory amounts) {
        amounts = new uint256[](assignments.length);
        for (uint256 i = 0; i < assignments.length; ++i) amounts[i] = _claimable(assignments[i]);
    }

    /// @inheritdoc IEscrowLens
    function jobOf(uint64 job) public view returns (JobView memory v) {
        bytes32[] memory places = new bytes32[](7);
        bytes32 place = _place(_slotOfJobs(), job);
        for (uint256 i = 0; i < 3; ++i) places[i] = _after(place, i);
        places[3] = _place(_slotOfStatus(), job);
        places[4] = _place(_slotOfTallies(), job);
        place = _place(_slotOfOutflows(), job);
        places[5] = place;
        places[6] = _after(place, 1);
        bytes32[] memory w = escrow.words(places);

        v.token = address(uint160(uint256(w[0])));
        v.price = uint96(uint256(w[0]) >> 160);
        require(v.price != 0, EscrowLens_UnknownJob(job));
        v.orchestrator = address(uint160(uint256(w[1])));
        v.account = uint48(uint256(w[1]) >> 160);
        v.cspSharePpm = uint24(uint256(w[1]) >> 208);
        v.penaltyPpm = uint24(uint256(w[1]) >> 232);
        v.terms = w[2];
        v.owner = escrow.accounts().ownerOf(v.account);
        uint256 deposited = _readStatus(v, uint256(w[3]));
        v.tally = Tally.wrap(uint256(w[4])).fields();
        v.refunded = uint128(uint256(w[5]));
        v.burned = uint256(w[5]) >> 128;
        v.toProtocol = uint128(uint256(w[6]));
        _sums(v, deposited);
    }

    /// @inheritdoc IEscrowLens
    function assignmentOf(uint256 assignment) public view returns (AssignmentView memory v) {
        Account a = escrow.accountOf(assignment);
        require(a.openedAt() != 0, EscrowLens_UnknownAssignment(assignment));
        uint256 held = _word(_place(_slotOfHeld(), assignment), 0);
        uint256 status = _word(_place(_slotOfStatus(), AssignmentIds.jobOf(assignment)), 0);
        v.id = assignment;
        (v.payee, v.licence, v.node) = escrow.partiesOf(assignment);
        v.openedAt = uint40(a.openedAt());
        v.closedAt = uint40(a.closedAt());
        v.stop = uint40(a.stop(uint40(status >> 40)));
        v.through = uint40(a.through());
        v.earned = uint40(a.earned());
        v.accounted = uint40(a.accounted());
        v.claimed = uint40(a.claimed());
        v.held = uint40(held >> 40) + uint40(held >> 120);
        v.marked = a.marked();
        v.jobClosed = uint8(status >> 104) != 0;
    }

    function _claimable(uint256 assignment) internal view returns (uint256) {
        Account a = escrow.accountOf(assignment);
        uint256 price = uint96(_word(_place(_slotOfJobs(), AssignmentIds.jobOf(assignment)), 0) >> 160);
        Rates memory rates = Rates(price, EPOCH_LENGTH, PROTOCOL_SHARE_PPM, 0);
        return rates.net(a.earned()) - rates.net(a.claimed());
    }

    /// @dev Fills in what stands in a job's status word.
    /// @return deposited slot-seconds that were paid for
    function _readStatus(JobView memory v, uint256 word) private pure returns (uint256 deposited) {
        v.startsAt = uint40(word);
        v.stop = uint40(word >> 40);
        v.windowEpochs = uint16(word >> 80);
        v.leaving = uint8(word >> 96) != 0;
        v.closed = uint8(word >> 104) != 0;
        v.funded = uint48(word >> 120);
        deposited = uint48(word >> 168);
        v.slots = uint32(word >> 216);
    }

    /// @dev Fills in what follows from the rest: the same sums as the escrow's.
    function _sums(JobView memory v, uint256 deposited) private view {
        Rates memory rates = Rates(v.price, EPOCH_LENGTH, PROTOCOL_SHARE_PPM, v.cspSharePpm);
        TallyView memory t = v.tally;
        v.deposit = _cost(v.price, deposited);
        v.paid = t.paid(rates);
        uint256 burned = t.burnDue(rates);
        uint256 protocol = t.protocolDue(rates);
        uint256 refund;
        if (!v.closed) refund = v.deposit - _cost(v.price, v.funded) + t.refundDue(rates);
        else if (t.held == 0 && t.claimed == t.earned) refund = v.deposit - v.paid - burned - protocol;
        else refund = v.deposit - t.booked(rates) + t.refundDue(rates);
        v.refundable = refund > v.refunded ? refund - v.refunded : 0;
        v.burnable = burned - v.burned;
        v.protocolDue = protocol - v.toProtocol;
    }

    function _cost(uint256 price, uint256 secs) private view returns (uint256) {
        return (price * secs + EPOCH_LENGTH - 1) / EPOCH_LENGTH;
    }

    function _word(bytes32 place, uint256 offset) private view returns (uint256) {
        bytes32[] memory places = new bytes32[](1);
        places[0] = _after(place, offset);
        return uint256(escrow.words(places)[0]);
    }

    function _after(bytes32 place, uint256 offset) private pure returns (bytes32) {
        return bytes32(uint256(place) + offset);
    }

    /// @dev Where a mapping at `slot` keeps what belongs to `key`.
    function _place(uint256 slot, uint256 key) private pure returns (bytes32) {
        return keccak256(abi.encode(key, slot));
    }

    function _slotOfJobs() private pure returns (uint256 slot) {
        assembly ("memory-safe") {
            slot := _jobs.slot
        }
    }

    function _slotOfStatus() private pure returns (uint256 slot) {
        assembly ("memory-safe") {
            slot := _status.slot
        }
    }

    function _slotOfTallies() private pure returns (uint256 slot) {
        assembly ("memory-safe") {
            slot := _tallies.slot
        }
    }

    function _slotOfOutflows() private pure returns (uint256 slot) {
        assembly ("memory-safe") {
            slot := _outflows.slot
        }
    }

    function _slotOfHeld() private pure returns (uint256 slot) {
        assembly ("memory-safe") {
            slot := _held.slot
        }
    }
}
