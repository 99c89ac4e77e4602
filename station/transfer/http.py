"""Transfers by http and https, on http.client: connections go to checked numbers, redirects are our choice."""

from __future__ import annotations

import base64
import http.client
import ipaddress
import re
import socket
import ssl
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, urljoin

from ocppclient import tls
from ocppclient.sentence import Sentence, quoted
from station import __version__
from station.transfer.address import Judge, Place, TransferFailed, connect, is_off_limits, place_of
from station.transfer.limits import Pace
from station.transfer.part import Part

_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 5
_PIECE = 64 * 1024
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


def _nothing_off_limits(number: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return False


@dataclass(frozen=True)
class Options:
    """What the station allows and trusts.

    Attributes:
        allow_local: this machine and link-local addresses may be reached (factory setting, for test rigs).
        roots: certificates (PEM) that are trusted besides those of the operating system: the operator's servers often
            have certificates of the operator's own authority.
        now: UTC, by which the dates of certificates are judged; None: by the operating system's clock.
        sure: somebody has confirmed that time (`pki.out_of_date`).
    """

    allow_local: bool = False
    roots: tuple[str, ...] = ()
    now: datetime | None = None
    sure: bool = True

    @property
    def off_limits(self) -> Judge:
        """See `address.connect`."""
        return _nothing_off_limits if self.allow_local else is_off_limits

    def tls(self) -> ssl.SSLContext:
        """Always verified, chain and name: diagnostics are not for everybody, firmware should come from its maker."""
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # Python 3.13 adds this flag; real servers have certificates without an Authority Key Identifier.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        roots = self.roots
        if self.now is not None:
            now = self.now
            context.verify_flags |= tls.NO_CHECK_TIME
            context.sslsocket_class = self._judging(now)
            # the library would take a root that ended as well as its successor with the same name and key
            roots = tuple(pem for pem in roots if not tls.has_ended(pem, now)) or roots
        for pem in roots:
            with suppress(ssl.SSLError, ValueError):  # what is no certificate helps nobody, and harms nobody
                context.load_verify_locations(cadata=pem)
        return context

    def _judging(self, now: datetime) -> type[ssl.SSLSocket]:
        """Connections that look at the dates of the other side's certificates: also those that ftplib makes itself."""
        sure = self.sure

        class Judging(ssl.SSLSocket):
            def do_handshake(self, block: bool = False) -> None:
                super().do_handshake(block)
                try:
                    tls.check_dates(self, now, sure, str(self.server_hostname))
                except tls.OutOfDate as problem:
                    self.close()
                    raise TransferFailed("network", quoted(problem)) from None

        return Judging


class _Connection(http.client.HTTPConnection):
    """To a place that was looked up and judged."""

    def __init__(self, place: Place, pace: Pace, options: Options) -> None:
        super().__init__(place.host, place.port, timeout=pace.limits.connect_s)
        self.default_port = 443 if place.scheme == "https" else 80
        self._place = place
        self._limits = pace.limits
        self._options = options

    def connect(self) -> None:
        self.sock = connect(self._place, self._limits.connect_s, self._options.off_limits)
        if self._place.scheme == "https":
            self.sock = wrap(self._options.tls(), self.sock, self._place.host)
        self.sock.settimeout(self._limits.idle_s)


def wrap(context: ssl.SSLContext, link: socket.socket, host: str) -> ssl.SSLSocket:
    """TLS over a connection; its failures in words."""
    try:
        return context.wrap_socket(link, server_hostname=host)
    except ssl.SSLCertVerificationError as problem:
        link.close()
        raise TransferFailed(
            "network",
            Sentence(
                "the certificate of {host} is not trusted ({problem}); install the root certificate of its issuer "
                "as CentralSystemRootCertificate",
                host=host,
                problem=problem.verify_message,
            ),
        ) from None
    except OSError as problem:  # SSLError is one
        link.close()
        raise TransferFailed(
            "network", Sentence("TLS with {host} failed ({problem})", host=host, problem=_words(problem))
        ) from None


# --- download --------------------------------------------------------------------------------------------------------


def download(place: Place, part: Part, pace: Pace, options: Options) -> None:
    """Get a file into the part."""
    for _ in range(_MOST_REDIRECTS + 1):
        with _asked(place, "GET", pace, options, headers=_resume_headers(part)) as response:
            if response.status in _REDIRECTS:
                place = _redirected(place, response)
                continue
            if response.status == 416 and part.size:  # the beginning does not fit what the server has now
                part.forget()
                continue
            if response.status not in (200, 206):
                raise _refused(response, place)
            _receive(response, part, pace)
            return
    raise TransferFailed(
        "protocol",
        Sentence("{host} redirected more than {most} times", host=place.host, most=_MOST_REDIRECTS),
    )


def _resume_headers(part: Part) -> dict[str, str]:
    if not (part.size and part.mark):
        return {}
    return {"Range": f"bytes={part.size}-", "If-Range": part.mark}


def _receive(response: http.client.HTTPResponse, part: Part, pace: Pace) -> None:
    offset, total = 0, 0
    if response.status == 206:
        found = _CONTENT_RANGE.fullmatch(response.getheader("Content-Range", "").strip())
        if found is None or int(found[1]) != part.size:
            part.forget()
            raise TransferFailed("protocol", Sentence("the server went on from another place than was asked for"))
        offset, total = int(found[1]), 0 if found[2] == "*" else int(found[2])
    elif response.length is not None:
        total = response.length
    pace.fits(max(total, offset))
    part.room_for(max(total - offset, 0))
    # a weak ETag does not promise the same bytes (RFC 9110 section 8.8.3)
    etag = response.getheader("ETag", "")
    mark = "" if etag.startswith("W/") else etag or response.getheader("Last-Modified", "")
    with part.open(offset, mark) as file:
        done = _copy(response, file, offset, total, part, pace)
    if total and done != total:
        raise TransferFailed(
            "network", Sentence("the file was cut off after {done} of {total} bytes", done=done, total=total)
        )


def _copy(response: http.client.HTTPResponse, file: BinaryIO, done: int, total: int, part: Part, pace: Pace) -> int:
    while True:
        try:
            piece = response.read1(_PIECE)
        except TimeoutError:
            raise TransferFailed(
                "timeout", Sentence("nothing came for {idle_s:g} s", idle_s=pace.limits.idle_s)
            ) from None
        except (OSError, http.client.HTTPException, ValueError) as problem:
            raise TransferFailed(
                "network", Sentence("the connection was lost ({problem})", problem=_words(problem))
            ) from None
        if not piece:
            return done
        pace.fits(done + len(piece))
        part.room_at(done, len(piece))
        file.write(piece)
        done += len(piece)
        pace.moved(done, total)


# --- upload ----------------------------------------------------------------------------------------------------------


def upload(place: Place, file: Path, name: str, pace: Pace, options: Options) -> None:
    """PUT the file; to a server that knows no PUT, POST it as a form."""
    here = replace(place, path=upload_path(place.path, name))
    try:
        _send(here, "PUT", file, b"", b"", "application/zip", pace, options)
    except TransferFailed as failed:
        if failed.failure not in ("unsupported", "missing"):
            raise
        boundary = uuid.uuid4().hex
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
            "Content-Type: application/zip\r\n\r\n"
        )
        kind = f"multipart/form-data; boundary={boundary}"
        _send(place, "POST", file, head.encode(), f"\r\n--{boundary}--\r\n".encode(), kind, pace, options)


def upload_path(path: str, name: str) -> str:
    """The location names a folder (section 6.25), or a file: with a query, or an extension in its last part."""
    before, _, query = path.partition("?")
    last = before.rpartition("/")[2]
    if query or "." in last:
        return path
    return f"{before.rstrip('/')}/{quote(name)}"


def _send(
    place: Place, method: str, file: Path, head: bytes, tail: bytes, kind: str, pace: Pace, options: Options
) -> None:
    size = len(head) + file.stat().st_size + len(tail)
    headers = {"Content-Type": kind, "Content-Length": str(size)}

    def body() -> Iterator[bytes]:
        sent = 0
        with file.open("rb") as source:
            for piece in _pieces(head, source, tail):
                yield piece
                sent += len(piece)
                pace.moved(sent, size)

    for _ in range(_MOST_REDIRECTS + 1):
        with _asked(place, method, pace, options, headers=headers, body=body()) as response:
            if response.status in (307, 308):
                place = _redirected(place, response)
                continue
            if not 200 <= response.status < 300:
                raise _refused(response, place)
            return
    raise TransferFailed(
        "protocol",
        Sentence("{host} redirected more than {most} times", host=place.host, most=_MOST_REDIRECTS),
    )


def _pieces(head: bytes, source: BinaryIO, tail: bytes) -> Iterator[bytes]:
    if head:
        yield head
    while piece := source.read(_PIECE):
        yield piece
    if tail:
        yield tail


# --- one request -----------------------------------------------------------------------------------------------------


@contextmanager
def _asked(
    place: Place,
    method: str,
    pace: Pace,
    options: Options,
    headers: dict[str, str],
    body: Iterator[bytes] | None = None,
) -> Iterator[http.client.HTTPResponse]:
    """One request and its answer, with a bound on the time until all headers are there."""
    connection = _Connection(place, pace, options)
    headers = {
        "User-Agent": f"openstation/{__version__}",
        "Accept-Encoding": "identity",
        "Connection": "close",
        **headers,
    }
    if place.user:
        credentials = base64.b64encode(f"{place.user}:{place.password}".encode()).decode()
        headers["Authorization"] = f"Basic {credentials}"
    patience = _Patience(connection)
    try:
        connection.connect()
        try:
            with suppress(BrokenPipeError, ConnectionResetError):  # it may have answered without reading everything
                connection.request(method, place.path, body=body, headers=headers)
            patience.start(pace.limits.answer_s)
            response = connection.getresponse()
        finally:
            patience.stop()
        if patience.over:  # http.client takes headers that break off for complete
            response.close()
            raise TimeoutError
        with response:  # it has taken the socket over from the connection
            yield response
    except (OSError, http.client.HTTPException) as problem:
        if patience.over:
            raise TransferFailed(
                "timeout",
                Sentence("{host} did not answer within {answer_s:g} s", host=place.host, answer_s=pace.limits.answer_s),
            ) from None
        if isinstance(problem, TimeoutError):
            raise TransferFailed(
                "timeout", Sentence("{host} was silent for {idle_s:g} s", host=place.host, idle_s=pace.limits.idle_s)
            ) from None
        raise TransferFailed(
            "network", Sentence("the connection to {host} failed ({problem})", host=place.host, problem=_words(problem))
        ) from None
    finally:
        connection.close()


@dataclass
class _Patience:
    """Ends a connection whose answer drips in too slowly."""

    connection: http.client.HTTPConnection
    over: bool = False
    _timer: threading.Timer | None = field(default=None, repr=False)

    def start(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._timer.start()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _end(self) -> None:
        self.over = True
        with suppress(OSError, AttributeError):
            self.connection.sock.shutdown(socket.SHUT_RDWR)


def _redirected(place: Place, response: http.client.HTTPResponse) -> Place:
    """Only to http and https, never from https to http; credentials stay with their host."""
    where = response.getheader("Location", "")
    target = place_of(urljoin(f"{place.scheme}://{_netloc(place)}{place.path}", where))
    if target.scheme not in ("http", "https"):
        raise TransferFailed(
            "refused",
            Sentence("{host} redirected to {scheme}:, which is not followed", host=place.host, scheme=target.scheme),
        )
    if place.scheme == "https" and target.scheme != "https":
        raise TransferFailed(
            "refused", Sentence("{host} redirected from https to http, which is not followed", host=place.host)
        )
    if not target.user and (target.host, target.port) == (place.host, place.port):
        target = replace(target, user=place.user, password=place.password)
    return target


def _netloc(place: Place) -> str:
    return f"[{place.host}]:{place.port}" if ":" in place.host else f"{place.host}:{place.port}"


def _refused(response: http.client.HTTPResponse, place: Place) -> TransferFailed:
    failure = {
        400: "protocol",
        401: "permission",
        403: "permission",
        404: "missing",
        405: "unsupported",
        410: "missing",
        413: "size",
        501: "unsupported",
        507: "space",
    }.get(response.status, "network")
    return TransferFailed(
        failure,
        Sentence(
            "{host} answered {answer}", host=place.host, answer=f"{response.status} {response.reason[:60]}".rstrip()
        ),
    )


def _words(problem: Exception) -> str:
    if isinstance(problem, ssl.SSLError) and problem.reason:
        return problem.reason.replace("_", " ").lower()
    if isinstance(problem, OSError) and problem.strerror:
        return problem.strerror
    return (str(problem) or type(problem).__name__)[:120]
