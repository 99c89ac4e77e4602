"""Provisioning: what the file said is stored once, in a new data folder; from then on it is people's.

A file never overwrites existing state (design.md, section 5). Certificates and keys are copied into the data folder.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction

from station import people, roles
from station.errors import EX_CANTCREAT, EX_CONFIG, EX_NOINPUT, StartupError
from station.models import Setting
from station.provision_file import BackendSettings, Provision, Secret, Sections, WebSettings, built, parse
from station.provision_rules import RULES

__all__ = [
    "Applied",
    "BackendSettings",
    "Provision",
    "Secret",
    "WebSettings",
    "apply",
    "at_start",
    "is_new",
    "load",
    "parse",
    "stored",
]

log = logging.getLogger("station.provisioning")

#: Where copies of certificates and keys lie in the data folder.
FOLDER = "provisioned"
_FILE_NAMES = ("root_certificates", "client_certificate", "client_key", "manufacturer_roots")


@dataclass(frozen=True)
class Applied:
    """What is stored now; `one_time_password` (of `web.admin_user`) is to be shown once, "" when none was made."""

    provision: Provision
    one_time_password: str = ""


def is_new() -> bool:
    """Nothing was provisioned in this data folder yet."""
    return not Setting.objects.exists()


def at_start(path: str | None = None, known_keys: frozenset[str] | None = None) -> Applied:
    """What `runstation` calls after `open_store`: provision a new data folder, else read what is stored.

    Args:
        path: the provisioning file; None takes STATION_PROVISION, and the defaults when that is not set either.

    Raises:
        StartupError: see `parse` and `load`; nothing is stored then.
    """
    path = path or os.environ.get("STATION_PROVISION", "").strip() or None
    if is_new():
        return apply(parse(path, known_keys) if path else Provision())
    if path:
        log.info("provisioning file %s ignored: the data folder %s has its settings already", path, settings.DATA_DIR)
    return Applied(load())


def apply(provision: Provision) -> Applied:
    """Store a provision in a new data folder, and make the first user of the web.

    Raises:
        StartupError: 78 the data folder has its settings already, 73 a certificate cannot be copied into it. Nothing
            is stored then.
    """
    stored = _with_copied_files(provision.sections)
    password = str(provision.web.admin_password)
    one_time = ""
    rows = [
        Setting(section=section, name=name, value=json.dumps(value))
        for section, table in stored.items()
        for name, value in table.items()
        if name != "admin_password"  # only its hash is kept
    ]
    rows.append(Setting(section="station", name="provisioned_at", value=json.dumps(datetime.now(UTC).isoformat())))
    with transaction.atomic():
        if not is_new():
            raise StartupError(
                f"The data folder {settings.DATA_DIR} already has its settings; a provisioning file never overwrites "
                "them. Change them in the web, or set STATION_DATA_DIR to a new folder.",
                EX_CONFIG,
            )
        Setting.objects.bulk_create(rows)
        users = get_user_model().objects
        user, _ = users.get_or_create(username=provision.web.admin_user)
        if password:
            user.set_password(password)
            user.save()
        else:
            one_time = people.give_one_time_password(user)
        roles.assign(user, roles.Role.INSTALLER)
    log.info("provisioned: %s", _summary(provision))
    return Applied(load(), one_time)


def load() -> Provision:
    """What is stored.

    Raises:
        StartupError: 66 a certificate or key is gone from the data folder; 78 the values do not fit together any more.
    """
    sections: dict[str, dict[str, Any]] = {}
    for row in Setting.objects.all():
        if row.section == "ocpp" or row.name in RULES.get(row.section, {}):
            sections.setdefault(row.section, {})[row.name] = json.loads(row.value)
    backend = sections.get("backend", {})
    for name in _FILE_NAMES:
        if name in backend:
            backend[name] = _each(backend[name], _in_data_folder)
    problems: list[str] = []
    provision = built(sections, problems)
    if provision is None:
        raise StartupError(
            f"The stored settings cannot be used: {' '.join(problems)} Change them in the web.", EX_CONFIG
        )
    return provision


def stored(section: str, name: str) -> Any:
    """One stored value as the file gave it; None when it gave none."""
    row = Setting.objects.filter(section=section, name=name).first()
    return json.loads(row.value) if row else None


def _with_copied_files(sections: Sections) -> Sections:
    """The same with every certificate and key copied into the data folder, named relative to it."""
    backend = dict(sections.get("backend", {}))
    numbers = iter(range(1, 1_000_000))

    def copied(source: str) -> str:
        name = f"{FOLDER}/{next(numbers)}-{Path(source).name}"
        target = settings.DATA_DIR / name
        try:
            target.parent.mkdir(mode=0o700, exist_ok=True)
            handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(Path(source).read_bytes())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise StartupError(f"{source} cannot be copied to {target} ({error.strerror}).", EX_CANTCREAT) from error
        return name

    for name in _FILE_NAMES:
        if backend.get(name):
            backend[name] = _each(backend[name], copied)
    return {**sections, "backend": backend} if backend else sections


def _each(value: str | Iterable[str], change: Any) -> Any:
    if isinstance(value, str):
        return change(value) if value else ""
    return [change(item) for item in value]


def _in_data_folder(name: str) -> str:
    path = settings.DATA_DIR / name
    if not path.is_file():
        raise StartupError(
            f"The file {path} is missing: the backend settings need it. Put it back from a backup, or load it again.",
            EX_NOINPUT,
        )
    return str(path)


def _summary(provision: Provision) -> str:
    identity, backend = provision.identity, provision.backend
    where = f"{backend.url} as {backend.charge_point_id}, security profile {backend.security_profile}"
    return f"{identity.vendor} {identity.model}, {where if backend.url else 'no backend'}"
