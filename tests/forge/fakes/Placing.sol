// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {Authority} from "../../../contracts/governance/Authority.sol";
import {ICspAccounts} from "../../../contracts/interfaces/ICspAccounts.sol";
import {IEscrowPlacing} from "../../../contracts/interfaces/IEscrowPlacing.sol";
import {INodeLicense} from "../../../contracts/interfaces/INodeLicense.sol";
import {IOracleRegistry} from "../../../contracts/interfaces/IOracleRegistry.sol";
import {Placement} from "../../../contracts/interfaces/IPlacements.sol";
import {IReallocations} from "../../../contracts/interfaces/IReallocations.sol";
import {ITrustRegistry, Status} from "../../../contracts/interfaces/ITrustRegistry.sol";
import {Account, Accounts} from "../../../contracts/libraries/Accrual.sol";
import {AssignmentIds} from "../../../contracts/libraries/AssignmentIds.sol";
import {Permissions} from "../../../contracts/libraries/Permissions.sol";
import {Policy} from "../../../contracts/libraries/Policy.sol";
import {Timing} from "../../../contracts/libraries/Timing.sol";
import {Attestations} from "../../../contracts/oracles/Attestations.sol";
import {Placements} from "../../../contracts/placing/Placements.sol";
import {Reallocations} from "../../../contracts/placing/Reallocations.sol";

/// @dev Holders, nodes and open assignments, set by hand.
contract FakeLicences {
    mapping(uint256 licence => address) public ownerOf;
    mapping(uint256 licence => address) public nodeOf;
    mapping(uint256 licence => uint256) public openAssignments;

    function set(uint256 licence, address holder, address node) external {
        ownerOf[licence] = holder;
        nodeOf[licence] = node;
    }

    function count(uint256 licence, bool opened) external {
        if (opened) ++openAssignments[licence];
        else --openAssignments[licence];
    }
}

/// @dev Statuses, set by hand.
contract FakeTrust {
    mapping(uint256 subject => Status) public statusOf;

    function set(uint256 subject, Status status) external {
        statusOf[subject] = status;
    }
}

/// @dev A pair that conflicts in as many members as is set by hand, of one that is borne.
contract FakeRegistry {
    address private csp;
    address private holder;
    uint256 private conflicted;

    function set(address csp_, address holder_, uint256 conflicted_) external {
        (csp, holder, conflicted) = (csp_, holder_, conflicted_);
    }

    function conflicts(address csp_, address holder_) external view returns (uint256, uint256) {
        return (csp_ == csp && holder_ == holder ? conflicted : 0, 1);
    }
}

/// @dev One account, its owner and one delegate, who may place.
contract FakeAccounts {
    error NotAuthorised(address caller);

    address private owner;
    address private delegate;

    constructor(address owner_, address delegate_) {
        (owner, delegate) = (owner_, delegate_);
    }

    function ownerOf(uint48 account) external view returns (address) {
        return account == 1 ? owner : address(0);
    }

    function authorise(uint48 account, address caller, uint8 permission) external view returns (address) {
        bool may = caller == owner || (caller == delegate && permission == Permissions.PLACE);
        require(account == 1 && may, NotAuthorised(caller));
        return owner;
    }
}

/// @dev Jobs and assignments as {JobEscrow} keeps them, without the money.
contract FakeEscrow is IEscrowPlacing {
    error UnknownAssignment(uint256 assignment);
    error AlreadyClosed(uint256 assignment);
    error NotPlacements(address caller);
    error SlotTaken();

    struct Job {
        address orchestrator;
        uint40 stop;
        bytes32 terms;
    }

    struct Parties {
        address payee;
        uint256 licence;
        address node;
    }

    ICspAccounts public immutable accounts;
    FakeLicences private immutable licences;
    address public placements;
    mapping(uint64 job => Job) private _jobs;
    mapping(uint64 job => mapping(uint32 slot => uint32)) public generations;
    mapping(uint256 assignment => Parties) public partiesOf;
    mapping(uint256 assignment => Account) public accountOf;

    constructor(ICspAccounts accounts_, FakeLicences licences_) {
        accounts = accounts_;
        licences = licences_;
    }

    function wire(address placements_) external {
        placements = placements_;
    }

    function setJob(uint64 job, address orchestrator, uint40 stop, bytes32 terms) external {
        _jobs[job] = Job(orchestrator, stop, terms);
    }

    function openAssignment(
        uint64 job,
        uint32 slot,
        uint256 licence
    ) external returns (uint256 assignment, address holder, address node) {
        require(msg.sender == placements, NotPlacements(msg.sender));
        uint32 generation = generations[job][slot];
        require(generation == 0 || accountOf[AssignmentIds.pack(job, slot, generation)].closedAt() != 0, SlotTaken());
        generations[job][slot] = ++generation;
        assignment = AssignmentIds.pack(job, slot, generation);
        (holder, node) = (licences.ownerOf(licence), licences.nodeOf(licence));
        partiesOf[assignment] = Parties(holder, licence, node);
        accountOf[assignment] = Accounts.open(block.timestamp);
        licences.count(licence, true);
    }

    function endAssignment(uint256 assignment, uint40 time) external {
        require(msg.sender == placements, NotPlacements(msg.sender));
        Account a = accountOf[assignment];
        require(a.openedAt() != 0, UnknownAssignment(assignment));
        require(a.closedAt() == 0, AlreadyClosed(assignment));
        uint40 stop = _jobs[AssignmentIds.jobOf(assignment)].stop;
        accountOf[assignment] = a.close(time < stop ? time : stop);
        licences.count(partiesOf[assignment].licence, false);
    }

    function placementOf(uint64 job) external view returns (address, uint48, bytes32) {
        return (_jobs[job].orchestrator, 1, _jobs[job].terms);
    }

    function stopOf(uint64 job) external view returns (uint40) {
        return _jobs[job].stop;
    }
}

/// @dev A network with one job of two slots, three licences, and real {Placements} and {Reallocations} between fakes.
abstract contract PlacingWorld is Test {
    uint40 internal constant GENESIS = 1_800_000_000;
    uint32 internal constant EPOCH = 1_000;
    uint64 internal constant JOB = 7;
    uint40 internal constant STOP = GENESIS + 100 * EPOCH;
    uint96 internal constant PRICE = 5e18;
    uint256 internal constant ORACLES = 5;
    bytes32 internal constant INTENT = "intent";
    address internal constant TOKEN = address(0x70CE);

    bytes32 private constant DOMAIN_TYPE = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    );
    bytes32 private constant ACCEPTANCE = keccak256(
        "Acceptance(uint64 job,uint32 slot,uint32 generation,uint256 licence,bytes32 terms,uint64 expiry)"
    );

    address internal csp = makeAddr("csp");
    address internal delegate = makeAddr("delegate");
    address internal orchestrator = makeAddr("orchestrator");
    address internal stranger = makeAddr("stranger");
    uint256[] internal oracleKeys;
    Policy internal policy;

    Attestations internal attestations;
    FakeLicences internal licences = new FakeLicences();
    FakeTrust internal trust = new FakeTrust();
    FakeRegistry internal registry = new FakeRegistry();
    FakeAccounts internal accounts;
    FakeEscrow internal escrow;
    Placements internal placements;
    Reallocations internal reallocations;

    function setUp() public virtual {
        vm.warp(GENESIS);
        oracleKeys = _committee(ORACLES, "oracle");
        attestations = new Attestations(address(new Authority(address(this))), _timing(), _addresses(oracleKeys));
        accounts = new FakeAccounts(csp, delegate);
        escrow = new FakeEscrow(ICspAccounts(address(accounts)), licences);
        address next = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 1);
        placements = new Placements(
            escrow,
            INodeLicense(address(licences)),
            ITrustRegistry(address(trust)),
            IOracleRegistry(address(registry)),
            ICspAccounts(address(accounts)),
            IReallocations(next)
        );
        reallocations = new Reallocations(attestations, placements, escrow);
        assertEq(address(reallocations), next);
        escrow.wire(address(placements));

        policy = Policy({
            evidence: 3,
            targetPpm: 990_000,
            floorPpm: 900_000,
            windowEpochs: 1,
            minObservedSeconds: 10,
            cspSharePpm: 500_000,
            penaltyPpm: 100_000,
            missedEpochs: 2,
            outageSeconds: 300,
            answerSeconds: 120,
            cooldownSeconds: 1_500,
            maintenanceSeconds: 60
        });
        _setPolicy();
        for (uint256 licence = 1; licence <= 3; ++licence) licences.set(licence, _holder(licence), _node(licence));
    }

    function _setPolicy() internal {
        escrow.setJob(JOB, orchestrator, STOP, _terms());
    }

    function _terms() internal view returns (bytes32) {
        return keccak256(abi.encode(TOKEN, PRICE, keccak256(abi.encode(policy)), INTENT));
    }

    function _holder(uint256 licence) internal pure returns (address) {
        return vm.addr(1_000 + licence);
    }

    function _node(uint256 licence) internal pure returns (address) {
        return vm.addr(2_000 + licence);
    }

    /// @dev The orchestrator places a licence, with its node's acceptance, into a slot.
    function _assign(uint32 slot, uint256 licence) internal returns (uint256 assignment) {
        Placement memory p = _placement(slot, licence);
        (bytes32 r, bytes32 vs) = _accept(p, 2_000 + licence);
        vm.prank(orchestrator);
        return placements.assign(p, r, vs);
    }

    function _placement(uint32 slot, uint256 licence) internal view returns (Placement memory) {
        return Placement({job: JOB, slot: slot, licence: licence, expiry: uint64(vm.getBlockTimestamp() + 10)});
    }

    function _accept(Placement memory p, uint256 key) internal view returns (bytes32 r, bytes32 vs) {
        uint32 generation = escrow.generations(p.job, p.slot) + 1;
        bytes32 hash = keccak256(abi.encode(ACCEPTANCE, p.job, p.slot, generation, p.licence, _terms(), p.expiry));
        return vm.signCompact(key, _digest("Epochal Placements", address(placements), hash));
    }

    function _digest(string memory name, address place, bytes32 hash) internal view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(DOMAIN_TYPE, keccak256(bytes(name)), keccak256("1"), block.chainid, place)
        );
        return keccak256(abi.encodePacked(hex"1901", domain, hash));
    }

    /// @dev Keys of a committee, in ascending order of their addresses.
    function _committee(uint256 size, string memory name) internal returns (uint256[] memory keys) {
        keys = new uint256[](size);
        for (uint256 i = 0; i < size; ++i) {
            (, uint256 key) = makeAddrAndKey(string.concat(name, vm.toString(i)));
            uint256 j = i;
            for (; j > 0 && vm.addr(keys[j - 1]) > vm.addr(key); --j) keys[j] = keys[j - 1];
            keys[j] = key;
        }
    }

    function _addresses(uint256[] memory keys) internal pure returns (address[] memory signers) {
        signers = new address[](keys.length);
        for (uint256 i = 0; i < keys.length; ++i) signers[i] = vm.addr(keys[i]);
    }

    function _timing() internal pure returns (Timing memory) {
        return
            Timing({
                genesis: GENESIS,
                epochLength: EPOCH,
                settleDelay: 10,
                agreementSpan: 10,
                activationDelay: 50,
                reviewDelay: 1_500,
                replacementSpan: 1_000,
                stallSpan: 4_000,
                attestableSpan: 3_000,
                grace: 300
            });
    }
}
