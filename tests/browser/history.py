"""What lies in the database of the browser tests' station: some history, and what strangers try to write."""

from __future__ import annotations

import json
from array import array
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.contrib.auth.models import User

from ocppclient import firmware, pki, reservation
from ocppclient.certificates import CENTRAL_SYSTEM_ROOT, CHARGE_POINT, MANUFACTURER_ROOT
from ocppclient.charging_profile import Periods
from ocppclient.clock import format_utc
from ocppclient.events import Explain
from ocppclient.sentence import Sentence
from ocppclient.store import (
    Certificate,
    DeliveredCall,
    IdTagEntry,
    InstalledProfile,
    QueuedCall,
    SecurityEvent,
    Transaction,
)
from station import commissioning, models, provisioning, tokens
from station.database import open_store
from station.history import Measurement
from station.roles import Role, assign
from station.store import DjangoStore
from tests.browser.corpus import CORPUS
from tests.ocppclient.certificates import issue


def fill_database() -> None:
    """Some history, as a worker leaves it behind."""
    store = open_store()
    if not provisioning.is_new():
        return
    provisioning.apply(
        provisioning.Provision(
            web=provisioning.WebSettings("admin", provisioning.Secret("correct horse")),
            sections={"backend": {"url": "ws://127.0.0.1:9000/ocpp", "charge_point_id": "HALL 3 / BAY 12"}},
        )
    )
    now = datetime.now(UTC)
    commissioning.begin(now)  # the first login does not lead into the set-up,
    commissioning.say("handover", open=[])  # which is finished
    for number in range(7):
        start = now - timedelta(days=7 - number, hours=number)
        uid = f"uid-{number}"
        store.save_transaction(
            Transaction(
                uid=uid,
                connector_id=1,
                id_tag=f"04A1B2C{number}",
                meter_start_wh=1000 * number,
                started_at=start,
                transaction_id=None if number == 5 else 1000 + number,
                start_delivered=number != 5,
                stopped_at=start + timedelta(hours=1, minutes=7 * number),
                meter_stop_wh=1000 * number + 1621 * number,
                reason=["Local", "Remote", "EVDisconnected", "PowerLoss"][number % 4],
            )
        )
    store.enqueue(
        QueuedCall(
            "StartTransaction",
            "{}",
            ("m1",),
            transaction_uid="uid-5",
            parked_reason="the backend answered InternalError three times",
        )
    )
    store.enqueue(QueuedCall("StopTransaction", "{}", ("m2",), transaction_uid="uid-6"))
    began = now - timedelta(days=1, hours=6)  # uid-6
    for seq, (action, after_s) in enumerate(
        (("StartTransaction", 1), ("MeterValues", 1800), ("MeterValues", 3600)), -3
    ):
        at = began + timedelta(seconds=after_s)
        text = '{"connectorId":1,"idTag":"04A1B2C6"}'
        store.keep_delivered(DeliveredCall(seq, action, text, "{}", "uid-6", at, at, at + timedelta(milliseconds=430)))
    minute = int(now.timestamp()) // 60
    store.add_measurements(  # an hour and a half at 16 A, the second half of it at 10 A; a hole of ten minutes
        [Measurement(int(began.timestamp()) // 60 + after, 7200 - 30 * after, 31000, 32000) for after in range(1, 102)]
        + [
            Measurement(minute - ago, 230 * amps, 1000 * amps, 1000 * amps)
            for ago in range(100, 2, -1)
            if not 60 < ago <= 70
            for amps in ((16 if ago > 45 else 10),)
        ]
    )
    store.add_reason(
        Explain(
            "RemoteStartTransaction", "Rejected", "Connector 1 is reserved for another card until 14:20. "
            "Start with that card, or cancel the reservation.", "idTag <script>alert(1)</script>", "RSV-04",
        ),
        now,
    )  # fmt: skip
    _people_and_cards(store, now)
    _devices_and_files(store, now)
    store.add_reason(
        Explain("ChangeConfiguration", "Rejected", "HeartbeatInterval takes 1 to 10800 seconds.", "-5", "CFG-07"), now
    )


def _people_and_cards(store: DjangoStore, now: datetime) -> None:
    """Who may charge, who may sign in, and what was reserved."""
    for id_tag, status, source, note in (
        ("04A1B2C0", "Accepted", "station", "Ann, fleet 7"),
        ("04A1B2C1", "Blocked", "station", "lost in May"),
        ("04A1B2C2", "Accepted", "backend", ""),
    ):
        store.save_list_entry(IdTagEntry(id_tag, status, source, "FLEET", note=note))
    store.save_cache_entry(IdTagEntry("04A1B2C3", "Accepted", "cache", expiry_date=now + timedelta(days=1)))
    assign(User.objects.create_user("mira", password="correct horse"), Role.OPERATOR)
    tokens.issue("Load manager", Role.OPERATOR, User.objects.get(username="admin"))
    store.set_value(reservation.HISTORY, json.dumps([_reservation(17, "04A1B2C0", "used", now)]))


def _reservation(number: int, text: str, how: str, now: datetime) -> dict[str, Any]:
    return {
        "reservation_id": number, "id_tag": text, "parent_id_tag": text, "how": how, "by": text,
        "made_at": format_utc(now - timedelta(hours=2)), "expiry_date": format_utc(now - timedelta(hours=1)),
        "ended_at": format_utc(now - timedelta(minutes=90)),
    }  # fmt: skip


def _devices_and_files(store: DjangoStore, now: datetime) -> None:
    """A self-test, certificates, jobs, updates and the security log."""
    checks = [
        {"name": "contactor", "title": "The contactor closes and opens", "verdict": "passed", "measured": "0.4 s",
         "cure": ""},
        {"name": "reader", "title": "The card reader reads a card", "verdict": "failed", "measured": "no card in 20 s",
         "cure": "Hold a card to the reader while the test asks for it."},
    ]  # fmt: skip
    models.SelfTest.objects.create(
        asked_at=now, asked_by="admin", state="failed", ended_at=now, report=_report("", "", checks)
    )
    for kind, name, days in (
        (CENTRAL_SYSTEM_ROOT, "Charging backend root", 900),
        (MANUFACTURER_ROOT, "Maker of the station", 20),
        (CHARGE_POINT, "HALL 3 / BAY 12", -2),
    ):
        _certificate(store, kind, name, now, days)
    store.set_value(
        firmware.HISTORY,
        json.dumps([_update("0.1.0", "Installed", "", now), _update("0.2.0", "InstallationFailed", "disk full", now)]),
    )
    started = Sentence("firmware {firmware_version}", firmware_version="0.1.0")
    for text, delivery in ((started, "delivered"), (Sentence("into firmware {version}", version="0.2.0"), "waiting")):
        store.add_security_event(SecurityEvent("StartupOfTheDevice", now, text, delivery))


def _report(doing: str, why: str, checks: list[dict[str, str]]) -> str:
    return json.dumps({"doing": doing, "why": why, "checks": checks})


def _update(version: str, status: str, reason: str, now: datetime) -> dict[str, str]:
    return {"at": format_utc(now), "kind": "ocpp", "version": version, "status": status, "reason": reason}


def _certificate(store: DjangoStore, kind: str, name: str, now: datetime, days: int) -> None:
    with TemporaryDirectory() as folder:
        issued = issue(Path(folder), name, starts=timedelta(days=-40), ends=timedelta(days=days), organisation=name)
    store.save_certificate(Certificate(kind, pki.fingerprint(issued.certificate), issued.pem, now))


def set_profile(profile_id: int, level: int, *pairs: tuple[int, float], **more: Any) -> None:
    """As the worker does it when the backend sets one; it begins at the last full hour."""
    store = DjangoStore()
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    numbers = (array("I", [at for at, _ in pairs]), array("I", [round(limit * 10) for _, limit in pairs]))
    starts, limits = map(Periods.to_bytes, numbers)
    store.save_charging_profile(
        InstalledProfile(
            **{
                "profile_id": profile_id, "connector_id": 1, "stack_level": level, "purpose": "TxDefaultProfile",
                "kind": "Absolute", "unit": "A", "period_starts": starts, "period_limits": limits,
                "start_s": int(start.timestamp()), "origin": "SetChargingProfile", "installed_at": datetime.now(UTC),
                **more,
            }
        )
    )  # fmt: skip


def remove_profiles() -> None:
    """As the worker does it when the backend clears all of them."""
    store = DjangoStore()
    for profile in store.charging_profiles():
        store.delete_charging_profile(profile.profile_id)


def strangers_write() -> None:
    """Markup in every field that a backend, a card or a device fills."""
    store, now = DjangoStore(), datetime.now(UTC)
    for number, text in enumerate(CORPUS):
        uid = f"nasty-{number}"
        start = now - timedelta(minutes=60 - 5 * number)
        store.save_transaction(
            Transaction(
                uid=uid, connector_id=1, id_tag=text, meter_start_wh=0, started_at=start, transaction_id=number,
                start_delivered=True, stopped_at=start + timedelta(minutes=4), meter_stop_wh=100, reason=text,
                stop_id_tag=text, parent_id_tag=text,
            )
        )  # fmt: skip
        for seq in (200, 300):
            store.keep_delivered(
                DeliveredCall(
                    seq + number, text, json.dumps({"idTag": text}), json.dumps({"x": text}), uid, now, now, now
                )
            )
        store.enqueue(QueuedCall(text, json.dumps({"idTag": text}), (text,), transaction_uid=uid, parked_reason=text))
        store.enqueue(QueuedCall(text, "{}", (text,), parked_reason=text))
        store.add_reason(Explain(text, text, text, text, text), now)
        store.add_reason(Explain("card", "refused", text, text, text), now)
        store.save_list_entry(IdTagEntry(text[:20], "Accepted", "station", text[:20], note=text))
        store.save_cache_entry(IdTagEntry(f"c{text}"[:20], "Blocked", "cache", text[:20]))
        store.add_security_event(SecurityEvent(text, now, text))
        set_profile(50 + number, 0, (0, 10), purpose="TxDefaultProfile", origin=text)
        assign(User.objects.create_user(text[:150]), Role.OPERATOR)
        tokens.issue(text, Role.VIEWER, User.objects.get(username=text))
        _certificate(store, CENTRAL_SYSTEM_ROOT, text, now, 90 + number)
        check = {"name": text, "title": text, "verdict": "failed", "measured": text, "cure": text}
        models.SelfTest.objects.create(
            asked_at=now, asked_by=text, state="failed", ended_at=now, report=_report(text, text, [check])
        )
        models.Job.objects.create(
            uid=text, kind="upload", arguments=json.dumps({"location": text}), run=1, state="failed", stage=text,
            progress=1, result=json.dumps({"failure": text, "reason": text}), created_at=now,
        )  # fmt: skip
    texts = "".join(CORPUS)
    store.set_value(firmware.HISTORY, json.dumps([_update(text, text, text, now) for text in CORPUS]))
    store.set_value(reservation.HISTORY, json.dumps([_reservation(1, text, text, now) for text in CORPUS]))
    commissioning.say("identity", name=texts, place=texts)
    models.Setting.objects.filter(section="backend", name="charge_point_id").update(value=json.dumps(texts))
