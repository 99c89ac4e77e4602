"""What requests for up- and downloads have in common: where to, how often, how long to wait, and when."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlsplit

from ocppclient.clock import parse_utc
from ocppclient.codec import CallFailure, Payload
from ocppclient.sentence import NOTHING, Sentence, quoted

#: What the station speaks, as SupportedFileTransferProtocols tells it (errata v4.0 section 3.88).
PROTOCOLS = ("HTTP", "HTTPS", "FTP", "FTPS")
#: Own choice when the backend names none (conformance FW-05, DIA-04).
_RETRIES, _INTERVAL_S = 3, 60
_MOST_RETRIES, _LONGEST_INTERVAL_S = 1000, 86_400


def attempts(request: Payload) -> int:
    """How often it is tried at most: once, and `retries` times more (field problem 32)."""
    retries: int = request.get("retries", _RETRIES)
    return 1 + min(max(retries, 0), _MOST_RETRIES)


def interval_s(request: Payload) -> int:
    """How long to wait between two attempts, seconds."""
    wanted: int = request.get("retryInterval", _INTERVAL_S)
    return min(max(wanted, 0), _LONGEST_INTERVAL_S)


def moment(request: Payload, name: str) -> datetime | None:
    """A date-time of the request, None when it is absent.

    Raises:
        CallFailure: PropertyConstraintViolation, it is no date-time.
    """
    if name not in request:
        return None
    try:
        return parse_utc(request[name])
    except ValueError as problem:
        raise CallFailure(
            "PropertyConstraintViolation", Sentence("{name}: {problem}", name=name, problem=quoted(problem))
        ) from None


def location_problem(location: str) -> Sentence:
    """Why the station cannot use this address, in words; "" when it can."""
    try:
        parts = urlsplit(location)
        host, _ = parts.hostname, parts.port
    except ValueError as problem:
        return Sentence("the address is not a URL: {problem}", problem=quoted(problem))
    if parts.scheme.upper() not in PROTOCOLS:
        spoken = ", ".join(name.lower() for name in PROTOCOLS)
        return Sentence(
            "{scheme} is not a protocol of this station; it speaks {spoken}",
            scheme=parts.scheme[:20] or "the address",
            spoken=spoken,
        )
    if not host:
        return Sentence("the address names no host")
    if not location.isprintable() or any(letter.isspace() for letter in location):
        return Sentence("the address holds blanks or control characters")
    return NOTHING
