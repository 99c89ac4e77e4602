"""The live trial of backend settings: each stage that can fail, with its words, and nothing beyond it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from ocppclient import trial
from ocppclient.clock import Clock
from ocppclient.link import ConnectionSettings
from ocppclient.settings import Identity
from ocppclient.trial import Stage
from tests.ocppclient.backend import backend, settings_for, tcp_server
from tests.ocppclient.certificates import issue
from tests.ocppclient.test_tls import in_loop, secure, server_context

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PLAIN = ["dns", "tcp", "http", "subprotocol", "boot"]


async def tried(settings: ConnectionSettings, gently: str = "") -> list[Stage]:
    told: list[Stage] = []
    ticks = iter(range(1000))
    clock = Clock(lambda: next(ticks) / 100, lambda: NOON)
    await trial.run(settings, Identity(), told.append, clock, gently=gently)
    return told


def verdicts(stages: list[Stage]) -> dict[str, str]:
    return {stage.name: stage.verdict for stage in stages}


def answering(answer: Callable[[str, dict[str, Any]], Any]) -> Callable[[ServerConnection], Any]:
    """A backend that answers the first CALL with whatever `answer(message_id, payload)` makes of it."""

    async def handler(link: ServerConnection) -> None:
        _, message_id, action, payload = json.loads(await link.recv())
        assert action == "BootNotification"
        await link.send('[2,"x","GetConfiguration",{}]')  # some ask at once; a trial does not answer
        await link.send(json.dumps(answer(message_id, payload)))
        await link.wait_closed()

    return handler


def status(word: str) -> Callable[[str, dict[str, Any]], Any]:
    return lambda message_id, payload: [
        3, message_id, {"status": word, "interval": 300, "currentTime": "2026-03-01T12:00:03Z"},
    ]  # fmt: skip


@in_loop
async def test_a_good_backend_passes_every_stage_and_gets_the_identity() -> None:
    seen: list[dict[str, Any]] = []

    def accept(message_id: str, payload: dict[str, Any]) -> Any:
        seen.append(payload)
        return status("Accepted")(message_id, payload)

    async with backend(answering(accept)) as (port, _):
        stages = await tried(settings_for(port))
    assert [stage.name for stage in stages] == PLAIN
    assert set(verdicts(stages).values()) == {"passed"}
    assert all(stage.took_s > 0 for stage in stages)
    assert stages[-1].text == "Accepted, heartbeat every 300 s; its clock and ours differ by 3 s"
    assert seen == [{"chargePointVendor": "OpenStation", "chargePointModel": "AC-1"}]


@pytest.mark.parametrize(
    ("word", "verdict", "text"),
    [
        ("Pending", "doubtful", "has not released it yet"),
        ("Rejected", "failed", "has to register the id"),
        ("Maybe", "doubtful", "with the status 'Maybe'"),
    ],
)
def test_the_registration_is_judged(word: str, verdict: str, text: str) -> None:
    async def test() -> None:
        async with backend(answering(status(word))) as (port, _):
            boot = (await tried(settings_for(port)))[-1]
        assert (boot.name, boot.verdict) == ("boot", verdict)
        assert text in boot.text

    asyncio.run(test())


@in_loop
async def test_an_error_instead_of_a_registration_is_told() -> None:
    async with backend(answering(lambda i, _: [4, i, "InternalError", "", {}])) as (port, _):
        boot = (await tried(settings_for(port)))[-1]
    assert (boot.name, boot.verdict) == ("boot", "failed")
    assert "InternalError" in boot.text


@in_loop
async def test_a_backend_that_hangs_up_before_the_registration() -> None:
    async def hang_up(link: ServerConnection) -> None:
        await link.close(1008, "who are you")

    async with backend(hang_up) as (port, _):
        boot = (await tried(settings_for(port)))[-1]
    assert (boot.name, boot.verdict) == ("boot", "failed")
    assert "before the registration the backend closed the connection (1008" in boot.text


def test_a_backend_that_never_answers_the_registration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "ANSWER_S", 0.05)

    async def test() -> None:
        async with backend() as (port, _):
            boot = (await tried(settings_for(port)))[-1]
        assert (boot.name, boot.verdict) == ("boot", "failed")
        assert "did not answer BootNotification" in boot.text

    asyncio.run(test())


@pytest.mark.parametrize(
    ("code", "words"), [(404, "path or charge point id"), (401, "password"), (503, "problem of its own")]
)
def test_a_refused_request_is_the_stage_http_with_its_cure(code: int, words: str) -> None:
    async def test() -> None:
        def refuse(link: ServerConnection, request: Request) -> Response:
            return link.respond(code, "no")

        async with backend(process_request=refuse) as (port, _):
            stages = await tried(settings_for(port))
        assert verdicts(stages) == {"dns": "passed", "tcp": "passed", "http": "failed"}
        assert stages[-1].text.startswith(f"{code}: ")
        assert words in stages[-1].text

    asyncio.run(test())


@in_loop
async def test_a_hex_key_is_tried_in_both_forms() -> None:
    asked: list[str] = []

    def only_text(link: ServerConnection, request: Request) -> Response | None:
        asked.append(request.headers["Authorization"])
        return link.respond(401, "no") if len(asked) == 1 else None

    async with backend(answering(status("Accepted")), process_request=only_text) as (port, _):
        stages = await tried(settings_for(port, security_profile=1, authorization_key="0123456789ABCDEF" * 2))
    assert len(set(asked)) == 2
    assert [stage.name for stage in stages] == PLAIN
    assert set(verdicts(stages).values()) == {"passed"}


@in_loop
async def test_another_subprotocol_is_told_after_http() -> None:
    async with backend(subprotocols=["ocpp2.0.1"], select_subprotocol=lambda *_: "ocpp2.0.1") as (port, _):
        stages = await tried(settings_for(port))
    assert verdicts(stages) == {"dns": "passed", "tcp": "passed", "http": "passed", "subprotocol": "failed"}


@in_loop
async def test_no_subprotocol_at_all_is_doubtful_and_goes_on() -> None:
    async with backend(answering(status("Accepted")), subprotocols=None) as (port, _):
        stages = await tried(settings_for(port))
    assert verdicts(stages)["subprotocol"] == "doubtful"
    assert verdicts(stages)["boot"] == "passed"


@in_loop
async def test_nobody_listens() -> None:
    async with backend() as (port, server):
        server.close()
        await server.wait_closed()
        stages = await tried(settings_for(port))
    assert verdicts(stages) == {"dns": "passed", "tcp": "failed"}
    assert "refuses connections" in stages[-1].text


@in_loop
async def test_an_unknown_name_fails_first() -> None:
    stages = await tried(ConnectionSettings("ws://no-such-host.invalid/ocpp", "CP1", open_timeout_s=5))
    assert verdicts(stages) == {"dns": "failed"}


@in_loop
async def test_a_port_that_speaks_no_websocket() -> None:
    async def ssh(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-x\r\n\r\n")
        await reader.read()

    async with tcp_server(ssh) as port:
        stages = await tried(settings_for(port))
    assert verdicts(stages) == {"dns": "passed", "tcp": "passed", "http": "failed"}


def test_tls_tells_version_cipher_names_and_dates(tmp_path: Path) -> None:
    root = issue(tmp_path, "root")
    server = issue(tmp_path, "server", root, hosts=("localhost",))

    async def test() -> None:
        async with backend(answering(status("Accepted")), ssl=server_context(server)) as (port, _):
            good = await tried(secure(port, root))
            stranger = await tried(secure(port, issue(tmp_path, "other")))
            none = await tried(secure(port, root, security_profile=2, authorization_key="k" * 16, root_certificates=()))
        tls = next(stage for stage in good if stage.name == "tls")
        assert tls.verdict == "passed"
        assert tls.text.startswith("TLSv1.3, TLS_")
        assert "certificate of server, issued by root, valid until" in tls.text
        assert verdicts(good)["boot"] == "passed"
        assert verdicts(stranger) == {"dns": "passed", "tcp": "passed", "tls": "failed"}
        assert "install the operator's root certificate" in stranger[-1].text
        assert verdicts(none) == {"dns": "passed", "tls": "failed"}
        assert "needs a root certificate" in none[-1].text

    asyncio.run(test())


@in_loop
async def test_a_gentle_trial_opens_no_websocket() -> None:
    asked: list[object] = []

    def note(link: ServerConnection, request: Request) -> None:
        asked.append(request)

    async with backend(process_request=note) as (port, _):
        stages = await tried(settings_for(port), gently="the running link uses this id")
    assert verdicts(stages) == {
        "dns": "passed", "tcp": "passed", "http": "left out", "subprotocol": "left out", "boot": "left out",
    }  # fmt: skip
    assert stages[-1].text == "the running link uses this id"
    assert asked == []
