"""Credentials as files: a verifier's signed word on a CSP, to be brought to the chain by anyone."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from chain.network import Network
from operations.plans import Plan, PlannedCall
from oracle.ground import times
from oracle.ground.address import checksummed, raw_address
from oracle.ground.errors import InvalidValue
from oracle.ground.typed_data import Credential
from oracle.signing.compact import InvalidSignature, recover
from oracle.signing.signer import Signer

KINDS: Final = {"kyc": 1, "kyb": 2}
_FIELDS: Final = ("chain_id", "contract", "subject", "kind", "document", "issued_at", "expiry", "verifier", "signature")


@dataclass(frozen=True, slots=True)
class CredentialFile:
    """A credential for one network, and its verifier's signature (64 bytes, EIP-2098)."""

    chain_id: int
    contract: str
    credential: Credential
    verifier: str
    signature: bytes

    def save(self, path: Path) -> None:
        """Write as JSON. Nothing in it is secret: `document` is a salted hash."""
        told = asdict(self.credential)
        values = {
            "chain_id": self.chain_id,
            "contract": self.contract,
            "subject": self.credential.subject,
            "kind": next(name for name, kind in KINDS.items() if kind == self.credential.kind),
            "document": "0x" + told["document"].hex(),
            "issued_at": self.credential.issuedAt,
            "expiry": self.credential.expiry,
            "verifier": self.verifier,
            "signature": "0x" + self.signature.hex(),
        }
        path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")

    @staticmethod
    def load(path: Path) -> CredentialFile:
        """Read what `save` wrote. InvalidValue names what is wrong."""
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise InvalidValue(f"{path}: {error.strerror}; give the file that the verifier sent") from error
        except ValueError as error:
            raise InvalidValue(f"{path}: is no JSON ({error}); give the file that the verifier sent") from error
        if not isinstance(told, dict) or set(told) != set(_FIELDS):
            raise InvalidValue(f"{path}: is no credential; one has exactly the fields {', '.join(_FIELDS)}")
        return _read(path, told)


def issued(network: Network, verifier: Signer, subject: str, kind: str, document: bytes, until: int) -> CredentialFile:
    """A verifier's signed word that it knows the subject, from the newest block's time until a time (UNIX seconds)."""
    now = network.chain.block("latest").timestamp
    if until <= now:
        raise InvalidValue(f"--until is {times.show_time(until)}, which is past: give a later time")
    credential = Credential(checksummed(raw_address(subject)), KINDS[kind], document, now, until)
    signature = verifier.sign_typed(credential, network.credential_domain)
    return CredentialFile(network.chain.chain_id, network.credentials.address, credential, verifier.address, signature)


def presenting(network: Network, file: CredentialFile) -> Plan:
    """Bring a credential to the chain. InvalidValue for one of another network, or that the verifier didn't sign."""
    if (file.chain_id, file.contract.lower()) != (network.chain.chain_id, network.credentials.address.lower()):
        raise InvalidValue(
            f"the credential is for contract {file.contract} on chain {file.chain_id}, not for "
            f"{network.credentials.address} "
            f"on chain {network.chain.chain_id}: use that network, or ask the verifier for one for this network"
        )
    credential = file.credential
    try:
        signed_by = checksummed(recover(credential.digest(network.credential_domain), file.signature))
    except (InvalidSignature, InvalidValue) as error:
        raise InvalidValue(
            f"the credential's signature is none ({error}): ask the verifier for the file again"
        ) from error
    if signed_by.lower() != file.verifier.lower():
        raise InvalidValue(
            f"the credential isn't what {file.verifier} signed: its file was changed; ask the verifier for it again"
        )
    functions = network.credentials.functions
    last, issued_at = network.chain.call(functions.lastOf(credential.subject, credential.kind))
    stands = (int(last, 16), issued_at) == (int(file.verifier, 16), credential.issuedAt)
    facts = (
        ("subject", credential.subject),
        ("kind", _kind(credential.kind)),
        ("verifier", file.verifier),
        ("in force until", times.show_time(credential.expiry)),
    )
    if stands and network.chain.call(functions.valid(credential.subject, credential.kind)):
        return Plan("This credential stands on chain already: there is nothing to do", (), facts)
    values = (
        credential.subject, credential.kind, credential.document, credential.issuedAt, credential.expiry
    )  # fmt: skip
    function = functions.present(values, file.signature[:32], file.signature[32:])
    label = f"present a {_kind(credential.kind)} credential of {credential.subject}"
    return Plan("Present a credential", (PlannedCall.of(label, function),), facts)


def standing(network: Network, subject: str) -> list[dict[str, Any]]:
    """What the chain knows of a subject, for each kind."""
    functions = network.credentials.functions
    found = []
    for name, kind in KINDS.items():
        verifier, issued_at = network.chain.call(functions.lastOf(subject, kind))
        until = int(network.chain.call(functions.validUntil(subject, kind)))
        valid = bool(network.chain.call(functions.valid(subject, kind)))
        found.append({"kind": name, "verifier": verifier, "issued_at": issued_at, "valid_until": until, "valid": valid})
    return found


def asked_kinds(network: Network) -> list[str]:
    """The kinds of which the network asks one of CSPs; none: it asks for no credential."""
    bits = network.credential_kinds
    return [name for name, kind in KINDS.items() if bits & kind]


def _kind(kind: int) -> str:
    return next(name.upper() for name, number in KINDS.items() if number == kind)


def _read(path: Path, told: dict[str, Any]) -> CredentialFile:
    try:
        credential = Credential(
            checksummed(raw_address(told["subject"])),
            KINDS[told["kind"]],
            bytes.fromhex(told["document"].removeprefix("0x")),
            int(told["issued_at"]),
            int(told["expiry"]),
        )
        signature = bytes.fromhex(told["signature"].removeprefix("0x"))
        verifier = checksummed(raw_address(told["verifier"]))
        return CredentialFile(int(told["chain_id"]), str(told["contract"]), credential, verifier, signature)
    except (KeyError, ValueError, TypeError, AttributeError, InvalidValue) as error:
        raise InvalidValue(f"{path}: a field can't be read ({error}); ask the verifier for the file again") from error
