"""Who made a firmware file: its signing certificate and its signature (white paper L01; conformance SFW-01, SFW-03)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Iterable
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from ocppclient.sentence import Sentence, quoted

#: The names of the algorithms; all hash with SHA-256. L01.FR.04 names RSA-PSS, the others are what real tools make.
RSA_PSS, ECDSA, RSA_PKCS1V15 = "rsa-pss", "ecdsa", "rsa-pkcs1v15"
ALGORITHMS = (RSA_PSS, ECDSA, RSA_PKCS1V15)
_SHORTEST_RSA, _SHORTEST_EC = 2048, 224  # A00.FR.501-503


class BadCertificate(ValueError):
    """The signing certificate must not be used; the text says why."""


class BadSignature(ValueError):
    """The signature does not belong to the file and the certificate; the text says why."""


def check_certificate(pem: str, roots: Iterable[str], now: datetime, sure: bool = True) -> x509.Certificate:
    """The signing certificate, issued by one of the manufacturer's roots itself (L01 allows no intermediates).

    Args:
        pem: one certificate.
        roots: the installed ManufacturerRootCertificates, PEM.
        now: UTC, for the validity of both.
        sure: somebody has confirmed that time; a guess may be behind, and by it nothing is "not yet valid".

    Raises:
        BadCertificate: it is not usable, not valid now, or no root issued it.
    """
    try:
        certificates = x509.load_pem_x509_certificates(pem.encode())
    except ValueError as problem:
        raise BadCertificate(
            Sentence("the signing certificate is not a PEM certificate: {problem}", problem=quoted(problem))
        ) from None
    if len(certificates) != 1:
        raise BadCertificate(
            Sentence("one signing certificate is needed; the manufacturer uses no intermediate certificates")
        )
    (certificate,) = certificates
    _check_validity(certificate, Sentence("the signing certificate"), now, sure)
    _check_key(certificate)
    _check_usage(certificate)
    found = False
    for root in _loaded(roots):
        found = True
        try:
            certificate.verify_directly_issued_by(root)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            continue
        _check_validity(root, Sentence("the manufacturer's root certificate"), now, sure)
        return certificate
    if not found:
        raise BadCertificate(
            Sentence("no ManufacturerRootCertificate is installed: nobody can prove who made the firmware")
        )
    raise BadCertificate(Sentence("the signing certificate was not issued by an installed ManufacturerRootCertificate"))


def check_signature(
    certificate: x509.Certificate, signature: str | bytes, sha256: bytes, algorithms: Collection[str]
) -> None:
    """Check a signature over the whole file.

    Args:
        signature: base64 text as SignedUpdateFirmware carries it, or its bytes.
        sha256: digest of the file.
        algorithms: which of ALGORITHMS count.

    Raises:
        BadSignature: it is missing, not base64, of another algorithm, or wrong.
    """
    raw = _decoded(signature) if isinstance(signature, str) else signature
    if not raw:
        raise BadSignature(Sentence("there is no signature"))
    key, hashed = certificate.public_key(), Prehashed(hashes.SHA256())
    if isinstance(key, rsa.RSAPublicKey):
        pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.AUTO)
        ways: dict[str, padding.AsymmetricPadding] = {RSA_PSS: pss, RSA_PKCS1V15: padding.PKCS1v15()}
        for name, way in ways.items():
            if name in algorithms:
                try:
                    key.verify(raw, sha256, way, hashed)
                except InvalidSignature:
                    continue
                return
    elif isinstance(key, ec.EllipticCurvePublicKey) and ECDSA in algorithms:
        try:
            key.verify(raw, sha256, ec.ECDSA(hashed))
        except InvalidSignature:
            pass
        else:
            return
    raise BadSignature(
        Sentence(
            "the signature does not fit the file (accepted: {algorithms} with SHA-256)",
            algorithms=", ".join(sorted(algorithms)),
        )
    )


def _decoded(signature: str) -> bytes:
    try:
        return base64.b64decode("".join(signature.split()), validate=True)
    except (ValueError, binascii.Error):
        raise BadSignature(Sentence("the signature is not base64")) from None


def _loaded(roots: Iterable[str]) -> Iterable[x509.Certificate]:
    for pem in roots:
        try:
            yield from x509.load_pem_x509_certificates(pem.encode())
        except ValueError:
            continue  # what is no certificate proves nothing


def _check_validity(certificate: x509.Certificate, what: str, now: datetime, sure: bool) -> None:
    if sure and now < certificate.not_valid_before_utc:
        raise BadCertificate(
            Sentence(
                "{what} is not valid before {date}",
                what=what,
                date=f"{certificate.not_valid_before_utc:%Y-%m-%d}",
            )
        )
    if now > certificate.not_valid_after_utc:
        raise BadCertificate(
            Sentence(
                "{what} expired on {date}",
                what=what,
                date=f"{certificate.not_valid_after_utc:%Y-%m-%d}",
            )
        )


def _check_key(certificate: x509.Certificate) -> None:
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        key = None
    match key:
        case rsa.RSAPublicKey() if key.key_size >= _SHORTEST_RSA:
            return
        case ec.EllipticCurvePublicKey() if key.key_size >= _SHORTEST_EC:
            return
    raise BadCertificate(
        Sentence(
            "the signing certificate needs an RSA key of at least {rsa_bits} bits or an EC key of at least "
            "{ec_bits} bits",
            rsa_bits=_SHORTEST_RSA,
            ec_bits=_SHORTEST_EC,
        )
    )


def _check_usage(certificate: x509.Certificate) -> None:
    try:
        extensions = certificate.extensions
    except ValueError as problem:
        raise BadCertificate(
            Sentence("the signing certificate has a damaged extension: {problem}", problem=quoted(problem))
        ) from None
    for extension in extensions:  # A00.FR.512: they SHOULD be there
        match extension.value:
            case x509.KeyUsage(digital_signature=False):
                raise BadCertificate(
                    Sentence("the signing certificate is not made for signatures (its Key Usage says so)")
                )
            case x509.BasicConstraints(ca=True):
                raise BadCertificate(Sentence("the signing certificate is one of an authority, not of a signer"))
