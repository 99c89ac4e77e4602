"""The sessions pages: filter, CSV, print, and one session with every message and its acknowledgement."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from ocppclient.events import Explain
from ocppclient.store import DeliveredCall, QueuedCall, Transaction
from station.history import Measurement
from station.roles import Role
from station.session_messages import mean_powers
from station.views import sessions
from tests.appliance import disk_store
from tests.station.test_roles import browser

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def save(uid: str, **more: Any) -> None:
    disk_store().save_transaction(
        Transaction(
            **{
                "uid": uid, "connector_id": 1, "id_tag": "04A1B2C3", "meter_start_wh": 1000, "started_at": NOON,
                "stopped_at": NOON + timedelta(hours=1), "meter_stop_wh": 3500, "reason": "Local", "transaction_id": 7,
                "start_delivered": True, **more,
            }
        )
    )  # fmt: skip


def meter_values(*samples: tuple[int, int]) -> str:
    """Minutes after noon and Wh."""
    return json.dumps(
        {
            "connectorId": 1,
            "transactionId": 7,
            "meterValue": [
                {
                    "timestamp": f"{NOON + timedelta(minutes=at):%Y-%m-%dT%H:%M:%SZ}",
                    "sampledValue": [{"value": str(wh)}],
                }
                for at, wh in samples
            ],
        }
    )


def text(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, path
    return " ".join(answer.content.decode().split())


def table(client: Client, query: str = "") -> list[dict[str, str]]:
    answer = client.get(f"/transactions/export{query}")
    assert answer["Content-Type"].startswith("text/csv")
    assert "attachment" in answer["Content-Disposition"]
    return list(csv.DictReader(io.StringIO(answer.content.decode(), newline="")))


def test_sessions_are_filtered_by_days_of_the_reader_and_by_card(inside: Client) -> None:
    save("u1", started_at=datetime(2026, 2, 28, 22, 30, tzinfo=UTC))  # 1 March, 07:30 in Seoul
    save("u2", started_at=datetime(2026, 3, 1, 15, 30, tzinfo=UTC), id_tag="FFEE")  # 2 March in Seoul
    march_1st = "?since=2026-03-01&until=2026-03-01"
    assert [row["uid"] for row in table(inside, march_1st)] == ["u2"]
    assert [row["uid"] for row in table(inside, f"{march_1st}&zone=Asia/Seoul")] == ["u1"]
    assert [row["uid"] for row in table(inside, "?card=ffe")] == ["u2"]
    assert [row["uid"] for row in table(inside, "?since=nonsense&zone=../../etc/passwd")] == ["u2", "u1"]
    page = text(inside, f"/transactions{march_1st}")
    assert "1 session, ended ones together 2.50 kWh" in page
    assert 'href="/transactions/export?since=2026-03-01&amp;until=2026-03-01"' in page
    assert "No session fits" in text(inside, "/transactions?card=nobody")


@pytest.mark.parametrize(
    ("today", "this", "former"),
    [
        ((2026, 3, 31), ((2026, 3, 1), (2026, 3, 31)), ((2026, 2, 1), (2026, 2, 28))),
        ((2024, 2, 1), ((2024, 2, 1), (2024, 2, 29)), ((2024, 1, 1), (2024, 1, 31))),
        ((2026, 1, 15), ((2026, 1, 1), (2026, 1, 31)), ((2025, 12, 1), (2025, 12, 31))),
    ],
)
def test_a_report_of_this_month_or_the_last_is_one_touch_away(today: Any, this: Any, former: Any) -> None:
    found = [(since, until) for _, since, until in sessions.months(date(*today))]
    assert found == [(date(*first), date(*last)) for first, last in (this, former)]


def test_the_chosen_month_is_marked_and_keeps_the_card(inside: Client) -> None:
    save("u1", started_at=datetime.now(UTC))
    page = text(inside, "/transactions?card=04A1")
    (_, since, until), _ = sessions.months(datetime.now(UTC).date())
    address = f"?card=04A1&amp;since={since}&amp;until={until}&amp;zone=UTC"
    assert f'href="{address}" data-zoned>This month' in page
    page = text(inside, f"/transactions{address.replace('&amp;', '&')}")
    assert 'data-zoned aria-current="true">This month' in page
    assert "1 session, ended ones together" in page


def test_sessions_with_given_up_messages_are_found_among_all(inside: Client) -> None:
    for uid, reason in (("good", None), ("bad", "the backend answered InternalError"), ("waits", "")):
        save(uid)
        if reason is not None:
            disk_store().enqueue(QueuedCall("StopTransaction", "{}", (uid,), transaction_uid=uid, parked_reason=reason))
    page = text(inside, "/transactions")
    assert "The backend did not accept a message of 1 session." in page
    assert "3 sessions, ended ones together 7.50 kWh" in page
    page = text(inside, "/transactions?given_up=yes")
    assert "1 session, ended ones together 2.50 kWh" in page
    assert "did not accept a message" not in page
    assert [row["uid"] for row in table(inside, "?given_up=yes")] == ["bad"]
    assert "Only sessions of which a message was given up." in text(inside, "/transactions/print?given_up=yes")


def test_where_no_session_was_yet_there_is_nothing_to_filter(inside: Client) -> None:
    page = text(inside, "/transactions")
    assert "The first one appears here when a car starts charging." in page
    assert 'name="since"' not in page


def test_durations_and_waits_are_written_as_the_language_does(inside: Client) -> None:
    save("u1")
    disk_store().keep_delivered(
        DeliveredCall(1, "StartTransaction", "{}", "{}", "u1", NOON, NOON, NOON + timedelta(seconds=2.5), 1)
    )
    assert "nach 2,5 s" in text(inside, "/transactions/1?language=de")
    assert "1시간 00분" in text(inside, "/transactions?language=ko")


def test_the_csv_has_every_session_and_no_formula(inside: Client) -> None:
    save("u1", id_tag='=HYPERLINK("http://evil")', reason="Local")
    save("u2", stopped_at=None, meter_stop_wh=None, transaction_id=None, last_wh=1500, reason="")
    disk_store().enqueue(QueuedCall("StartTransaction", "{}", ("m1",), transaction_uid="u2"))
    running, ended = table(inside)
    assert ended["id_tag"] == '\'=HYPERLINK("http://evil")'
    assert (ended["energy_kwh"], ended["duration_s"], ended["stop_reason"]) == ("2.5", "3600", "Local")
    assert ended["started_at"].startswith("2026-03-01T12:00:00")
    assert (running["energy_kwh"], running["stopped_at"], running["messages_waiting"]) == ("0.5", "", "1")
    assert inside.get("/transactions/export").content.count(b"\r\n") == 3


def test_the_csv_for_excel_has_semicolons_decimal_commas_and_a_mark_of_its_encoding(inside: Client) -> None:
    save("u1", id_tag="=A;B", meter_stop_wh=3500)
    text_of_file = inside.get("/transactions/export?style=excel").content.decode()
    assert text_of_file.startswith("\ufefftransaction_id;id_tag;")
    (row,) = csv.DictReader(io.StringIO(text_of_file, newline=""), delimiter=";")
    assert (row["id_tag"], row["energy_kwh"], row["meter_stop_wh"]) == ("'=A;B", "2,5", "3500")
    assert "style=excel" in text(inside, "/transactions")


def test_a_viewer_gets_masked_cards_and_cannot_search_them_out(inside: Client) -> None:
    save("u1")
    client = browser(Role.VIEWER)
    assert table(client)[0]["id_tag"] == "04…C3"
    assert len(table(client, "?card=nobody")) == 1
    for path in ("/transactions", "/transactions/print", "/transactions/1"):
        assert "04A1B2C3" not in text(client, path), path


def test_the_printed_list_ends_with_the_sum(inside: Client) -> None:
    save("u1")
    save("u2", meter_stop_wh=1250)
    page = text(inside, "/transactions/print")
    assert "2 sessions, energy of the ended ones" in page
    assert '<th class="right">2.750</th>' in page


def test_a_session_shows_every_message_with_its_acknowledgement(inside: Client) -> None:
    save("u1")
    store = disk_store()
    store.keep_delivered(
        DeliveredCall(
            1, "StartTransaction", '{"idTag":"04A1B2C3"}', '{"transactionId":7}', "u1", NOON, NOON,
            NOON + timedelta(seconds=2), 1,
        )
    )  # fmt: skip
    store.enqueue(
        QueuedCall("MeterValues", "{}", ("m2",), transaction_uid="u1", parked_reason="given up after 3 attempts: no")
    )
    store.enqueue(QueuedCall("StopTransaction", "{}", ("m3",), transaction_uid="u1"))
    store.add_reason(Explain("Authorize", "Rejected", "The card is blocked.", "04A1B2C3", "AUT-02"), NOON)
    store.add_reason(Explain("ReserveNow", "Rejected", "Long before.", "", ""), NOON - timedelta(hours=3))
    page = text(inside, "/transactions/1")
    for part in ("answered", "after 2.0 s", "1 attempt not processed", "&quot;transactionId&quot;: 7", "given up",
                 "waits to be sent", "The card is blocked.", "2.50"):  # fmt: skip
        assert part in page, part
    assert "Long before." not in page
    assert page.count("data-resend=") == 1
    seen = text(browser(Role.VIEWER), "/transactions/1")
    assert "data-resend" not in seen
    assert "The card is blocked." not in seen
    assert inside.get("/transactions/99").status_code == 404


def test_the_chart_of_a_session_is_what_was_measured(inside: Client) -> None:
    save("u1")
    minute = int(NOON.timestamp()) // 60
    disk_store().add_measurements([Measurement(minute + at, 3600, 16000, 16000) for at in (-5, 0, 1, 70)])
    picture = inside.get("/transactions/1/chart").json()
    (curve,) = picture["curves"]
    assert curve["y"] == [3600.0, 3600.0]
    assert curve["x"][0] == minute * 60 + 30


def test_the_chart_of_an_old_session_is_made_of_its_meter_values(inside: Client) -> None:
    save("u1", data=json.dumps([{"timestamp": "2026-03-01T13:00:00Z", "sampledValue": [{"value": "3500"}]}]))
    store = disk_store()
    store.keep_delivered(
        DeliveredCall(1, "MeterValues", meter_values((0, 1000), (30, 2500)), "{}", "u1", NOON, NOON, NOON)
    )
    (curve,) = inside.get("/transactions/1/chart").json()["curves"]
    assert curve["y"] == [3000.0, 2000.0, 0.0]
    assert curve["x"] == [int(NOON.timestamp()) + at for at in (0, 1800, 3600)]


def test_a_session_without_samples_has_an_empty_chart(inside: Client) -> None:
    save("u1", data="[]")
    assert inside.get("/transactions/1/chart").json()["curves"][0]["x"] == []
    assert mean_powers([(5, 1.0)]) == []


@pytest.mark.parametrize("payload", ["not json", "[]", '{"meterValue": 5}', "null"])
def test_odd_payloads_do_not_break_the_page(payload: str, inside: Client) -> None:
    save("u1")
    disk_store().keep_delivered(DeliveredCall(1, "MeterValues", payload, "{}", "u1", NOON, None, NOON))
    assert inside.get("/transactions/1/chart").status_code == 200
    assert inside.get("/transactions/1").status_code == 200
