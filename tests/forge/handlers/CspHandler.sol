// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAdmission} from "../../../contracts/interfaces/IAdmission.sol";
import {ICspAccounts} from "../../../contracts/interfaces/ICspAccounts.sol";
import {JobView} from "../../../contracts/interfaces/IEscrowLens.sol";
import {IJobEscrow, JobTerms} from "../../../contracts/interfaces/IJobEscrow.sol";
import {Status} from "../../../contracts/interfaces/ITrustRegistry.sol";
import {Policy} from "../../../contracts/libraries/Policy.sol";
import {Subjects} from "../../../contracts/libraries/Subjects.sol";
import {World} from "./World.sol";

/// @dev CSPs: owners of accounts, a delegate who tries more than it may, and heirs who are offered accounts.
abstract contract CspHandler is World {
    bytes private constant NOT_DELEGATED = abi.encodePacked(
        ICspAccounts.CspAccounts_NotPermitted.selector,
        ICspAccounts.CspAccounts_DelegationExpired.selector
    );
    bytes private constant NOT_ADMITTED = abi.encodePacked(
        IAdmission.Admission_Paused.selector,
        IAdmission.Admission_AccountRestricted.selector,
        IAdmission.Admission_TokenNotAllowed.selector
    );

    function pass(uint256 secs) external act {
        _pass(secs % 16 == 0 ? 16_000 : _in(secs, 1, 1_500));
    }

    function create(uint256 seed, uint96 price, uint256 start, uint256 length) external act {
        if (escrow.jobCount() == MOST_JOBS) return;
        JobTerms memory terms = _terms(seed, price, _now() + (start % 601), length % (length % 8 < 4 ? 3_000 : 20_000));
        uint48 account = uint48(_in(seed >> 64, 1, ACCOUNTS));
        address owner = accounts.ownerOf(account);
        address caller = seed % 4 == 0 ? DELEGATE : owner;
        // Few delegates would else be in office with enough of a limit just when a job is created.
        if (caller == DELEGATE && (seed >> 4) % 2 == 0) _appoint(account, 15, uint40(_now() + 5_000), 1e30);
        bytes memory refusals = _refusals(account, caller, owner, terms.token, escrow.rules().depositFor(terms));
        bytes memory data = abi.encodeCall(escrow.createJob, (account, terms));
        string memory name = caller == owner ? "create" : "createAsDelegate";
        if (_call(name, caller, address(escrow), data, refusals)) termsOf[escrow.jobCount()] = terms;
    }

    function grow(uint64 job, uint256 seed) external act {
        if (escrow.jobCount() == 0) return;
        job = _runningJob(job);
        JobView memory j = lens.jobOf(job);
        if (j.leaving || _now() >= j.stop) return;
        uint32 slots = j.slots + uint32(seed % (MOST_SLOTS + 1 - j.slots));
        uint40 endsAt = j.stop + uint40((seed >> 8) % 3 == 0 ? 0 : (seed >> 16) % 3_000);
        address caller = (seed >> 32) % 4 == 0 ? DELEGATE : j.owner;
        bytes memory shape = abi.encodePacked(
            IJobEscrow.JobEscrow_NotMore.selector,
            IJobEscrow.JobEscrow_SlotNotStarted.selector
        );
        bytes memory refusals = _refusals(j.account, caller, j.owner, j.token, type(uint256).max);
        _call(
            "grow",
            caller,
            address(escrow),
            abi.encodeCall(escrow.growJob, (job, slots, endsAt)),
            clean(job) ? bytes.concat(shape, refusals) : ANY
        );
    }

    function stop(uint64 job, bool asDelegate) external act {
        (bool found, JobView memory j) = _job(job);
        if (!found || j.leaving || _now() >= j.stop) return;
        job = _jobId(job);
        // No status, pause or token keeps an owner from leaving.
        if (
            !_call(
                "stop",
                asDelegate ? DELEGATE : j.owner,
                address(escrow),
                abi.encodeCall(escrow.stopJob, (job)),
                asDelegate ? NOT_DELEGATED : NONE
            )
        ) return;
        JobView memory later = lens.jobOf(job);
        uint256 used = (uint256(later.price) * later.funded + EPOCH - 1) / EPOCH;
        _check(later.refunded + later.refundable >= later.deposit - used, "money for later time wasn't free at once");
    }

    function shrink(uint64 job, uint32 slots, bool asDelegate) external act {
        if (escrow.jobCount() == 0) return;
        job = _runningJob(job);
        JobView memory j = lens.jobOf(job);
        if (j.leaving || _now() >= j.stop || j.slots == 1) return;
        _call(
            "shrink",
            asDelegate ? DELEGATE : j.owner,
            address(escrow),
            abi.encodeCall(escrow.shrinkJob, (job, 1 + (slots % (j.slots - 1)))),
            asDelegate ? NOT_DELEGATED : NONE
        );
        _check(lens.jobOf(job).refundable >= j.refundable, "a refund fell");
    }

    function close(uint64 job) external act {
        (bool found, JobView memory j) = _job(job);
        if (!found || j.closed || (_now() < j.stop && job % 4 != 0)) return;
        uint256 covering = j.stop <= genesis ? 0 : (uint256(j.stop) - genesis - 1) / EPOCH;
        bool covered = everFinal && lastEpoch >= covering && _now() >= _finality(covering) + SETTLE_WINDOW;
        uint256 quiet = uint256(attestations.lastProgress()) + 4_000;
        bool stalled = _now() >= (quiet > j.stop ? quiet : j.stop) + 3_000;
        bool good = _call(
            "close",
            STRANGER,
            address(escrow),
            abi.encodeCall(escrow.closeJob, (_jobId(job))),
            abi.encodePacked(IJobEscrow.JobEscrow_NotClosable.selector)
        );
        _check(!good || (_now() >= j.stop && (covered || stalled)), "a job closed before nodes could prove their time");
    }

    /// @dev A refund goes to the owner, whole, to nobody else; a freeze holds it up unless the network has stalled.
    function withdraw(uint64 job) external act {
        (bool found, JobView memory j) = _job(job);
        if (!found) return;
        uint256 before = token.balanceOf(j.owner);
        bool waits = _frozen(Subjects.csp(j.account)) && !_stalled();
        bool good = _call(
            "withdraw",
            STRANGER,
            address(escrow),
            abi.encodeCall(escrow.withdrawRefund, (_jobId(job))),
            clean(_jobId(job)) ? (waits ? abi.encodePacked(IJobEscrow.JobEscrow_MoneyFrozen.selector) : NONE) : ANY
        );
        if (!clean(_jobId(job)) || !good) return;
        _check(!waits || j.refundable == 0, "a frozen CSP was paid");
        _check(token.balanceOf(j.owner) == before + j.refundable, "a refund went astray");
    }

    function appoint(uint256 seed, uint256 limit) external act {
        uint48 account = uint48(_in(seed, 1, ACCOUNTS));
        _appoint(account, uint8(seed >> 8) & 15, uint40(_now() + 1 + ((seed >> 16) % 5_000)), limit % 1e20);
        ++done["appoint"];
    }

    /// @dev A delegate helps himself to what only owners may do, and a stranger to an account.
    function meddle(uint256 seed) external act {
        uint48 account = uint48(_in(seed, 1, ACCOUNTS));
        address t = address(token);
        bytes[4] memory wishes = [
            abi.encodeCall(accounts.setDelegate, (account, DELEGATE, 15, type(uint40).max)),
            abi.encodeCall(accounts.setSpendingLimit, (account, DELEGATE, t, type(uint256).max)),
            abi.encodeCall(accounts.transferAccount, (account, DELEGATE)),
            abi.encodeCall(accounts.spend, (account, DELEGATE, 1, t, 1))
        ];
        _forbidden("meddle", DELEGATE, address(accounts), wishes[(seed >> 8) % 4]);
        _forbidden("usurp", STRANGER, address(accounts), abi.encodeCall(accounts.acceptAccount, (account)));
    }

    function handOver(uint256 seed) external act {
        uint48 account = uint48(_in(seed, 1, ACCOUNTS));
        address heir = accounts.offeredTo(account);
        if (heir == address(0)) {
            vm.prank(accounts.ownerOf(account));
            accounts.transferAccount(account, people((seed >> 8) % PEOPLE));
            ++done["offerAccount"];
            return;
        }
        _call("acceptAccount", heir, address(accounts), abi.encodeCall(accounts.acceptAccount, (account)), NONE);
        (uint8 permissions, ) = accounts.delegateOf(account, DELEGATE);
        _check(permissions == 0, "a former owner's delegate stayed");
    }

    /// @dev Why money may be refused to come in; nothing, when nothing stands against it.
    function _refusals(
        uint48 account,
        address caller,
        address owner,
        address currency,
        uint256 cost
    ) private view returns (bytes memory errors) {
        if (currency != address(token)) return ANY;
        (, uint40 paused) = admission.lastPause();
        bool open =
            admission.tokenAllowed(currency) &&
                _now() >= paused &&
                trust.statusOf(Subjects.csp(account)) == Status.None;
        if (!open) errors = NOT_ADMITTED;
        if (caller == owner) return errors;
        if (accounts.spendingLimit(account, caller, currency) < cost) {
            errors = bytes.concat(errors, abi.encodePacked(ICspAccounts.CspAccounts_LimitExceeded.selector));
        }
        errors = bytes.concat(errors, NOT_DELEGATED);
    }

    /// @dev The truth about finality, which the contract may only put later.
    function _finality(uint256 covering) private view returns (uint256) {
        (uint64 epoch, , uint40 finalAt) = attestations.previousFinal();
        if (finalAt != 0 && epoch >= covering) return finalAt;
        (, , finalAt) = attestations.lastFinal();
        return finalAt;
    }

    function _terms(
        uint256 seed,
        uint256 price,
        uint256 startsAt,
        uint256 length
    ) private view returns (JobTerms memory terms) {
        terms.token = (seed >> 72) % 3 == 0 ? address(hostile[(seed >> 80) % hostile.length]) : address(token);
        terms.price = uint96(_in(price, 1, 1e18));
        terms.slots = uint32(_in(seed, 1, 3));
        terms.startsAt = uint40(startsAt);
        terms.endsAt = uint40(startsAt + length + 1);
        terms.orchestrator = ORCHESTRATOR;
        terms.intent = bytes32(seed);
        terms.policy = Policy({
            evidence: 1,
            targetPpm: 980_000,
            floorPpm: 900_000,
            windowEpochs: uint16(_in(seed >> 8, 1, 3)),
            minObservedSeconds: 60,
            cspSharePpm: uint24((seed >> 16) % 1_000_001),
            penaltyPpm: uint24((seed >> 96) % 2 == 0 ? 0 : (seed >> 40) % 1_000_001),
            missedEpochs: uint16((seed >> 100) % 2),
            outageSeconds: 100,
            answerSeconds: 500,
            cooldownSeconds: 500,
            maintenanceSeconds: 0
        });
    }

    function _appoint(uint48 account, uint8 permissions, uint40 expiry, uint256 limit) private {
        vm.startPrank(accounts.ownerOf(account));
        accounts.setDelegate(account, DELEGATE, permissions, expiry);
        if (permissions != 0) accounts.setSpendingLimit(account, DELEGATE, address(token), limit);
        vm.stopPrank();
    }
}
