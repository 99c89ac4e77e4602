"""The supervisor: crashed and ended loops start again, a budget ends that, the loop's lag is told."""

from __future__ import annotations

import asyncio
import logging

import pytest

from station import supervisor as module
from station.supervisor import BUDGET, Ended, Supervisor, watch_lag


def test_a_loop_that_crashes_or_ends_starts_again_until_its_budget_is_spent(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> tuple[int, str]:
        starts = 0
        spent: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def unlucky() -> None:
            nonlocal starts
            starts += 1
            if starts == 1:
                raise RuntimeError("a bug")
            if starts == 2:
                raise Ended("it went away")

        supervisor = Supervisor(spent.set_result, back_off_s=(0.0,))
        supervisor.add("hardware", unlucky)
        sentence = await asyncio.wait_for(spent, 5)
        await supervisor.stop()
        return starts, sentence

    starts, sentence = asyncio.run(scenario())
    assert starts == BUDGET
    assert sentence == "hardware ended 5 times within 60 s"
    crashed, ended, *_ = caplog.records
    assert crashed.message == "hardware crashed; it is started again"
    assert crashed.exc_info is not None
    assert ended.message == "hardware: it went away; it is started again"
    assert ended.exc_info is None


def test_rare_ends_never_spend_the_budget() -> None:
    now = 0.0

    async def scenario() -> int:
        starts, enough = 0, asyncio.Event()

        async def rarely() -> None:
            nonlocal starts, now
            starts += 1
            now += module.WINDOW_S / (BUDGET - 1) + 1
            if starts == 3 * BUDGET:
                enough.set()
                await asyncio.Event().wait()

        supervisor = Supervisor(lambda sentence: pytest.fail(sentence), back_off_s=(0.0,), monotonic=lambda: now)
        supervisor.add("link", rarely)
        await asyncio.wait_for(enough.wait(), 5)
        await supervisor.stop()
        return starts

    assert asyncio.run(scenario()) == 3 * BUDGET


def test_what_is_not_essential_is_tried_for_ever_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        starts, enough = 0, asyncio.Event()

        async def without_redis() -> None:
            nonlocal starts
            starts += 1
            if starts == 3 * BUDGET:
                enough.set()
            raise ConnectionError("Redis is not there")

        supervisor = Supervisor(lambda sentence: pytest.fail(sentence), back_off_s=(0.0,))
        supervisor.add("command face", without_redis, essential=False)
        await asyncio.wait_for(enough.wait(), 5)
        await supervisor.stop()

    asyncio.run(scenario())
    assert caplog.text.count("command face crashed") == 1


def test_a_blocked_loop_is_told(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(module, "_LAG_EVERY_S", 0.01)
    monkeypatch.setattr(module, "LAG_S", 0.05)
    caplog.set_level(logging.WARNING)

    async def scenario() -> None:
        import threading

        task = asyncio.create_task(watch_lag())
        await asyncio.sleep(0)
        threading.Event().wait(0.2)  # blocks the loop
        await asyncio.sleep(0.02)
        task.cancel()

    asyncio.run(scenario())
    assert "The event loop was blocked" in caplog.text
