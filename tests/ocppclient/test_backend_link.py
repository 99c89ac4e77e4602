"""The backend link against real loopback servers: every exit path returns to the one loop (field problems 1…7)."""

from __future__ import annotations

import asyncio
import base64
import logging
import socket
import threading
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from functools import wraps
from http import HTTPStatus
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from ocppclient import backend_link as module
from ocppclient.clock import Clock
from ocppclient.events import AliveSeen, Connected, Disconnected, FrameReceived, KeyFormAccepted
from ocppclient.link import LinkStatus
from tests.ocppclient.backend import Proxy, backend, settings_for, silent, station, tcp_server, until


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


# --- the handshake as the backend sees it


@in_loop
async def test_the_first_attempt_starts_at_once_with_subprotocol_encoded_path_and_without_compression() -> None:
    async with backend() as (port, server):
        settings = settings_for(port, charge_point_id="my station/1", user_agent="station/0.1", reconnect_min_s=60)
        async with station(settings) as (connection, events):
            await events.until(Connected)
            request = next(iter(server.connections)).request
            assert request is not None
            assert request.path == "/ocpp/my%20station%2F1"
            assert request.headers["Sec-WebSocket-Protocol"] == "ocpp1.6"
            assert "Sec-WebSocket-Extensions" not in request.headers
            assert "Authorization" not in request.headers
            assert request.headers["User-Agent"] == "station/0.1"
            status = connection.status()
            assert (status.state, status.attempts, status.last_error) == ("connected", 0, "")
            assert status.url == f"ws://127.0.0.1:{port}/ocpp/my%20station%2F1"
            assert status.last_byte_at is not None


@in_loop
async def test_profile_1_sends_the_basic_header_with_the_very_first_request() -> None:
    async with backend() as (port, server):
        settings = settings_for(port, security_profile=1, authorization_key="80ff" * 8)
        async with station(settings) as (_, events):
            await events.until(Connected)
            request = next(iter(server.connections)).request
            assert request is not None
            expected = base64.b64encode(b"CP1:" + bytes.fromhex("80ff" * 8)).decode()
            assert request.headers["Authorization"] == f"Basic {expected}"


@pytest.mark.parametrize("answer", ["OCPP1.6", "ocpp1.6, ocpp1.5", "Ocpp1.6"])
@in_loop
async def test_an_oddly_spelt_subprotocol_is_accepted_with_a_warning(answer: str) -> None:
    async def spell(link: ServerConnection, request: Request, response: Response) -> None:
        response.headers["Sec-WebSocket-Protocol"] = answer

    async with (
        backend(process_response=spell, subprotocols=None) as (port, _),
        station(settings_for(port)) as (connection, events),
    ):
        await events.until(Connected)
        assert answer in connection.status().subprotocol_warning


@in_loop
async def test_a_missing_subprotocol_is_accepted_with_a_warning() -> None:
    async with backend(subprotocols=None) as (port, _), station(settings_for(port)) as (connection, events):
        await events.until(Connected)
        assert "did not confirm" in connection.status().subprotocol_warning


@in_loop
async def test_a_really_different_subprotocol_is_a_failed_attempt_that_names_it() -> None:
    async def spell(link: ServerConnection, request: Request, response: Response) -> None:
        response.headers["Sec-WebSocket-Protocol"] = "ocpp2.0.1"

    async with (
        backend(process_response=spell, subprotocols=None) as (port, _),
        station(settings_for(port)) as (connection, events),
    ):
        await events.until(Disconnected, 2)
        assert events.count(Connected) == 0
        assert "'ocpp2.0.1'" in connection.status().last_error
        assert connection.status().last_error_kind == "subprotocol"


# --- every exit returns to the loop


async def _close_1000(link: ServerConnection) -> None:
    await link.close(1000)


async def _close_1001(link: ServerConnection) -> None:
    await link.close(1001, "restart of the backend")


async def _close_1011(link: ServerConnection) -> None:
    await link.close(1011)


async def _break(link: ServerConnection) -> None:
    link.transport.abort()


async def _too_big(link: ServerConnection) -> None:
    await link.send("x" * (17 * 2**20))
    await link.wait_closed()


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (_close_1000, "the backend closed the connection (1000 normal closure)"),
        (_close_1001, "1001 going away 'restart of the backend'"),
        (_close_1011, "1011"),
        (_break, "1006"),
        (_too_big, "longer than 16 MiB"),
    ],
)
@in_loop
async def test_whatever_ends_a_session_another_one_follows(
    handler: Callable[[ServerConnection], Awaitable[None]], words: str
) -> None:
    first = True

    async def once(link: ServerConnection) -> None:
        nonlocal first
        if first:
            first = False
            await handler(link)
        await silent(link)

    async with backend(once) as (port, _), station(settings_for(port)) as (connection, events):
        await events.until(Connected, 2)
        reason = events.of(Disconnected)[0].reason
        assert words in reason
        assert connection.status().last_error == reason


@in_loop
async def test_a_backend_that_says_goodbye_but_keeps_the_socket_open_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ocppclient.connection.CLOSE_TIMEOUT_S", 0.05)
    came_again = asyncio.Event()

    async def half_goodbye(link: ServerConnection) -> None:
        if not came_again.is_set():
            link.transport.pause_reading()
            link.protocol.send_close(1000)
            link.send_data()
            await came_again.wait()
            link.transport.abort()

    async with backend(half_goodbye) as (port, _), station(settings_for(port)) as (_, events):
        await events.until(Disconnected)
        came_again.set()
        await events.until(Connected, 2)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "401: the backend refuses the password"),
        (403, "403: the backend forbids"),
        (404, "404: the backend does not know this path or charge point id; check both"),
        (429, "429"),
        (500, "500: the backend has a problem of its own"),
        (502, "502"),
        (503, "503"),
        (302, "redirects are refused"),
        (418, "418"),
    ],
)
@in_loop
async def test_an_http_refusal_is_explained_and_tried_again(status: int, words: str) -> None:
    def refuse(link: ServerConnection, request: Request) -> Response:
        response = link.respond(HTTPStatus(status), "no\n")
        if status == 302:
            response.headers["Location"] = "ws://127.0.0.1:1/elsewhere"
        return response

    async with backend(process_request=refuse) as (port, _), station(settings_for(port)) as (connection, events):
        await events.until(Disconnected, 3)
        assert words in events.of(Disconnected)[0].reason
        assert events.count(Connected) == 0
        assert connection.status().attempts >= 3


@in_loop
async def test_a_server_that_is_no_websocket_server_is_named_so() -> None:
    async def smtp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        await reader.read()

    async with tcp_server(smtp) as port, station(settings_for(port)) as (_, events):
        assert "does not answer like a websocket server" in (await events.until(Disconnected)).reason


@in_loop
async def test_a_closed_port_and_an_unknown_name_are_told_apart() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    async with station(settings_for(port)) as (connection, events):
        assert "refuses connections" in (await events.until(Disconnected)).reason
        connection.reconnect(settings_for(port, url="ws://no-such-host.invalid/ocpp"), "test")
        await until(lambda: connection.status().last_error_kind == "dns")
        assert "no-such-host.invalid cannot be resolved" in connection.status().last_error


@in_loop
async def test_the_last_good_address_is_used_when_the_name_cannot_be_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    resolve, broken = loop.getaddrinfo, False

    async def getaddrinfo(host: str, *args: Any, **options: Any) -> Any:
        if broken and host == "localhost":
            raise socket.gaierror(-3, "Temporary failure in name resolution")
        return await resolve(host, *args, **options)

    monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
    async with (
        backend() as (port, server),
        station(settings_for(port, url=f"ws://localhost:{port}/")) as (_, events),
    ):
        await events.until(Connected)
        broken = True
        for link in server.connections:
            link.transport.abort()
        await events.until(Connected, 2)


# --- the four mute layers


@in_loop
async def test_a_peer_that_is_mute_on_tcp_is_given_up() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):  # fills the queue: further SYNs are dropped
            async with station(settings_for(port, open_timeout_s=0.05)) as (_, events):
                reason = (await events.until(Disconnected)).reason
    assert "does not answer; check the address, the network and the firewall" in reason


@pytest.mark.parametrize(("scheme", "words"), [("wss", "does not answer TLS"), ("ws", "the websocket request")])
@in_loop
async def test_a_peer_that_is_mute_on_tls_or_on_the_upgrade_is_given_up(scheme: str, words: str) -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with tcp_server(mute) as port:
        settings = settings_for(port, url=f"{scheme}://127.0.0.1:{port}/", open_timeout_s=0.05)
        async with station(settings) as (_, events):
            assert words in (await events.until(Disconnected)).reason
            await events.until(Disconnected, 2)


@in_loop
async def test_a_half_open_link_is_found_by_the_missing_pong_and_replaced() -> None:
    async with backend() as (port, _):
        proxy = Proxy(port)
        async with tcp_server(proxy) as proxied:
            settings = settings_for(proxied, ping_interval_s=0.02, pong_timeout_s=0.1)
            async with station(settings) as (connection, events):
                await events.until(AliveSeen, 2)
                assert events.count(Disconnected) == 0
                proxy.mute = True
                gone = await events.until(Disconnected)
                assert "did not answer a ping within 0.1 s" in gone.reason
                proxy.mute = False
                await events.until(Connected, 2)
                assert connection.status().state == "connected"


@in_loop
async def test_an_unanswered_message_makes_the_station_ask_with_a_ping_before_the_next_regular_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "PROBE_AFTER_S", 0.02)
    async with backend() as (port, _), station(settings_for(port, ping_interval_s=3600)) as (connection, events):
        await events.until(Connected)
        connection.send('[2,"1","Heartbeat",{}]')
        await events.until(AliveSeen)


@in_loop
async def test_the_ping_interval_changes_live_and_zero_switches_pings_off() -> None:
    async with backend() as (port, _), station(settings_for(port, ping_interval_s=3600)) as (connection, events):
        await events.until(Connected)
        connection.set_ping_interval(0.01)
        await events.until(AliveSeen, 3)
        connection.set_ping_interval(0)
        connection.send("sync")
        await asyncio.sleep(0.03)
        pongs = events.count(AliveSeen)
        await asyncio.sleep(0.1)
        assert events.count(AliveSeen) == pongs


@in_loop
async def test_a_ping_of_the_backend_is_answered() -> None:
    answered = asyncio.Event()

    async def ask(link: ServerConnection) -> None:
        await (await link.ping())
        answered.set()
        await silent(link)

    async with backend(ask) as (port, _), station(settings_for(port)):
        await asyncio.wait_for(answered.wait(), 5)


# --- back-off


@in_loop
async def test_a_backend_that_accepts_and_closes_at_once_sees_few_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    connections = 0

    async def slam(link: ServerConnection) -> None:
        nonlocal connections
        connections += 1

    async with (
        backend(slam) as (port, _),
        station(settings_for(port, reconnect_min_s=0.05, reconnect_max_s=60)) as (connection, events),
    ):
        monkeypatch.setattr(connection._back_off._rng, "uniform", lambda low, high: high)
        await asyncio.sleep(1)
        assert 3 <= connections <= 5  # 0.1 + 0.2 + 0.4 + 0.8 s; runtime.md measured 5111 without this
        assert events.count(Connected) == events.count(Disconnected) == connections
        status = connection.status()
        assert status.state == "waiting"
        assert status.next_attempt_at is not None
        assert status.next_attempt_at - status.since > 0.7


@in_loop
async def test_a_stable_session_resets_the_back_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STABLE_S", 0.0)
    async with (
        backend(_close_1000) as (port, _),
        station(settings_for(port, reconnect_min_s=0.01, reconnect_max_s=60)) as (connection, events),
    ):
        monkeypatch.setattr(connection._back_off._rng, "uniform", lambda low, high: high)
        await events.until(Connected, 10)  # would take 20 s without the reset


@in_loop
async def test_each_failure_is_a_warning_once_per_outage(caplog: pytest.LogCaptureFixture) -> None:
    def refuse(link: ServerConnection, request: Request) -> Response:
        return link.respond(HTTPStatus.NOT_FOUND, "")

    caplog.set_level(logging.DEBUG, "station.backend")
    async with backend(process_request=refuse) as (port, _), station(settings_for(port)) as (_, events):
        await events.until(Disconnected, 4)
    told = [record.levelname for record in caplog.records if "404" in record.message]
    assert told[0] == "WARNING"
    assert told.count("WARNING") == 1
    assert len(told) >= 4


# --- the key in its two forms (field problem 7)


@pytest.mark.parametrize("expected_as_text", [True, False])
@in_loop
async def test_after_a_401_the_other_form_of_a_hex_key_is_tried_once_and_remembered(expected_as_text: bool) -> None:
    """field problem 7"""
    key = b"OCA_OCTT_admin_test".hex()
    password = key.encode() if expected_as_text else bytes.fromhex(key)
    expected = "Basic " + base64.b64encode(b"CP1:" + password).decode()

    def check(link: ServerConnection, request: Request) -> Response | None:
        return None if request.headers["Authorization"] == expected else link.respond(HTTPStatus.UNAUTHORIZED, "")

    async with backend(process_request=check) as (port, _):
        settings = settings_for(
            port, security_profile=1, authorization_key=key, key_as_text=not expected_as_text, reconnect_min_s=60
        )
        async with station(settings) as (_, events):
            await events.until(Connected)
            assert events.of(KeyFormAccepted) == [KeyFormAccepted(expected_as_text)]
            assert events.count(Disconnected) == 0


@in_loop
async def test_a_key_that_is_refused_in_both_forms_waits_for_the_back_off() -> None:
    headers: list[str] = []

    def refuse(link: ServerConnection, request: Request) -> Response:
        headers.append(request.headers["Authorization"])
        return link.respond(HTTPStatus.UNAUTHORIZED, "")

    async with backend(process_request=refuse) as (port, _):
        settings = settings_for(port, security_profile=1, authorization_key="00" * 16)
        async with station(settings) as (_, events):
            await events.until(Disconnected, 2)
    assert headers[0] == headers[2] != headers[1]
    assert len(headers) == 3  # the configured form, the other one, and the configured one after the back-off


# --- messages


@in_loop
async def test_messages_from_another_thread_arrive_complete_and_in_order() -> None:
    received: list[str] = []
    done = asyncio.Event()

    async def collect(link: ServerConnection) -> None:
        async for text in link:
            received.append(str(text))
            if len(received) == 500:
                done.set()

    async with backend(collect, max_size=None) as (port, _), station(settings_for(port)) as (connection, events):
        await events.until(Connected)
        thread = threading.Thread(target=lambda: [connection.send(f"{n}" * 100) for n in range(500)])
        thread.start()
        await asyncio.wait_for(done.wait(), 5)
        thread.join()
    assert received == [f"{n}" * 100 for n in range(500)]


@in_loop
async def test_a_big_charging_profile_passes_in_both_directions() -> None:
    big = "x" * 3_400_000 + "é"

    async def echo(link: ServerConnection) -> None:
        async for text in link:
            await link.send(text)

    async with backend(echo, max_size=None) as (port, _), station(settings_for(port)) as (connection, events):
        await events.until(Connected)
        connection.send(big)
        assert (await events.until(FrameReceived)).text == big


@in_loop
async def test_binary_and_undecodable_messages_arrive_as_text() -> None:
    async def send(link: ServerConnection) -> None:
        await link.send(b'[3,"1",{}]')
        await link.send(b"[3,\xff]", text=True)
        await link.send(b"[3,\xfe]")
        await silent(link)

    async with backend(send) as (port, _), station(settings_for(port)) as (connection, events):
        await events.until(FrameReceived, 3)
        assert events.frames == ['[3,"1",{}]', "[3,\ufffd]", "[3,\ufffd]"]
        assert events.count(Disconnected) == 0
        connection.send("\ud800")  # must not end the session either


@in_loop
async def test_a_message_without_a_session_or_made_for_a_former_session_is_dropped() -> None:
    received: list[str] = []

    async def collect(link: ServerConnection) -> None:
        async for text in link:
            received.append(str(text))

    async with backend(collect) as (port, server), station(settings_for(port)) as (connection, events):
        connection.send("too early")
        await events.until(Connected)
        for link in list(server.connections):
            link.transport.abort()
        await events.until(Connected, 2)
        connection.send("for the first session", session=1)
        connection.send("for the second session", session=2)
        await until(lambda: bool(received))
    assert received == ["for the second session"]


@in_loop
async def test_a_flood_waits_in_the_socket_until_frames_are_taken() -> None:
    async def flood(link: ServerConnection) -> None:
        for n in range(200):
            await link.send(str(n))
        await silent(link)

    async with backend(flood) as (port, _), station(settings_for(port), take_frames=False) as (connection, events):
        await events.until(FrameReceived, module.MAX_UNREAD_FRAMES)
        await asyncio.sleep(0.05)
        assert events.count(FrameReceived) == module.MAX_UNREAD_FRAMES
        taken = 0
        while taken < 200:
            await events.until(FrameReceived, taken + 1)
            connection.frame_done()
            taken += 1
    assert events.frames == [str(n) for n in range(200)]


@in_loop
async def test_the_station_does_not_blame_the_backend_while_it_does_not_read_itself() -> None:
    async def flood(link: ServerConnection) -> None:
        for _ in range(100):
            await link.send("x")
        await silent(link)

    async with backend(flood) as (port, _):
        settings = settings_for(port, ping_interval_s=0.02, pong_timeout_s=0.05)
        async with station(settings, take_frames=False) as (_, events):
            await events.until(FrameReceived, module.MAX_UNREAD_FRAMES)
            await asyncio.sleep(0.3)
            assert events.count(Disconnected) == 0


@in_loop
async def test_a_backend_that_does_not_read_is_dropped_before_memory_fills() -> None:
    async def deaf(link: ServerConnection) -> None:
        link.transport.pause_reading()
        await link.wait_closed()

    async with backend(deaf) as (port, _), station(settings_for(port)) as (connection, events):
        await events.until(Connected)
        for _ in range(45):
            connection.send("x" * 2**20)
        assert "does not read" in (await events.until(Disconnected)).reason


# --- orders


@in_loop
async def test_without_settings_the_link_stays_off_until_it_gets_some() -> None:
    async with backend() as (port, _), station(None) as (connection, events):
        await asyncio.sleep(0)
        assert connection.status().state == "off"
        connection.reconnect(settings_for(port), "configured")
        await events.until(Connected)


@in_loop
async def test_reconnect_replaces_the_session_at_once_even_during_a_long_back_off() -> None:
    async with (
        backend() as (first, _),
        backend() as (second, _),
        station(settings_for(first, reconnect_min_s=60, reconnect_max_s=60)) as (connection, events),
    ):
        await events.until(Connected)
        connection.reconnect(settings_for(second), "another backend")
        await events.until(Connected, 2)
        assert str(second) in connection.status().url
        assert events.of(Disconnected)[0].reason == "closed by this station: another backend"
        assert connection.status().last_error == ""
        connection.reconnect(settings_for(1, reconnect_min_s=60), "a port where nobody listens")
        await events.until(Disconnected, 3)
        await until(lambda: connection.status().state == "waiting")
        connection.reconnect(settings_for(first), "back again")
        await events.until(Connected, 3)


@in_loop
async def test_close_with_retry_comes_back_and_close_without_retry_stays_off() -> None:
    codes: list[int | None] = []

    async def note(link: ServerConnection) -> None:
        await link.wait_closed()
        codes.append(link.close_code)

    async with backend(note) as (port, _), station(settings_for(port)) as (connection, events):
        await events.until(Connected)
        connection.close("two messages without an answer", retry=True)
        await events.until(Connected, 2)
        connection.close("the station stops", retry=False, code=1001)
        await events.until(Disconnected, 2)
        await until(lambda: connection.status().state == "off")
        await until(lambda: len(codes) == 2)
        assert codes == [1000, 1001]
        connection.reconnect(None, "again")
        await events.until(Connected, 3)


@in_loop
async def test_orders_given_before_the_loop_runs_are_followed() -> None:
    async with backend() as (port, _):
        events_seen: list[object] = []
        done = asyncio.Event()

        def take(event: object) -> None:
            events_seen.append(event)
            done.set()

        connection = module.BackendLink(None, take, Clock())
        connection.reconnect(settings_for(port), "configured")
        task = asyncio.create_task(connection.run())
        await asyncio.wait_for(done.wait(), 5)
        task.cancel()
        await asyncio.wait({task})
        assert events_seen[0] == Connected()
        assert connection.status() == replace(connection.status(), state="off")
        assert isinstance(connection.status(), LinkStatus)
