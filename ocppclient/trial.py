"""A live trial of backend settings: name, TCP, TLS, HTTP, subprotocol, BootNotification, each with its time.

It has a line of its own and never touches the running link (design.md, journey D; OCPP 1.6 section 4.2).
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from ocppclient.boot import boot_notification
from ocppclient.clock import Clock, parse_utc
from ocppclient.codec import CallError, CallResult, Payload, decode, dumps, encode_call, tolerant_int
from ocppclient.connection import (
    ConnectionClosed,
    LinkFailure,
    Passed,
    Socket,
    explain_end,
    knock,
    open_socket,
    resolve,
)
from ocppclient.link import ConnectionSettings, LinkError, has_other_key_form, is_secure
from ocppclient.sentence import NOTHING, Sentence, quoted
from ocppclient.settings import Identity

Verdict = Literal["passed", "doubtful", "failed", "left out"]

#: In their order; "tls" only for wss://.
STAGES = ("dns", "tcp", "tls", "http", "subprotocol", "boot")
#: So long may the answer to BootNotification take.
ANSWER_S = 20.0
#: Kinds of `LinkError` that say which stage failed; any other kind failed in the first stage that had not passed.
_FAILED_IN = {
    "settings": "tls", "certificate": "tls", "tls": "tls", "tls_version": "tls", "tls_cipher": "tls",
    "subprotocol": "subprotocol",
}  # fmt: skip


@dataclass(frozen=True)
class Stage:
    """What became of one stage.

    Attributes:
        verdict: "doubtful": it works, but is not as it should be; "left out": not tried, the text says why.
        took_s: seconds since the stage before ended.
        text: what was found, or what went wrong and the cure.
    """

    name: str
    verdict: Verdict
    took_s: float
    text: Sentence


async def run(
    settings: ConnectionSettings,
    identity: Identity,
    tell: Callable[[Stage], None],
    clock: Clock,
    *,
    gently: Sentence = NOTHING,
) -> None:
    """Try the settings stage by stage until one fails.

    Args:
        tell: gets every stage when it is over.
        gently: not empty: no websocket is opened (many backends drop a connection when the same id comes again); the
            text says why.
    """
    told: set[str] = set()
    since = clock.monotonic()

    def over(name: str, verdict: Verdict, text: Sentence) -> None:
        nonlocal since
        now = clock.monotonic()
        told.add(name)
        tell(Stage(name, verdict, now - since, text))
        since = now

    def passed(name: str, text: Sentence) -> None:
        over(name, "doubtful" if name == "subprotocol" and text != "ocpp1.6" else "passed", text)

    stages = [name for name in STAGES if name != "tls" or is_secure(settings)]
    try:
        passed("dns", quoted(", ".join(await resolve(settings))))
        if gently:
            await knock(settings, clock, passed)
            for name in ("http", "subprotocol", "boot"):
                over(name, "left out", gently)
            return
        link = await _opened(settings, passed, told, clock)
        try:
            over("boot", *await _registered(link, identity, clock))
        finally:
            await link.close(1000, "trial")
    except LinkFailure as failure:
        error = failure.error
        if error.kind == "subprotocol":
            passed("http", Sentence("101: the backend takes the connection"))
        untold = [name for name in stages if name not in told]
        failed = _FAILED_IN.get(error.kind, "")
        failed = failed if failed in untold else untold[0]
        over(failed, "failed", error.text)


async def _opened(settings: ConnectionSettings, passed: Passed, told: set[str], clock: Clock) -> Socket:
    """The websocket; a refused hex key is tried in its other form, as the link does (field problem 7)."""
    try:
        return await open_socket(settings, clock, {}, passed)
    except LinkFailure as failure:
        if failure.error.kind != "password" or not has_other_key_form(settings):
            raise
    other = replace(settings, key_as_text=not settings.key_as_text)
    return await open_socket(other, clock, {}, lambda name, text: None if name in told else passed(name, text))


async def _registered(link: Socket, identity: Identity, clock: Clock) -> tuple[Verdict, Sentence]:
    """Ask with a BootNotification; requests of the backend are not answered by a trial."""
    message_id = str(uuid.uuid4())
    try:
        async with asyncio.timeout(ANSWER_S):
            await link.send(encode_call(message_id, "BootNotification", dumps(boot_notification(identity))))
            while True:
                data = await link.recv(decode=False)
                match decode(data.decode(errors="replace")):
                    case CallResult(answered, payload) if answered == message_id:
                        return _judged(payload, clock.utc())
                    case CallError() as refusal if refusal.message_id == message_id:
                        return "failed", Sentence(
                            "the backend answers BootNotification with the error {code}", code=refusal.code
                        )
    except ConnectionClosed as closed:
        raise LinkFailure(
            LinkError("closed", Sentence("before the registration {problem}", problem=explain_end(link, closed).text))
        ) from closed
    except TimeoutError:
        return "failed", Sentence(
            "the backend did not answer BootNotification within {answer_s:g} s; ask its operator", answer_s=ANSWER_S
        )


def _judged(payload: Payload, now: datetime) -> tuple[Verdict, Sentence]:
    interval_s = tolerant_int(payload.get("interval")) or 0
    match payload.get("status"):
        case "Accepted":
            return "passed", _accepted(interval_s, payload.get("currentTime"), now)
        case "Pending":
            return "doubtful", Sentence(
                "Pending: the backend knows this station and has not released it yet; ask its operator"
            )
        case "Rejected":
            return "failed", Sentence(
                "Rejected: the backend does not want this station; its operator has to register the id"
            )
        case other:
            return "doubtful", Sentence("answered, but with the status {other!r}", other=str(other)[:40])


def _accepted(interval_s: int, its_time: object, now: datetime) -> Sentence:
    accepted = Sentence("Accepted, heartbeat every {interval_s} s", interval_s=interval_s)
    try:
        apart_s = abs((parse_utc(str(its_time)) - now).total_seconds())
    except ValueError:
        return accepted
    return Sentence("{accepted}; its clock and ours differ by {apart_s:.0f} s", accepted=accepted, apart_s=apart_s)
