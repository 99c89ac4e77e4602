"""TLS of the backend link: one SSLContext per security profile, and its failures in plain words.

Security white paper sections 2.4 and 2.5; conformance SEC-07…SEC-13, product.md (SEC-4).
"""

from __future__ import annotations

import hashlib
import os
import ssl
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from cryptography import x509

from ocppclient import pki
from ocppclient.clock import Clock
from ocppclient.link import ConnectionSettings, LinkError
from ocppclient.sentence import Sentence, quoted

#: Forward secrecy first, then the two certified suites, which Python leaves out by default.
CIPHERS = "ECDHE+AESGCM:AES128-GCM-SHA256:AES256-GCM-SHA384"

#: X509_V_FLAG_NO_CHECK_TIME. The library judges dates by the operating system's clock; `check_dates` does by ours.
NO_CHECK_TIME = ssl.VerifyFlags(0x200000)
_DER = 2  # _ssl.ENCODING_DER
# X509_V_ERR_… of OpenSSL's x509_vfy.h
_HOSTNAME_MISMATCH = 62
_IP_MISMATCH = 64
_CURES = {
    _HOSTNAME_MISMATCH: Sentence("was made for another host name; check the backend address"),
    _IP_MISMATCH: Sentence("was made for another address; use the backend's host name instead of its number"),
    18: Sentence("is self-signed and not trusted; install it as a root certificate if it is the right one"),
    19: Sentence("ends in a root certificate that is not trusted; install the operator's root certificate"),
    20: Sentence("was issued by an authority that is not trusted; install the operator's root certificate"),
    21: Sentence("comes without the certificate of its issuer; the backend has to send the whole chain"),
}
_REASONS = {
    "WRONG_VERSION_NUMBER": LinkError("tls", Sentence("the port does not speak TLS; use ws:// or the port for wss://")),
    "HTTP_REQUEST": LinkError("tls", Sentence("the port does not speak TLS; use ws:// or the port for wss://")),
    "UNSUPPORTED_PROTOCOL": LinkError(
        "tls_version", Sentence("the backend offers only TLS older than 1.2, which is refused")
    ),
    "TLSV1_ALERT_PROTOCOL_VERSION": LinkError("tls_version", Sentence("the backend refuses TLS 1.2 and newer")),
    "SSLV3_ALERT_HANDSHAKE_FAILURE": LinkError(
        "tls_cipher",
        Sentence("the backend refuses the TLS handshake: no common cipher suite, or it wants a client certificate"),
    ),
    "NO_SHARED_CIPHER": LinkError("tls_cipher", Sentence("the backend offers no acceptable cipher suite")),
    "WRONG_CIPHER_RETURNED": LinkError("tls_cipher", Sentence("the backend chose a cipher suite that was not offered")),
    "EE_KEY_TOO_SMALL": LinkError(
        "certificate", Sentence("the backend's certificate has a key that is too short (RSA < 2048)")
    ),
    "TLSV1_ALERT_UNKNOWN_CA": LinkError(
        "unauthorised", Sentence("the backend does not trust the issuer of this station's client certificate")
    ),
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": LinkError(
        "unauthorised", Sentence("the backend wants a client certificate; use security profile 3")
    ),
    "SSLV3_ALERT_BAD_CERTIFICATE": LinkError(
        "unauthorised", Sentence("the backend refuses this station's client certificate")
    ),
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": LinkError(
        "unauthorised", Sentence("the backend refuses this station's client certificate")
    ),
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": LinkError(
        "unauthorised", Sentence("this station's client certificate has expired")
    ),
    "SSLV3_ALERT_CERTIFICATE_REVOKED": LinkError(
        "unauthorised", Sentence("this station's client certificate was revoked")
    ),
}


def client_context(settings: ConnectionSettings, clock: Clock) -> ssl.SSLContext:
    """The context for one attempt: TLS ≥ 1.2, chain and host name checked, the client certificate for profile 3.

    It does not look at dates: whoever opens the connection calls `check_dates`.

    Raises:
        ValueError: a certificate or key is missing or unusable; the text says which.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks the chain and the host name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION  # A00.FR.320
    # Python 3.13 adds this flag; real backends have certificates without an Authority Key Identifier (runtime.md 6).
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    # an installed root may have been signed by its predecessor, which is gone (white paper section 7.1, note)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags |= NO_CHECK_TIME
    _load_roots(context, settings, clock)
    if settings.security_profile == 3:
        _load_client(context, settings)
    return context


def _load_roots(context: ssl.SSLContext, settings: ConnectionSettings, clock: Clock) -> None:
    # the library would take a root that ended as well as its successor with the same name and key
    lasting = [root for root in settings.root_certificates if not has_ended(root, clock.utc())]
    for root in lasting or settings.root_certificates:
        try:
            context.load_verify_locations(cadata=root)
        except (ValueError, ssl.SSLError) as error:
            raise ValueError(
                Sentence("an installed root certificate cannot be used: {error}", error=_short(error))
            ) from error
    if settings.system_roots or (settings.security_profile < 2 and not settings.root_certificates):
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    elif not settings.root_certificates:
        raise ValueError(
            Sentence(
                "security profile {security_profile} needs a root certificate of the backend; install it",
                security_profile=settings.security_profile,
            )
        )


def has_ended(pem: str, now: datetime) -> bool:
    """One of these certificates has; False for what is no certificate."""
    try:
        return any(pki.out_of_date(root, now, sure=False) for root in pki.read_chain(pem))
    except ValueError:
        return False  # the library says what is wrong with it


def _load_client(context: ssl.SSLContext, settings: ConnectionSettings) -> None:
    """The library takes files only: one that exists in memory, for this moment (docs/security.md)."""
    if not (settings.client_certificate and settings.client_key):
        raise ValueError(
            Sentence("security profile 3 needs a client certificate that is valid now, and its key; install one")
        )
    handle = os.memfd_create("client", os.MFD_CLOEXEC)
    with os.fdopen(handle, "wb") as file:
        file.write(f"{settings.client_certificate}\n{settings.client_key}\n".encode())
        file.flush()
        try:
            context.load_cert_chain(f"/proc/self/fd/{handle}")
        except (OSError, ssl.SSLError) as error:
            raise ValueError(
                Sentence("the client certificate or its key cannot be used: {error}", error=_short(error))
            ) from error


class WildcardOnly(Exception):
    """The backend's certificate fits its host name only by a wildcard (conformance SEC-12)."""


def check_name(ssl_object: ssl.SSLObject, settings: ConnectionSettings, host: str) -> None:
    """What the library's own check leaves out.

    Raises:
        WildcardOnly: profile 2 or 3, and wildcards are not allowed.
    """
    certificate = ssl_object.getpeercert(binary_form=True)
    if settings.security_profile < 2 or settings.allow_wildcards or certificate is None:
        return
    if pki.only_by_wildcard(certificate, host):
        raise WildcardOnly(
            Sentence(
                "the certificate of {host} fits only by a wildcard, which security profiles 2 and 3 refuse; "
                "set AllowCentralSystemTLSWildcards to allow it",
                host=host,
            )
        )


class OutOfDate(Exception):
    """A certificate of the backend's chain has ended, or has not begun; the text says which, with the cure."""


def check_dates(connection: ssl.SSLObject | ssl.SSLSocket, now: datetime, sure: bool, host: str) -> None:
    """The verified chain is valid by the station's clock, as far as that is sure (`pki.out_of_date`).

    Raises:
        OutOfDate: it is not.
    """
    whose = Sentence("the certificate of {host}", host=host)
    for der in _chain(connection):
        certificate = x509.load_der_x509_certificate(der)
        if pki.out_of_date(certificate, now, sure):
            if now < certificate.not_valid_before_utc:
                raise OutOfDate(Sentence("{whose} is not valid yet; is the station's clock right?", whose=whose))
            raise OutOfDate(
                Sentence(
                    "{whose} has expired; the operator has to renew it (or the station's clock is wrong)", whose=whose
                )
            )
        whose = Sentence("the issuer of the certificate of {host}", host=host)


def validity(ssl_object: ssl.SSLObject) -> tuple[datetime, datetime]:
    """From when until when the whole verified chain is valid, both included."""
    chain = [x509.load_der_x509_certificate(der) for der in _chain(ssl_object)]
    return max(one.not_valid_before_utc for one in chain), min(one.not_valid_after_utc for one in chain)


def verified_by(ssl_object: ssl.SSLObject) -> tuple[str, ...]:
    """Fingerprints (SHA-256, hex) of the verified chain, the backend's own certificate first."""
    return tuple(hashlib.sha256(der).hexdigest() for der in _chain(ssl_object))


def _chain(connection: ssl.SSLObject | ssl.SSLSocket) -> Sequence[bytes]:
    """The verified chain, DER, the other side's own certificate first; empty for a session that is continued."""
    if sys.version_info >= (3, 13):
        return [bytes(item) for item in connection.get_verified_chain()]
    found = connection._sslobj.get_verified_chain()  # type: ignore[union-attr]  # the same, not public yet
    return [item.public_bytes(_DER) for item in found or ()]


def describe(ssl_object: ssl.SSLObject) -> Sentence:
    """Version, cipher suite, and whose certificate until when, for people."""
    cipher = ssl_object.cipher()
    certificate = ssl_object.getpeercert() or {}
    subject, issuer = _name(certificate.get("subject")), _name(certificate.get("issuer"))
    words = f"{ssl_object.version()}, {cipher[0] if cipher else '-'}"
    return Sentence(
        "{cipher}; certificate of {subject}, issued by {issuer}, valid until {date}",
        cipher=words,
        subject=subject,
        issuer=issuer,
        date=str(certificate.get("notAfter", "?")),
    )


def _name(fields: Any) -> Sentence:
    """The common name of a subject or issuer as the library gives it."""
    found = {name: text for part in fields or () for name, text in part}
    name = found.get("commonName") or found.get("organizationName")
    return quoted(name) if name else Sentence("a name that it does not tell")


def explain(error: ssl.SSLError, host: str) -> LinkError:
    """A TLS failure in words, with the cure."""
    if isinstance(error, ssl.SSLCertVerificationError):
        cure = _CURES.get(error.verify_code, Sentence("is not acceptable: {problem}", problem=error.verify_message))
        return LinkError("certificate", Sentence("the certificate of {host} {cure}", host=host, cure=cure))
    if known := _REASONS.get(error.reason or ""):
        return LinkError(known.kind, Sentence("{host}: {problem}", host=host, problem=known.text))
    return LinkError("tls", Sentence("{host}: TLS failed ({error})", host=host, error=_short(error)))


def _short(error: Exception) -> str:
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error)
