// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {Credentials} from "../../../contracts/csp/Credentials.sol";
import {Credential} from "../../../contracts/interfaces/ICredentials.sol";
import {StatusActions} from "./StatusActions.sol";

/// @dev A verifier that is a contract: it confirms the digests that it was told, with any signature that isn't empty.
contract Registrar is IERC1271 {
    mapping(bytes32 digest => bool) private _signed;

    function sign(bytes32 digest) external {
        _signed[digest] = true;
    }

    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        return _signed[digest] && signature.length != 0 ? IERC1271.isValidSignature.selector : bytes4(0);
    }
}

/// @dev Which credentials count, told from a log of all that happened, read backwards.
abstract contract CredentialModel is StatusActions {
    uint256 public constant SUBJECTS = 3;
    uint256 internal constant VERIFIERS = 4;

    enum Deed {
        Presented,
        Revoked,
        RevokedByAll,
        Voided
    }

    /// @param time when it was issued or revoked
    struct Entry {
        Deed deed;
        address verifier;
        address subject;
        uint8 kind;
        uint64 time;
        uint64 expiry;
    }

    Credentials public credentials = new Credentials(address(authority), trust);
    mapping(address subject => bool) public barred;
    mapping(address verifier => uint8) internal _kinds;
    mapping(address verifier => bool) internal _distrusted;
    Registrar internal _registrar = new Registrar();
    Entry[] internal _log;

    function subjects(uint256 i) public pure returns (address) {
        return address(uint160(0x5B0 + i));
    }

    /// @dev Keys, but for the first, which is a contract; the last one isn't registered at first.
    function verifiers(uint256 i) public view returns (address) {
        return i == 0 ? address(_registrar) : vm.addr(i);
    }

    /// @dev Until when a subject's credential of a kind counts; zero: it has none that does.
    function countsUntil(address subject, uint8 kind) public view returns (uint256) {
        return barred[subject] ? 0 : _expiry(subject, kind);
    }

    /// @dev The newest one's, unless its verifier or everybody revoked it since, or it was voided since.
    function _expiry(address subject, uint8 kind) internal view returns (uint256) {
        bool[VERIFIERS] memory struck;
        for (uint256 i = _log.length; i > 0; --i) {
            Entry memory e = _log[i - 1];
            if (e.subject != subject || e.kind != kind) continue;
            if (e.deed == Deed.RevokedByAll) return 0;
            uint256 place = 0;
            while (verifiers(place) != e.verifier) ++place;
            if (e.deed == Deed.Presented) return struck[place] ? 0 : e.expiry;
            struck[place] = true;
        }
        return 0;
    }

    /// @dev Whose credential is the last one that was presented, unless everybody's were revoked since.
    function _standing(address subject, uint8 kind) internal view returns (address) {
        for (uint256 i = _log.length; i > 0; --i) {
            Entry memory e = _log[i - 1];
            if (e.subject != subject || e.kind != kind) continue;
            if (e.deed == Deed.RevokedByAll) return address(0);
            if (e.deed == Deed.Presented) return e.verifier;
        }
        return address(0);
    }

    /// @dev Whether something was presented, or revoked, that was issued no earlier.
    function _outdated(Credential memory c, address verifier) internal view returns (bool) {
        for (uint256 i = 0; i < _log.length; ++i) {
            Entry memory e = _log[i];
            if (e.subject != c.subject || e.kind != c.kind || e.deed == Deed.Voided) continue;
            if (e.time >= c.issuedAt && (e.deed != Deed.Revoked || e.verifier == verifier)) return true;
        }
        return false;
    }
}
