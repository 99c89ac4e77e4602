"""`manage.py runjobs`: does the jobs of the station in a process of its own, over Redis."""

from __future__ import annotations

from typing import Any

from celery.signals import worker_ready
from django.conf import settings
from django.core.management.base import BaseCommand

from station import jobs, sd_notify
from station.celery import app, run_job
from station.errors import EX_CONFIG, StartupError
from station.log_files import JOBS, open_story


class Command(BaseCommand):
    """SIGTERM lets the present job go on for a moment; what is killed is done again at the next start."""

    help = "Do downloads, installations and uploads (needs STATION_REDIS_URL; without it runstation does them itself)."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until SIGTERM."""
        if not settings.REDIS_URL:
            raise StartupError(
                "STATION_REDIS_URL is not set: without Redis `runstation` does its jobs itself. "
                "Set it for both, or leave this process out.",
                EX_CONFIG,
            )
        open_story(settings.DATA_DIR, JOBS)
        worker_ready.connect(_resume, weak=False)
        worker = [
            "worker",
            "--pool=solo",
            "--concurrency=1",
            "--without-gossip",
            "--without-mingle",
            "--loglevel=WARNING",
        ]
        app.worker_main(worker)


def _resume(sender: Any, **_: object) -> None:
    """What a former process left undone. `sender`: Celery's consumer; its loop stands while a job runs."""
    sd_notify.notify(sd_notify.READY)
    signs = sd_notify.Signs(sd_notify.watchdog_s())
    if signs.every_s > 0:
        jobs.gone_on.append(signs)
        sender.hub.call_repeatedly(signs.every_s, signs)
    for uid in jobs.unfinished():
        run_job.apply_async((uid,))
