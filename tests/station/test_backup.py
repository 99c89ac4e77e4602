"""Backup and restore: what is in the file, whose it is, and what is refused; a restore counts whole or not at all."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from station import backup, backup_file, local_copies, provisioning, restore, restore_apply, unit
from station.ask import Reply
from station.backup import PARTS
from station.backup_file import BackupProblem
from station.command_face import StationConsumer
from station.models import Certificate, ChargingProfile, IdTag, PrivateKey, QueuedCall, Setting, Transaction, Value
from station.network.kept import Settings
from station.network.wish import Wish
from station.roles import Role, assign, role_of
from tests.appliance import empty_tables
from tests.station.test_worker import CHARGING, VIEW, Bench

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PASSPHRASE = "correct horse battery"
KEY = "secret-key-of-this-station"
PLAIN = [name for name, part in PARTS.items() if not part.secret]


@pytest.fixture(autouse=True)
def _nothing_waits() -> Iterator[None]:
    yield
    restore.discard()
    restore.forget()


def a_station(serial: str = "S-1", charge_point_id: str = "CP1", max_current_a: float = 10, key: str = KEY) -> None:
    """A station that has something of everything."""
    empty_tables()
    provisioning.apply(
        provisioning.Provision(
            sections={
                "identity": {"serial_number": serial, "vendor": "Acme"},
                "backend": {
                    "url": "ws://b.example/ocpp", "charge_point_id": charge_point_id, "security_profile": 1,
                    "authorization_key": key,
                },
                "ocpp": {"HeartbeatInterval": "77"},
                "electrical": {"max_current_a": max_current_a},
                "hardware": {"board_port": f"/dev/{serial}"},
            },
            web=provisioning.WebSettings("owner", provisioning.Secret("the label")),
        )
    )  # fmt: skip
    Value.objects.create(name="key.MeterValueSampleInterval", value="33")
    Value.objects.create(name="key.AuthorizationKey", value=key)
    Value.objects.create(name="clock.floor", value=f"floor of {serial}")
    Value.objects.create(name="local_list.version", value="7")
    IdTag.objects.create(key="04a1", id_tag="04A1", status="Accepted", source="backend", note=f"card of {serial}")
    ChargingProfile.objects.create(**profile(1), transaction_uid="")
    Certificate.objects.create(
        kind="CentralSystemRootCertificate", fingerprint="f", pem="ROOT", installed_at=NOW, fallback=False, key_id=""
    )
    Certificate.objects.create(
        kind="ChargePointCertificate", fingerprint=serial, pem="OWN", installed_at=NOW, fallback=False, key_id=serial
    )
    PrivateKey.objects.create(key_id=serial, pem=f"PRIVATE {serial}")


def profile(number: int) -> dict[str, Any]:
    return {
        "profile_id": number, "connector_id": 1, "stack_level": 0, "purpose": "TxDefaultProfile", "kind": "Absolute",
        "unit": "A", "period_starts": b"", "period_limits": b"", "period_phases": b"", "recurrency_kind": "",
    }  # fmt: skip


def a_session(uid: str = "u", stopped: bool = True) -> None:
    Transaction.objects.create(
        uid=uid, id_tag="04A1", started_at=NOW, meter_start_wh=0, last_wh=5, connector_id=1, start_delivered=False,
        start_parked=False, deauthorised=False, remote=False, stopped_at=NOW if stopped else None,
    )  # fmt: skip
    QueuedCall.objects.create(
        action="StartTransaction", payload="{}", message_ids="[]", transaction_uid=uid, needs_transaction_id=False,
        attempts=0, parked_reason="", created_at=NOW, boot_id="",
    )  # fmt: skip


def saved(folder: Path, parts: Any = tuple(PARTS), passphrase: str = PASSPHRASE) -> Path:
    path = folder / "backup.zip"
    backup.make(path, parts, passphrase, NOW)
    return path


def back(path: Path, passphrase: str = PASSPHRASE, parts: Any = (), takes_place: bool = False) -> str:
    restore.prepare(path, passphrase, parts, takes_place, "me")
    return restore_apply.apply_pending()


def state() -> dict[str, Any]:
    """Everything that a restore may touch."""
    return {
        "settings": {(row.section, row.name): row.value for row in Setting.objects.exclude(section="station")},
        "values": dict(Value.objects.values_list("name", "value")),
        "cards": list(IdTag.objects.values_list("id_tag", "note")),
        "profiles": list(ChargingProfile.objects.values_list("profile_id", "transaction_uid")),
        "certificates": sorted(Certificate.objects.values_list("fingerprint", "key_id")),
        "keys": list(PrivateKey.objects.values_list("key_id", "pem")),
        "users": [(user.username, user.password, role_of(user)) for user in User.objects.all()],
        "sessions": list(Transaction.objects.values_list("uid")),
        "queue": list(QueuedCall.objects.values_list("seq", "action")),
    }


def test_on_the_same_unit_everything_comes_back(tmp_path: Path) -> None:
    a_station()
    a_session()
    before, path = state(), saved(tmp_path)
    unit_id = unit.here().id
    a_station(max_current_a=32, key="another-key-another-key")  # a new memory card: the same serial number
    IdTag.objects.all().delete()
    assert back(path) == (
        "a backup of 2026-01-02T03:04:05+00:00 was restored by me: "
        "settings, cards, profiles, certificates, users, sessions"
    )
    assert state() == before
    assert unit.here().id != unit_id
    assert (restore_apply.last() or {})["problem"] == ""
    assert restore_apply.apply_pending() == ""  # only once


def test_on_another_unit_what_belongs_to_the_box_and_its_place_at_the_backend_stay(tmp_path: Path) -> None:
    a_station("S-1", "CP1", 10)
    User.objects.create_user("second", password="x" * 12)
    path = saved(tmp_path)
    a_station("S-2", "CP2", 32, "key-of-the-other-station")
    back(path)
    sections = provisioning.sections()
    assert sections["identity"] == {"serial_number": "S-2", "vendor": "Acme"}
    assert sections["backend"]["charge_point_id"] == "CP2"
    assert sections["backend"]["authorization_key"] == "key-of-the-other-station"
    assert sections["hardware"]["board_port"] == "/dev/S-2"
    assert sections["electrical"]["max_current_a"] == 32
    assert sections["ocpp"] == {"HeartbeatInterval": "77"}
    values = dict(Value.objects.values_list("name", "value"))
    assert values["key.AuthorizationKey"] == "key-of-the-other-station"
    assert values["key.MeterValueSampleInterval"] == "33"
    assert values["clock.floor"] == "floor of S-2"
    assert [row.note for row in IdTag.objects.all()] == ["card of S-1"]
    assert list(PrivateKey.objects.values_list("key_id", flat=True)) == ["S-2"]
    assert sorted(Certificate.objects.values_list("fingerprint", flat=True)) == ["S-2", "f"]
    assert sorted(User.objects.values_list("username", flat=True)) == ["owner", "second"]


def uplinks() -> None:
    """WiFi, SIM and a fixed address were proven."""
    kept = Settings()
    kept.keep_uplink({"kind": "wifi", "ssid": "Depot", "security": "wpa", "key": "wifi password"})
    kept.keep_uplink({"kind": "mobile", "apn": "internet.example", "pin": "1234"})
    kept.keep_uplink({"kind": "ethernet", "interface": "eth0", "method": "manual", "address": "192.168.1.20/24"})


def test_the_networks_come_back_to_the_same_unit_and_are_joined(tmp_path: Path) -> None:
    a_station()
    uplinks()
    path = saved(tmp_path)
    a_station()
    back(path)
    wifi, mobile, ethernet = Settings().uplinks()
    assert wifi == {"kind": "wifi", "ssid": "Depot", "security": "wpa", "key": "wifi password"}
    assert mobile == {"kind": "mobile", "apn": "internet.example", "pin": "1234"}
    assert ethernet["address"] == "192.168.1.20/24"
    assert Settings().wish() is Wish.JOIN


def test_another_unit_joins_the_same_networks_but_never_with_the_address_or_the_pin_of_the_first(
    tmp_path: Path,
) -> None:
    a_station("S-1")
    uplinks()
    path = saved(tmp_path)
    a_station("S-2")
    back(path)
    wifi, mobile = Settings().uplinks()
    assert wifi["key"] == "wifi password"
    assert mobile == {"kind": "mobile", "apn": "internet.example", "pin": ""}
    assert Settings().wish() is Wish.JOIN


def test_without_a_passphrase_no_network_is_in_the_file_and_the_present_ones_stay(tmp_path: Path) -> None:
    a_station()
    uplinks()
    path = saved(tmp_path, PLAIN, "")
    assert b"Depot" not in path.read_bytes()
    back(path, "")
    assert len(Settings().uplinks()) == 3
    assert Settings().wish() is None


def test_another_unit_can_take_the_place_at_the_backend(tmp_path: Path) -> None:
    a_station("S-1", "CP1")
    path = saved(tmp_path)
    a_station("S-2", "CP2", key="key-of-the-other-station")
    back(path, takes_place=True)
    backend = provisioning.sections()["backend"]
    assert (backend["charge_point_id"], backend["authorization_key"]) == ("CP1", KEY)
    assert provisioning.sections()["identity"]["serial_number"] == "S-2"
    assert list(PrivateKey.objects.values_list("key_id", flat=True)) == ["S-1"]


def test_roles_come_back_though_the_groups_have_other_numbers(tmp_path: Path) -> None:
    a_station()
    assign(User.objects.create_user("viewer"), Role.VIEWER)
    path = saved(tmp_path)
    from django.contrib.auth.models import Group

    Group.objects.all().delete()
    assign(User.objects.create_user("other"), Role.OPERATOR)  # makes the groups again
    back(path)
    assert {user.username: role_of(user) for user in User.objects.all()} == {
        "owner": Role.INSTALLER, "viewer": Role.VIEWER,
    }  # fmt: skip


def test_without_a_passphrase_no_secret_is_in_the_file(tmp_path: Path) -> None:
    a_station()
    path = saved(tmp_path, PLAIN, "")
    unpacked = tmp_path / "unpacked"
    backup_file.read(path, "", unpacked)
    raw = unpacked.read_bytes()
    assert b"card of S-1" in raw
    for secret in (KEY, "PRIVATE S-1", User.objects.get().password):
        assert secret.encode() not in raw
    a_station(key="still-here-still-here")
    back(path, "")
    assert provisioning.sections()["backend"]["authorization_key"] == "still-here-still-here"
    assert Value.objects.get(name="key.AuthorizationKey").value == "still-here-still-here"
    assert PrivateKey.objects.get().pem == "PRIVATE S-1"


def test_with_a_passphrase_nothing_can_be_read_without_it(tmp_path: Path) -> None:
    a_station()
    path = saved(tmp_path)
    raw = path.read_bytes()
    for text in (KEY, "PRIVATE", "04A1", "b.example"):
        assert text.encode() not in raw
    assert (path.stat().st_mode & 0o777) == 0o600


def test_only_what_was_chosen_is_in_the_file_and_comes_back(tmp_path: Path) -> None:
    a_station()
    a_session()
    path = saved(tmp_path, ["cards", "settings"], "")
    unpacked = tmp_path / "unpacked"
    backup_file.read(path, "", unpacked)
    with closing(sqlite3.connect(unpacked)) as copy:
        for table in ("station_transaction", "auth_user", "station_certificate", "django_session"):
            assert copy.execute(f"SELECT COUNT(*) FROM {table}").fetchone() == (0,), table
        assert copy.execute("SELECT COUNT(*) FROM station_value WHERE name = 'clock.floor'").fetchone() == (0,)
    IdTag.objects.all().delete()
    Value.objects.filter(name="key.MeterValueSampleInterval").update(value="99")
    back(path, "", ["cards"])
    assert IdTag.objects.count() == 1
    assert Value.objects.get(name="key.MeterValueSampleInterval").value == "99"


@pytest.mark.parametrize(
    ("parts", "passphrase", "said"),
    [
        ((), "", "Choose what"),
        (("cards", "cars"), "", "no part cars"),
        (("users",), "", "Users and their passwords are secret"),
        (("cards",), "short", "at least 12 characters"),
    ],
)
def test_a_backup_that_cannot_be_made_says_why_and_leaves_nothing(
    tmp_path: Path, parts: Any, passphrase: str, said: str
) -> None:
    a_station()
    with pytest.raises(BackupProblem, match=said):
        saved(tmp_path, parts, passphrase)
    assert list(tmp_path.iterdir()) == []
    assert list(settings.DATA_DIR.glob("backup-*")) == []


def refused(path: Path, said: str, **how: Any) -> None:
    before = state()
    with pytest.raises(BackupProblem, match=said):
        back(path, **how)
    assert state() == before
    assert not (settings.DATA_DIR / restore.PENDING).exists()
    assert list(settings.DATA_DIR.glob("restore-*")) == []


def test_a_wrong_or_missing_passphrase_is_told(tmp_path: Path) -> None:
    a_station()
    path = saved(tmp_path)
    refused(path, "passphrase is wrong", passphrase="wrong horse battery")
    refused(path, "give its passphrase", passphrase="")


def test_every_damage_is_noticed(tmp_path: Path) -> None:
    a_station()
    path = saved(tmp_path)
    whole = path.read_bytes()
    for name, raw in {
        "empty": b"", "cut": whole[: len(whole) // 2], "text": b"hello", "bit": flipped(whole, len(whole) // 2),
        "head": flipped(whole, whole.index(b'"unit"') + 12),
    }.items():  # fmt: skip
        path.write_bytes(raw)
        refused(path, "damaged"), name


def flipped(raw: bytes, at: int) -> bytes:
    return raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]


def rewritten(path: Path, change: dict[str, Any]) -> Path:
    """The file with another manifest, and fitting check sums."""
    with zipfile.ZipFile(path) as archive:
        head, data = json.loads(archive.read("backup.json")), archive.read("data")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("backup.json", json.dumps({**head, **change}, indent=1))
        archive.writestr("data", data)
    return path


def test_a_manifest_that_was_changed_does_not_open_an_encrypted_file(tmp_path: Path) -> None:
    a_station("S-1")
    path = saved(tmp_path)
    a_station("S-2")
    refused(rewritten(path, {"serial": "S-2"}), "changed after it was made")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 2}, "newer software"),
        ({"parts": 3}, "damaged"),
        ({"unit": None}, "damaged"),
        ({"salt": "xyz"}, "damaged"),
    ],
)
def test_a_strange_manifest_is_refused(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    a_station()
    refused(rewritten(saved(tmp_path, PLAIN, ""), change), said, passphrase="")


def altered(tmp_path: Path, *statements: str) -> Path:
    """A backup without a passphrase whose database somebody has changed."""
    path, database = saved(tmp_path, PLAIN, ""), tmp_path / "altered"
    manifest = backup_file.read(path, "", database)
    with closing(sqlite3.connect(database, isolation_level=None)) as copy:
        for statement in statements:
            copy.execute(statement)
    backup_file.write(path, manifest, database, "")
    return path


def test_a_newer_software_is_refused(tmp_path: Path) -> None:
    a_station()
    newer = "INSERT INTO django_migrations (app, name, applied) VALUES ('station', '9999_future', '2030-01-01')"
    refused(altered(tmp_path, newer), "made by a newer software .*9999_future", passphrase="")


def test_a_database_with_a_trigger_is_refused(tmp_path: Path) -> None:
    a_station()
    trigger = "CREATE TRIGGER t AFTER INSERT ON station_value BEGIN DELETE FROM station_idtag; END"
    refused(altered(tmp_path, trigger), "damaged", passphrase="")


def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_station()
    path = saved(tmp_path, PLAIN, "")
    monkeypatch.setattr(backup_file, "MOST_DATABASE", 10_000)
    refused(path, "too large", passphrase="")


def test_settings_that_do_not_fit_together_change_nothing(tmp_path: Path) -> None:
    a_station()
    path = altered(tmp_path, "UPDATE station_setting SET value = '500' WHERE name = 'max_current_a'")
    before = state()
    assert back(path, "") == ""
    assert state() == before
    assert "max_current_a" in (restore_apply.last() or {})["problem"]
    assert not (settings.DATA_DIR / restore.PENDING).exists()


def test_an_older_database_is_brought_up_to_date(tmp_path: Path) -> None:
    a_station()
    path, older = saved(tmp_path, ["cards"], ""), tmp_path / "older"
    older.mkdir()
    manifest = backup_file.read(path, "", older / "station.sqlite3")
    subprocess.run(
        [sys.executable, "-m", "django", "migrate", "station", "0008", "--verbosity", "0"],
        env={**os.environ, "STATION_DATA_DIR": str(older)},
        check=True,
    )
    with closing(sqlite3.connect(older / "station.sqlite3")) as copy:
        copy.execute("PRAGMA journal_mode = DELETE")
    backup_file.write(path, manifest, older / "station.sqlite3", "")
    IdTag.objects.all().delete()
    assert back(path, "", ["cards"]) != ""
    assert IdTag.objects.count() == 1


def test_sessions_come_back_to_the_unit_that_made_them_only(tmp_path: Path) -> None:
    a_station("S-1")
    a_session()
    path = saved(tmp_path)
    a_station("S-2")
    refused(path, "belong to the station that made them", parts=["sessions"])
    back(path)
    assert not Transaction.objects.exists()
    assert not QueuedCall.objects.exists()


def test_sessions_do_not_come_back_over_newer_ones(tmp_path: Path) -> None:
    a_station()
    a_session()
    path = saved(tmp_path)
    refused(path, "sessions of its own")
    back(path, parts=["cards", "settings"])
    assert Transaction.objects.count() == 1


def test_nothing_is_restored_while_a_session_runs(tmp_path: Path) -> None:
    a_station()
    path = saved(tmp_path, ["cards"], "")
    a_session(stopped=False)
    refused(path, "A session is running", passphrase="")


def test_a_part_that_is_not_in_the_file_is_told(tmp_path: Path) -> None:
    a_station()
    refused(saved(tmp_path, ["cards"], ""), "does not hold profiles", passphrase="", parts=["profiles"])


@pytest.mark.parametrize("step", ["_take_settings", "_take_users", "_take_certificates", "_note"])
def test_a_restore_that_breaks_anywhere_leaves_the_old_state_and_the_next_start_does_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    class PowerCut(BaseException):
        pass

    def cut(*_: Any) -> None:
        raise PowerCut

    a_station()
    path = saved(tmp_path, tuple(set(PARTS) - {"sessions"}))
    IdTag.objects.all().delete()
    ChargingProfile.objects.all().delete()
    before = state()
    restore.prepare(path, PASSPHRASE, (), False, "me")
    with monkeypatch.context() as patch:
        patch.setattr(restore_apply, step, cut)
        with pytest.raises(PowerCut):
            restore_apply.apply_pending()
    assert state() == before
    assert restore_apply.apply_pending() != ""
    assert IdTag.objects.count() == 1


def test_what_a_power_cut_left_is_removed() -> None:
    (settings.DATA_DIR / "restore-xyz").mkdir()
    (settings.DATA_DIR / "backup-xyz").mkdir()
    assert restore_apply.apply_pending() == ""
    assert not list(settings.DATA_DIR.glob("*-xyz"))


@pytest.mark.parametrize(
    ("section", "name", "secret"),
    [
        ("backend", "authorization_key", True),
        ("ocpp", "AUTHORIZATIONKEY", True),
        ("network", "hotspot_passphrase", True),
        ("web", "admin_user", False),
        ("ocpp", "HeartbeatInterval", False),
    ],
)
def test_secrets_are_known_by_their_names(section: str, name: str, secret: bool) -> None:
    assert backup.is_secret(section, name) is secret


def test_every_table_is_in_one_part_or_left_out_on_purpose() -> None:
    tables = [table for part in PARTS.values() for table in part.tables if table.startswith("station_")]
    ours = {model._meta.db_table for model in apps.get_app_config("station").get_models()}
    assert sorted([*tables, *backup.LEFT_OUT, "station_value"]) == sorted(ours)


def test_everything_that_hangs_on_users_goes_with_them() -> None:
    hanging = {field.related_model._meta.db_table for field in User._meta.related_objects}
    hanging |= {field.remote_field.through._meta.db_table for field in User._meta.many_to_many}
    assert hanging <= set(restore_apply.OF_USERS)


# -- the nightly copy


def test_a_copy_a_day_and_only_the_newest(tmp_path: Path) -> None:
    a_station()
    days = [replace_day(day) for day in range(1, 7)]
    made = [local_copies.copy_if_due(tmp_path, day) for day in days]
    assert all(made)
    assert local_copies.copy_if_due(tmp_path, days[-1]) is None
    assert sorted(path.name for path in (tmp_path / "copies").iterdir()) == [
        f"station-2026010{day}.sqlite3" for day in (4, 5, 6)
    ]
    newest = made[-1]
    assert newest is not None
    assert (newest.stat().st_mode & 0o777) == 0o600
    with closing(sqlite3.connect(newest)) as copy:
        assert copy.execute("SELECT COUNT(*) FROM station_idtag").fetchone() == (1,)


def replace_day(day: int) -> datetime:
    return NOW.replace(day=day)


def test_no_copy_when_the_disk_has_little_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_copies, "ROOM", 10**12)
    assert local_copies.copy_if_due(tmp_path, NOW) is None
    assert not list((tmp_path / "copies").iterdir())


# -- the page


@pytest.fixture
def orders(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    orders: list[str] = []

    def order(command: str, argument: Any, user: str) -> Reply:
        orders.append(command)
        return Reply(True, "")

    monkeypatch.setattr("station.ask.order", order)
    return orders


def browser() -> Client:
    client = Client()
    client.force_login(User.objects.get(username="owner"))
    return client


def brought(content: bytes, passphrase: str = "") -> tuple[Client, str]:
    """A browser that brought a file, and the page that it sees then."""
    client = browser()
    upload = SimpleUploadedFile("b.zip", content)
    answer = client.post("/backup/look", {"file": upload, "passphrase_of_file": passphrase}, follow=True)
    return client, answer.content.decode()


def word(page: str, *parts: str, **more: str) -> dict[str, Any]:
    """The form of the page, filled in."""
    found = re.search(r'name="look" value="([^"]+)"', page)
    assert found is not None, page
    return {"look": found[1], "wanted": list(parts), "sure": "on", **more}


def test_the_page_gives_a_file_that_it_takes_back(orders: list[str], tmp_path: Path) -> None:
    a_station()
    form = {"parts": ["cards", "users"], "passphrase": PASSPHRASE, "again": PASSPHRASE}
    answer = browser().post("/backup", form)
    assert answer["Content-Disposition"].startswith('attachment; filename="station-backup-')
    assert answer["Cache-Control"] == "no-store"
    IdTag.objects.all().delete()
    client, page = brought(answer.content, PASSPHRASE)
    assert orders == []
    said = client.post("/backup/restore", word(page, "cards"))
    assert said.status_code == 302
    assert orders == ["apply"]
    assert restore_apply.apply_pending() != ""
    assert IdTag.objects.count() == 1
    page = browser().get("/backup").content.decode()
    assert "Restored at" in page
    assert ": Cards." in page


def test_before_anything_changes_the_page_tells_what_the_file_would_do(orders: list[str], tmp_path: Path) -> None:
    a_station(key="another-key-than-the-file-has")
    IdTag.objects.create(key="2", id_tag="2", status="Accepted", source="station")
    path = saved(tmp_path, ["settings", "cards", "sessions"])
    a_station(max_current_a=8)
    Value.objects.filter(name="key.MeterValueSampleInterval").update(value="44")
    a_session()
    before = state()
    _, page = brought(path.read_bytes(), PASSPHRASE)
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))
    assert "of this station" in text
    assert "S-1" in text
    assert "Cards 2 1 is replaced as a whole" in text
    assert "Charging profiles – 1 stays It is not in the file." in text
    assert "0 1 stays This station has sessions of its own." in text
    assert "MeterValueSampleInterval 44 33" in text
    assert "[electrical] max_current_a 8 10" in text
    assert "[backend] authorization_key ••• •••" in text
    assert KEY not in page
    assert "another-key" not in page
    assert "takes_place" not in page
    assert 'value="sessions"' not in page
    assert state() == before
    assert orders == []


def test_on_another_unit_the_preview_leaves_out_what_belongs_to_the_box(tmp_path: Path) -> None:
    a_station(serial="S-2", charge_point_id="CP2")
    path = saved(tmp_path, ["settings", "sessions"])
    a_station(max_current_a=8)
    _, page = brought(path.read_bytes(), PASSPHRASE)
    assert "of another station" in page
    assert "takes_place" in page
    assert "another one would bill them again" in page
    for own in ("serial_number", "max_current_a", "board_port", "charge_point_id"):
        assert f"{own}</code>" not in page


def test_a_file_that_was_looked_at_is_forgotten_on_demand_after_an_hour_and_by_a_start(
    orders: list[str], tmp_path: Path
) -> None:
    a_station()
    content = saved(tmp_path, ["cards"], "").read_bytes()
    client, page = brought(content)
    folder = settings.DATA_DIR / restore.LOOKED
    assert folder.exists()
    client.post("/backup/restore", {"cancel": ""})
    assert not folder.exists()
    brought(content)
    os.utime(folder, (1, 1))
    assert client.get("/backup/restore").status_code == 302
    assert not folder.exists()
    brought(content)
    assert restore_apply.apply_pending() == ""
    assert not folder.exists()
    refused_word = client.post("/backup/restore", word(page, "cards"), follow=True)
    assert "not here any more" in refused_word.content.decode()
    assert orders == []


def test_what_counts_is_the_file_that_was_seen(orders: list[str], tmp_path: Path) -> None:
    a_station()
    content = saved(tmp_path, ["cards"], "").read_bytes()
    client, page = brought(content)
    brought(content)
    assert "not here any more" in client.post("/backup/restore", word(page, "cards")).content.decode()
    client, page = brought(content)
    assert "Choose what is to be restored." in client.post("/backup/restore", word(page)).content.decode()
    half = {**word(page, "cards"), "sure": ""}
    assert client.post("/backup/restore", half).status_code == 422
    assert orders == []
    assert not (settings.DATA_DIR / restore.PENDING).exists()


def test_the_page_says_what_is_wrong(orders: list[str]) -> None:
    a_station()
    page = browser().post("/backup", {"parts": ["cards"], "passphrase": PASSPHRASE, "again": "x"}).content.decode()
    assert "The two passphrases differ." in page
    assert PASSPHRASE not in page
    page = browser().post("/backup", {"parts": ["users"]}).content.decode()
    assert "are secret: give a passphrase" in page
    assert "not a backup of a station" in brought(b"nonsense")[1]
    assert orders == []


def test_what_is_wrong_with_a_file_is_said_in_the_language_of_the_page(orders: list[str], tmp_path: Path) -> None:
    a_station()
    client = browser()
    upload = SimpleUploadedFile("b.zip", b"nonsense")
    page = client.post("/backup/look", {"file": upload}, headers={"accept-language": "de"})
    assert "keine Sicherung einer Station" in page.content.decode()
    path = saved(tmp_path, ["settings"], "")
    a_station()
    restore.prepare(path, "", (), False, "me")
    with closing(sqlite3.connect(settings.DATA_DIR / restore.PENDING / restore.COPY)) as copy, copy:
        copy.execute("UPDATE station_setting SET value = '9999' WHERE name = 'max_current_a'")
    assert restore_apply.apply_pending() == ""
    page = browser().get("/backup", headers={"accept-language": "de"})
    assert "Die Sicherung sagt etwas Unmögliches" in page.content.decode()


def test_what_the_station_refuses_does_not_wait_for_its_next_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    a_station()
    monkeypatch.setattr("station.ask.order", lambda *_: Reply(False, "A session is running."))
    client, page = brought(saved(tmp_path, ["cards"], "").read_bytes())
    assert "A session is running." in client.post("/backup/restore", word(page, "cards"), follow=True).content.decode()
    assert not (settings.DATA_DIR / restore.PENDING).exists()


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.worker.stop(5)


def test_the_worker_starts_again_for_what_waits_but_not_during_a_session(bench: Bench) -> None:
    bench.charge_point.shown = replace(VIEW, transaction=CHARGING)
    bench.start()
    face = StationConsumer(bench.worker)
    assert bench.worker.call(lambda: face._obey("apply", None, "me")).result(5) == (
        False, "A session is running. Try again when it has ended.",
    )  # fmt: skip
    assert bench.reboots == []
    bench.charge_point.shown = VIEW
    assert bench.worker.call(lambda: face._obey("apply", None, "me")).result(5)[0]
    assert bench.reboots == [(False, 0)]
