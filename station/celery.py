"""Celery runs the jobs: in memory inside `runstation`, over Redis in `manage.py runjobs` (design.md, section 4).

A message is only a hint that a row waits (`ocppclient.store.Job`): no result, no retry and no schedule lives here.
"""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "station.settings")

from django.conf import settings


def _broker() -> str:
    url = settings.REDIS_URL
    if not url:
        return "memory://"
    return f"redis+socket://{url.removeprefix('unix://')}" if url.startswith("unix://") else str(url)


app = Celery("station", broker=_broker(), set_as_current=False)
app.conf.update(
    task_default_queue="station-jobs",
    accept_content=["json"],
    task_serializer="json",
    task_ignore_result=True,
    worker_hijack_root_logger=False,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    broker_transport_options={"polling_interval": 0.2} if not settings.REDIS_URL else {"socket_timeout": None},
)


@app.task(name="station.run_job", ignore_result=True)  # type: ignore[untyped-decorator]
def run_job(uid: str) -> None:
    """Do the job of this row."""
    from station import jobs

    jobs.run(uid)
