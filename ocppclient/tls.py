"""TLS of the backend link: one SSLContext per security profile, and its failures in plain words.

Security white paper sections 2.4 and 2.5; conformance SEC-07…SEC-13, product.md (SEC-4).
"""

from __future__ import annotations

import ssl

from ocppclient.link import ConnectionSettings, LinkError

#: Forward secrecy first, then the two certified suites, which Python leaves out by default.
CIPHERS = "ECDHE+AESGCM:AES128-GCM-SHA256:AES256-GCM-SHA384"

# X509_V_ERR_… of OpenSSL's x509_vfy.h
_NOT_YET_VALID = 9
_EXPIRED = 10
_HOSTNAME_MISMATCH = 62
_IP_MISMATCH = 64
_CURES = {
    _NOT_YET_VALID: "is not valid yet; is the station's clock right?",
    _EXPIRED: "has expired; the operator has to renew it (or the station's clock is wrong)",
    _HOSTNAME_MISMATCH: "was made for another host name; check the backend address",
    _IP_MISMATCH: "was made for another address; use the backend's host name instead of its number",
    18: "is self-signed and not trusted; install it as a root certificate if it is the right one",
    19: "ends in a root certificate that is not trusted; install the operator's root certificate",
    20: "was issued by an authority that is not trusted; install the operator's root certificate",
    21: "comes without the certificate of its issuer; the backend has to send the whole chain",
}
_REASONS = {
    "WRONG_VERSION_NUMBER": LinkError("tls", "the port does not speak TLS; use ws:// or the port for wss://"),
    "HTTP_REQUEST": LinkError("tls", "the port does not speak TLS; use ws:// or the port for wss://"),
    "UNSUPPORTED_PROTOCOL": LinkError("tls_version", "the backend offers only TLS older than 1.2, which is refused"),
    "TLSV1_ALERT_PROTOCOL_VERSION": LinkError("tls_version", "the backend refuses TLS 1.2 and newer"),
    "SSLV3_ALERT_HANDSHAKE_FAILURE": LinkError(
        "tls_cipher", "the backend refuses the TLS handshake: no common cipher suite, or it wants a client certificate"
    ),
    "NO_SHARED_CIPHER": LinkError("tls_cipher", "the backend offers no acceptable cipher suite"),
    "WRONG_CIPHER_RETURNED": LinkError("tls_cipher", "the backend chose a cipher suite that was not offered"),
    "EE_KEY_TOO_SMALL": LinkError("certificate", "the backend's certificate has a key that is too short (RSA < 2048)"),
    "TLSV1_ALERT_UNKNOWN_CA": LinkError(
        "unauthorised", "the backend does not trust the issuer of this station's client certificate"
    ),
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": LinkError(
        "unauthorised", "the backend wants a client certificate; use security profile 3"
    ),
    "SSLV3_ALERT_BAD_CERTIFICATE": LinkError("unauthorised", "the backend refuses this station's client certificate"),
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": LinkError(
        "unauthorised", "the backend refuses this station's client certificate"
    ),
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": LinkError("unauthorised", "this station's client certificate has expired"),
    "SSLV3_ALERT_CERTIFICATE_REVOKED": LinkError("unauthorised", "this station's client certificate was revoked"),
}


def client_context(settings: ConnectionSettings) -> ssl.SSLContext:
    """The context for one attempt: TLS ≥ 1.2, chain and host name checked, the client certificate for profile 3.

    Raises:
        ValueError: a certificate or key file is missing or unusable; the text names the file.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks the chain and the host name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION  # A00.FR.320
    # Python 3.13 adds this flag; real backends have certificates without an Authority Key Identifier (runtime.md 6).
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    for path in settings.root_certificates:
        try:
            context.load_verify_locations(path)
        except (OSError, ssl.SSLError) as error:
            raise ValueError(f"root certificate {path} cannot be used: {_short(error)}") from error
    if not settings.root_certificates:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if settings.security_profile == 3:
        try:
            context.load_cert_chain(settings.client_certificate, settings.client_key)
        except (OSError, ssl.SSLError) as error:
            raise ValueError(f"client certificate {settings.client_certificate} or its key: {_short(error)}") from error
    return context


def explain(error: ssl.SSLError, host: str) -> LinkError:
    """A TLS failure in words, with the cure."""
    if isinstance(error, ssl.SSLCertVerificationError):
        cure = _CURES.get(error.verify_code, f"is not acceptable: {error.verify_message}")
        return LinkError("certificate", f"the certificate of {host} {cure}")
    if known := _REASONS.get(error.reason or ""):
        return LinkError(known.kind, f"{host}: {known.text}")
    return LinkError("tls", f"{host}: TLS failed ({_short(error)})")


def _short(error: Exception) -> str:
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error)
