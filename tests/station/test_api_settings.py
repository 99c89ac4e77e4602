"""The API changes devices and set-up by the rules of the pages, and judges settings without changing anything."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from hardware.interfaces import PortHealth
from hardware.probe import Probed
from station import ask, commissioning, models, provisioning
from station.ask import Reply
from station.models import Transaction
from station.roles import Role
from station.views import hardware as page
from tests.appliance import disk_store
from tests.station.test_api import Program, fill, orders
from tests.station.test_cards import configure
from tests.station.test_network_page import Worker, worker
from tests.station.test_time_page import Worker as ClockWorker
from tests.station.test_time_page import worker as clock_worker

__all__ = ["clock_worker", "orders", "worker"]

DRY = "These values would be taken; nothing was changed."


def everything() -> list[Any]:
    """What is stored of settings and keys."""
    return [sorted(models.Setting.objects.values_list("section", "name", "value")),
            sorted(models.Value.objects.values_list("name", "value"))]  # fmt: skip


def a_session() -> None:
    Transaction.objects.create(
        uid="u", id_tag="A", started_at=datetime.now(UTC), meter_start_wh=0, last_wh=0, connector_id=1,
        start_delivered=False, start_parked=False, deauthorised=False, remote=False,
    )  # fmt: skip


# -- devices


def test_devices_are_read_changed_and_keep_what_was_left_out(orders: list[Any]) -> None:
    configure(hardware={"board": "openevse", "board_port": "/dev/b", "meter": "sdm230", "meter_port": "/dev/m"})
    program = Program()
    seen = program("GET", "hardware/settings").json()
    assert (seen["settings"]["meter_port"], seen["waits_for_start"]) == ("/dev/m", False)
    assert "orno514" in seen["choices"]["meter"]
    assert 9600 in seen["choices"]["meter_baud"]
    answer = program("PUT", "hardware/settings", {"meter": "orno514", "meter_baud": 2400})
    assert answer.status_code == 200, answer.content
    assert orders == [("hardware", None, orders[0][2])]
    kept = provisioning.load().hardware
    assert (kept.meter, kept.meter_port, kept.meter_baud, kept.board_port) == ("orno514", "/dev/m", 2400, "/dev/b")


def test_devices_that_cannot_be_are_refused_with_the_reason_of_the_page(orders: list[Any]) -> None:
    configure(hardware={"board": "openevse", "board_port": "/dev/b"})
    program, before = Program(), everything()
    for change, said in (
        ({"reader": "pn532", "reader_port": "/dev/b"}, "The board is on this port already"),
        ({"meter": "abacus"}, "abacus is not one of the available choices"),
        ({"meter_unit": 0}, "greater than or equal to 1"),
        ({"board_port": "a\x00"}, "Null characters are not allowed"),
        ({"meter_unit": "many"}, "A valid integer is required"),
    ):
        for query in ("", "?dry_run=1"):
            answer = program("PUT", f"hardware/settings{query}", change)
            assert (answer.status_code, said in answer.json()["sentence"]) == (400, True), answer.content
    assert (everything(), orders) == (before, [])


def test_during_a_session_devices_are_neither_changed_nor_tried(
    orders: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(hardware={"board": "openevse", "board_port": "/dev/b"})
    monkeypatch.setattr(page, "probe", lambda *_: pytest.fail("the line belongs to the session"))
    a_session()
    program, before = Program(), everything()
    for answer in (
        program("PUT", "hardware/settings", {"meter": "sdm230", "meter_port": "/dev/m"}),
        program("POST", "hardware/probe", {"device": "board"}),
    ):
        assert answer.status_code == 409
        assert "A session is running" in answer.json()["sentence"]
    assert (everything(), orders) == (before, [])


def test_one_device_is_tried_and_nothing_saved(orders: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    configure(hardware={"board": "openevse", "board_port": "/dev/b"})
    heard = Probed(True, "It answers.", PortHealth("meter", "sdm230", "/dev/m", True))
    tried: list[Any] = []
    monkeypatch.setattr(page, "probe", lambda what, config: tried.append((what, config.meter_port)) or heard)
    program, before = Program(), everything()
    wanted = {"device": "meter", "meter": "sdm230", "meter_port": "/dev/m"}
    assert program("POST", "hardware/probe", wanted).json() == {"heard": True, "sentence": "It answers."}
    assert program("POST", "hardware/probe", {"device": "board"}).status_code == 409, "it is the station's own port"
    assert program("POST", "hardware/probe", {"device": "panel"}).status_code == 409, "none is chosen"
    assert program("POST", "hardware/probe", {"device": "horn"}).status_code == 400
    assert tried == [("meter", "/dev/m")]
    assert everything() == before


def test_a_restart_and_a_confirmation_are_ordered(orders: list[Any]) -> None:
    program = Program()
    assert program("POST", "hardware/restart").status_code == 200
    assert program("POST", "commands/acknowledge").status_code == 200
    assert program("DELETE", "security-log").status_code == 200
    assert [order[0] for order in orders] == ["apply", "acknowledge", "security_log_clear"]


# -- dry runs


@pytest.fixture
def everywhere(
    orders: list[Any], worker: Worker, clock_worker: ClockWorker, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[Any], Worker, ClockWorker]:
    configure(
        hardware={"board": "openevse", "board_port": "/dev/b"},
        backend={"url": "ws://b.example/ocpp", "charge_point_id": "CP1"},
    )
    monkeypatch.setattr(ask, "snapshot", lambda: None)
    return orders, worker, clock_worker


WRITES = [
    ("keys/HeartbeatInterval", {"value": "300"}, {"value": "soon"}),
    ("backend", {"url": "ws://c.example", "charge_point_id": "C2"}, {"url": "ws://c.example", "charge_point_id": ""}),
    ("clock/servers", {"servers": ["a.example"]}, {"servers": ["a b"]}),
    ("hardware/settings", {"meter": "sdm230", "meter_port": "/dev/m"}, {"meter": "abacus"}),
    ("firmware/updates", {"url": "https://u.example/list.json"}, {"url": "ftp://u.example"}),
    ("setup/identity", {"name": "Bay 12"}, {"name": ""}),
    ("setup/limits", {"max_current_a": 10}, {"max_current_a": 1000}),
    ("setup/language", {"language": "ko", "time_zone": "Asia/Seoul"}, {"language": "xx", "time_zone": "UTC"}),
]  # fmt: skip


@pytest.mark.parametrize(("path", "good", "bad"), WRITES)
def test_a_dry_run_judges_like_the_write_and_changes_nothing(
    everywhere: tuple[list[Any], Worker, ClockWorker], path: str, good: Any, bad: Any
) -> None:
    heard, _, clock = everywhere
    program, before = Program(), everything()
    answer = program("PUT", f"{path}?dry_run=1", good)
    assert answer.json() == {"sentence": DRY}, answer.content
    refused = program("PUT", f"{path}?dry_run=true", bad)
    assert refused.status_code in (400, 409)
    assert refused.json()["sentence"] != DRY
    assert (everything(), heard, clock.orders) == (before, [], [])


def test_a_change_of_the_network_is_judged_without_a_trial(everywhere: tuple[list[Any], Worker, ClockWorker]) -> None:
    wifi = {"kind": "wifi", "ssid": "Café", "security": "wpa", "key": "correct horse"}
    program = Program()
    assert program("POST", "network/change?dry_run=1", wifi).json() == {"sentence": DRY}
    assert program("POST", "network/change?dry_run=1", {**wifi, "key": "short"}).status_code == 400
    assert everywhere[1].orders == []


def test_every_write_of_settings_has_a_dry_run() -> None:
    from station.api.schema import described

    without = {
        "/api/v1/cards/{id}", "/api/v1/network/order", "/api/v1/network/hotspot", "/api/v1/network/change",
    }  # fmt: skip
    for path, methods in described()["paths"].items():
        if "put" in methods and path not in without:
            assert "dry_run" in [one["name"] for one in methods["put"].get("parameters", [])], path


# -- set-up


def test_the_steps_of_the_set_up_are_written_skipped_and_handed_over(orders: list[Any]) -> None:
    program = Program()
    assert program("PUT", "setup/identity", {"name": "Bay 12", "location": "North"}).status_code == 200
    assert commissioning.said()["identity"] == {"name": "Bay 12", "location": "North"}
    assert program("PUT", "setup/limits", {"max_current_a": 10}).status_code == 200
    assert provisioning.load().electrical.max_current_a == 10
    assert orders[-1][:2] == ("settings", None)
    assert program("PUT", "setup/network", {}).status_code == 409
    assert program("PUT", "setup/nothing", {}).status_code == 404
    assert program("POST", "setup/charge/skip", {"reason": "no"}).status_code == 400
    assert program("POST", "setup/charge/skip", {"reason": "the car comes on Monday"}).status_code == 200
    assert program("POST", "setup/password/skip", {"reason": "no time for it"}).status_code == 409
    [charge] = [step for step in program("GET", "setup").json()["steps"] if step["step"] == "charge"]
    assert "the car comes on Monday" in charge["text"]
    refused = program("POST", "setup/hand-over")
    assert refused.status_code == 409
    assert refused.json()["sentence"].startswith("Not finished yet: ")


def test_what_the_worker_refuses_of_the_limits_is_told(orders: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ask, "order", lambda *_: Reply(False, "The stored settings cannot be used."))
    answer = Program()("PUT", "setup/limits", {"max_current_a": 10})
    assert (answer.status_code, answer.json()["sentence"]) == (409, "The stored settings cannot be used.")


# -- what the pages draw and list


def test_charts_alerts_reasons_and_cards_to_learn_are_told(orders: list[Any]) -> None:
    fill()
    program = Program()
    power = program("GET", "power?hours=24").json()
    assert power["now"] - power["from"] == 24 * 3600
    assert power["curves"][0]["kind"] == "measured"
    assert program("GET", "power?hours=7").status_code == 400
    assert program("GET", "profiles/outlook?hours=6&unit=W").json()["unit"] == "W"
    assert program("GET", "sessions/1/power").json()["curves"][0]["x"] == []
    assert "not finished" in str(program("GET", "alerts").json())
    assert [one["clause"] for one in program("GET", "reasons?what=ReserveNow").json()] == ["RSV-01"]
    assert program("GET", "reasons?what=Other").json() == []
    assert program("GET", "reasons?q=nonsense").json() == []
    disk_store().add_reason(page_reason(), datetime.now(UTC))
    assert [one["value"] for one in program("GET", "cards/refused").json()] == ["0499"]
    assert Program(Role.VIEWER)("GET", "alerts").status_code == 200


def page_reason() -> Any:
    from ocppclient.events import Explain

    return Explain("card", "refused", "The card is not known.", "0499", "AUT-05")
