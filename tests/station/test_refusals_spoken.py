"""What rules, drivers and the system say reaches a page in its language: refusals, states, results."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import translation

from hardware.interfaces import PortHealth
from hardware.probe import Probed
from hardware.sentence import Sentence as HardwareSentence
from ocppclient.events import Explain
from ocppclient.sentence import Sentence, quoted
from station import backend_settings, provisioning
from station.backend_settings import Unfit
from station.errors import StartupError
from station.models import Setting, Value
from station.sentences import spoken
from station.views import hardware as hardware_page
from tests.appliance import disk_store
from tests.ocppclient.certificates import NOW
from tests.station.test_cards import configure
from tests.station.test_hardware_page import FORM
from tests.station.test_network_page import Worker, told, worker

__all__ = ["worker"]

GERMAN = {"accept-language": "de"}


@pytest.fixture(autouse=True)
def _no_language_stays() -> Iterator[None]:
    yield
    translation.activate(settings.LANGUAGE_CODE)


def page_of(client: Client, path: str, posted: dict[str, Any] | None = None) -> str:
    answer = client.get(path, headers=GERMAN) if posted is None else client.post(path, posted, headers=GERMAN)
    return answer.content.decode()


def test_backend_settings_that_do_not_fit_say_so_in_the_readers_language() -> None:
    configure(backend={"url": "ws://b.example", "charge_point_id": "CP1"})
    key = "a" * 20
    values = {"url": "ws://b.example", "charge_point_id": "A:B", "security_profile": 1, "system_roots": False}
    with pytest.raises(Unfit) as refused:
        backend_settings.checked({**values, "authorization_key": key})
    text = "charge_point_id holds a ':', which Basic authentication cannot carry; remove it."
    assert str(refused.value) == text
    with translation.override("de"):
        assert spoken(quoted(refused.value)).startswith("charge_point_id enthält einen")
    with pytest.raises(Unfit, match=r"^url begins with http://; write ws:// instead\. security_profile is 7; use"):
        backend_settings.checked({**values, "authorization_key": key, "url": "http://b", "security_profile": 7})


def test_stored_settings_that_do_not_fit_any_more_say_so_in_the_readers_language() -> None:
    configure(backend={"url": "ws://b.example", "charge_point_id": "CP1"})
    Setting.objects.filter(name="charge_point_id").update(value=json.dumps(""))
    with pytest.raises(StartupError) as refused:
        provisioning.load()
    assert str(refused.value).startswith("The stored settings cannot be used: [backend] charge_point_id is missing")
    with translation.override("ko"):
        said = spoken(quoted(refused.value))
    assert said.startswith("저장된 설정을 사용할 수 없습니다: [backend] charge_point_id가 없습니다")


def test_a_tried_device_and_a_wrong_field_speak_german(inside: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    configure()
    heard = HardwareSentence("{device} answers: {frames} good frames.", device="sdm", frames=3)
    found = Probed(True, heard, PortHealth("meter", "sdm", "/dev/m", True))
    monkeypatch.setattr(hardware_page, "probe", lambda *_: found)
    page = page_of(inside, "/hardware", {**FORM, "test": "meter"})
    assert "sdm antwortet: 3" in page
    for english in ("Boards", "Meters", "Readers", "Panels"):
        assert f">{english} ·" not in page
    wrong = page_of(inside, "/hardware", {**FORM, "panel_estop": "a\u200bb"})
    assert "enthält nicht druckbare Zeichen" in wrong
    assert page_of(inside, "/hardware", {**FORM, "panel": "", "test": "panel"}).count("Kein Gerät dieser Art") == 1


def test_states_of_the_network_speak_german(inside: Client, worker: Worker) -> None:
    for state, word in (("connected", "verbunden"), ("unplugged", "nicht angesteckt"), ("off", "aus")):
        worker.told = told()
        worker.told["devices"][0]["state"] = state
        page = page_of(inside, "/network")
        assert f">{word}</span>" in page
        assert "im Netz angemeldet" in page
    change = {
        "kind": "wifi", "what": "WiFi", "by": "ann", "state": "taken back", "why": "", "token": "", "addresses": [],
        "left_s": 0,
    }  # fmt: skip
    worker.told = told(change=change)
    page = page_of(inside, "/network")
    assert ">zurückgenommen</span>" in page
    assert "Ethernet → " in page
    assert ", then " not in page


def test_ends_of_updates_and_the_access_of_keys_speak_german(inside: Client) -> None:
    configure()
    past = [
        {"at": "2026-03-01T12:00:00.000Z", "kind": "local", "version": "1.9", "status": status, "reason": ""}
        for status in ("Installed", "cancelled", "InstallVerificationFailed")
    ]
    Value.objects.create(name="firmware.history", value=json.dumps(past))
    page = page_of(inside, "/firmware")
    for word in ("installiert", "abgebrochen", "abgelehnt"):
        assert f">{word}</span>" in page
    assert ">fest</span>" in page_of(inside, "/keys")


def test_the_choices_of_the_why_log_speak_german_and_still_choose(inside: Client) -> None:
    rule = Sentence("The certificate was not installed: {problem}.", problem="x")
    disk_store().add_reason(Explain(Sentence("certificate"), Sentence("refused"), rule, "", "CRT-13"), NOW)
    disk_store().add_reason(Explain("ReserveNow", "Rejected", Sentence("Reserved already."), "", "RSV-04"), NOW)
    page = page_of(inside, "/why?what=certificate")
    assert '<option value="certificate" selected>Zertifikat</option>' in page
    assert "wurde nicht installiert" in page
    assert "RSV-04" not in page
