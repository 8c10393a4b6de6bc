"""Vouchers as files: an issuer's signed word that a buyer is eligible, without which the sale sells nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Final

from chain.network import Network
from operations.licences import files
from operations.plans import Plan, PlannedCall
from oracle.ground import times
from oracle.ground.address import checksummed
from oracle.ground.errors import InvalidValue
from oracle.ground.typed_data import Address, Bytes32, Domain, TypedStruct, UInt64, UInt256
from oracle.signing.compact import recover
from oracle.signing.signer import Signer

UInt24 = Annotated[int, "uint24"]

LICENCE_SALE: Final = "Epochal LicenceSale"
_FIELDS: Final = (
    "chain_id", "contract", "buyer", "invoice", "limit", "vat_ppm", "expiry", "issuer", "signature"
)  # fmt: skip
_ISSUER: Final = "the voucher's issuer"


@dataclass(frozen=True, slots=True)
class Voucher(TypedStruct):
    """The contracts' struct: `limit` is what the buyer may spend in all, without tax, in the tokens' smallest unit;
    `vatPpm` the tax upon the price, in millionths; `expiry` UNIX seconds, inclusive."""

    DOMAIN: ClassVar[str] = LICENCE_SALE
    buyer: Address
    invoice: Bytes32
    limit: UInt256
    vatPpm: UInt24  # noqa: N815  the name in the EIP-712 type
    expiry: UInt64

    def values(self) -> tuple[str, bytes, int, int, int]:
        """As the contract takes it."""
        return self.buyer, self.invoice, self.limit, self.vatPpm, self.expiry


@dataclass(frozen=True, slots=True)
class VoucherFile:
    """A voucher for one network, and its issuer's signature (64 bytes, EIP-2098)."""

    chain_id: int
    contract: str
    voucher: Voucher
    issuer: str
    signature: bytes

    def save(self, path: Path) -> None:
        """Write as JSON; only the buyer can use it. InvalidValue."""
        one = self.voucher
        files.save(
            path,
            {
                "chain_id": self.chain_id,
                "contract": self.contract,
                "buyer": one.buyer,
                "invoice": "0x" + one.invoice.hex(),
                "limit": str(one.limit),
                "vat_ppm": one.vatPpm,
                "expiry": one.expiry,
                "issuer": self.issuer,
                "signature": "0x" + self.signature.hex(),
            },
        )

    @staticmethod
    def load(path: Path) -> VoucherFile:
        """Read what `save` wrote. InvalidValue names what is wrong."""
        told = files.load(path, _FIELDS, "voucher", _ISSUER)
        try:
            voucher = Voucher(
                files.address("buyer", told["buyer"]),
                files.raw(told["invoice"], 32),
                int(told["limit"]),
                int(told["vat_ppm"]),
                int(told["expiry"]),
            )
            issuer = files.address("issuer", told["issuer"])
            signature = files.raw(told["signature"], 64)
            return VoucherFile(int(told["chain_id"]), str(told["contract"]), voucher, issuer, signature)
        except (ValueError, TypeError, AttributeError, InvalidValue) as error:
            raise files.unreadable(path, error, _ISSUER) from error


def domain(network: Network) -> Domain:
    """EIP-712 domain of vouchers."""
    return Voucher.domain(network.chain.chain_id, network.sale.address)


def registering(network: Network, issuer: str, registered: bool) -> Plan:
    """Have the sale take an issuer's vouchers, or no more; the registrar's."""
    if bool(network.chain.call(network.sale.functions.issuerRegistered(issuer))) == registered:
        state = "a registered issuer already" if registered else "no registered issuer"
        return Plan(f"{issuer} is {state}: there is nothing to do", ())
    what = "take" if registered else "take no more"
    call = PlannedCall.of(f"{what} vouchers of {issuer}", network.sale.functions.setIssuer(issuer, registered))
    return Plan(f"Have the sale {what} vouchers of {issuer}", (call,))


def issued(
    network: Network, issuer: Signer, buyer: str, invoice: bytes, limit: int, vat_ppm: int, expiry: int
) -> VoucherFile:
    """An issuer's signed word that the buyer is eligible. InvalidValue for no issuer, or a time that is past."""
    if not network.chain.call(network.sale.functions.issuerRegistered(issuer.address)):
        raise InvalidValue(
            f"{issuer.address} is no issuer of vouchers on this network: use a registered key; the network's registrar "
            "registers keys"
        )
    if expiry <= network.chain.block("latest").timestamp:
        raise InvalidValue(f"--until is {times.show_time(expiry)}, which is past: give a later time")
    voucher = Voucher(buyer, invoice, limit, vat_ppm, expiry)
    signature = issuer.sign_typed(voucher, domain(network))
    return VoucherFile(network.chain.chain_id, network.sale.address, voucher, issuer.address, signature)


def check(network: Network, file: VoucherFile) -> None:
    """InvalidValue unless the voucher is for this network and is what its issuer signed."""
    files.check_place(network, "voucher", file.chain_id, file.contract, network.sale.address, "its issuer")
    try:
        signed_by = checksummed(recover(file.voucher.digest(domain(network)), file.signature))
    except InvalidValue as error:
        raise InvalidValue(f"the voucher's signature is none ({error}): ask {_ISSUER} for the file again") from error
    if signed_by.lower() != file.issuer.lower():
        raise InvalidValue(
            f"the voucher isn't what {file.issuer} signed: its file was changed; ask {_ISSUER} for it again"
        )
