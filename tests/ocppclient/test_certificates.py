"""Root certificates (security white paper M03…M05; conformance CRT-09…CRT-16)."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ocppclient import pki
from ocppclient.events import (
    CertificateChosen,
    CertificateDiscarded,
    Connected,
    Disconnected,
    Explain,
    UpdateLink,
)
from tests.ocppclient.certificates import NOW, Issued, issue
from tests.ocppclient.harness import Bench

CENTRAL, MANUFACTURER = "CentralSystemRootCertificate", "ManufacturerRootCertificate"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def root(folder: Path) -> Issued:
    return issue(folder, "root")


@pytest.fixture(scope="module")
def other(folder: Path) -> Issued:
    return issue(folder, "other")


def station(**configuration: str) -> Bench:
    return Bench(configuration=configuration, system_utc=NOW).ready()


def install(bench: Bench, pem: str, kind: str = CENTRAL) -> str:
    status: str = bench.call("InstallCertificate", certificateType=kind, certificate=pem)[2]["status"]
    return status


def ids(bench: Bench, kind: str = CENTRAL) -> list[dict[str, str]]:
    answer = bench.call("GetInstalledCertificateIds", certificateType=kind)[2]
    assert (answer["status"] == "Accepted") == ("certificateHashData" in answer)
    found: list[dict[str, str]] = answer.get("certificateHashData", [])
    return found


def delete(bench: Bench, data: dict[str, str]) -> str:
    status: str = bench.call("DeleteCertificate", certificateHashData=data)[2]["status"]
    return status


def hash_data(certificate: x509.Certificate, issuer: x509.Certificate, algorithm: str = "SHA256") -> dict[str, str]:
    """Section 6.1 of edition 3 by hand: no OCSP library."""
    digest = getattr(hashlib, algorithm.lower())
    point = issuer.public_key()
    assert isinstance(point, ec.EllipticCurvePublicKey)
    bits = point.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    return {
        "hashAlgorithm": algorithm,
        "issuerNameHash": digest(certificate.issuer.public_bytes()).hexdigest(),
        "issuerKeyHash": digest(bits).hexdigest(),
        "serialNumber": f"{certificate.serial_number:X}",
    }


def events(bench: Bench) -> list[str]:
    return [event.type for event in bench.store.security_events()][1:]


# -- install, list, delete


@pytest.mark.parametrize("kind", [CENTRAL, MANUFACTURER])
def test_an_installed_root_is_listed_with_the_hashes_of_edition_3_and_can_be_deleted(kind: str, root: Issued) -> None:
    """CRT-09, CRT-10, CRT-11, T:TC_075_1, TC_075_2, TC_076"""
    bench = station()
    assert ids(bench, kind) == []
    assert install(bench, root.pem, kind) == "Accepted"
    assert ids(bench, kind) == [hash_data(root.certificate, root.certificate)]
    other_kind = MANUFACTURER if kind == CENTRAL else CENTRAL
    assert ids(bench, other_kind) == []
    assert delete(bench, ids(bench, kind)[0]) == "Accepted"
    assert ids(bench, kind) == []
    assert delete(bench, hash_data(root.certificate, root.certificate)) == "NotFound"
    assert events(bench) == ["ReconfigurationOfSecurityParameters"] * 2


def test_installed_roots_survive_a_power_cut(root: Issued) -> None:
    bench = station()
    install(bench, root.pem)
    bench.reboot()
    assert bench.cp.certificates.trusted == (root.pem,)


@pytest.mark.parametrize("algorithm", ["SHA256", "SHA384", "SHA512"])
@pytest.mark.parametrize("spelled", [str.lower, str.upper])
def test_a_certificate_is_found_by_any_algorithm_in_any_case(algorithm: str, spelled: Any, root: Issued) -> None:
    """CRT-12"""
    bench = station()
    install(bench, root.pem)
    data = hash_data(root.certificate, root.certificate, algorithm)
    wanted = {name: value if name == "hashAlgorithm" else spelled(value) for name, value in data.items()}
    assert delete(bench, wanted) == "Accepted"


@pytest.mark.parametrize("field", ["issuerNameHash", "issuerKeyHash", "serialNumber"])
def test_each_field_has_to_fit(field: str, root: Issued) -> None:
    bench = station()
    install(bench, root.pem)
    assert delete(bench, {**ids(bench)[0], field: "AB12"}) == "NotFound"


def test_the_serial_number_has_no_leading_zeroes(root: Issued) -> None:
    """Edition 3: decimal 4095 is "FFF"."""
    builder = x509.CertificateBuilder(
        root.certificate.subject, root.certificate.subject, root.key.public_key(), 4095,
        NOW - timedelta(days=1), NOW + timedelta(days=1),
    )  # fmt: skip
    certificate = builder.sign(root.key, root.certificate.signature_hash_algorithm)  # type: ignore[arg-type]
    assert pki.hash_data(certificate, certificate, "SHA256").serial_number == "FFF"


def test_the_same_root_twice_is_accepted_and_there_once(root: Issued) -> None:
    bench = station()
    assert [install(bench, root.pem), install(bench, root.pem)] == ["Accepted", "Accepted"]
    assert len(ids(bench)) == 1


def bad_roots(folder: Path, root: Issued) -> dict[str, str]:
    usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    return {
        "no readable certificate": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "one certificate is needed, not 2": root.pem * 2,
        "it expired on": issue(folder, "expired", ends=timedelta(hours=-1)).pem,
        "it is not valid before": issue(folder, "early", starts=timedelta(days=2)).pem,
        "its key has 1024 bits": issue(folder, "short", rsa_bits=1024).pem,
        "its key has 192 bits": issue(folder, "small", curve=ec.SECP192R1()).pem,
        "it may not issue certificates (basic": issue(folder, "leaf", ca=False).pem,
        "it may not issue certificates": issue(folder, "usage", extensions=(usage,)).pem,
        "its own signature is wrong": issue(folder, "forged", signed_by=root.key).pem,
    }


def test_an_invalid_root_is_rejected_with_its_reason_and_told(folder: Path, root: Issued) -> None:
    """CRT-13, CRT-17, SEC-15, SEC-16"""
    for words, pem in bad_roots(folder, root).items():
        bench = station(SecurityProfile="1")
        bench.settle()
        assert install(bench, pem) == "Rejected", words
        assert words in bench.reasons()[-1]
        assert events(bench)[-1] == "InvalidCentralSystemCertificate"
        bench.wait(0.1)
        assert "InvalidCentralSystemCertificate" in [payload.get("type") for _, payload in bench.settle()]
        assert ids(bench) == []


def test_an_invalid_root_of_the_manufacturer_is_no_event_of_the_backend() -> None:
    bench = station()
    assert install(bench, "nonsense", MANUFACTURER) == "Rejected"
    assert events(bench) == []


def test_a_full_store_takes_no_more_until_one_is_removed(root: Issued, other: Issued) -> None:
    """M05.FR.03"""
    bench = station(CertificateStoreMaxLength="1")
    assert install(bench, root.pem, MANUFACTURER) == "Accepted"
    assert install(bench, other.pem) == "Rejected"
    assert "CertificateStoreMaxLength" in bench.reasons()[-1]
    assert "InvalidCentralSystemCertificate" not in events(bench)
    assert install(bench, root.pem, MANUFACTURER) == "Accepted"  # it is there already
    assert delete(bench, ids(bench, MANUFACTURER)[0]) == "Accepted"
    assert install(bench, other.pem) == "Accepted"


# -- in use


def test_the_root_of_the_present_connection_cannot_be_deleted_by_the_backend(root: Issued, other: Issued) -> None:
    """M04.FR.06"""
    bench = station()
    for pem in (root.pem, other.pem):
        install(bench, pem)
    bench.disconnect()
    bench.do(Connected(("ab" * 32, pki.fingerprint(root.certificate))))
    in_use, unused = hash_data(root.certificate, root.certificate), hash_data(other.certificate, other.certificate)
    assert delete(bench, in_use) == "Failed"
    assert delete(bench, unused) == "Accepted"
    bench.disconnect()
    bench.connect()  # without TLS
    assert delete(bench, in_use) == "Accepted"


def test_the_next_attempt_knows_new_and_removed_roots(root: Issued) -> None:
    bench = station()
    install(bench, root.pem)
    assert any(isinstance(action, UpdateLink) for action in bench.actions)
    assert bench.cp.security.credentials().root_certificates == (root.pem,)
    bench.actions.clear()
    delete(bench, ids(bench)[0])
    assert any(isinstance(action, UpdateLink) for action in bench.actions)
    assert bench.cp.security.credentials().root_certificates == ()


# -- AdditionalRootCertificateCheck

CHECKED = {"AdditionalRootCertificateCheck": "true", "SecurityProfile": "2", "AuthorizationKey": "0123456789abcdef"}


def renewed(folder: Path, root: Issued) -> tuple[Bench, Issued]:
    """A station whose root was replaced by one that the former root signed."""
    bench = station(**CHECKED)
    assert install(bench, root.pem) == "Accepted"
    new = issue(folder, "new-root", root, ca=True)
    assert install(bench, new.pem) == "Accepted"
    return bench, new


def test_a_new_root_must_be_signed_by_the_former_one(folder: Path, root: Issued, other: Issued) -> None:
    """CRT-14"""
    bench = station(**CHECKED)
    assert install(bench, root.pem) == "Accepted"
    assert install(bench, other.pem) == "Rejected"
    assert "not signed by the root certificate that it would replace" in bench.reasons()[-1]
    assert bench.cp.certificates.trusted == (root.pem,)
    assert install(bench, other.pem, MANUFACTURER) == "Accepted"  # the check is about the backend's root


def test_the_former_root_is_the_fallback_until_the_new_one_has_worked(folder: Path, root: Issued) -> None:
    """CRT-14, CRT-15: M05.FR.11, FR.12"""
    bench, new = renewed(folder, root)
    assert bench.cp.certificates.trusted == (new.pem,)
    assert ids(bench) == [
        hash_data(root.certificate, root.certificate),
        hash_data(new.certificate, root.certificate),
    ]
    bench.disconnect()
    bench.do(Connected((pki.fingerprint(new.certificate),)))
    assert ids(bench) == [hash_data(new.certificate, root.certificate)]
    assert delete(bench, ids(bench)[0]) == "Failed"


def test_the_fallback_verifies_when_the_new_root_cannot(folder: Path, root: Issued) -> None:
    """M05.FR.13: by turns, and a connection by the fallback does not end its time"""
    bench, new = renewed(folder, root)
    bench.disconnect()
    trusted = []
    for _ in range(3):
        bench.do(Disconnected("unknown issuer", "certificate"))
        trusted.append(bench.cp.certificates.trusted)
        assert isinstance(bench.actions[-1], UpdateLink)
    assert trusted == [(root.pem,), (new.pem,), (root.pem,)]
    bench.do(Connected((pki.fingerprint(root.certificate),)))
    assert len(ids(bench)) == 2
    assert bench.cp.certificates.trusted == (new.pem,)


def test_a_second_renewal_leaves_two_roots_at_most(folder: Path, root: Issued) -> None:
    """M05.FR.08"""
    bench, new = renewed(folder, root)
    newest = issue(folder, "newest-root", new, ca=True)
    assert install(bench, newest.pem) == "Accepted"
    assert len(ids(bench)) == 2
    bench.do(Disconnected("x", ""))
    assert bench.cp.certificates.trusted == (newest.pem,)


def test_without_a_fallback_nothing_changes_when_the_backend_is_refused(root: Issued) -> None:
    bench = station()
    install(bench, root.pem)
    bench.disconnect()
    bench.do(Disconnected("unknown issuer", "certificate"))
    assert bench.cp.certificates.trusted == (root.pem,)


# -- people


def test_people_install_and_remove_any_certificate_also_the_last_one_in_use(root: Issued) -> None:
    """AQ-1"""
    bench = station()
    bench.do(CertificateChosen(CENTRAL, root.pem, "installer"))
    bench.do(Disconnected())
    bench.do(Connected((pki.fingerprint(root.certificate),)))
    assert delete(bench, ids(bench)[0]) == "Failed"
    bench.do(CertificateDiscarded(CENTRAL, pki.fingerprint(root.certificate), "installer"))
    assert ids(bench) == []
    assert [event.tech_info for event in bench.store.security_events()[1:]] == [
        "the backend's root root installed by installer",
        "the backend's root root removed by installer",
    ]


def test_what_a_person_mistypes_is_no_event_of_the_backend() -> None:
    bench = station()
    bench.do(CertificateChosen(CENTRAL, "nonsense", "installer"))
    assert events(bench) == []


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (
            CertificateChosen(CENTRAL, "nonsense", "x"),
            "The certificate was not installed: there is no readable certificate",
        ),
        (CertificateChosen("Nonsense", "", "x"), "not installed: 'Nonsense' is not a kind of root certificate"),
        (CertificateDiscarded(CENTRAL, "00", "x"), "This certificate is not installed any more"),
    ],
)
def test_people_read_why_not(event: Any, words: str) -> None:
    bench = station()
    (explain,) = [action for action in bench.do(event) if isinstance(action, Explain)]
    assert words in explain.rule
