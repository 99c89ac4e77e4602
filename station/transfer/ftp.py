"""Transfers by ftp and ftps, on ftplib, passive only (N01 remarks); the data go to the server that was checked."""

from __future__ import annotations

import ftplib
import select
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

from ocppclient.sentence import Sentence
from station.transfer.address import Place, TransferFailed, connect
from station.transfer.http import Options, wrap
from station.transfer.limits import Pace
from station.transfer.part import Part

_PIECE = 64 * 1024
#: A server of implicit TLS is silent until the client speaks; one of explicit TLS greets at once.
_GREETING_S = 2.0
_EXPLICIT_PORT = 21


class _Ftps(ftplib.FTP_TLS):
    """Explicit or implicit TLS; the data connection continues the TLS session, as many servers demand."""

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[socket.socket, int | None]:
        link, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        if self._prot_p:  # type: ignore[attr-defined]
            session = self.sock.session if isinstance(self.sock, ssl.SSLSocket) else None
            link = self.context.wrap_socket(link, server_hostname=self.host, session=session)
        return link, size


def download(place: Place, part: Part, pace: Pace, options: Options) -> None:
    """RETR into the part, from where a former attempt stopped."""
    path = _path(place)
    with _session(place, pace, options) as ftp:
        total = _size(ftp, path)
        mark = f"{total} {_time(ftp, path)}"
        offset = part.size if total and part.mark == mark and part.size < total else 0
        pace.fits(total)
        part.room_for(max(total - offset, 0))
        with part.open(offset, mark if total else "") as file:
            done = offset
            with _data(ftp, f"RETR {path}", offset) as link:
                while piece := link.recv(_PIECE):
                    pace.fits(done + len(piece))
                    part.room_at(done, len(piece))
                    file.write(piece)
                    done += len(piece)
                    pace.moved(done, total)
            file.flush()
            ftp.voidresp()
        if total and done != total:
            raise TransferFailed(
                "network", Sentence("the file was cut off after {done} of {total} bytes", done=done, total=total)
            )


def upload(place: Place, file: Path, name: str, pace: Pace, options: Options, *, resume: bool) -> None:
    """STOR, going on after what a former attempt left (white paper N01, error handling)."""
    path = _path(place)
    if path.endswith("/") or "." not in path.rpartition("/")[2]:
        path = f"{path.rstrip('/')}/{name}" if path else name
    size = file.stat().st_size
    with _session(place, pace, options) as ftp:
        there = _size(ftp, path) if resume else 0
        done = there if there < size else 0
        with file.open("rb") as source:
            source.seek(done)
            with _data(ftp, f"STOR {path}", done) as link:
                while piece := source.read(_PIECE):
                    link.sendall(piece)
                    done += len(piece)
                    pace.moved(done, size)
                if isinstance(link, ssl.SSLSocket):
                    with suppress(OSError):  # some servers just close
                        link.unwrap()
            ftp.voidresp()


def _path(place: Place) -> str:
    """Relative to the folder one lands in after the login, as RFC 1738 says; `//` makes it absolute."""
    return unquote(place.path.partition("?")[0]).removeprefix("/")


@contextmanager
def _session(place: Place, pace: Pace, options: Options) -> Iterator[ftplib.FTP]:
    """A session that is logged in; every failure in words."""
    ftp: ftplib.FTP | None = None
    try:
        ftp = _opened(place, pace, options)
        ftp.login(place.user or "anonymous", place.password or ("" if place.user else "station@"))
        if isinstance(ftp, _Ftps):
            ftp.prot_p()
        ftp.voidcmd("TYPE I")
        yield ftp
        with suppress(ftplib.Error, OSError, EOFError):
            ftp.quit()
    except ftplib.error_perm as problem:
        raise _refused(place, str(problem)) from None
    except TimeoutError:
        raise TransferFailed(
            "timeout", Sentence("{host} was silent for {idle_s:g} s", host=place.host, idle_s=pace.limits.idle_s)
        ) from None
    except ssl.SSLError as problem:
        raise TransferFailed(
            "network",
            Sentence("TLS with {host} failed ({problem})", host=place.host, problem=str(problem.reason or problem)),
        ) from None
    except (ftplib.Error, OSError, EOFError) as problem:
        words = (getattr(problem, "strerror", "") or str(problem))[:120] or Sentence("it hung up")
        raise TransferFailed(
            "network", Sentence("the connection to {host} failed ({problem})", host=place.host, problem=words)
        ) from None
    finally:
        if ftp is not None:
            ftp.close()


def _opened(place: Place, pace: Pace, options: Options) -> ftplib.FTP:
    limits = pace.limits
    try:
        link = connect(place, limits.connect_s, options.off_limits)
    except TransferFailed as failed:
        if place.scheme != "ftps" or place.has_port or failed.failure != "network":
            raise
        link = connect(replace(place, port=_EXPLICIT_PORT), limits.connect_s, options.off_limits)
    if place.scheme == "ftp":
        return _greeted(ftplib.FTP(timeout=limits.idle_s), link, place, limits.idle_s)
    context = options.tls()
    ftp = _Ftps(context=context, timeout=limits.idle_s)
    greets, _, _ = select.select([link], [], [], min(_GREETING_S, limits.idle_s))
    if greets:
        _greeted(ftp, link, place, limits.idle_s)
        ftp.auth()
        return ftp
    return _greeted(ftp, wrap(context, link, place.host), place, limits.idle_s)


def _greeted(ftp: ftplib.FTP, link: socket.socket, place: Place, idle_s: float) -> ftplib.FTP:
    """What FTP.connect does, on a connection that is there already."""
    link.settimeout(idle_s)
    ftp.host, ftp.port = place.host, place.port
    ftp.sock, ftp.af = link, link.family
    ftp.file = link.makefile("r", encoding=ftp.encoding)
    ftp.welcome = ftp.getresp()
    return ftp


@contextmanager
def _data(ftp: ftplib.FTP, command: str, offset: int) -> Iterator[socket.socket]:
    link = ftp.transfercmd(command, offset or None)
    try:
        yield link
    finally:
        link.close()


def _size(ftp: ftplib.FTP, path: str) -> int:
    """0 when the server does not know, or does not tell."""
    try:
        return ftp.size(path) or 0
    except ftplib.error_perm:
        return 0


def _time(ftp: ftplib.FTP, path: str) -> str:
    try:
        return ftp.voidcmd(f"MDTM {path}")
    except ftplib.error_perm:
        return ""


def _refused(place: Place, answer: str) -> TransferFailed:
    failure = {"500": "unsupported", "502": "unsupported", "504": "unsupported", "552": "space"}.get(
        answer[:3], "permission"
    )
    return TransferFailed(failure, Sentence("{host} answered {answer}", host=place.host, answer=answer[:80]))
