"""X.509 as the security white paper wants it: reading, checking, hashing, key pairs and requests. No I/O, no state.

Security white paper sections 2.6 and 6.1 (edition 3); conformance SEC-14…16, CRT-01…16. The one user of `cryptography`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ocppclient.sentence import NOTHING, Sentence

X509 = x509.Certificate
Extension = TypeVar("Extension", bound=x509.ExtensionType)

RSA_BITS = 2048  # A00.FR.502
EC_BITS = 224  # A00.FR.503
_CHAIN_LENGTH = 8
_ALGORITHMS: dict[str, type[hashes.SHA256] | type[hashes.SHA384] | type[hashes.SHA512]] = {
    "SHA256": hashes.SHA256,
    "SHA384": hashes.SHA384,
    "SHA512": hashes.SHA512,
}
_WEAK_HASHES = (hashes.MD5, hashes.SHA1)


@dataclass(frozen=True)
class HashData:
    """CertificateHashDataType without its algorithm; lower-case hashes, upper-case serial number."""

    issuer_name_hash: str
    issuer_key_hash: str
    serial_number: str


@dataclass(frozen=True)
class Description:
    """A certificate as people read it; `name` is the common name, or the whole subject when there is none."""

    name: str
    subject: str
    issuer: str
    serial_number: str
    not_before: datetime
    not_after: datetime
    key: str


# --- reading ---------------------------------------------------------------------------------------------------------


def read_chain(pem_text: str) -> tuple[x509.Certificate, ...]:
    """Every certificate of a PEM text, in its order.

    Raises:
        ValueError: there is none, or one cannot be read; the text says so.
    """
    try:
        chain = tuple(x509.load_pem_x509_certificates(pem_text.encode()))
        for certificate in chain:  # what is lazily parsed is looked at here, where it may fail
            _ = (certificate.extensions, certificate.subject, certificate.issuer, certificate.public_key())
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension):
        raise ValueError(
            Sentence("there is no readable certificate in PEM form (-----BEGIN CERTIFICATE-----)")
        ) from None
    return chain


def pem(certificates: Iterable[x509.Certificate]) -> str:
    """The certificates as one PEM text."""
    return "".join(item.public_bytes(serialization.Encoding.PEM).decode() for item in certificates)


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 over the DER of the certificate, hex."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def key_id(certificate: x509.Certificate) -> str:
    """Identifies the key pair that the certificate belongs to."""
    return _key_id(certificate.public_key().public_bytes(*_SPKI))


def hash_data(certificate: x509.Certificate, issuer: x509.Certificate, algorithm: str) -> HashData:
    """The fields of section 6.1 (edition 3), which are those of OCSP (RFC 6960).

    Args:
        algorithm: "SHA256", "SHA384" or "SHA512".
    """
    request = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, _ALGORITHMS[algorithm]()).build()
    return HashData(request.issuer_name_hash.hex(), request.issuer_key_hash.hex(), f"{certificate.serial_number:X}")


def describe(certificate: x509.Certificate) -> Description:
    """What the pages show."""
    public_key = certificate.public_key()
    match public_key:
        case rsa.RSAPublicKey():
            key = f"RSA {public_key.key_size}"
        case ec.EllipticCurvePublicKey():
            key = f"EC {public_key.curve.name}"
        case _:
            key = type(public_key).__name__.removesuffix("PublicKey")
    return Description(
        name=_common_name(certificate) or certificate.subject.rfc4514_string(),
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        serial_number=f"{certificate.serial_number:X}",
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        key=key,
    )


# --- key pairs and requests ------------------------------------------------------------------------------------------

_SPKI = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def new_key() -> tuple[str, str]:
    """A new private key (EC P-256, PKCS#8 PEM without a pass phrase) and its id."""
    key = ec.generate_private_key(ec.SECP256R1())
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return text.decode(), _key_id(key.public_key().public_bytes(*_SPKI))


def private_key_id(key_pem: str) -> str:
    """The id of a private key.

    Raises:
        ValueError: it cannot be read, or is locked by a pass phrase.
    """
    try:
        key = serialization.load_pem_private_key(key_pem.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError(Sentence("no readable private key in PEM form without a pass phrase")) from None
    return _key_id(key.public_key().public_bytes(*_SPKI))


def signing_request(key_pem: str, common_name: str, organisation: str) -> str:
    """A PKCS#10 request in PEM: CN is the serial number of the station, O the CpoName (A02.FR.03)."""
    key = serialization.load_pem_private_key(key_pem.encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).add_extension(usage, critical=True)
    return request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def _key_id(spki: bytes) -> str:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(spki)
    return digest.finalize().hex()


# --- checks ----------------------------------------------------------------------------------------------------------


def out_of_date(certificate: x509.Certificate, now: datetime, sure: bool) -> Sentence:
    """Why the certificate is not valid at this time, in words; "" when it is.

    A clock that nobody has confirmed (`sure` False) may be behind, as one that starts where the box was switched off:
    by it nothing is "not yet valid". What has ended by it has ended.
    """
    if now > certificate.not_valid_after_utc:
        return Sentence("it expired on {date}", date=f"{certificate.not_valid_after_utc:%Y-%m-%d}")
    if sure and now < certificate.not_valid_before_utc:
        return Sentence(
            "it is not valid before {date} (is the station's clock right?)",
            date=f"{certificate.not_valid_before_utc:%Y-%m-%d}",
        )
    return NOTHING


def problem_of_root(certificate: x509.Certificate, now: datetime, sure: bool = True) -> Sentence:
    """Why the certificate cannot be a trusted root, in words; "" when it can. `sure` as in `out_of_date`."""
    if problem := _problem_of_any(certificate, now, sure):
        return problem
    if not _may_issue(certificate):
        return Sentence("it may not issue certificates (basic constraints or key usage)")
    if certificate.subject == certificate.issuer and not issued(certificate, certificate):
        return Sentence("its own signature is wrong")
    return NOTHING


def problem_of_chain(
    chain: Sequence[x509.Certificate], roots: Sequence[x509.Certificate], now: datetime, sure: bool = True
) -> Sentence:
    """Why the first certificate of the chain does not lead to one of the roots, in words; "" when it does."""
    current, rest, below = chain[0], list(chain[1:]), 0
    for _ in range(_CHAIN_LENGTH):
        if any(issued(current, root) and not out_of_date(root, now, sure) for root in roots):
            return NOTHING
        issuer = next((item for item in rest if issued(current, item)), None)
        if issuer is None:
            break
        rest.remove(issuer)
        if problem := _problem_of_any(issuer, now, sure):
            return Sentence(
                "the issuer {issuer!r} cannot be used: {problem}", issuer=_common_name(issuer), problem=problem
            )
        if not _may_issue(issuer, below):
            return Sentence("{issuer!r} may not issue it", issuer=_common_name(issuer))
        current, below = issuer, below + 1
    return Sentence("it does not lead to an installed root certificate")


def problem_of_charge_point(
    chain: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
    common_name: str,
    organisation: str,
    now: datetime,
    sure: bool = True,
) -> Sentence:
    """Why the chain is no certificate of this station, in words; "" when it is one (conformance CRT-05).

    A certificate that becomes valid later is fine. Key usages count when they are there.
    """
    leaf = chain[0]
    if problem := _problem_of_any(leaf, max(now, leaf.not_valid_before_utc), sure):
        return problem
    if _common_name(leaf) != common_name:
        return Sentence(
            "its CN is {name!r} instead of this station's serial number {common_name!r}",
            name=_common_name(leaf),
            common_name=common_name,
        )
    owners = _values(leaf, NameOID.ORGANIZATION_NAME)
    if owners and organisation and organisation not in owners:
        return Sentence(
            "its O is {owner!r} instead of {organisation!r} (CpoName)", owner=owners[0], organisation=organisation
        )
    if _extension(leaf, x509.BasicConstraints, lambda value: value.ca):
        return Sentence("it is the certificate of an authority, not of a station")
    if _extension(leaf, x509.KeyUsage, lambda value: not value.digital_signature):
        return Sentence("its key usage does not allow signatures")
    if _extension(leaf, x509.ExtendedKeyUsage, lambda value: not _for_clients(value)):
        return Sentence("its extended key usage does not allow TLS clients")
    return problem_of_chain(chain, roots, max(now, leaf.not_valid_before_utc), sure)


def issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """The certificate was signed by this issuer."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def only_by_wildcard(der: bytes, host: str) -> bool:
    """The server's certificate fits the host name only by a wildcard (conformance SEC-12)."""
    certificate = x509.load_der_x509_certificate(der)
    names = [*_values(certificate, NameOID.COMMON_NAME)]
    try:
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names += alternatives.get_values_for_type(x509.DNSName)
        names += [str(address) for address in alternatives.get_values_for_type(x509.IPAddress)]
    except x509.ExtensionNotFound:
        pass
    wanted = _plain_name(host)
    return wanted not in [_plain_name(name) for name in names] and any("*" in name for name in names)


def _plain_name(name: str) -> str:
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name.rstrip(".").casefold()


def _problem_of_any(certificate: x509.Certificate, now: datetime, sure: bool) -> Sentence:
    return out_of_date(certificate, now, sure) or _weakness(certificate)


def _weakness(certificate: x509.Certificate) -> Sentence:
    """A00.FR.501…508."""
    public_key = certificate.public_key()
    match public_key:
        case rsa.RSAPublicKey() | dsa.DSAPublicKey() if public_key.key_size < RSA_BITS:
            return Sentence(
                "its key has {key_size} bits; at least {least} are needed",
                key_size=public_key.key_size,
                least=RSA_BITS,
            )
        case ec.EllipticCurvePublicKey() if public_key.key_size < EC_BITS:
            return Sentence(
                "its key has {key_size} bits; at least {least} are needed",
                key_size=public_key.key_size,
                least=EC_BITS,
            )
        case rsa.RSAPublicKey() | dsa.DSAPublicKey() | ec.EllipticCurvePublicKey():
            pass
        case ed25519.Ed25519PublicKey() | ed448.Ed448PublicKey():
            pass
        case _:
            return Sentence("its kind of key is not known")
    try:
        algorithm = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return Sentence("its signature algorithm is not known")
    if isinstance(algorithm, _WEAK_HASHES):
        return Sentence("it is signed with {upper}, which is broken", upper=algorithm.name.upper())
    return NOTHING if certificate.serial_number > 0 else Sentence("it has no serial number")


def _may_issue(certificate: x509.Certificate, below: int = 0) -> bool:
    """Basic constraints and key usage of an authority; `below`: authorities between it and the end of the chain."""

    def refuses(value: x509.BasicConstraints) -> bool:
        return not value.ca or (value.path_length is not None and value.path_length < below)

    if _extension(certificate, x509.KeyUsage, lambda value: not value.key_cert_sign):
        return False
    return not _extension(certificate, x509.BasicConstraints, refuses)


def _extension(certificate: x509.Certificate, kind: type[Extension], refuses: Callable[[Extension], bool]) -> bool:
    """The certificate has the extension, and it refuses."""
    try:
        return refuses(certificate.extensions.get_extension_for_class(kind).value)
    except x509.ExtensionNotFound:
        return False


def _for_clients(usage: x509.ExtendedKeyUsage) -> bool:
    return ExtendedKeyUsageOID.CLIENT_AUTH in usage or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in usage


def _values(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> list[str]:
    return [str(attribute.value) for attribute in certificate.subject.get_attributes_for_oid(oid)]


def _common_name(certificate: x509.Certificate) -> str:
    return next(iter(_values(certificate, NameOID.COMMON_NAME)), "")
