"""The certificate of the station's own web pages: made here (EC P-256, self-signed), or an own one that was uploaded.

One PEM file holds chain and key, mode 0600, replaced in one step: a power cut leaves the old one or the new one.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from django.conf import settings
from django.utils.translation import gettext

from ocppclient import pki
from ocppclient.clock import FLOOR
from station.errors import EX_CANTCREAT, StartupError
from station.hosts import machine_addresses

#: Apple's systems refuse TLS servers with longer ones.
LIFE = timedelta(days=825)
#: So long before its end the next one is made.
RENEW = timedelta(days=30)
#: The station's address on its own hotspot.
HOTSPOT = "10.42.0.1"
_MADE, _OWN = "made.pem", "own.pem"


@dataclass(frozen=True)
class Shown:
    """What people see of the certificate; `fingerprint` is SHA-256 in pairs, as browsers show it."""

    fingerprint: str
    names: tuple[str, ...]
    not_after: datetime
    is_own: bool


class WebCertificate:
    """The files below `folder` (of the data folder)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def path(self) -> Path:
        """The file that counts now; an own one comes first, also when it is out of date (the page says so)."""
        own = self._folder / _OWN
        return own if own.exists() else self._folder / _MADE

    def ensure(self, now: datetime | None = None) -> None:
        """Make the station's certificate when there is none, it is unreadable, ends soon or bears another host name.

        New addresses alone make no new one: its fingerprint stands on a label, and people have accepted it.

        Raises:
            StartupError: 73 it cannot be written.
        """
        now = now or datetime.now(UTC)
        if not self._counts(now):
            self.make(now)

    def make(self, now: datetime | None = None) -> None:
        """A new one, for the names and addresses that the station has now.

        Raises:
            StartupError: 73 it cannot be written.
        """
        key_text, _ = pki.new_key()
        key = load_pem_private_key(key_text.encode(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self._write(_MADE, pki.pem([_self_signed(key, max(now or datetime.now(UTC), FLOOR))]) + key_text)

    def install(self, text: str, now: datetime | None = None) -> None:
        """Use a certificate of the owner's: chain (leaf first) and private key in one PEM text.

        Raises:
            ValueError: it cannot be used; the text says why and what would help.
            StartupError: 73 it cannot be written.
        """
        now = now or datetime.now(UTC)
        chain = pki.read_chain(text)
        try:
            key = load_pem_private_key(_key_block(text).encode(), None)
        except (ValueError, TypeError) as error:
            raise ValueError(
                gettext("the private key cannot be read: it must be PEM and without a pass phrase")
            ) from error
        if key.public_key() != chain[0].public_key():
            raise ValueError(
                gettext("the private key does not belong to the first certificate: the station's own comes first")
            )
        if not chain[0].not_valid_before_utc <= now < chain[0].not_valid_after_utc:
            raise ValueError(
                gettext("the certificate is not valid today: look at its dates and at the station's clock")
            )
        if not _names(chain[0]):
            raise ValueError(
                gettext("the certificate names no host (subject alternative name), so no browser would accept it")
            )
        self._write(_OWN, pki.pem(chain) + _key_block(text))

    def remove(self) -> None:
        """Go back to the station's certificate."""
        self.forget_own()
        self.ensure()

    def forget_own(self) -> None:
        """The owner's certificate and key are deleted."""
        (self._folder / _OWN).unlink(missing_ok=True)

    def show(self) -> Shown:
        """For the pages.

        Raises:
            OSError, ValueError: there is none, or it cannot be read.
        """
        certificate = _read(self.path)[0]
        digits = pki.fingerprint(certificate).upper()
        return Shown(
            ":".join(digits[place : place + 2] for place in range(0, len(digits), 2)),
            tuple(_names(certificate)),
            certificate.not_valid_after_utc,
            self.path.name == _OWN,
        )

    def _counts(self, now: datetime) -> bool:
        try:
            made = _read(self._folder / _MADE)[0]
        except (OSError, ValueError):
            return False
        return _lasts(made, now) and socket.gethostname() in _names(made)

    def _write(self, name: str, text: str) -> None:
        draft = self._folder / f"{name}.{os.getpid()}"
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            draft.unlink(missing_ok=True)
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._folder / name)
        except OSError as error:
            raise StartupError(
                gettext("The web certificate cannot be written (%(error)s).") % {"error": error}, EX_CANTCREAT
            ) from error


def certificate() -> WebCertificate:
    """The one that this station's HTTPS uses."""
    return WebCertificate(settings.DATA_DIR / "https")


def _self_signed(key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    host = socket.gethostname()
    found = (address.strip("[]") for address in machine_addresses())
    numbers = [ipaddress.ip_address(number) for number in ("127.0.0.1", "::1", HOTSPOT, *found)]
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in (host, f"{host}.local", "localhost")]
    names += [x509.IPAddress(number) for number in dict.fromkeys(numbers) if not number.is_link_local]
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{host}.local"[:64])])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # a phone's clock may be behind
        .not_valid_after(now - timedelta(days=1) + LIFE)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )


def _read(path: Path) -> tuple[x509.Certificate, ...]:
    return pki.read_chain(path.read_text("ascii"))


def _lasts(certificate: x509.Certificate, now: datetime) -> bool:
    return certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc - RENEW


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    numbers = names.get_values_for_type(x509.IPAddress)
    return [*names.get_values_for_type(x509.DNSName), *(str(number) for number in numbers)]


def _key_block(text: str) -> str:
    """The private key within a PEM text; "" when there is none."""
    lines = text.splitlines()
    begin = next((place for place, line in enumerate(lines) if line.startswith("-----BEGIN") and "KEY" in line), None)
    if begin is None:
        return ""
    end = next((place for place, line in enumerate(lines) if place > begin and line.startswith("-----END")), begin)
    return "\n".join(lines[begin : end + 1]) + "\n"
