"""The certificate of the web: made for this station's names, kept until it has to change, and TLS 1.2 or newer only."""

from __future__ import annotations

import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from ocppclient import pki
from station import web_certificate
from station.errors import StartupError
from station.web_certificate import LIFE, RENEW, WebCertificate
from station.web_tls import CurrentCertificate

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TODAY = datetime.now(UTC)


def made(folder: Path, now: datetime = NOW) -> WebCertificate:
    folder.mkdir(exist_ok=True)
    certificate = WebCertificate(folder / "https")
    certificate.ensure(now)
    return certificate


def test_it_names_the_station_and_only_its_owner_may_read_the_key(tmp_path: Path) -> None:
    certificate = made(tmp_path)
    shown = certificate.show()
    host = socket.gethostname()
    assert {host, f"{host}.local", "localhost", "127.0.0.1", "::1", "10.42.0.1"} <= set(shown.names)
    assert certificate.path.stat().st_mode & 0o777 == 0o600
    assert not shown.is_own
    leaf = pki.read_chain(certificate.path.read_text())[0]
    assert isinstance(leaf.public_key(), ec.EllipticCurvePublicKey)
    assert len(shown.fingerprint) == 95


def test_it_stays_the_same_until_a_month_before_its_end(tmp_path: Path) -> None:
    certificate = made(tmp_path)
    first = certificate.show()
    certificate.ensure(NOW + LIFE - RENEW - timedelta(days=2))
    assert certificate.show() == first
    certificate.ensure(NOW + LIFE - RENEW)
    assert certificate.show().not_after > first.not_after


@pytest.mark.parametrize("damage", ["", "nonsense"])
def test_a_damaged_file_is_made_anew(tmp_path: Path, damage: str) -> None:
    certificate = made(tmp_path)
    certificate.path.write_text(damage)
    certificate.ensure(NOW)
    assert certificate.show().names


def test_another_host_name_makes_another_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = made(tmp_path)
    monkeypatch.setattr(web_certificate.socket, "gethostname", lambda: "hev-c0ffee")
    certificate.ensure(NOW)
    assert "hev-c0ffee.local" in certificate.show().names


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "https").write_text("in the way")
    with pytest.raises(StartupError, match="cannot be written"):
        made(tmp_path)


def test_an_own_certificate_comes_first_and_can_be_removed(tmp_path: Path) -> None:
    certificate, other = made(tmp_path / "a", TODAY), made(tmp_path / "b", TODAY)
    certificate.install(other.path.read_text())
    assert certificate.show().is_own
    assert certificate.show().fingerprint == other.show().fingerprint
    assert certificate.path.stat().st_mode & 0o777 == 0o600
    certificate.remove()
    assert not certificate.show().is_own


def test_an_own_certificate_that_would_not_work_is_refused_with_its_cure(tmp_path: Path) -> None:
    certificate, other = made(tmp_path / "a", TODAY), made(tmp_path / "b", TODAY)
    text = other.path.read_text()
    chain, key = text[: text.index("-----BEGIN PRIVATE")], certificate.path.read_text().partition("-----BEGIN PRIV")[2]
    for wrong, why in (
        ("nonsense", "no readable certificate"),
        (chain, "private key cannot be read"),
        (f"{chain}-----BEGIN PRIV{key}", "does not belong"),
    ):
        with pytest.raises(ValueError, match=why):
            certificate.install(wrong)
    with pytest.raises(ValueError, match="not valid today"):
        certificate.install(text, TODAY + LIFE)
    assert not certificate.show().is_own


def handshake(server: CurrentCertificate, client: ssl.SSLContext) -> str:
    """Shake hands over a pair of sockets; the fingerprint of what the server presented."""
    near, far = socket.socketpair()

    def serve() -> None:
        connection = server.serverConnectionForTLS(None)
        connection.set_accept_state()
        there, outgoing = far, b""
        try:
            while True:
                try:
                    connection.do_handshake()
                    done = True
                except Exception as error:
                    done = type(error).__name__ != "WantReadError"
                try:
                    while outgoing := connection.bio_read(65536):
                        there.sendall(outgoing)
                except Exception:
                    outgoing = b""
                if done or not (data := there.recv(65536)):
                    return
                connection.bio_write(data)
        finally:
            there.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        near.settimeout(10)
        with client.wrap_socket(near, server_hostname="localhost") as secure:
            der = secure.getpeercert(binary_form=True)
            assert der
            return pki.fingerprint(pki.read_chain(ssl.DER_cert_to_PEM_cert(der))[0])
    finally:
        thread.join(10)


def trusting(certificate: WebCertificate) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate.path))


def test_a_browser_that_trusts_it_accepts_its_name_and_a_new_file_counts_at_once(tmp_path: Path) -> None:
    certificate = made(tmp_path, TODAY)
    server = CurrentCertificate(certificate)
    first = handshake(server, trusting(certificate))
    certificate.make()
    assert handshake(server, trusting(certificate)) != first


def test_a_file_that_became_unreadable_leaves_the_former_certificate_in_use(tmp_path: Path) -> None:
    certificate = made(tmp_path, TODAY)
    server, client = CurrentCertificate(certificate), trusting(certificate)
    certificate.path.write_text("damaged")
    assert handshake(server, client)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_tls_1_1_is_refused(tmp_path: Path) -> None:
    certificate = made(tmp_path, TODAY)
    old = trusting(certificate)
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        handshake(CurrentCertificate(certificate), old)
    new = trusting(certificate)
    new.maximum_version = ssl.TLSVersion.TLSv1_2
    assert handshake(CurrentCertificate(certificate), new)
