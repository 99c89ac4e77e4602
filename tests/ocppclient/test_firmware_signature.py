"""Whose firmware is installed: certificates and signatures of every kind against the manufacturer's roots."""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from ocppclient.firmware_signature import (
    ALGORITHMS,
    ECDSA,
    RSA_PSS,
    BadCertificate,
    BadSignature,
    check_certificate,
    check_signature,
)
from ocppclient.settings import Factory
from tests.ocppclient.certificates import NOW, Issued, issue

FILE = b"the whole firmware file"
DIGEST = hashlib.sha256(FILE).digest()


def pem(issued: Issued) -> str:
    return issued.certificate.public_bytes(serialization.Encoding.PEM).decode()


def sign(issued: Issued, way: str, content: bytes = FILE) -> str:
    key = issued.key
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return base64.b64encode(key.sign(content, ec.ECDSA(hashes.SHA256()))).decode()
    assert isinstance(key, rsa.RSAPrivateKey)
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.MAX_LENGTH if way == "pss-max" else 32)
    return base64.b64encode(key.sign(content, padding.PKCS1v15() if way == "pkcs1" else pss, hashes.SHA256())).decode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def root(folder: Path) -> Issued:
    return issue(folder, "Manufacturer Root")


@pytest.fixture(scope="module")
def rsa_signer(folder: Path, root: Issued) -> Issued:
    return issue(folder, "rsa signer", root, rsa_bits=2048)


def test_the_default_of_the_factory_is_the_default_of_the_checks():
    assert Factory().firmware_signatures == (RSA_PSS, ECDSA)


@pytest.mark.parametrize("way", ["pss", "pss-max"])
def test_rsa_pss_over_the_whole_file_counts(root: Issued, rsa_signer: Issued, way: str):
    """SFW-03, L01.FR.04"""
    certificate = check_certificate(pem(rsa_signer), [pem(root)], NOW)
    check_signature(certificate, sign(rsa_signer, way), DIGEST, Factory().firmware_signatures)


def test_pkcs1_counts_only_where_it_is_allowed(root: Issued, rsa_signer: Issued):
    """D-12"""
    certificate = check_certificate(pem(rsa_signer), [pem(root)], NOW)
    signature = sign(rsa_signer, "pkcs1")
    with pytest.raises(BadSignature, match="rsa-pss"):
        check_signature(certificate, signature, DIGEST, Factory().firmware_signatures)
    check_signature(certificate, signature, DIGEST, ALGORITHMS)


def test_ecdsa_counts_unless_it_is_switched_off(folder: Path, root: Issued):
    """D-12"""
    signer = issue(folder, "ec signer", root)
    certificate = check_certificate(pem(signer), [pem(root)], NOW)
    check_signature(certificate, sign(signer, "ecdsa"), DIGEST, Factory().firmware_signatures)
    with pytest.raises(BadSignature):
        check_signature(certificate, sign(signer, "ecdsa"), DIGEST, ["rsa-pss"])


def test_a_signature_may_be_wrapped_into_lines(root: Issued, rsa_signer: Issued):
    certificate = check_certificate(pem(rsa_signer), [pem(root)], NOW)
    signature = sign(rsa_signer, "pss")
    wrapped = "\n".join(signature[at : at + 76] for at in range(0, len(signature), 76))
    check_signature(certificate, wrapped, DIGEST, Factory().firmware_signatures)


@pytest.mark.parametrize("signature", ["", " ", "!!", "QQ==", "A" * 800])
def test_a_missing_or_damaged_signature_does_not_count(root: Issued, rsa_signer: Issued, signature: str):
    """SFW-04"""
    certificate = check_certificate(pem(rsa_signer), [pem(root)], NOW)
    with pytest.raises(BadSignature):
        check_signature(certificate, signature, DIGEST, ALGORITHMS)


def test_a_signature_over_another_file_does_not_count(root: Issued, rsa_signer: Issued):
    """SFW-04"""
    certificate = check_certificate(pem(rsa_signer), [pem(root)], NOW)
    with pytest.raises(BadSignature, match="does not fit"):
        check_signature(certificate, sign(rsa_signer, "pss", b"other"), DIGEST, ALGORITHMS)


def test_a_certificate_that_no_root_issued_is_refused_even_with_the_same_names(folder: Path, root: Issued):
    """SFW-01"""
    (folder / "other").mkdir(exist_ok=True)
    impostor = issue(folder / "other", "Manufacturer Root")
    signer = issue(folder, "foreign", impostor)
    with pytest.raises(BadCertificate, match="not issued by"):
        check_certificate(pem(signer), [pem(root)], NOW)
    check_certificate(pem(signer), [pem(root), "no certificate", pem(impostor)], NOW)


def test_without_a_manufacturer_root_nobody_is_trusted(rsa_signer: Issued):
    with pytest.raises(BadCertificate, match="no ManufacturerRootCertificate"):
        check_certificate(pem(rsa_signer), [], NOW)


def test_an_intermediate_certificate_is_not_accepted(folder: Path, root: Issued):
    """L01: the manufacturer shall not use intermediate certificates"""
    intermediate = issue(folder, "between", root)
    signer = issue(folder, "below", intermediate)
    with pytest.raises(BadCertificate, match="not issued by"):
        check_certificate(pem(signer), [pem(root)], NOW)
    with pytest.raises(BadCertificate, match="one signing certificate"):
        check_certificate(pem(signer) + pem(intermediate), [pem(root)], NOW)


def test_the_root_itself_signs_no_firmware(root: Issued):
    with pytest.raises(BadCertificate, match="authority"):
        check_certificate(pem(root), [pem(root)], NOW)


def test_certificates_count_only_within_their_time(folder: Path, root: Issued, rsa_signer: Issued):
    """SFW-01"""
    with pytest.raises(BadCertificate, match="expired"):
        check_certificate(pem(rsa_signer), [pem(root)], NOW + timedelta(days=31))
    with pytest.raises(BadCertificate, match="not valid before"):
        check_certificate(pem(rsa_signer), [pem(root)], NOW - timedelta(days=2))
    # CLK-06: a clock that nobody has confirmed may be behind
    check_certificate(pem(rsa_signer), [pem(root)], NOW - timedelta(days=2), sure=False)
    with pytest.raises(BadCertificate, match="expired"):
        check_certificate(pem(rsa_signer), [pem(root)], NOW + timedelta(days=31), sure=False)
    old = issue(folder, "old root", ends=timedelta(hours=-1))
    with pytest.raises(BadCertificate, match="root certificate expired"):
        check_certificate(pem(issue(folder, "of the old", old)), [pem(old)], NOW)


def test_a_short_key_is_refused(folder: Path, root: Issued):
    """SEC-15"""
    with pytest.raises(BadCertificate, match="2048"):
        check_certificate(pem(issue(folder, "short", root, rsa_bits=1024)), [pem(root)], NOW)


@pytest.mark.parametrize("text", ["", "x", "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n", "\ud800"])
def test_what_is_no_certificate_is_refused_in_words(root: Issued, text: str):
    with pytest.raises(BadCertificate):
        check_certificate(text, [pem(root)], NOW)
