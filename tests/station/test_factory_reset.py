"""Factory reset: nothing of people is left, the station is as it was delivered, no message is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from station import backup, factory_reset, local_copies, models, people, provisioning, restore, restore_apply
from station.ask import Reply
from station.factory_reset import ResetRefused
from station.network.kept import Settings
from station.network.wish import Wish
from station.roles import Role, role_of
from station.views.factory_reset import WORDS
from tests.station.test_backup import NOW, a_session, a_station, uplinks


@pytest.fixture(autouse=True)
def _nothing_waits() -> Iterator[None]:
    yield
    factory_reset.discard()


def used() -> None:
    """People and a backend have changed everything."""
    a_station()
    models.Setting.objects.filter(section="backend", name="url").update(value='"ws://elsewhere.example/"')
    models.Setting.objects.create(section="ocpp", name="HeartbeatInterval2", value='"1"')
    User.objects.create_user("guest", password="x" * 12)
    owner = User.objects.get(username="owner")
    owner.set_password("chosen by the owner")
    owner.save()
    models.Reason.objects.create(at=NOW, what="w", verdict="v", rule="r", value="", clause="")
    models.Measurement.objects.create(minute=1, power_w=1, current_ma=1, limit_ma=1)
    models.SecurityEvent.objects.create(type="a", at=NOW, delivery="delivered")
    models.SecurityEvent.objects.create(type="b", at=NOW, delivery="waiting")
    models.SelfTest.objects.create(asked_at=NOW, asked_by="guest", state="passed", report="{}")


def reset() -> str:
    factory_reset.ask("me")
    return factory_reset.apply_pending()


def test_the_station_is_as_it_was_delivered() -> None:
    used()
    a_session("delivered")
    models.QueuedCall.objects.all().delete()
    assert reset() == "factory reset by me"
    sections = provisioning.sections()
    assert sections["backend"]["url"] == "ws://b.example/ocpp"
    assert sections["ocpp"] == {"HeartbeatInterval": "77"}
    assert sections["identity"]["serial_number"] == "S-1"
    assert not models.Value.objects.exclude(name="clock.floor").exists()
    assert [event.type for event in models.SecurityEvent.objects.all()] == ["b"]
    for model in (
        models.Transaction, models.QueuedCall, models.DeliveredCall, models.IdTag, models.ChargingProfile,
        models.Reason, models.Measurement, models.SelfTest, models.ApiToken, models.Certificate, models.PrivateKey,
    ):  # fmt: skip
        assert not model.objects.exists(), model
    (owner,) = User.objects.all()
    assert owner.username == "owner"
    assert owner.check_password("the label")
    assert role_of(owner) is Role.INSTALLER
    assert factory_reset.apply_pending() == ""  # only once


def test_the_hotspot_stays_as_its_label_says() -> None:
    used()
    for name, value in (("ssid", '"station-7f3a"'), ("passphrase", '"on the label"')):
        models.Setting.objects.create(section="hotspot", name=name, value=value)
    assert reset() == "factory reset by me"
    assert provisioning.stored("hotspot", "ssid") == "station-7f3a"
    assert provisioning.stored("hotspot", "passphrase") == "on the label"


def test_networks_and_the_owners_web_certificate_go_too() -> None:
    used()
    uplinks()
    Settings().set_order(["mobile", "wifi", "ethernet"])
    folder = settings.DATA_DIR / "https"
    folder.mkdir(exist_ok=True)
    (folder / "own.pem").write_text("of the owner")
    (folder / "made.pem").write_text("of the station")
    reset()
    assert Settings().uplinks() == []
    assert Settings().order() == ["ethernet", "wifi", "mobile"]
    assert Settings().wish() is Wish.FORGET, "NetworkManager's profiles go as soon as it can be reached"
    assert [path.name for path in folder.iterdir()] == ["made.pem"]
    (folder / "made.pem").unlink()


def test_every_table_is_dealt_with() -> None:
    seen = {
        "value", "transaction", "queuedcall", "deliveredcall", "idtag", "chargingprofile", "measurement",
        "securityevent", "certificate", "privatekey", "reason", "setting", "onetimepassword", "apitoken", "selftest",
        "job",
    }  # fmt: skip
    assert {model._meta.model_name for model in apps.get_app_config("station").get_models()} == seen


def test_a_password_of_the_label_has_to_be_changed_again() -> None:
    web = provisioning.WebSettings("owner", provisioning.Secret("the label"), admin_password_once=True)
    provisioning.apply(provisioning.Provision(web=web))
    owner = User.objects.get()
    assert people.must_choose_a_password(owner)
    people.own_password_was_set(owner)
    reset()
    assert people.must_choose_a_password(User.objects.get())


def test_what_the_backend_does_not_know_stays_until_it_does() -> None:
    used()
    a_session("waits")
    a_session("delivered")
    models.QueuedCall.objects.filter(transaction_uid="delivered").delete()
    reset()
    assert [row.uid for row in models.Transaction.objects.all()] == ["waits"]
    assert [row.action for row in models.QueuedCall.objects.all()] == ["StartTransaction"]
    assert factory_reset.apply_pending() == ""  # the next start
    assert models.Transaction.objects.count() == 1
    models.QueuedCall.objects.all().delete()  # delivered
    a_session("of the new owner")
    models.QueuedCall.objects.all().delete()
    factory_reset.apply_pending()
    assert [row.uid for row in models.Transaction.objects.all()] == ["of the new owner"]


def test_nothing_readable_is_left_in_the_file() -> None:
    used()
    local_copies.copy_if_due(settings.DATA_DIR, NOW)
    reset()
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw = Path(connection.settings_dict["NAME"]).read_bytes()
    assert b"card of S-1" not in raw
    assert b"guest" not in raw
    assert not (settings.DATA_DIR / local_copies.FOLDER).exists()


def test_it_is_refused_while_a_session_runs() -> None:
    used()
    a_session(stopped=False)
    with pytest.raises(ResetRefused, match="A session is running"):
        factory_reset.ask("me")
    assert factory_reset.apply_pending() == ""
    assert User.objects.filter(username="guest").exists()


def test_it_is_refused_while_firmware_is_transferred() -> None:
    used()
    job = models.Job.objects.create(uid="j", kind="k", state="running", run=1, progress=0)
    with pytest.raises(ResetRefused, match="are being transferred"):
        factory_reset.ask("me")
    job.state = "done"
    job.save()
    assert reset() == "factory reset by me"
    assert not models.Job.objects.exists()


def test_it_is_refused_when_the_delivery_is_not_known() -> None:
    used()
    models.Setting.objects.filter(section="station", name="factory").delete()
    with pytest.raises(ResetRefused, match="is not known"):
        factory_reset.ask("me")


def test_a_power_cut_in_the_middle_leaves_the_old_state_and_the_next_start_does_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class PowerCut(BaseException):
        pass

    def cut(*_: Any) -> None:
        raise PowerCut

    used()
    factory_reset.ask("me")
    with monkeypatch.context() as patch:
        patch.setattr(factory_reset.roles, "assign", cut)
        with pytest.raises(PowerCut):
            factory_reset.apply_pending()
    assert User.objects.filter(username="guest").exists()
    assert models.IdTag.objects.exists()
    assert factory_reset.apply_pending() == "factory reset by me"
    assert not models.IdTag.objects.exists()


def test_a_restore_that_waits_is_forgotten(tmp_path: Path) -> None:
    used()
    backup.make(tmp_path / "b.zip", ["cards"], "")
    restore.prepare(tmp_path / "b.zip", "", (), False, "me")
    reset()
    assert restore_apply.apply_pending() == ""


# -- the page


@pytest.fixture
def inside() -> Client:
    used()
    client = Client()
    client.force_login(User.objects.get(username="owner"))
    return client


def test_the_page_wants_the_words_typed(inside: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    orders: list[str] = []
    monkeypatch.setattr("station.ask.order", lambda command, *_: orders.append(command) or Reply(True, ""))
    a_session()
    assert "1 message that the backend does not know yet" in inside.get("/factory-reset").content.decode()
    assert "Nothing was deleted." in inside.post("/factory-reset", {"words": "delete"}).content.decode()
    assert orders == []
    page = inside.post("/factory-reset", {"words": "Delete  everything"}).content.decode()
    assert "as it was delivered" in page
    assert orders == ["apply"]
    assert inside.get("/factory-reset").status_code == 302  # signed out
    assert factory_reset.apply_pending() == "factory reset by owner"


def test_what_the_station_refuses_does_not_wait(inside: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("station.ask.order", lambda *_: Reply(False, "A session is running."))
    page = inside.post("/factory-reset", {"words": WORDS}).content.decode()
    assert "A session is running." in page
    assert factory_reset.apply_pending() == ""
