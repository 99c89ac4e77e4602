"""The diagnostics archive: one zip with logs, frames, configuration, versions and state, without any secret."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import Model, QuerySet

from ocppclient.clock import parse_utc
from ocppclient.configuration import KEYS
from station import __version__, log_files, provisioning
from station.models import Job, QueuedCall, Reason, SecurityEvent, Setting, Transaction, Value
from station.scrub import Scrubber, is_secret, known_secrets

#: Rows of a table that are told at most; the newest count.
_ROWS = 500
#: Values that hold addresses and certificates of a request; what they mean stands in the jobs and in the history.
_LEFT_OUT = ("firmware.update",)


@dataclass(frozen=True)
class Span:
    """From when to when; None for open ends. Times are UTC."""

    oldest: datetime | None = None
    latest: datetime | None = None

    def __contains__(self, at: datetime) -> bool:
        return (self.oldest is None or at >= self.oldest) and (self.latest is None or at <= self.latest)


def build(
    target: Path, log: str, span: Span, state: Mapping[str, Any], tell: Callable[[int], None] = lambda percent: None
) -> None:
    """Write the archive.

    Args:
        log: "DiagnosticsLog" or "SecurityLog" (GetLog).
        state: of the charge point for people.
        tell: how far it is, percent.
    """
    scrubber = Scrubber(known_secrets())
    members = _security(span) if log == "SecurityLog" else _everything(span, state)
    draft = target.with_name(f"{target.name}.new")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, (name, content) in enumerate(members):
            text = content if isinstance(content, str) else _json(scrubber.value(content))
            archive.writestr(name, scrubber.text(text))
            tell(min(99, number * 5))
    draft.rename(target)


def _security(span: Span) -> Iterator[tuple[str, object]]:
    yield "about.json", _about()
    lines = [
        f"{row.at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}Z {row.type} {row.tech_info}".rstrip()
        for row in SecurityEvent.objects.order_by("seq")
        if row.at in span
    ]
    yield "security.log", "\n".join([*lines, ""])


def _everything(span: Span, state: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    yield "about.json", _about()
    yield "state.json", state
    yield "configuration.json", _configuration()
    yield "settings.json", _settings()
    yield "values.json", {row.name: row.value for row in Value.objects.all() if _is_told(row.name)}
    yield "queue.json", _rows(QueuedCall.objects.order_by("-seq"))
    yield "transactions.json", _rows(Transaction.objects.order_by("-id"))
    yield "why.json", _rows(Reason.objects.order_by("-id"))
    yield "jobs.json", _rows(Job.objects.order_by("-id"), without=("arguments",))
    yield from ((name, content) for name, content in _security(span) if name != "about.json")
    for path in log_files.kept(settings.DATA_DIR):
        yield f"logs/{path.name}", "".join(_lines(path, span))


def _about() -> dict[str, object]:
    identity = provisioning.load().identity
    usage = shutil.disk_usage(settings.DATA_DIR)
    return {
        "made_at": datetime.now(UTC).isoformat(),
        "software": __version__,
        "firmware": identity.firmware_version,
        "vendor": identity.vendor,
        "model": identity.model,
        "serial_number": identity.serial_number,
        "python": sys.version,
        "machine": platform.platform(),
        "disk_free_mb": usage.free // 2**20,
        "packages": {item.metadata["Name"]: item.version for item in metadata.distributions()},
    }


def _is_told(name: str) -> bool:
    return name not in _LEFT_OUT and not is_secret(name)


def _configuration() -> dict[str, str]:
    """Every key that may be read; what nobody changed has its default."""
    factory = {name.casefold(): text for name, text in provisioning.load().configuration.items()}
    stored = {row.name.removeprefix("key."): row.value for row in Value.objects.filter(name__startswith="key.")}
    found = {}
    for folded, key in KEYS.items():
        if not is_secret(key.name):
            found[key.name] = stored.get(key.name, factory.get(folded, key.format(key.default)))
    return found


def _settings() -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = {}
    for row in Setting.objects.order_by("section", "name"):
        found.setdefault(row.section, {})[row.name] = "•••" if is_secret(row.name) else json.loads(row.value)
    return found


def _rows(rows: QuerySet[Any], without: tuple[str, ...] = ()) -> list[dict[str, object]]:
    return [_row(row, without) for row in rows[:_ROWS]]


def _row(row: Model, without: tuple[str, ...]) -> dict[str, object]:
    names = [field.name for field in row._meta.get_fields() if field.name not in without]
    return {name: getattr(row, name) for name in names}


def _lines(path: Path, span: Span) -> Iterator[str]:
    """The lines of a log within the span; a line without a time belongs to the one before."""
    inside = True
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            if span != Span() and line[:4].isdigit():
                with suppress(ValueError):
                    inside = parse_utc(line.partition(" ")[0]) in span
            if inside:
                yield line


def _json(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False, default=str)
