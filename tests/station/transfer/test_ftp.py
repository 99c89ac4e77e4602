"""Downloads and uploads by ftp and ftps against a real server on loopback."""

from __future__ import annotations

import os
import ssl
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import tests.appliance  # noqa: F401
from station.transfer import Limits, Part, TransferFailed, download, upload
from station.transfer.http import Options
from tests.ocppclient.certificates import NOW, Issued, issue
from tests.station.transfer.servers import Ftp, ftp

CONTENT = os.urandom(300_000)
LIMITS = Limits(connect_s=5, idle_s=0.4)  # a server of implicit TLS is recognised by its silence
HERE = Options(allow_local=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Issued:
    return issue(tmp_path_factory.mktemp("ca"), "Operator Root")


@pytest.fixture
def tls(tmp_path: Path, authority: Issued) -> ssl.SSLContext:
    server = issue(tmp_path, "files", authority, hosts=("127.0.0.1",))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.cert_file, server.key_file)
    return context


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "a.zip"
    path.write_bytes(CONTENT)
    return path


def fetch(url: str, folder: Path, options: Options = HERE, limits: Limits = LIMITS) -> Part:
    part = Part(folder, "job")
    download(url, part, limits, options, lambda done, total: None, lambda: 0.0)
    return part


def send(url: str, file: Path, options: Options = HERE, **more: Any) -> None:
    upload(url, file, "diag.zip", LIMITS, options, lambda done, total: None, lambda: 0.0, **more)


def test_a_file_comes_whole_with_the_credentials_of_the_address(tmp_path: Path):
    """FW-06"""
    with ftp(files={"new/fw.bin": CONTENT}) as server:
        part = fetch(server.url("/new/fw.bin", "me:p%40ss"), tmp_path)
        assert part.path.read_bytes() == CONTENT
        assert server.commands[:2] == ["USER me", "PASS p@ss"]
        assert not [line for line in server.commands if line.startswith(("PORT", "EPRT"))]


def test_a_cut_download_goes_on_where_it_stopped(tmp_path: Path):
    """N01 remarks"""
    with ftp(files={"fw.bin": CONTENT}, cut_after=100_000) as server:
        with pytest.raises(TransferFailed):
            fetch(server.url("/fw.bin"), tmp_path)
        part = fetch(server.url("/fw.bin"), tmp_path)
        assert part.path.read_bytes() == CONTENT
        assert "REST 100000" in server.commands


def test_a_missing_file_says_so(tmp_path: Path):
    with ftp() as server, pytest.raises(TransferFailed, match="550"):
        fetch(server.url("/nothing.bin"), tmp_path)


def test_a_file_that_is_too_large_is_refused_before_it_comes(tmp_path: Path):
    with ftp(files={"fw.bin": CONTENT}) as server:
        with pytest.raises(TransferFailed) as caught:
            fetch(server.url("/fw.bin"), tmp_path, limits=Limits(size=1000))
        assert caught.value.failure == "size"
        assert not [line for line in server.commands if line.startswith("RETR")]


def test_a_server_that_does_not_know_sizes_can_still_give_files(tmp_path: Path):
    with ftp(files={"fw.bin": CONTENT}, refuse={"SIZE": "500 what", "MDTM": "500 what"}) as server:
        assert fetch(server.url("/fw.bin"), tmp_path).path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("command", "answer", "failure"),
    [
        ("PASS", "530 no", "permission"),
        ("STOR", "550 no", "permission"),
        ("STOR", "502 no", "unsupported"),
        ("STOR", "552 full", "space"),
        ("STOR", "450 busy", "network"),
        ("EPSV", "xx", "network"),
    ],
)
def test_a_refused_upload_says_why(archive: Path, command: str, answer: str, failure: str):
    """LOG-02"""
    refuse = {command: answer, **({"PASV": answer} if command == "EPSV" else {})}
    with ftp(refuse=refuse) as server, pytest.raises(TransferFailed) as caught:
        send(server.url("/in/"), archive)
    assert caught.value.failure == failure


@pytest.mark.parametrize(
    ("path", "stored"),
    [
        ("/in/", "in/diag.zip"),
        ("/in", "in/diag.zip"),
        ("/", "diag.zip"),
        ("", "diag.zip"),
        ("/in/x.zip", "in/x.zip"),
        ("//abs/", "/abs/diag.zip"),
    ],
)
def test_the_file_is_stored_in_the_folder_or_at_the_name(archive: Path, path: str, stored: str):
    """DIA-02, field problem 32, T:TC_045_1"""
    with ftp() as server:
        send(server.url(path, "u:p"), archive)
        assert server.files == {stored: CONTENT}


def test_an_interrupted_upload_goes_on_with_the_next_attempt(archive: Path):
    """LOG-04"""
    with ftp(cut_after=100_000) as server:
        with pytest.raises(TransferFailed):
            send(server.url("/in/"), archive)
        taken = len(server.files["in/diag.zip"])
        assert 100_000 <= taken < len(CONTENT)
        send(server.url("/in/"), archive, resume=True)
        assert server.files == {"in/diag.zip": CONTENT}
        assert f"REST {taken}" in server.commands


@pytest.mark.parametrize("implicit", [False, True])
def test_ftps_protects_commands_and_data(
    tmp_path: Path, tls: ssl.SSLContext, authority: Issued, archive: Path, implicit: bool
):
    """FW-06: explicit (AUTH TLS) and implicit, whichever the server speaks; CLK-06: by the station's clock"""
    options = Options(True, (Path(authority.cert_file).read_text(),), NOW, True)
    with ftp(tls=tls, implicit=implicit, files={"fw.bin": CONTENT}) as server:
        assert fetch(server.url("/fw.bin", "u:p"), tmp_path, options).path.read_bytes() == CONTENT
        send(server.url("/in/", "u:p"), archive, options)
        assert server.files["in/diag.zip"] == CONTENT
        assert "PROT P" in server.commands
        assert ("AUTH TLS" in server.commands) is not implicit


@pytest.mark.parametrize("implicit", [False, True])
def test_ftps_with_a_certificate_that_has_ended_tells_no_password(
    tmp_path: Path, tls: ssl.SSLContext, authority: Issued, implicit: bool
):
    """CLK-06"""
    options = Options(True, (authority.pem,), NOW + timedelta(days=31), False)
    with ftp(tls=tls, implicit=implicit, files={"fw.bin": CONTENT}) as server:
        with pytest.raises(TransferFailed, match="has expired"):
            fetch(server.url("/fw.bin", "u:p"), tmp_path, options)
        assert not [line for line in server.commands if line.startswith(("USER", "PASS"))]


def test_ftps_to_a_stranger_tells_no_password(tmp_path: Path, tls: ssl.SSLContext):
    with ftp(tls=tls, files={"fw.bin": CONTENT}) as server:
        with pytest.raises(TransferFailed):
            fetch(server.url("/fw.bin", "u:p"), tmp_path)
        assert not [line for line in server.commands if line.startswith(("USER", "PASS"))]


def test_the_station_itself_is_never_asked(tmp_path: Path):
    """A12"""
    server = Ftp(files={"fw.bin": CONTENT})
    try:
        with pytest.raises(TransferFailed) as caught:
            fetch(server.url("/fw.bin"), tmp_path, Options())
        assert caught.value.failure == "refused"
        assert server.commands == []
    finally:
        server.close()
