"""The live feed: nothing while nobody watches, at most four a second, masked frames; and the command face."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from channels.layers import InMemoryChannelLayer

from hardware.interfaces import BoxReading
from ocppclient.events import (
    Action,
    CacheDiscarded,
    CardFeedback,
    CertificateChosen,
    CertificateDiscarded,
    CertificateRequested,
    Event,
    Explain,
    Feedback,
    KeyChosen,
    LocalStart,
    LocalStop,
    ResendParked,
    ReservationWithdrawn,
    SecurityLogDiscarded,
    UpdateWithdrawn,
)
from ocppclient.link import LinkStatus
from ocppclient.view import ReservationView
from station.command_face import StationConsumer
from station.live_feed import FRAMES_KEPT, LiveFeed
from station.sentences import all_unpacked, unpacked
from tests.station.test_worker import CHARGING, VIEW, Bench

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LINK = LinkStatus(state="connected", url="ws://h/ocpp/CP1")


class Feed:
    """A feed on a clock that stands still, and what it sent."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.feed = LiveFeed(lambda: self.now)
        self.feed._group = lambda message: self.sent.append(("live", message))  # type: ignore[method-assign]
        self.feed._send = lambda channel, message: self.sent.append((channel, message))  # type: ignore[method-assign]

    def watch(self) -> None:
        self.feed.answer("page", VIEW, BoxReading(at=0.0), LINK, NOW, ())

    def publish(self, view: Any = VIEW) -> None:
        if self.feed.due:
            self.feed.publish(view, BoxReading(at=0.0), LINK, NOW, ())

    def take(self) -> list[str]:
        kinds = [message["type"] for _, message in self.sent]
        self.sent.clear()
        return kinds


def test_an_idle_station_publishes_nothing_until_a_page_asks_and_stops_a_minute_after_the_last_question() -> None:
    feed = Feed()
    feed.publish()
    assert feed.take() == []
    feed.watch()
    assert feed.take() == ["live.snapshot", "live.frames"]
    feed.publish()
    assert feed.take() == ["live.snapshot"]
    feed.now += 59
    feed.publish()
    assert feed.take() == ["live.snapshot"]
    feed.now += 2
    feed.publish()
    assert feed.take() == []


def test_news_come_at_most_every_quarter_second_and_a_sign_of_life_every_five_seconds() -> None:
    feed = Feed()
    feed.watch()
    feed.publish()
    feed.take()
    feed.now += 0.1
    feed.publish(replace(VIEW, status="Preparing"))
    assert feed.take() == []
    feed.now += 0.2
    feed.publish(replace(VIEW, status="Preparing"))
    assert feed.take() == ["live.snapshot"]
    for _ in range(4):
        feed.now += 1
        feed.publish(replace(VIEW, status="Preparing", clock_utc=NOW, in_flight_s=feed.now))
        assert feed.take() == []
    feed.now += 1.1
    feed.publish(replace(VIEW, status="Preparing"))
    assert feed.take() == ["live.snapshot"]


def test_frames_are_kept_in_a_ring_masked_cut_and_sent_in_batches() -> None:
    feed = Feed()
    for n in range(FRAMES_KEPT + 5):
        feed.feed.frame(NOW, "in", f"[{n}]")
    feed.feed.frame(NOW, "in", '[2,"1","ChangeConfiguration",{"key":"AuthorizationKey","value":"SECRET"}]')
    feed.feed.frame(NOW, "out", "x" * 10_000)
    feed.watch()
    frames = feed.sent[1][1]["frames"]
    assert feed.sent[1][1]["reset"]
    assert len(frames) == FRAMES_KEPT
    assert [frame["seq"] for frame in frames[-2:]] == [FRAMES_KEPT + 6, FRAMES_KEPT + 7]
    assert "SECRET" not in str(frames)
    assert len(frames[-1]["text"]) < 4200
    feed.take()
    feed.feed.frame(NOW, "out", "[1]")
    feed.feed.frame(NOW, "in", "[2]")
    feed.publish()
    assert [frame["text"] for frame in feed.sent[0][1]["frames"]] == ["[1]", "[2]"]


# --- the command face


def ask(bench: Bench, *messages: dict[str, Any]) -> list[dict[str, Any]]:
    """Send messages to the consumer as the layer would; what comes back on the reply channel."""

    async def scenario() -> list[dict[str, Any]]:
        layer = InMemoryChannelLayer()
        bench.feed.connect_to(layer, asyncio.get_running_loop())
        consumer = StationConsumer(bench.worker)
        consumer.channel_layer = layer
        answers = []
        for message in messages:
            handler: Callable[[dict[str, Any]], Awaitable[None]] = getattr(consumer, message["type"].replace(".", "_"))
            await handler({"reply_channel": "page", **message})
            answers.append(await asyncio.wait_for(layer.receive("page"), 5))
            if message["type"] == "station.snapshot":
                answers.append(await asyncio.wait_for(layer.receive("page"), 5))
        return answers

    return asyncio.run(scenario())


@pytest.fixture
def bench() -> Any:
    bench = Bench()
    bench.start()
    yield bench
    bench.worker.stop(5)


def test_a_page_gets_the_snapshot_and_the_frames(bench: Bench) -> None:
    bench.worker.call(lambda: bench.feed.frame(NOW, "in", "[]")).result(5)
    snapshot, frames = ask(bench, {"type": "station.snapshot"})
    assert snapshot["snapshot"]["state"]["status"] == "Available"
    assert [frame["text"] for frame in frames["frames"]] == ["[]"]


def answers(event: Event) -> list[Action]:
    match event:
        case LocalStart("GOOD"):
            return [Feedback(CardFeedback.ACCEPTED, "Welcome.")]
        case LocalStart():
            return [Explain("LocalStart", "Rejected", "The card is blocked.")]
    return []


@pytest.mark.parametrize(
    ("command", "argument", "ok", "text", "event"),
    [
        ("stop", None, True, "The session is being stopped.", LocalStop()),
        ("swipe", " GOOD ", True, "Welcome.", LocalStart("GOOD")),
        ("swipe", "BAD", False, "The card is blocked.", LocalStart("BAD")),
        ("swipe", "x" * 21, False, "A card has 1 to 20 characters.", None),
        ("resend", 7, True, "StopTransaction is queued again.", ResendParked(7)),
        ("resend", 8, False, "That message is not parked any more.", None),
        ("configure", {"key": "K", "value": "1"}, True, "K is 1 now.", KeyChosen("K", "1")),
        ("configure", {"key": "K", "value": 1}, False, "The station does not know the command 'configure'.", None),
        ("acknowledge", None, True, "Confirmed: nothing is pressed, open or stuck any more.", None),
        (
            "certificate_install",
            {"kind": "K", "pem": "P"},
            True,
            "The certificate is installed.",
            CertificateChosen("K", "P", "admin"),
        ),
        (
            "certificate_remove",
            {"kind": "K", "fingerprint": "F"},
            True,
            "The certificate is removed.",
            CertificateDiscarded("K", "F", "admin"),
        ),
        ("certificate_remove", "F", False, "The station does not know the command 'certificate_remove'.", None),
        (
            "certificate_request",
            None,
            True,
            "The backend is asked for a new certificate.",
            CertificateRequested("admin"),
        ),
        ("cancel_update", None, True, "The update is cancelled.", UpdateWithdrawn("admin")),
        ("security_log_clear", None, True, "The security log is cleared.", SecurityLogDiscarded("admin")),
        ("cache_clear", None, True, "The remembered cards are forgotten.", CacheDiscarded()),
        ("reservation_end", 17, True, "Reservation 17 is ended.", ReservationWithdrawn(17, "admin")),
        ("reservation_end", 16, False, "Reservation 16 has ended already.", None),
        ("explode", None, False, "The station does not know the command 'explode'.", None),
    ],
)
def test_commands_are_obeyed_and_answered_in_words(
    bench: Bench, command: str, argument: Any, ok: bool, text: str, event: Event | None
) -> None:
    bench.charge_point.wanted = answers
    bench.charge_point.shown = replace(VIEW, transaction=CHARGING, reservation=ReservationView(17, "A", False, NOW))
    bench.notes.parked[7] = SimpleNamespace(action="StopTransaction", parked_reason="refused")
    reply = ask(bench, {"type": "station.command", "command": command, "argument": argument, "user": "admin"})
    assert all_unpacked(reply) == [{"type": "live.reply", "ok": ok, "text": text}]
    assert bench.handled == ([event] if event else [])


def test_what_is_still_pressed_or_open_cannot_be_confirmed_away(bench: Bench) -> None:
    bench.notes.safe = False
    (reply,) = ask(bench, {"type": "station.command", "command": "acknowledge"})
    assert not reply["ok"]
    assert "still pressed" in reply["text"]


def test_stopping_nothing_is_said_so(bench: Bench) -> None:
    (reply,) = ask(bench, {"type": "station.command", "command": "stop"})
    assert not reply["ok"]
    assert unpacked(reply["text"]) == "Nothing is charging."
