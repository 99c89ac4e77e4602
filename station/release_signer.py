"""Signs what a manufacturer publishes: releases, and lists of updates. Used at the maker's desk, never on a station."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa


def signer(key_file: Path | None, certificate_file: Path | None) -> Callable[[bytes], tuple[bytes, bytes]] | None:
    """What takes bytes and returns their signature and the signer's PEM; None when no files are given.

    Raises:
        ValueError: the files do not belong together, or hold no key that signs releases.
        OSError: one cannot be read.
    """
    if key_file is None and certificate_file is None:
        return None
    if key_file is None or certificate_file is None:
        raise ValueError("--key and --certificate belong together")
    certificate_pem = certificate_file.read_bytes()
    key = serialization.load_pem_private_key(key_file.read_bytes(), None)
    if x509.load_pem_x509_certificate(certificate_pem).public_key() != key.public_key():
        raise ValueError("the key does not belong to the certificate")
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise ValueError("only RSA and EC keys sign releases")

    def sign(content: bytes) -> tuple[bytes, bytes]:
        if isinstance(key, rsa.RSAPrivateKey):
            pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
            return key.sign(content, pss, hashes.SHA256()), certificate_pem
        return key.sign(content, ec.ECDSA(hashes.SHA256())), certificate_pem

    return sign
