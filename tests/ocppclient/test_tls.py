"""TLS of the backend link (conformance SEC-07…SEC-13, fault F16): good servers, bad servers, and the words for each."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from ocppclient import pki
from ocppclient.clock import Clock
from ocppclient.events import Connected, Disconnected, FrameReceived
from ocppclient.link import ConnectionSettings
from ocppclient.tls import WildcardOnly, check_name, client_context
from tests.ocppclient.backend import backend, settings_for, silent, station, tcp_server
from tests.ocppclient.certificates import Issued, issue


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def root(folder: Path) -> Issued:
    return issue(folder, "root")


@pytest.fixture(scope="module")
def rsa_server(folder: Path, root: Issued) -> Issued:
    return issue(folder, "rsa-server", root, hosts=("localhost",), rsa_bits=2048)


def server_context(server: Issued, ciphers: str = "", client_root: Issued | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.cert_file, server.key_file)
    if ciphers:
        context.set_ciphers(ciphers)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    if client_root:
        context.load_verify_locations(client_root.cert_file)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def secure(port: int, root: Issued, **changes: Any) -> ConnectionSettings:
    return settings_for(port, **{"url": f"wss://localhost:{port}/", "root_certificates": (root.pem,), **changes})


@asynccontextmanager
async def openssl_server(server: Issued, *arguments: str) -> AsyncIterator[int]:
    """`openssl s_server`: it sends the alerts that Python's TLS servers swallow (runtime.md, section 6)."""
    process = await asyncio.create_subprocess_exec(
        "openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", server.cert_file, "-key", server.key_file,
        *arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = b""
        while not line.startswith(b"ACCEPT"):
            line = await asyncio.wait_for(process.stdout.readline(), 5)
        yield int(line.rpartition(b":")[2])
    finally:
        process.kill()
        await process.communicate()


@pytest.mark.parametrize(
    "cipher", ["AES128-GCM-SHA256", "AES256-GCM-SHA384", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384"]
)
@in_loop
async def test_the_certified_cipher_suites_work(cipher: str, root: Issued, rsa_server: Issued) -> None:
    """SEC-04, SEC-09"""
    async with backend(ssl=server_context(rsa_server, cipher)) as (port, server):
        settings = secure(port, root, security_profile=2, authorization_key="a plain password 16")
        async with station(settings) as (_, events):
            await events.until(Connected)
            link = next(iter(server.connections))
            assert link.transport.get_extra_info("cipher")[0] == cipher
            assert link.request is not None
            assert link.request.headers["Authorization"].startswith("Basic ")


@in_loop
async def test_tls_1_3_is_used_when_the_backend_has_it(root: Issued, rsa_server: Issued) -> None:
    async with (
        backend(ssl=server_context(rsa_server)) as (port, server),
        station(secure(port, root)) as (connection, events),
    ):
        await events.until(Connected)
        assert next(iter(server.connections)).transport.get_extra_info("ssl_object").version() == "TLSv1.3"
        assert connection.status().url == f"wss://localhost:{port}/CP1"


@in_loop
async def test_a_certificate_with_a_common_name_only_is_accepted(folder: Path, root: Issued) -> None:
    server = issue(folder, "localhost", root)
    async with backend(ssl=server_context(server)) as (port, _), station(secure(port, root)) as (_, events):
        await events.until(Connected)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"hosts": ("elsewhere.example",)}, "was made for another host name"),
        ({"hosts": ("localhost",), "ends": timedelta(hours=-1)}, "has expired"),
        ({"hosts": ("localhost",), "starts": timedelta(days=1)}, "is not valid yet; is the station's clock right?"),
    ],
)
@in_loop
async def test_an_unacceptable_certificate_is_refused_in_words(
    folder: Path, root: Issued, made: dict[str, Any], words: str
) -> None:
    """SEC-11, field problem 9"""
    server = issue(folder, "bad", root, **made)
    async with backend(ssl=server_context(server)) as (port, _), station(secure(port, root)) as (connection, events):
        assert words in (await events.until(Disconnected)).reason
        assert connection.status().last_error_kind == "certificate"
        await events.until(Disconnected, 2)  # and it is tried again
        assert events.count(Connected) == 0


@in_loop
async def test_an_unknown_or_self_signed_issuer_is_refused_and_several_roots_are_possible(
    folder: Path, root: Issued, rsa_server: Issued
) -> None:
    """SEC-11, field problem 10"""
    other = issue(folder, "other-root")
    server = backend(ssl=server_context(rsa_server))
    async with server as (port, _), station(secure(port, other)) as (connection, events):
        assert "install the operator's root certificate" in (await events.until(Disconnected)).reason
        both = secure(port, root, root_certificates=(other.pem, root.pem))
        connection.reconnect(both, "another root was installed")
        await events.until(Connected)
    alone = issue(folder, "self-signed", hosts=("localhost",))
    async with backend(ssl=server_context(alone)) as (port, _), station(secure(port, root)) as (_, events):
        assert "self-signed" in (await events.until(Disconnected)).reason


@in_loop
async def test_profile_3_presents_the_client_certificate(folder: Path, root: Issued, rsa_server: Issued) -> None:
    """SEC-13"""
    client = issue(folder, "CP-SERIAL-1", root)
    async with backend(ssl=server_context(rsa_server, client_root=root)) as (port, server):
        settings = secure(port, root, security_profile=3, client_certificate=client.pem, client_key=client.key_pem)
        async with station(settings) as (_, events):
            await events.until(Connected)
            link = next(iter(server.connections))
            peer = link.transport.get_extra_info("peercert")
            assert peer["subject"] == ((("commonName", "CP-SERIAL-1"),),)
            assert link.request is not None
            assert "Authorization" not in link.request.headers


@in_loop
async def test_a_backend_that_wants_a_client_certificate_is_understood(root: Issued, rsa_server: Issued) -> None:
    arguments = ("-Verify", "1", "-verify_return_error", "-CAfile", root.cert_file)
    async with openssl_server(rsa_server, *arguments) as port, station(secure(port, root)) as (connection, events):
        await events.until(Disconnected)
        assert connection.status().last_error_kind == "unauthorised"
        assert "client certificate" in connection.status().last_error


@in_loop
async def test_wss_towards_a_port_without_tls_is_understood(root: Issued) -> None:
    async def http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    async with tcp_server(http) as port, station(secure(port, root)) as (_, events):
        assert "does not speak TLS" in (await events.until(Disconnected)).reason


@in_loop
async def test_a_tls_failure_never_falls_back_to_plain_text(root: Issued) -> None:
    seen: list[bytes] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.read(3))
        writer.close()

    async with tcp_server(note) as port, station(secure(port, root)) as (_, events):
        await events.until(Disconnected, 3)
    assert {first[:1] for first in seen} == {b"\x16"}  # a TLS handshake record, always


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (("-tls1_1", "-cipher", "ALL:@SECLEVEL=0"), "tls_version"),
        (("-tls1_2", "-cipher", "ECDHE-RSA-AES128-SHA256:@SECLEVEL=0"), "tls_cipher"),
    ],
)
@in_loop
async def test_old_tls_and_weak_suites_are_refused_and_told_apart(
    arguments: tuple[str, ...], kind: str, root: Issued, rsa_server: Issued
) -> None:
    """SEC-07, SEC-08"""
    async with openssl_server(rsa_server, *arguments) as port, station(secure(port, root)) as (connection, events):
        await events.until(Disconnected)
        assert connection.status().last_error_kind == kind


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"root_certificates": ("not a certificate",)}, "an installed root certificate cannot be used"),
        ({"root_certificates": (), "security_profile": 2}, "needs a root certificate of the backend"),
        ({"security_profile": 3}, "needs a client certificate"),
        (
            {"security_profile": 3, "client_certificate": "x", "client_key": "y"},
            "certificate or its key cannot be used",
        ),
    ],
)
@in_loop
async def test_what_the_profile_needs_and_is_not_there_is_named(
    root: Issued, change: dict[str, Any], words: str
) -> None:
    async with station(secure(1, root, authorization_key="a plain password 16", **change)) as (connection, events):
        assert words in (await events.until(Disconnected)).reason
        assert connection.status().last_error_kind == "settings"


@in_loop
async def test_big_messages_pass_over_tls(root: Issued, rsa_server: Issued) -> None:
    async def send(link: Any) -> None:
        await link.send("x" * 3_400_000)
        await silent(link)

    async with backend(send, ssl=server_context(rsa_server)) as (port, _), station(secure(port, root)) as (_, events):
        assert len((await events.until(FrameReceived)).text) == 3_400_000


def test_the_context_checks_names_refuses_old_tls_and_is_not_strict_about_key_identifiers() -> None:
    """SEC-07, SEC-08, SEC-10"""
    context = client_context(settings_for(1, url="wss://h"), Clock())
    assert context.check_hostname
    assert context.options & ssl.OP_NO_COMPRESSION
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT
    names = [cipher["name"] for cipher in context.get_ciphers()]
    assert {"AES128-GCM-SHA256", "AES256-GCM-SHA384"} <= set(names)
    assert not [name for name in names if "CBC" in name or "RC4" in name or "DES" in name or name.endswith("-SHA")]
    assert names.index("ECDHE-RSA-AES128-GCM-SHA256") < names.index("AES128-GCM-SHA256")


@in_loop
async def test_the_verified_chain_is_told_and_a_root_that_another_one_signed_is_an_anchor(
    folder: Path, root: Issued
) -> None:
    """CRT-15, CRT-16: the new root alone verifies, also when the one that signed it is gone"""
    new_root = issue(folder, "new-root", root, ca=True)
    server = issue(folder, "server-of-new-root", new_root, hosts=("localhost",))
    async with (
        backend(ssl=server_context(server)) as (port, _),
        station(secure(port, new_root)) as (_, events),
    ):
        connected = await events.until(Connected)
        assert connected.verified_by == (
            pki.fingerprint(server.certificate),
            pki.fingerprint(new_root.certificate),
        )


@in_loop
async def test_without_tls_nothing_is_verified() -> None:
    async with backend() as (port, _), station(settings_for(port)) as (_, events):
        assert (await events.until(Connected)).verified_by == ()


@in_loop
async def test_a_refused_client_certificate_is_understood(folder: Path, root: Issued, rsa_server: Issued) -> None:
    stranger = issue(folder, "stranger")
    client = issue(folder, "CP-UNKNOWN", stranger)
    arguments = ("-Verify", "1", "-verify_return_error", "-CAfile", root.cert_file)
    async with openssl_server(rsa_server, *arguments) as port:
        settings = secure(port, root, security_profile=3, client_certificate=client.pem, client_key=client.key_pem)
        async with station(settings) as (connection, events):
            assert (await events.until(Disconnected)).kind == "unauthorised"
            assert connection.status().last_error_kind == "unauthorised"


@in_loop
async def test_settings_for_the_next_attempt_leave_the_session_alone(root: Issued, rsa_server: Issued) -> None:
    async with (
        backend(ssl=server_context(rsa_server)) as (port, server),
        station(secure(port, root)) as (connection, events),
    ):
        await events.until(Connected)
        connection.use(secure(port, root, charge_point_id="CP2"))
        next(iter(server.connections)).transport.abort()
        await events.until(Disconnected)
        await events.until(Connected, 2)
        assert connection.status().url.endswith("/CP2")
        assert events.count(Disconnected) == 1


class Peer:
    """What the library knows of a verified server."""

    def __init__(self, certificate: Issued) -> None:
        self._certificate = certificate.certificate.public_bytes(Encoding.DER)

    def getpeercert(self, binary_form: bool) -> bytes:
        assert binary_form
        return self._certificate


@pytest.mark.parametrize(
    ("names", "host", "refused"),
    [
        (("*.example.com",), "cs.example.com", True),
        (("*.example.com", "CS.example.com."), "cs.example.com", False),
        (("cs.example.com",), "cs.example.com", False),
        (("127.0.0.1", "*.example.com"), "127.0.0.1", False),
        (("b\u00fccher.example".encode("idna").decode(),), "b\u00fccher.example", False),
    ],
)
def test_profiles_2_and_3_refuse_a_name_that_fits_by_a_wildcard_only(
    folder: Path, root: Issued, names: tuple[str, ...], host: str, refused: bool
) -> None:
    """SEC-12, T:TC_078"""
    peer: Any = Peer(issue(folder, "wildcard", root, hosts=names))
    key = {"authorization_key": "a plain password 16"}
    for changes in ({"security_profile": 0}, {"security_profile": 2, "allow_wildcards": True, **key}):
        check_name(peer, secure(1, root, **changes), host)
    strict = secure(1, root, security_profile=2, **key)
    if not refused:
        check_name(peer, strict, host)
        return
    with pytest.raises(WildcardOnly, match="AllowCentralSystemTLSWildcards"):
        check_name(peer, strict, host)


def test_the_private_key_is_never_a_file_on_the_disk(
    folder: Path, root: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = issue(folder, "CP-MEMORY", root)
    loaded: list[str] = []
    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", lambda self, path: loaded.append(path))
    settings = secure(1, root, security_profile=3, client_certificate=client.pem, client_key=client.key_pem)
    client_context(settings, Clock())
    assert len(loaded) == 1
    assert loaded[0].startswith("/proc/self/fd/")
