"""Jobs: rows that are done, fail, are cancelled or begin again, and the worker that does them."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from celery.worker import WorkController
from django.conf import settings

import tests.appliance  # noqa: F401
from ocppclient.events import JobProgressed
from ocppclient.store import Job
from station import job_worker, jobs, models
from station.job_watch import LOOK_EVERY_S, JobWatch
from station.job_worker import JobWorker
from station.jobs import JobFailed, Task
from station.store import DjangoStore
from station.supervisor import Ended

Doer = Callable[[Task], Mapping[str, object]]


@pytest.fixture
def do(monkeypatch: pytest.MonkeyPatch) -> Callable[[Doer], None]:
    """What a job is from now on."""
    return lambda doer: monkeypatch.setattr(jobs, "_doer", lambda kind: doer)


def make(uid: str = "j1", **more: Any) -> None:
    DjangoStore().save_job(Job(uid, "upload", '{"a": 1}', **more))


def row(uid: str = "j1") -> models.Job:
    return models.Job.objects.get(uid=uid)


def test_a_job_runs_with_its_arguments_and_its_result_is_kept(do: Callable[[Doer], None]):
    seen: list[Task] = []

    def work(task: Task) -> Mapping[str, object]:
        seen.append(task)
        assert row().state == "running"
        task.tell("half", 50)
        assert (row().stage, row().progress) == ("half", 50)
        return {"file": "x"}

    do(work)
    make()
    jobs.run("j1")
    assert (seen[0].arguments, seen[0].run) == ({"a": 1}, 1)
    assert seen[0].staging.stat().st_mode & 0o777 == 0o700
    assert (row().state, json.loads(row().result)) == ("done", {"file": "x"})


@pytest.mark.parametrize("state", ["done", "failed", "cancelled"])
def test_what_is_over_is_not_done_again(do: Callable[[Doer], None], state: str):
    do(lambda task: pytest.fail("it was done"))
    make(state=state)
    jobs.run("j1")
    jobs.run("unknown")
    assert row().state == state


def test_a_job_that_was_killed_in_the_middle_is_done_again(do: Callable[[Doer], None]):
    make(state="running", stage="uploading", progress=40)
    assert jobs.unfinished() == ["j1"]
    do(lambda task: {})
    jobs.run("j1")
    assert row().state == "done"


def test_a_failure_keeps_its_kind_and_its_sentence(do: Callable[[Doer], None]):
    def fail(task: Task) -> Mapping[str, object]:
        raise JobFailed("permission", "files.example answered 403")

    do(fail)
    make()
    jobs.run("j1")
    assert (row().state, json.loads(row().result)) == (
        "failed",
        {"failure": "permission", "reason": "files.example answered 403"},
    )


def test_a_mistake_of_ours_ends_the_job_and_not_the_worker(do: Callable[[Doer], None]):
    do(lambda task: {}[1])  # type: ignore[index,misc]
    make()
    jobs.run("j1")
    assert json.loads(row().result)["failure"] == "internal"


def test_a_cancelled_job_stops_at_its_next_word_and_its_row_stays_as_it_is(do: Callable[[Doer], None]):
    def work(task: Task) -> Mapping[str, object]:
        models.Job.objects.filter(uid="j1").update(state="cancelled")
        task.tell("next", 1)
        pytest.fail("it went on")

    do(work)
    make()
    jobs.run("j1")
    assert row().state == "cancelled"


def test_a_run_that_was_overtaken_writes_nothing_into_the_next_one(do: Callable[[Doer], None]):
    def work(task: Task) -> Mapping[str, object]:
        models.Job.objects.filter(uid="j1").update(run=2, state="queued")
        return {"late": True}

    do(work)
    make()
    jobs.run("j1")
    assert (row().run, row().state, row().result) == (2, "queued", "{}")


def test_progress_is_not_written_more_often_than_people_look(
    do: Callable[[Doer], None], monkeypatch: pytest.MonkeyPatch
):
    written: list[object] = []
    real = jobs._Writer.write

    def count(self: Any, **columns: object) -> None:
        written.append(columns)
        real(self, **columns)

    monkeypatch.setattr(jobs._Writer, "write", count)
    do(lambda task: [task.tell("loading", percent) for percent in range(100)] and {})
    make()
    jobs.run("j1")
    assert len(written) < 10
    assert {"stage": "loading", "progress": 0} in written


def test_every_step_of_a_job_is_a_sign_that_it_goes_on(do: Callable[[Doer], None], monkeypatch: pytest.MonkeyPatch):
    """The watchdog of `runjobs` is fed by it."""
    steps: list[str] = []
    monkeypatch.setattr(jobs, "gone_on", [lambda: steps.append("on")])

    def work(task: Task) -> Mapping[str, object]:
        for percent in range(5):
            task.tell("half", percent)
        return {}

    do(work)
    make()
    jobs.run("j1")
    assert steps == ["on"] * 5


def test_two_processes_never_do_jobs_of_one_data_folder_at_once(do: Callable[[Doer], None]):
    do(lambda task: pytest.fail("it was done"))
    make()
    other = os.open(settings.DATA_DIR / "jobs.lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(other, fcntl.LOCK_EX)
    try:
        jobs.run("j1")
        assert row().state == "queued"
    finally:
        os.close(other)


# --- the watch -------------------------------------------------------------------------------------------------------


def test_changes_of_rows_become_events_and_nothing_is_read_while_no_job_is_under_way():
    now, reads = [0.0], []
    store = DjangoStore()

    def read() -> list[Job]:
        reads.append(now[0])
        return store.newest_jobs()

    watch = JobWatch(read, lambda: now[0])
    assert watch.news() == []
    for _ in range(10):
        now[0] += LOOK_EVERY_S
        assert watch.news() == []
    assert len(reads) == 1
    make()
    watch.expect()
    now[0] += LOOK_EVERY_S
    assert watch.news() == [JobProgressed("j1", 1, "queued")]
    now[0] += LOOK_EVERY_S
    assert watch.news() == []
    models.Job.objects.update(state="done", result='{"x": 1}')
    assert watch.news() == []  # not yet
    now[0] += LOOK_EVERY_S
    assert watch.news() == [JobProgressed("j1", 1, "done", result='{"x": 1}')]
    looked = len(reads)
    now[0] += 100
    assert watch.news() == []
    assert len(reads) == looked


def test_after_a_start_every_row_is_told_once():
    make("old", state="done")
    make("new")
    watch = JobWatch(DjangoStore().newest_jobs, lambda: 0.0)
    assert [event.uid for event in watch.news()] == ["old", "new"]


@pytest.fixture
def _celery_ends(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Workers of one test do not take the jobs of the next: the broker in memory belongs to the process."""
    started: list[tuple[WorkController, threading.Thread]] = []
    start = WorkController.start

    def noted(self: WorkController) -> None:
        started.append((self, threading.current_thread()))
        start(self)

    monkeypatch.setattr(WorkController, "start", noted)
    yield
    for controller, thread in started:
        controller.stop()
        thread.join(20)
        assert not thread.is_alive()


# --- Celery ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def done(do: Callable[[Doer], None], monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set when a job was done by Celery."""
    event, real = threading.Event(), jobs.run

    def run(uid: str) -> None:
        real(uid)
        if uid == "j1":  # the broker in memory may still hold hints of other tests
            event.set()

    monkeypatch.setattr(jobs, "run", run)
    do(lambda task: {})
    return event


async def until_set(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, 30), "the job was not done"


@pytest.mark.usefixtures("_celery_ends")
def test_celery_does_a_job_in_a_thread_and_an_interrupted_one_before_it(do: Callable[[Doer], None]):
    order: list[str] = []
    both = threading.Event()

    def work(task: Task) -> Mapping[str, object]:
        order.append(task.uid)
        if len(order) == 2:
            both.set()
        return {}

    do(work)
    make("interrupted", state="running")
    make("fresh")

    async def scene() -> None:
        worker = JobWorker()
        task = asyncio.create_task(worker.run())
        worker.hint("fresh")
        await until_set(both)
        task.cancel()

    asyncio.run(scene())
    assert order == ["interrupted", "fresh"]


@pytest.mark.usefixtures("_celery_ends")
def test_a_worker_that_dies_says_so_and_its_successor_does_the_job(
    done: threading.Event, monkeypatch: pytest.MonkeyPatch
):
    """design.md section 4: a dead Celery delays jobs"""
    real, deaths = job_worker._celery, []

    def dying(app: object) -> None:
        if not deaths:
            deaths.append(1)
            return
        real(app)

    monkeypatch.setattr(job_worker, "_celery", dying)
    make()

    async def scene() -> None:
        worker = JobWorker()
        worker.hint("j1")
        with pytest.raises(Ended):
            await worker.run()
        assert not done.is_set()
        task = asyncio.create_task(worker.run())
        await until_set(done)
        task.cancel()

    asyncio.run(scene())
    assert row().state == "done"


def test_celery_takes_json_only_and_keeps_no_results():
    """A27"""
    from station.celery import app

    assert app.conf.accept_content == ["json"]
    assert app.conf.task_serializer == "json"
    assert app.conf.result_backend is None
    assert str(app.conf.broker_url).startswith("memory://")


def test_the_folder_of_files_is_where_everything_lasts():
    assert jobs.staging_folder() == Path(settings.DATA_DIR) / "staging"
