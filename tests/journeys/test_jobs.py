"""Jobs in a process of their own over a real Redis: it may die, and nothing but the jobs waits for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from tests.journeys.appliance import RedisServer
from tests.journeys.rig import Rig
from tests.journeys.station import PROJECT
from tests.station.transfer.servers import web


def test_jobs_are_done_by_another_process_wait_while_it_is_dead_and_go_on_after_a_kill(tmp_path: Path) -> None:
    """design.md section 4: a dead Celery delays jobs, resumes them after its restart, and never touches charging"""
    folder = tmp_path / "station"
    folder.mkdir()
    redis = RedisServer(tmp_path).start()
    rig = Rig(folder, {"factory": {"allow_local_transfers": True}}, speed=8.0)
    rig.station.environment |= {"STATION_REDIS_URL": redis.url}

    def worker() -> subprocess.Popen[bytes]:
        with (tmp_path / "jobs.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "manage.py", "runjobs"],
                cwd=PROJECT,
                env=rig.station.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    hold, arrived = threading.Event(), threading.Event()

    def slow(handler: Any) -> None:
        handler.read_body()
        arrived.set()
        hold.wait(30)
        handler.reply(201)

    rig.start()
    doer = None
    try:
        with web(slow) as server:
            rig.backend.call("GetDiagnostics", {"location": server.url("/in/")})
            session = rig.start_session()  # nobody does jobs: the session does not care
            rig.backend.expect_no("DiagnosticsStatusNotification", 0.5)
            doer = worker()
            assert arrived.wait(60), (tmp_path / "jobs.log").read_text()
            os.killpg(doer.pid, signal.SIGKILL)
            doer.wait(10)
            arrived.clear()
            hold.set()
            doer = worker()
            assert arrived.wait(60), (tmp_path / "jobs.log").read_text()
            states = [rig.backend.next("DiagnosticsStatusNotification", 30).payload["status"] for _ in range(2)]
            assert states == ["Uploading", "Uploaded"]
        rig.swipe()
        stop = rig.backend.next("StopTransaction", 20)
        assert stop.payload["transactionId"] == session.transaction_id
        doer.terminate()
        assert doer.wait(30) == 0
    finally:
        if doer is not None and doer.poll() is None:
            os.killpg(doer.pid, signal.SIGKILL)
            doer.wait(10)
        rig.close()
        redis.kill()
