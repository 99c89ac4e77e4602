"""Factory reset: everything that people and backends left is deleted, the station is as it was delivered.

Messages that a backend has not confirmed stay with their sessions until they are delivered. Asked for while the station
runs, done by one transaction at its next start: a power cut leaves the old state or the new one.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import DatabaseError, connection, transaction
from django.db.models import Q
from django.utils.translation import gettext

from ocppclient.sentence import Sentence
from ocppclient.store import UNFINISHED
from station import local_copies, models, people, provisioning, restore, restore_apply, roles, web_certificate
from station.network import wish
from station.network.wish import Wish

log = logging.getLogger("station.factory_reset")

_PENDING = "factory-reset.pending"
#: What stays of the station's memory: its time, the register that was accounted for, what the queue needs.
_VALUES_KEPT = Q(name__in=("clock.floor", "energy.accounted_wh", "hardware.limit_a")) | Q(
    name__startswith="clock.correction."
)
_MARKS_KEPT = ("unit_id", "provisioned_at", "factory")
_LEDGER = "ledger"


class ResetRefused(ValueError):
    """The reset cannot be done now; the text says why."""


def undelivered() -> int:
    """Messages that the backend does not know yet, also those that were given up."""
    return models.QueuedCall.objects.count()


def ask(user: str) -> None:
    """Have it done at the next start.

    Raises:
        ResetRefused: a session or a job runs, or it is not known how the station was delivered.
    """
    if models.Transaction.objects.filter(stopped_at=None).exists():
        raise ResetRefused(gettext("A session is running. Reset the station when it has ended."))
    if models.Job.objects.filter(state__in=UNFINISHED).exists():
        raise ResetRefused(
            gettext("Firmware or diagnostics are being transferred. Reset the station when that has ended.")
        )
    if provisioning.stored("station", "factory") is None:
        raise ResetRefused(
            gettext(
                "How this station was delivered is not known: its data folder was made by an older software. Stop the "
                "station and give it a new data folder instead."
            )
        )
    draft, target = settings.DATA_DIR / f"{_PENDING}.part", settings.DATA_DIR / _PENDING
    try:
        with draft.open("w") as file:
            file.write(user)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    except OSError as error:
        raise ResetRefused(
            gettext("The reset cannot be noted (%(strerror)s).") % {"strerror": error.strerror}
        ) from error


def discard() -> None:
    """It is not wanted any more."""
    (settings.DATA_DIR / _PENDING).unlink(missing_ok=True)


def apply_pending() -> str:
    """Do what was asked for, before anything else reads the database; returns what was done for the security log."""
    pending = settings.DATA_DIR / _PENDING
    if not pending.exists():
        _forget_delivered()
        return ""
    try:
        user = pending.read_text()
        with transaction.atomic():
            _reset(provisioning.stored("station", "factory"))
    except (DatabaseError, OSError, ValueError, TypeError, KeyError) as error:
        log.error("The factory reset was not done: %s", error)
        discard()
        return ""
    restore.discard()
    restore.forget()
    shutil.rmtree(settings.DATA_DIR / local_copies.FOLDER, ignore_errors=True)
    web_certificate.certificate().forget_own()
    try:
        with connection.cursor() as cursor:
            cursor.execute("VACUUM")  # what was deleted must not stay readable in free pages
    except DatabaseError as error:
        log.error("What was deleted is still in free pages of the database: %s", error)
    discard()
    log.warning("Factory reset by %s", user)
    return Sentence("factory reset by {user}", user=user)


def _reset(factory: dict[str, Any]) -> None:
    waiting = models.QueuedCall.objects.values_list("transaction_uid", flat=True)
    ledger = models.Transaction.objects.filter(Q(uid__in=waiting) | Q(stopped_at=None))
    uids = list(ledger.values_list("uid", flat=True))
    models.Transaction.objects.exclude(uid__in=uids).delete()
    models.DeliveredCall.objects.exclude(transaction_uid__in=uids).delete()
    for table in (
        models.IdTag, models.ChargingProfile, models.Reason, models.Measurement, models.SelfTest, models.Job,
    ):  # fmt: skip
        table.objects.all().delete()
    models.SecurityEvent.objects.exclude(delivery="waiting").delete()
    models.Value.objects.exclude(_VALUES_KEPT).delete()
    models.PrivateKey.objects.exclude(key_id__in=factory["key_ids"]).delete()
    _certificates(factory["certificates"])
    _settings(factory["settings"], uids)
    wish.note(Wish.FORGET)
    with connection.cursor() as cursor:
        for table_name in (*restore_apply.OF_USERS, "auth_user"):
            cursor.execute(f"DELETE FROM {table_name}")
    _let_in(factory)


def give_label_password() -> str:
    """Who lost the password gets in again: the first user has the password of the label, as it was delivered.

    Returns the user's name. Whoever is signed in as that user is signed out; everybody else stays.

    Raises:
        ResetRefused: it is not known how the station was delivered.
    """
    factory = provisioning.stored("station", "factory")
    if factory is None:
        raise ResetRefused(
            gettext("How this station was delivered is not known: its data folder was made by an older software.")
        )
    with transaction.atomic():
        _let_in(factory)
    return str(factory["user"])


def _let_in(factory: dict[str, Any]) -> None:
    user, _ = User.objects.update_or_create(
        username=factory["user"], defaults={"password": factory["password"], "is_active": True}
    )
    roles.assign(user, max(roles.Role.INSTALLER, roles.role_of(user)))
    if factory["password_once"]:
        people.must_choose_another(user)


def _certificates(delivered: Collection[dict[str, str]]) -> None:
    """Those of the factory come back, but one of the station's own only while its key is still there."""
    models.Certificate.objects.all().delete()
    keys = {"", *models.PrivateKey.objects.values_list("key_id", flat=True)}
    models.Certificate.objects.bulk_create(
        models.Certificate(**row, installed_at=datetime.now(UTC), fallback=False)
        for row in delivered
        if row["key_id"] in keys
    )


def _settings(delivered: Collection[Collection[str]], ledger: Collection[str]) -> None:
    kept = models.Setting.objects.filter(Q(section="station", name__in=_MARKS_KEPT) | Q(section="hotspot"))
    models.Setting.objects.exclude(pk__in=kept).delete()  # the hotspot's name and passphrase stand on the label
    there = set(kept.values_list("section", "name"))
    models.Setting.objects.bulk_create(
        models.Setting(section=section, name=name, value=value)
        for section, name, value in delivered
        if (section, name) not in there
    )
    if ledger:
        models.Setting.objects.create(section="station", name=_LEDGER, value=json.dumps(list(ledger)))


def _forget_delivered() -> None:
    """Sessions from before the reset go as soon as the backend knows all of them."""
    kept = provisioning.stored("station", _LEDGER)
    if not kept:
        return
    waiting = models.QueuedCall.objects.filter(transaction_uid__in=kept).values_list("transaction_uid", flat=True)
    still = set(waiting) | set(
        models.Transaction.objects.filter(uid__in=kept, stopped_at=None).values_list("uid", flat=True)
    )
    gone = set(kept) - still
    if not gone:
        return
    with transaction.atomic():
        models.Transaction.objects.filter(uid__in=gone).delete()
        models.DeliveredCall.objects.filter(transaction_uid__in=gone).delete()
        rows = models.Setting.objects.filter(section="station", name=_LEDGER)
        rows.update(value=json.dumps(sorted(still))) if still else rows.delete()
