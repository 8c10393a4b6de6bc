// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Credential, ICredentials} from "../../../contracts/interfaces/ICredentials.sol";
import {ITrustRegistry, Status} from "../../../contracts/interfaces/ITrustRegistry.sol";
import {Subjects} from "../../../contracts/libraries/Subjects.sol";
import {CredentialModel} from "./CredentialModel.sol";

/// @dev Verifiers who come and go, those whom they know, the network that revokes and bars, and strangers.
contract CredentialHandler is CredentialModel {
    Credential[] private _issued;
    address[] private _issuers;

    constructor() {
        for (uint256 i = 0; i < VERIFIERS - 1; ++i) {
            _kinds[verifiers(i)] = uint8(3 - (i % 2));
            credentials.setVerifier(verifiers(i), uint8(3 - (i % 2)));
        }
    }

    function actions() external pure override returns (bytes4[] memory list) {
        list = new bytes4[](16);
        list[0] = this.issue.selector;
        list[1] = this.issue.selector;
        list[2] = this.issue.selector;
        list[3] = this.present.selector;
        list[4] = this.present.selector;
        list[5] = this.forge.selector;
        list[6] = this.revoke.selector;
        list[7] = this.revokeAll.selector;
        list[8] = this.setVerifier.selector;
        list[9] = this.setVerifier.selector;
        list[10] = this.removeVerifier.selector;
        list[11] = this.voidFrom.selector;
        list[12] = this.judge.selector;
        list[13] = this.heed.selector;
        list[14] = this.heed.selector;
        list[15] = this.pass.selector;
    }

    /// @dev A verifier signs a credential, for now, for some time ago or for later; short or long, at times of an unknown kind.
    function issue(uint256 seed) external {
        _pass((seed >> 80) % 50);
        uint8 kind = seed % 16 == 0 ? 3 : uint8(1 + (seed % 2));
        uint256 time = (seed >> 8) % 8 == 0 ? _now() + ((seed >> 16) % 100) : _now() - ((seed >> 16) % 3);
        uint256 expiry = time + ((seed >> 40) % ((seed >> 32) % 6 == 0 ? 3 : 20_000));
        address subject = subjects((seed >> 64) % SUBJECTS);
        Credential memory c = Credential(subject, kind, bytes32(seed), uint64(time), uint64(expiry));
        address verifier = verifiers((seed >> 72) % VERIFIERS);
        _issued.push(c);
        _issuers.push(verifier);
        if (verifier == address(_registrar)) _registrar.sign(_digest(c));
        ++done["issue"];
        if ((seed >> 96) % 2 == 0) _present(_issued.length - 1);
    }

    /// @dev Anyone presents what was ever signed; the old ones too.
    function present(uint256 seed) external {
        if (_issued.length != 0) _present(_pick(seed, _issued.length, _isPresentable));
    }

    /// @dev A credential that was changed since; a key's signature for a contract; a contract's with an empty one.
    function forge(uint256 seed) external {
        if (_issued.length == 0) return;
        uint256 place = _pick(seed, _issued.length, _isPresentable);
        Credential memory c = _issued[place];
        address verifier = _issuers[place];
        bytes memory data = abi.encodeCall(credentials.presentFrom, (c, verifier, ""));
        _against(true, ICredentials.Credentials_WrongSignature.selector);
        _take("forge", STRANGER, address(credentials), data);
        if (verifier == address(_registrar)) return;

        (bytes32 r, bytes32 vs) = _sign(c, verifier);
        if (seed % 3 == 0) c.subject = STRANGER;
        else if (seed % 3 == 1) ++c.expiry;
        else c.document = ~c.document;
        _against(c.kind == 3, ICredentials.Credentials_UnknownKind.selector);
        _against(true, ICredentials.Credentials_NotVerifier.selector);
        _take("forge", STRANGER, address(credentials), abi.encodeCall(credentials.present, (c, r, vs)));
    }

    /// @dev A verifier revokes what it issued, presented or not, also after it was removed.
    function revoke(uint256 seed) external {
        (address subject, uint8 kind) = (subjects(seed % SUBJECTS), uint8(1 + ((seed >> 8) % 2)));
        address verifier = (seed >> 16) % 2 == 0 ? verifiers((seed >> 24) % VERIFIERS) : _standing(subject, kind);
        if (verifier == address(0)) verifier = STRANGER;
        bool may = _kinds[verifier] & kind != 0 || _standing(subject, kind) == verifier;
        _against(!may, ICredentials.Credentials_NotVerifier.selector);
        bytes memory data = abi.encodeCall(credentials.revoke, (subject, kind));
        if (!_take("revoke", verifier, address(credentials), data)) return;
        if (_kinds[verifier] & kind == 0) ++done["revokeAsFormer"];
        _log.push(Entry(Deed.Revoked, verifier, subject, kind, uint64(_now()), 0));
    }

    function revokeAll(uint256 seed) external {
        (address subject, uint8 kind) = (subjects(seed % SUBJECTS), uint8(1 + ((seed >> 8) % 3)));
        address who = _governor(seed >> 64);
        _against(kind == 3, ICredentials.Credentials_UnknownKind.selector);
        bytes memory data = abi.encodeCall(credentials.revokeAll, (subject, kind));
        if (!_take("revokeAll", who, address(credentials), data)) return;
        _log.push(Entry(Deed.RevokedByAll, address(0), subject, kind, uint64(_now()), 0));
    }

    function setVerifier(uint256 seed) external {
        (address verifier, uint8 kinds) = (verifiers(seed % VERIFIERS), uint8((seed >> 8) % 8));
        if (kinds > 4) kinds = 3;
        address who = _governor(seed >> 64);
        _against(kinds == 0 || kinds > 3, ICredentials.Credentials_UnknownKind.selector);
        _against(_distrusted[verifier], ICredentials.Credentials_Distrusted.selector);
        bytes memory data = abi.encodeCall(credentials.setVerifier, (verifier, kinds));
        if (_take("setVerifier", who, address(credentials), data)) _kinds[verifier] = kinds;
    }

    /// @dev Often one whose credentials stand; seldom for cause, which is for ever.
    function removeVerifier(uint256 seed) external {
        (address verifier, bool forCause) = (verifiers(seed % VERIFIERS), (seed >> 8) % 4 == 0);
        address standing = _standing(subjects((seed >> 16) % SUBJECTS), 1);
        if ((seed >> 24) % 2 == 0 && standing != address(0)) verifier = standing;
        address who = _governor(seed >> 64);
        _against(_distrusted[verifier], ICredentials.Credentials_Distrusted.selector);
        bytes memory data = abi.encodeCall(credentials.removeVerifier, (verifier, forCause));
        if (!_take(forCause ? "removeForCause" : "remove", who, address(credentials), data)) return;
        (_kinds[verifier], _distrusted[verifier]) = (0, forCause);
    }

    /// @dev What a verifier signed that was removed for cause, of all subjects.
    function voidFrom(uint256 seed) external {
        (address verifier, uint8 kind) = (
            verifiers(_pick(seed, VERIFIERS, _isDistrusted)),
            uint8(1 + ((seed >> 8) % 2))
        );
        address[] memory all = new address[](SUBJECTS);
        for (uint256 i = 0; i < SUBJECTS; ++i) all[i] = subjects(i);
        _against(!_distrusted[verifier], ICredentials.Credentials_NotDistrusted.selector);
        bytes memory data = abi.encodeCall(credentials.voidFrom, (verifier, all, kind));
        if (!_take("voidFrom", STRANGER, address(credentials), data)) return;
        for (uint256 i = 0; i < SUBJECTS; ++i) {
            if (_expiry(all[i], kind) != 0 && _standing(all[i], kind) == verifier) ++done["voided"];
            _log.push(Entry(Deed.Voided, verifier, all[i], kind, 0, 0));
        }
    }

    /// @dev Owners of accounts; and kinds of subjects that there aren't.
    function judge(uint256 seed) external {
        _judge(Subjects.owner(subjects((seed >> 64) % SUBJECTS)), seed);
        uint256 nobody = (uint256(Subjects.OWNER + 1) << 248) | 1;
        _against(true, ITrustRegistry.TrustRegistry_UnknownKind.selector);
        _take("judgeNobody", address(this), address(trust), abi.encodeCall(trust.suspend, (nobody, 7, bytes32("x"))));
    }

    function heed(uint256 seed) external {
        address subject = subjects(_pick(seed, SUBJECTS, _isNews));
        bytes memory data = abi.encodeCall(credentials.heed, (subject));
        if (!_take("heed", STRANGER, address(credentials), data)) return;
        bool before = barred[subject];
        barred[subject] = trust.statusOf(Subjects.owner(subject)) != Status.None;
        if (!before && barred[subject]) ++done["bar"];
        if (before && !barred[subject]) ++done["unbar"];
    }

    function pass(uint256 seed) external {
        _pass(seed % 1_500);
    }

    function _present(uint256 place) private {
        (Credential memory c, address verifier) = (_issued[place], _issuers[place]);
        _against(c.kind == 3, ICredentials.Credentials_UnknownKind.selector);
        _against(_kinds[verifier] & c.kind == 0, ICredentials.Credentials_NotVerifier.selector);
        _against(c.issuedAt > _now(), ICredentials.Credentials_NotYetIssued.selector);
        _against(c.expiry <= _now(), ICredentials.Credentials_Expired.selector);
        _against(_outdated(c, verifier), ICredentials.Credentials_Outdated.selector);
        bool renews = countsUntil(c.subject, c.kind) > _now();
        string memory action = verifier == address(_registrar) ? "presentFrom" : "present";
        bytes memory data = abi.encodeCall(credentials.presentFrom, (c, verifier, "signed"));
        if (verifier != address(_registrar)) {
            (bytes32 r, bytes32 vs) = _sign(c, verifier);
            data = abi.encodeCall(credentials.present, (c, r, vs));
        }
        if (!_take(action, STRANGER, address(credentials), data)) return;
        if (renews) ++done["renew"];
        if (barred[c.subject]) ++done["presentWhileBarred"];
        _log.push(Entry(Deed.Presented, verifier, c.subject, c.kind, c.issuedAt, c.expiry));
    }

    function _sign(Credential memory c, address verifier) private view returns (bytes32 r, bytes32 vs) {
        uint256 key = 1;
        while (vm.addr(key) != verifier) ++key;
        return vm.signCompact(key, _digest(c));
    }

    function _digest(Credential memory c) private view returns (bytes32) {
        bytes32 kind = keccak256(
            "Credential(address subject,uint8 kind,bytes32 document,uint64 issuedAt,uint64 expiry)"
        );
        return _typed("Epochal Credentials", address(credentials), keccak256(abi.encode(kind, c)));
    }

    function _isPresentable(uint256 place) private view returns (bool) {
        (Credential memory c, address verifier) = (_issued[place], _issuers[place]);
        bool inTime = c.issuedAt <= _now() && _now() < c.expiry;
        return inTime && _kinds[verifier] & c.kind != 0 && !_outdated(c, verifier);
    }

    function _isDistrusted(uint256 place) private view returns (bool) {
        return _distrusted[verifiers(place)];
    }

    /// @dev Whether a subject's bar doesn't fit what stands against it.
    function _isNews(uint256 place) private view returns (bool) {
        address subject = subjects(place);
        return barred[subject] != (trust.statusOf(Subjects.owner(subject)) != Status.None);
    }
}
