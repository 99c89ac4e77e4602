"""Provisioning: what the file said is stored once, in a new data folder; from then on it is people's.

A file never overwrites existing state (design.md, section 5). Certificates and keys go into the database.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction

from ocppclient import pki
from ocppclient.certificates import CENTRAL_SYSTEM_ROOT, CHARGE_POINT, MANUFACTURER_ROOT
from ocppclient.sentence import Sentence
from station import people, roles
from station.errors import EX_CONFIG, EX_NOINPUT, StartupError
from station.models import Certificate, PrivateKey, Setting
from station.provision_file import BackendSettings, Misfit, Provision, Secret, WebSettings, built, in_one, parse
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
    "sections",
    "stored",
]

log = logging.getLogger("station.provisioning")

#: Names of files, which are read into the certificate store.
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
        StartupError: 78 the data folder has its settings already, 66 a certificate cannot be read any more. Nothing is
            stored then.
    """
    certificates, key = _certificates(provision.backend)
    password = str(provision.web.admin_password)
    one_time = ""
    rows = [
        Setting(section=section, name=name, value=json.dumps(value))
        for section, table in provision.sections.items()
        for name, value in table.items()
        if name != "admin_password" and name not in _FILE_NAMES  # only its hash is kept; files are in their own tables
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
        Certificate.objects.bulk_create(certificates)
        if key is not None:
            key.save()
        user, _ = User.objects.get_or_create(username=provision.web.admin_user)
        if password:
            user.set_password(password)
            user.save()
            if provision.web.admin_password_once:
                people.must_choose_another(user)
        else:
            one_time = people.give_one_time_password(user)
        roles.assign(user, roles.Role.INSTALLER)
        Setting.objects.create(section="station", name="factory", value=json.dumps(_as_delivered(rows, user)))
    log.info("provisioned: %s", _summary(provision))
    return Applied(load(), one_time)


def load() -> Provision:
    """What is stored.

    Raises:
        StartupError: 78 the values do not fit together any more.
    """
    problems: list[Misfit] = []
    provision = built(sections(), problems)
    if provision is None:
        raise StartupError(
            Sentence(
                "The stored settings cannot be used: {problems} Change them in the web.", problems=in_one(problems)
            ),
            EX_CONFIG,
        )
    return provision


def save_hardware(values: Mapping[str, Any]) -> None:
    """Store [hardware] as a person chose it, checked by the rules; it counts from the next start of the application."""
    with transaction.atomic():
        for name, value in values.items():
            Setting.objects.update_or_create(section="hardware", name=name, defaults={"value": json.dumps(value)})


def sections() -> dict[str, dict[str, Any]]:
    """The stored values by table and name, as the file would give them."""
    found: dict[str, dict[str, Any]] = {}
    for row in Setting.objects.all():
        if row.section == "ocpp" or row.name in RULES.get(row.section, {}):
            found.setdefault(row.section, {})[row.name] = json.loads(row.value)
    return found


def stored(section: str, name: str) -> Any:
    """One stored value as the file gave it; None when it gave none."""
    row = Setting.objects.filter(section=section, name=name).first()
    return json.loads(row.value) if row else None


def _certificates(backend: BackendSettings) -> tuple[list[Certificate], PrivateKey | None]:
    """The rows of the certificate store; the same certificate twice is one row."""
    found: dict[tuple[str, str], Certificate] = {}

    def add(kind: str, chain: Sequence[pki.X509], key_id: str = "") -> None:
        fingerprint = pki.fingerprint(chain[0])
        found[kind, fingerprint] = Certificate(
            kind=kind, fingerprint=fingerprint, pem=pki.pem(chain), installed_at=datetime.now(UTC), fallback=False,
            key_id=key_id,
        )  # fmt: skip

    for kind, paths in (
        (CENTRAL_SYSTEM_ROOT, backend.root_certificates),
        (MANUFACTURER_ROOT, backend.manufacturer_roots),
    ):
        for path in paths:
            for root in pki.read_chain(_text_of(path)):
                add(kind, [root])
    key = None
    if backend.client_certificate:
        chain, text = pki.read_chain(_text_of(backend.client_certificate)), _text_of(backend.client_key)
        key = PrivateKey(key_id=pki.private_key_id(text), pem=text)
        add(CHARGE_POINT, chain, key.key_id)
    return list(found.values()), key


def _as_delivered(rows: Sequence[Setting], user: User) -> dict[str, Any]:
    """What a factory reset comes back to (station/factory_reset.py); of the password the hash only."""
    return {
        "settings": [[row.section, row.name, row.value] for row in rows if row.section != "station"],
        "user": user.get_username(),
        "password": user.password,
        "password_once": people.must_choose_a_password(user),
        "certificates": [
            {field: getattr(row, field) for field in ("kind", "fingerprint", "pem", "key_id")}
            for row in Certificate.objects.all()
        ],
        "key_ids": list(PrivateKey.objects.values_list("key_id", flat=True)),
    }


def _text_of(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise StartupError(f"{path} cannot be read ({error.strerror}).", EX_NOINPUT) from error


def _summary(provision: Provision) -> str:
    identity, backend = provision.identity, provision.backend
    where = f"{backend.url} as {backend.charge_point_id}, security profile {backend.security_profile}"
    return f"{identity.vendor} {identity.model}, {where if backend.url else 'no backend'}"
