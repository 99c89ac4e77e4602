"""Certificates for the tests: roots, server and client certificates with chosen names, dates and keys, as PEM."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import NameOID

NOW = datetime.now(UTC)
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class Issued:
    """A certificate with its key, in memory and as files."""

    certificate: x509.Certificate
    key: Key
    cert_file: str
    key_file: str

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        return Path(self.key_file).read_text()


def issue(
    folder: Path,
    name: str,
    issuer: Issued | None = None,
    *,
    hosts: tuple[str, ...] = (),
    rsa_bits: int = 0,
    starts: timedelta = timedelta(days=-1),
    ends: timedelta = timedelta(days=30),
    ca: bool | None = None,
    path_length: int | None = None,
    organisation: str = "",
    curve: ec.EllipticCurve = ec.SECP256R1(),  # noqa: B008
    extensions: tuple[x509.ExtensionType, ...] = (),
    public_key: CertificatePublicKeyTypes | None = None,
    signed_by: Key | None = None,
) -> Issued:
    """Issue a certificate; without an issuer it is a self-signed root. EC P-256 unless rsa_bits are given.

    Args:
        ca: of the basic constraints; None: roots are authorities, others are not.
        public_key: of somebody else's key pair (a request); `key` of the result is meaningless then.
        signed_by: another key than the issuer's, for a wrong signature.
    """
    key: Key = rsa.generate_private_key(65537, rsa_bits) if rsa_bits else ec.generate_private_key(curve)
    owner = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation)] if organisation else []
    subject = x509.Name([*owner, x509.NameAttribute(NameOID.COMMON_NAME, name)])
    is_authority = issuer is None if ca is None else ca
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(public_key or key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + starts)
        .not_valid_after(NOW + ends)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=path_length), critical=True)
    )
    if hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName([_general_name(host) for host in hosts]), False)
    for extension in extensions:
        builder = builder.add_extension(extension, False)
    certificate = builder.sign(signed_by or (issuer.key if issuer else key), hashes.SHA256())
    file = quote(name, safe=" ")
    cert_file, key_file = folder / f"{file}.pem", folder / f"{file}.key"
    cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return Issued(certificate, key, str(cert_file), str(key_file))


def sign(folder: Path, csr: str, issuer: Issued, **changes: Any) -> Issued:
    """What an authority makes of a request: subject and key are those of the request unless changed."""
    request = x509.load_pem_x509_csr(csr.encode())
    names = {item.oid: str(item.value) for item in request.subject}
    wanted = {
        "name": names[NameOID.COMMON_NAME],
        "organisation": names.get(NameOID.ORGANIZATION_NAME, ""),
        "public_key": request.public_key(),
        **changes,
    }
    return issue(folder, wanted.pop("name"), issuer, **wanted)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
