"""Downloads and uploads by http and https against real servers that misbehave in every way (F24, A12)."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import ssl
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

import tests.appliance  # noqa: F401
from ocppclient import pki
from station.transfer import Limits, Part, TransferFailed, download, upload
from station.transfer.address import is_off_limits, place_of
from station.transfer.http import Options, upload_path
from tests.ocppclient.certificates import NOW, Issued, issue
from tests.station.transfer.servers import web

CONTENT = os.urandom(300_000)
LIMITS = Limits(connect_s=5, answer_s=5, idle_s=5)
HERE = Options(allow_local=True)


class Clock:
    """Seconds that pass with every look."""

    def __init__(self, step_s: float = 0.0) -> None:
        self.now, self.step_s = 0.0, step_s

    def __call__(self) -> float:
        self.now += self.step_s
        return self.now


def fetch(
    url: str,
    folder: Path,
    limits: Limits = LIMITS,
    options: Options = HERE,
    clock: Callable[[], float] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Part:
    part = Part(folder, "job", limits.keep_free)
    download(url, part, limits, options, progress, clock or Clock())
    return part


def refused(url: str, folder: Path, **more: Any) -> TransferFailed:
    with pytest.raises(TransferFailed) as caught:
        fetch(url, folder, **more)
    return caught.value


def whole(handler: Any) -> None:
    handler.reply(200, CONTENT, ETag='"v1"')


def test_a_file_comes_whole_and_its_progress_is_told(tmp_path: Path):
    told: list[tuple[int, int]] = []
    with web(whole) as server:
        part = fetch(server.url(), tmp_path, progress=lambda done, total: told.append((done, total)))
    path, digest = part.finish()
    assert path.read_bytes() == CONTENT
    assert digest == hashlib.sha256(CONTENT).hexdigest()
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(item.name for item in tmp_path.iterdir()) == ["job.file"]


def test_a_cut_download_keeps_its_beginning_and_the_next_attempt_goes_on_from_there(tmp_path: Path):
    """LOG-04, F24"""

    def cut_then_rest(handler: Any) -> None:
        if "Range" not in handler.headers:
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(CONTENT)))
            handler.send_header("ETag", '"v1"')
            handler.end_headers()
            handler.wfile.write(CONTENT[:100_000])
            return
        start = int(handler.headers["Range"].removeprefix("bytes=").rstrip("-"))
        assert handler.headers["If-Range"] == '"v1"'
        where = f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"
        handler.reply(206, CONTENT[start:], Content_Range=where, ETag='"v1"')

    with web(cut_then_rest) as server:
        assert "cut off after 100000 of 300000" in str(refused(server.url(), tmp_path))
        assert Part(tmp_path, "job").size == 100_000
        part = fetch(server.url(), tmp_path)
    assert part.finish()[0].read_bytes() == CONTENT


def test_a_file_that_changed_meanwhile_is_loaded_anew(tmp_path: Path):
    part = Part(tmp_path, "job")
    with part.open(0, '"v0"') as file:
        file.write(b"x" * 1000)
    with web(whole) as server:  # If-Range does not match: 200 with everything
        fetch(server.url(), tmp_path)
    assert part.path.read_bytes() == CONTENT


@pytest.mark.parametrize("answer", [416, 206])
def test_a_beginning_that_fits_nothing_is_forgotten(tmp_path: Path, answer: int):
    part = Part(tmp_path, "job")
    with part.open(0, '"v1"') as file:
        file.write(b"x" * 1000)

    def odd(handler: Any) -> None:
        if "Range" not in handler.headers:
            whole(handler)
        elif answer == 416:
            handler.reply(416)
        else:
            handler.reply(206, b"y", Content_Range="bytes 5-5/6")

    with web(odd) as server:
        if answer == 206:
            assert "another place" in str(refused(server.url(), tmp_path))
        fetch(server.url(), tmp_path)
    assert part.path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("status", "failure"),
    [(404, "missing"), (403, "permission"), (401, "permission"), (500, "network"), (204, "network"), (400, "protocol")],
)
def test_an_answer_without_a_file_says_so(tmp_path: Path, status: int, failure: str):
    with web(lambda handler: handler.reply(status)) as server:
        problem = refused(server.url(), tmp_path)
    assert problem.failure == failure
    assert str(status) in str(problem)


def test_more_than_is_wanted_is_refused_before_it_comes(tmp_path: Path):
    """F24: 10 GB"""
    with web(lambda handler: handler.reply(200, b"", Content_Length=str(10 * 2**30))) as server:
        assert refused(server.url(), tmp_path).failure == "size"


def test_a_file_without_a_length_and_without_an_end_is_stopped(tmp_path: Path):
    """F24: endless"""

    def endless(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        while not handler.stopped.is_set():
            handler.wfile.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")

    with web(endless) as server:
        problem = refused(server.url(), tmp_path, limits=Limits(size=2**20))
    assert problem.failure == "size"
    assert Part(tmp_path, "job").size <= 2**20


def test_a_file_for_which_the_disk_has_no_room_is_refused(tmp_path: Path):
    """F24: disk full"""
    with web(whole) as server:
        problem = refused(server.url(), tmp_path, limits=Limits(keep_free=2**60))
    assert problem.failure == "space"


def test_a_chunked_file_that_breaks_off_is_no_file(tmp_path: Path):
    def broken(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"10\r\n0123456789abcdef\r\n")

    with web(broken) as server:
        assert refused(server.url(), tmp_path).failure == "network"


def drip(handler: Any) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(CONTENT)))
    handler.end_headers()
    for byte in CONTENT:
        if handler.stopped.is_set():
            return
        handler.wfile.write(bytes([byte]))
        handler.wfile.flush()


def test_a_download_that_drips_is_given_up(tmp_path: Path):
    """F24: 1 B/s; every look at the clock is 10 s later"""
    with web(drip) as server:
        problem = refused(server.url(), tmp_path, clock=Clock(10.0))
    assert problem.failure == "timeout"
    assert "too slow" in str(problem)


def test_a_download_has_an_end(tmp_path: Path):
    with web(drip) as server:
        problem = refused(server.url(), tmp_path, limits=Limits(slowest=0, total_s=500), clock=Clock(10.0))
    assert "longer than 500 s" in str(problem)


@pytest.mark.parametrize("part_of_answer", [b"", b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\nX: 1\r\n"])
def test_a_server_that_does_not_answer_is_left(tmp_path: Path, part_of_answer: bytes):
    def mute(handler: Any) -> None:
        handler.wfile.write(part_of_answer)
        handler.wfile.flush()
        handler.stopped.wait(30)

    with web(mute) as server:
        problem = refused(server.url(), tmp_path, limits=Limits(answer_s=0.2, idle_s=20))
        assert "within 0.2 s" in str(problem)
        problem = refused(server.url(), tmp_path, limits=Limits(answer_s=20, idle_s=0.2))
    assert "silent for 0.2 s" in str(problem)
    assert problem.failure == "timeout"


def test_a_server_that_falls_silent_in_the_middle_is_left(tmp_path: Path):
    def half(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b"x" * 10)
        handler.wfile.flush()
        handler.stopped.wait(30)

    with web(half) as server:
        assert refused(server.url(), tmp_path, limits=Limits(idle_s=0.2)).failure == "timeout"


@pytest.mark.parametrize("garbage", [b"SSH-2.0-x\r\n", b"\x00" * 200, b"HTTP/1.1 abc\r\n\r\n"])
def test_what_is_no_web_server_is_a_failure_in_words(tmp_path: Path, garbage: bytes):
    with web(lambda handler: handler.wfile.write(garbage)) as server:
        assert refused(server.url(), tmp_path).failure == "network"


def test_nobody_there_is_a_failure_in_words(tmp_path: Path):
    with web(whole) as server:
        url = server.url()
    assert "cannot be reached" in str(refused(url, tmp_path))
    assert refused("http://no-such-host.invalid/x", tmp_path).failure == "network"


# --- redirects, and where transfers must not go ----------------------------------------------------------------------


def test_a_redirect_within_the_web_is_followed(tmp_path: Path):
    def there(handler: Any) -> None:
        if handler.path == "/there":
            assert handler.headers.get("Authorization")
            whole(handler)
        else:
            handler.reply(302, Location="/there")

    with web(there) as server:
        assert fetch(server.url(user="me:secret"), tmp_path).path.read_bytes() == CONTENT


def test_credentials_do_not_follow_to_another_server(tmp_path: Path):
    with web(whole) as other, web(lambda handler: handler.reply(307, Location=other.url())) as server:
        fetch(server.url(user="me:secret"), tmp_path)
        assert "Authorization" in server.seen[0][2]
        assert "Authorization" not in other.seen[0][2]


@pytest.mark.parametrize(
    "where", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/", "data:,x", "javascript:1"]
)
def test_a_redirect_to_anything_else_is_refused(tmp_path: Path, where: str):
    """F24, A12"""
    with web(lambda handler: handler.reply(302, Location=where)) as server:
        assert refused(server.url(), tmp_path).failure in ("refused", "unsupported")
    assert not Part(tmp_path, "job").path.exists()


def test_redirects_have_an_end(tmp_path: Path):
    with web(lambda handler: handler.reply(302, Location="/again")) as server:
        assert "more than 5 times" in str(refused(server.url(), tmp_path))
        assert len(server.seen) == 6


@pytest.mark.parametrize(
    "number",
    [
        "127.0.0.1", "127.8.8.8", "::1", "169.254.1.1", "fe80::1", "0.0.0.0", "::", "224.0.0.1", "ff02::1", "240.0.0.1",
        "255.255.255.255", "::ffff:127.0.0.1", "::ffff:169.254.169.254",
    ],
)  # fmt: skip
def test_numbers_that_lead_back_are_off_limits(number: str):
    """A12"""
    assert is_off_limits(ipaddress.ip_address(number))


@pytest.mark.parametrize("number", ["10.1.2.3", "192.168.77.99", "172.16.9.9", "8.8.8.8", "2001:4860:4860::8888"])
def test_the_operators_networks_are_not(number: str):
    assert not is_off_limits(ipaddress.ip_address(number))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "127.1", "2130706433"])
def test_the_station_itself_is_never_asked(tmp_path: Path, host: str):
    """A12"""
    with web(whole) as server:
        problem = refused(server.url(host=host), tmp_path, options=Options())
        assert problem.failure in ("refused", "network")
        assert server.seen == []


def test_a_redirect_back_into_the_station_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A12: the first address is fine, the second is not"""
    with web(whole) as inside, web(lambda handler: handler.reply(302, Location=inside.url())) as server:
        real = is_off_limits
        asked: list[object] = []

        def judge(number: Any) -> bool:
            asked.append(number)
            return len(asked) > 1 and real(number)

        monkeypatch.setattr("station.transfer.http.is_off_limits", judge)
        assert refused(server.url(), tmp_path, options=Options()).failure == "refused"
        assert inside.seen == []


@pytest.mark.parametrize(
    "url", ["", "http://", "http://h\r\n/x", "http://h/a b", "http://h:99999/", "http://[::1/", "http://h/%0d%0aX", "x"]
)
def test_what_is_no_address_is_refused(url: str):
    with pytest.raises(TransferFailed):
        place_of(url)


def test_what_people_see_of_an_address_holds_no_secret():
    assert place_of("https://me:pw@h:8443/a?sig=abc").shown == "https://h:8443/a"


# --- https -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Issued:
    return issue(tmp_path_factory.mktemp("ca"), "Operator Root")


@pytest.fixture
def tls(tmp_path: Path, authority: Issued) -> ssl.SSLContext:
    server = issue(tmp_path, "files", authority, hosts=("127.0.0.1",))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.cert_file, server.key_file)
    return context


def test_https_trusts_the_operators_root(tmp_path: Path, tls: ssl.SSLContext, authority: Issued):
    """SFW-11"""
    with web(whole, tls) as server:
        part = fetch(server.url(), tmp_path, options=Options(True, (Path(authority.cert_file).read_text(),)))
    assert part.path.read_bytes() == CONTENT


def test_https_of_a_stranger_is_refused_with_the_cure(tmp_path: Path, tls: ssl.SSLContext):
    with web(whole, tls) as server:
        problem = refused(server.url(), tmp_path)
    assert "CentralSystemRootCertificate" in str(problem)
    assert server.seen == []


def test_https_with_another_name_is_refused(tmp_path: Path, tls: ssl.SSLContext, authority: Issued):
    with web(whole, tls) as server:
        problem = refused(
            server.url(host="localhost"), tmp_path, options=Options(True, (Path(authority.cert_file).read_text(),))
        )
    assert problem.failure == "network"
    assert server.seen == []


DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("starts", "ends", "ahead", "sure", "words"),
    [
        pytest.param(-DAY, 9 * DAY, -30 * DAY, False, "", id="a guess that is behind refuses nothing"),
        pytest.param(-DAY, 9 * DAY, -30 * DAY, True, "is not valid yet", id="a sure clock does"),
        pytest.param(-DAY, DAY, 2 * DAY, False, "has expired", id="what has ended by a guess has ended"),
        pytest.param(DAY, 9 * DAY, 2 * DAY, True, "", id="the system's clock has no say about the beginning"),
        pytest.param(-9 * DAY, -DAY, -5 * DAY, True, "", id="nor about the end"),
    ],
)
def test_the_dates_of_https_are_judged_by_the_stations_clock_as_far_as_it_is_sure(
    tmp_path: Path, starts: timedelta, ends: timedelta, ahead: timedelta, sure: bool, words: str
):
    """CLK-06, SEC-11"""
    root = issue(tmp_path, "old root", starts=-365 * DAY, ends=365 * DAY)
    made = issue(tmp_path, "dated", root, hosts=("127.0.0.1",), starts=starts, ends=ends)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.cert_file, made.key_file)
    options = Options(True, (root.pem,), NOW + ahead, sure)
    with web(whole, context) as server:
        if words:
            assert words in str(refused(server.url(), tmp_path, options=options))
            assert server.seen == []
        else:
            assert fetch(server.url(), tmp_path, options=options).path.read_bytes() == CONTENT


def test_a_root_that_ended_does_not_stand_in_the_way_of_its_successor(tmp_path: Path):
    """CRT-16"""
    new = issue(tmp_path, "same root")
    builder = (
        x509.CertificateBuilder()
        .subject_name(new.certificate.subject)
        .issuer_name(new.certificate.subject)
        .public_key(new.certificate.public_key())
        .serial_number(7)
        .not_valid_before(NOW - 20 * DAY)
        .not_valid_after(NOW - DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    old = pki.pem([builder.sign(new.key, new.certificate.signature_hash_algorithm)])
    made = issue(tmp_path, "server", new, hosts=("127.0.0.1",))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.cert_file, made.key_file)
    with web(whole, context) as server:
        fetch(server.url(), tmp_path, options=Options(True, (old, new.pem), NOW, True))


def test_a_way_from_https_to_http_is_not_taken(tmp_path: Path, tls: ssl.SSLContext, authority: Issued):
    with web(whole) as plain, web(lambda handler: handler.reply(302, Location=plain.url()), tls) as server:
        problem = refused(server.url(), tmp_path, options=Options(True, (Path(authority.cert_file).read_text(),)))
        assert problem.failure == "refused"
        assert plain.seen == []


# --- upload ----------------------------------------------------------------------------------------------------------


def send(url: str, file: Path, **more: Any) -> None:
    upload(url, file, "diag.zip", LIMITS, HERE, lambda done, total: None, Clock(), **more)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "a.zip"
    path.write_bytes(CONTENT)
    return path


def take(handler: Any) -> None:
    handler.read_body()
    handler.reply(201)


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/in/", "/in/diag.zip"),
        ("/in", "/in/diag.zip"),
        ("/", "/diag.zip"),
        ("", "/diag.zip"),
        ("/in/other.zip", "/in/other.zip"),
        ("/in?signature=1.2", "/in?signature=1.2"),
        ("/v1.2/in", "/v1.2/in/diag.zip"),
    ],
)
def test_the_file_is_put_into_the_folder_or_at_the_name(archive: Path, path: str, target: str):
    """DIA-02, field problem 32"""
    with web(take) as server:
        send(server.url(path), archive)
        assert [(method, where) for method, where, _ in server.seen] == [("PUT", target)]
        assert server.bodies == [CONTENT]


def test_names_are_escaped():
    assert upload_path("/in/", "a b#?.zip") == "/in/a%20b%23%3F.zip"


@pytest.mark.parametrize("status", [405, 501, 404])
def test_a_server_that_knows_no_put_gets_a_form(archive: Path, status: int):
    def form_only(handler: Any) -> None:
        body = handler.read_body()
        if handler.command == "PUT":
            handler.reply(status)
            return
        assert handler.path == "/in"
        assert b'filename="diag.zip"' in body
        assert CONTENT in body
        handler.reply(200)

    with web(form_only) as server:
        send(server.url("/in"), archive)
        assert [method for method, _, _ in server.seen] == ["PUT", "POST"]


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        (401, "permission"),
        (403, "permission"),
        (405, "unsupported"),
        (400, "protocol"),
        (500, "network"),
        (413, "size"),
    ],
)
def test_a_refused_upload_says_why(archive: Path, status: int, failure: str):
    """LOG-02"""

    def no(handler: Any) -> None:
        handler.read_body()
        handler.reply(status)

    with web(no) as server, pytest.raises(TransferFailed) as caught:
        send(server.url("/in/"), archive)
    assert caught.value.failure == failure


def test_a_server_that_answers_before_it_has_read_everything_is_understood(tmp_path: Path):
    big = tmp_path / "big.zip"
    big.write_bytes(bytes(20_000_000))
    with web(lambda handler: handler.reply(403)) as server, pytest.raises(TransferFailed) as caught:
        send(server.url("/in/"), big)
    assert caught.value.failure in ("permission", "network")


def test_an_upload_follows_a_redirect_that_keeps_the_method(archive: Path):
    def moved(handler: Any) -> None:
        handler.read_body()
        if handler.path == "/new":
            handler.reply(200)
        else:
            handler.reply(307, Location="/new")

    with web(moved) as server:
        send(server.url("/in/"), archive)
        assert server.bodies == [CONTENT, CONTENT]


def test_an_upload_never_goes_into_the_station(archive: Path):
    with web(take) as server, pytest.raises(TransferFailed) as caught:
        upload(server.url("/in/"), archive, "d.zip", LIMITS, Options(), lambda done, total: None, Clock())
    assert caught.value.failure == "refused"


@pytest.mark.parametrize("name", ["", "..", ".", "a/b", "/etc/x"])
def test_a_part_lies_in_its_folder(tmp_path: Path, name: str):
    """A9"""
    with pytest.raises(ValueError, match="staging"):
        Part(tmp_path, name)
