// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Kind} from "../../../contracts/interfaces/INodeLicense.sol";
import {StatusActions} from "./StatusActions.sol";

/// @dev What licences ought to get, worked out the slow way from docs/money.md and {ILicenceRewards}, without asking the contract.
abstract contract RewardsModel is StatusActions {
    uint256 public constant GENESIS = 1_800_000_000;
    uint256 public constant EPOCH = 1_000;
    uint256 internal constant WHOLE = 1e18;
    uint256 public constant WALLETS = 3;

    /// @param linkedSince zero: it isn't linked
    /// @param paid in the token's smallest unit
    struct Book {
        Kind kind;
        uint40 linkedBefore;
        uint40 linkedSince;
        uint40 through;
        uint40 accounted;
        uint40 earned;
        uint40 claimed;
        uint256 paid;
    }

    /// @param supply how many licences of the kind the rewards know of
    /// @param start first epoch that counts
    /// @param points cumulative shares at the ends of steps, the first of which starts from nothing
    struct Plan {
        uint32 supply;
        uint96 cap;
        uint32 start;
        uint32 stepEpochs;
        uint64[4] points;
    }

    Book[] internal books;
    mapping(Kind kind => Plan) internal plans;
    mapping(Kind kind => uint256) public paidTo;
    mapping(address recipient => uint256) public credited;

    constructor() {
        books.push();
        // There will be more masters than the rewards know of, so that the kind's limit is met.
        plans[Kind.Standard] = Plan(3, 1_000_003, 0, 3, [uint64(5e17), 8e17, 8e17, 1e18]);
        plans[Kind.Master] = Plan(1, 777_777_777_777_777, 3, 2, [uint64(1e17), 3e17, 333e15, 1e18]);
        plans[Kind.Genesis] = Plan(1, 100_003, 1, 2, [uint64(25e16), 5e17, 75e16, 1e18]);
    }

    // Read by the invariants

    /// @dev How many licences there are, 1 to this.
    function count() public view returns (uint256) {
        return books.length - 1;
    }

    /// @dev Of all licences, the first of which isn't one.
    function allBooks() external view returns (Book[] memory) {
        return books;
    }

    /// @dev All that a kind's licences may ever get.
    function limitOf(Kind kind) public view returns (uint256) {
        return uint256(plans[kind].supply) * plans[kind].cap;
    }

    /// @dev Step by step: each gives its share evenly.
    function schedule(Kind kind, uint256 secs) public view returns (uint256) {
        Plan memory p = plans[kind];
        uint256 step = p.stepEpochs * EPOCH;
        uint256 weighed = 0;
        uint256 before = 0;
        for (uint256 i = 0; i < p.points.length; ++i) {
            weighed += (p.points[i] - before) * _min(secs, step);
            secs = _beyond(secs, step);
            before = p.points[i];
        }
        return (p.cap * weighed) / (WHOLE * step);
    }

    /// @dev What a claim must bring now if nothing makes it wait: what lacks of S(earned). Only where more licences were minted than the
    /// rewards know of does the kind's limit bind.
    function dueOf(uint256 licence) public view returns (uint256) {
        Book memory b = books[licence];
        if (b.earned == b.claimed) return 0;
        return _min(schedule(b.kind, b.earned) - b.paid, limitOf(b.kind) - paidTo[b.kind]);
    }

    function linkedSeconds(uint256 licence) public view returns (uint256) {
        Book memory b = books[licence];
        return b.linkedBefore + (b.linkedSince == 0 ? 0 : _now() - b.linkedSince);
    }

    /// @dev From when on a kind's seconds count.
    function startOf(Kind kind) public view returns (uint256) {
        return GENESIS + plans[kind].start * EPOCH;
    }

    function wallet(uint256 i) public pure returns (address) {
        return address(uint160(0x6E0 + i));
    }

    // Told by the handler

    /// @dev A leaf of a report that ends at `end` was settled; one of no licence does nothing.
    function _settled(uint256 licence, uint256 end, uint256 earned, uint256 accounted) internal {
        if (licence > count()) return;
        Book storage b = books[licence];
        uint256 from = b.through == 0 ? startOf(b.kind) : b.through;
        uint256 told = _beyond(accounted, b.accounted);
        uint256 more = _beyond(earned, b.earned);
        // Not beyond the time since the last report, nor the time linked in all.
        uint256 fresh = _min(
            told,
            _beyond(_min(b.accounted + _beyond(end, from), linkedSeconds(licence)), b.accounted)
        );
        uint256 appealed = _min(_beyond(more, told), b.accounted - b.earned);
        b.earned += uint40(_min(_min(more, told), fresh) + appealed);
        b.accounted += uint40(fresh);
        if (end > from) b.through = uint40(end);
    }

    /// @dev All that is due was paid; a genesis licence's in equal parts, of which the later wallets' are rounded up first.
    function _paid(uint256 licence, address recipient) internal returns (uint256 due) {
        Book storage b = books[licence];
        due = dueOf(licence);
        b.claimed = b.earned;
        b.paid += due;
        paidTo[b.kind] += due;
        if (b.kind != Kind.Genesis) credited[recipient] += due;
        else for (uint256 i = 0; i < WALLETS; ++i) credited[wallet(i)] = (b.paid + i) / WALLETS;
    }
}
