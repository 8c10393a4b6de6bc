// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC721Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {ILicenceRewards} from "../../../contracts/interfaces/ILicenceRewards.sol";
import {INodeLicense, Kind} from "../../../contracts/interfaces/INodeLicense.sol";
import {Status} from "../../../contracts/interfaces/ITrustRegistry.sol";
import {Subjects} from "../../../contracts/libraries/Subjects.sol";
import {RewardsCommittee} from "./RewardsCommittee.sol";

/// @dev Who has to do with rewards: holders, their operators, a custodian, strangers, a warden; and the committee.
contract RewardsHandler is RewardsCommittee {
    function actions() external pure override returns (bytes4[] memory list) {
        list = new bytes4[](18);
        list[0] = this.report.selector;
        list[1] = this.report.selector;
        list[2] = this.report.selector;
        list[3] = this.settle.selector;
        list[4] = this.settle.selector;
        list[5] = this.settleRange.selector;
        list[6] = this.settleRange.selector;
        list[7] = this.settleRange.selector;
        list[8] = this.forge.selector;
        list[9] = this.claim.selector;
        list[10] = this.claim.selector;
        list[11] = this.claimTo.selector;
        list[12] = this.claimTo.selector;
        list[13] = this.link.selector;
        list[14] = this.transfer.selector;
        list[15] = this.appoint.selector;
        list[16] = this.judge.selector;
        list[17] = this.mintOrBurn.selector;
    }

    /// @dev Anyone claims, one, two, the same twice, what isn't there, or all. Nothing stands against that, ever: some wait.
    function claim(uint256 seed) external {
        address who = (seed >> 8) % 5 == 4 ? STRANGER : people((seed >> 8) % 5);
        claimAs(who, seed % 4 == 0 ? _all() : _two(seed >> 16));
    }

    function claimAs(address who, uint256[] memory ids) public {
        for (uint256 i = 0; i < ids.length; ++i) {
            uint256 due = ids[i] > count() ? 0 : dueOf(ids[i]);
            _check(rewards.claimable(ids[i]) == due, "a licence may claim another amount");
        }
        if (!_take("claim", who, address(rewards), abi.encodeCall(rewards.claim, (ids)))) return;
        uint256 sum = 0;
        for (uint256 i = 0; i < ids.length; ++i) {
            uint256 licence = ids[i];
            if (licence > count() || books[licence].earned == books[licence].claimed) continue;
            address holder = licences.ownerOf(licence);
            bool apart = books[licence].kind == Kind.Genesis || holder != _custodian || _actsFor(who, holder);
            if (_frozen(Subjects.licence(licence))) ++done["frozen"];
            else if (!apart) ++done["inCustody"];
            else sum += _paid(licence, holder);
        }
        if (sum != 0) ++done["paid"];
        _check(_told() == sum, "a claim brought another amount");
    }

    /// @dev Those who act for a holder choose the recipient; nobody else does.
    function claimTo(uint256 seed) external {
        uint256[] memory ids = _two(seed >> 16);
        for (uint256 i = 0; i < ids.length; ++i) if (ids[i] > count()) ids[i] = 1;
        address who = seed % 4 == 0 ? people((seed >> 8) % PEOPLE) : licences.ownerOf(ids[0]);
        address recipient = (seed >> 64) % 8 == 0 ? address(0) : people((seed >> 72) % PEOPLE);
        _against(recipient == address(0), ILicenceRewards.LicenceRewards_ZeroRecipient.selector);
        for (uint256 i = 0; i < ids.length; ++i) {
            bool acts = _actsFor(who, licences.ownerOf(ids[i]));
            _against(!acts, ILicenceRewards.LicenceRewards_NotHolder.selector);
            _against(books[ids[i]].kind == Kind.Genesis, ILicenceRewards.LicenceRewards_FixedRecipients.selector);
        }
        if (!_take("claimTo", who, address(rewards), abi.encodeCall(rewards.claimTo, (ids, recipient)))) return;
        if (licences.ownerOf(ids[0]) != who) ++done["claimToAsOperator"];
        uint256 sum = 0;
        for (uint256 i = 0; i < ids.length; ++i) {
            if (!_frozen(Subjects.licence(ids[i]))) sum += _paid(ids[i], recipient);
        }
        if (sum != 0) ++done["paidTo"];
        _check(_told() == sum, "a claim brought its recipient another amount");
    }

    /// @dev A licence is linked to its node, or unlinked.
    function link(uint256 seed) external {
        uint256 licence = 1 + (seed % count());
        address who = seed % 8 == 7 ? STRANGER : licences.ownerOf(licence);
        _against(who == STRANGER, INodeLicense.NodeLicense_NotHolder.selector);
        if (books[licence].linkedSince != 0) {
            if (!_take("unlink", who, address(licences), abi.encodeCall(licences.unlink, (licence)))) return;
            books[licence].linkedBefore = uint40(linkedSeconds(licence));
            books[licence].linkedSince = 0;
            return;
        }
        _against(_now() < licences.relinkableAt(licence), INodeLicense.NodeLicense_CoolingDown.selector);
        _against(_barred(licence), INodeLicense.NodeLicense_Barred.selector);
        address node = vm.addr(licence);
        bytes32 digest = _consentDigest(licences, licence, who, node, licences.consentNonce(node), FOREVER);
        (bytes32 r, bytes32 vs) = vm.signCompact(licence, digest);
        bytes memory data = abi.encodeCall(licences.link, (licence, node, FOREVER, r, vs));
        if (_take("link", who, address(licences), data)) books[licence].linkedSince = uint40(_now());
    }

    /// @dev Sold or given away, unlinked first as a rule.
    function transfer(uint256 seed) external {
        uint256 licence = 1 + _pick(seed, count(), _isUnlinked);
        address from = licences.ownerOf(licence);
        address who = (seed >> 16) % 8 == 0 ? STRANGER : from;
        _against(who == STRANGER, IERC721Errors.ERC721InsufficientApproval.selector);
        _against(books[licence].linkedSince != 0, INodeLicense.NodeLicense_AlreadyLinked.selector);
        _against(_barred(licence), INodeLicense.NodeLicense_Barred.selector);
        bytes memory data = abi.encodeCall(licences.transferFrom, (from, people((seed >> 8) % PEOPLE), licence));
        if (!_take("transfer", who, address(licences), data)) return;
        if (dueOf(licence) != 0) ++done["transferUnclaimed"];
    }

    function appoint(uint256 seed) external {
        bytes memory data = abi.encodeCall(licences.setApprovalForAll, (people(seed % PEOPLE), (seed >> 16) % 3 != 0));
        _take("appoint", people((seed >> 8) % PEOPLE), address(licences), data);
    }

    function judge(uint256 seed) external {
        _judge(Subjects.licence(1 + ((seed >> 64) % count())), seed);
    }

    /// @dev The licensor mints the last standard licence; holders burn what they got, which makes no room.
    function mintOrBurn(uint256 seed) external {
        address who = people(seed % PEOPLE);
        if (seed % 3 == 0) {
            (uint96 limit, uint96 minted) = licences.supplyOf(Kind.Standard);
            _against(minted == limit, INodeLicense.NodeLicense_Exhausted.selector);
            bytes memory data = abi.encodeCall(licences.mint, (people(0), Kind.Standard));
            if (_take("mint", address(this), address(licences), data)) books.push().kind = Kind.Standard;
            return;
        }
        uint256 amount = token.balanceOf(who) / _in(seed >> 8, 1, 3);
        if (amount == 0 || !_take("burn", who, address(token), abi.encodeCall(token.burn, (amount)))) return;
        burned += amount;
        burnedBy[who] += amount;
    }

    /// @dev All freezes end, and everybody's rewards are claimed.
    function finish() external {
        _pass(FREEZE);
        claimAs(_custodian, _all());
    }

    function _actsFor(address who, address holder) private view returns (bool) {
        return who == holder || licences.isApprovedForAll(holder, who);
    }

    function _barred(uint256 licence) private view returns (bool) {
        return trust.statusOf(Subjects.licence(licence)) != Status.None;
    }

    function _isDue(uint256 place) private view returns (bool) {
        return dueOf(1 + place) != 0;
    }

    function _isUnlinked(uint256 place) private view returns (bool) {
        return books[1 + place].linkedSince == 0;
    }

    /// @dev One to whom something is due, and maybe another, the same, or one that isn't there.
    function _two(uint256 draw) private view returns (uint256[] memory ids) {
        ids = new uint256[](1 + (draw % 2));
        ids[0] = 1 + _pick(draw >> 8, count(), _isDue);
        if (ids.length == 2) ids[1] = (draw >> 1) % 2 == 0 ? ids[0] : 1 + ((draw >> 2) % (count() + 1));
    }

    function _all() private view returns (uint256[] memory ids) {
        ids = new uint256[](count());
        for (uint256 i = 0; i < ids.length; ++i) ids[i] = 1 + i;
    }
}
