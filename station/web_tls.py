"""TLS of the station's own web: 1.2 or newer, forward secrecy only, and always the certificate that counts now."""

from __future__ import annotations

import logging
from typing import Any

from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from zope.interface import implementer

from station.web_certificate import WebCertificate

log = logging.getLogger("station.web")

_SUITES = b"ECDHE+AESGCM:ECDHE+CHACHA20"


@implementer(IOpenSSLServerConnectionCreator)
class CurrentCertificate:
    """Reads the certificate again when its file changed: a renewal needs no restart."""

    def __init__(self, certificate: WebCertificate) -> None:
        self._certificate = certificate
        self._read: tuple[str, int] | None = None
        self._context = self._newest()

    def serverConnectionForTLS(self, protocol: Any) -> SSL.Connection:  # noqa: N802
        """For one connection."""
        try:
            self._context = self._newest()
        except (OSError, SSL.Error) as error:
            log.error("The web certificate cannot be read, the former one goes on: %s", error)
        return SSL.Connection(self._context, None)

    def _newest(self) -> SSL.Context:
        path = self._certificate.path
        stamp = (path.name, path.stat().st_mtime_ns)
        if stamp == self._read:
            return self._context
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.set_min_proto_version(SSL.TLS1_2_VERSION)
        context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE)
        context.set_cipher_list(_SUITES)
        context.use_certificate_chain_file(str(path))
        context.use_privatekey_file(str(path))
        context.check_privatekey()
        self._read = stamp
        return context
