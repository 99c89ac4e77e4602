"""The diagnostics archive: what is in it, and above all what is not (A22, DIA-05)."""

from __future__ import annotations

import base64
import json
import zipfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from django.conf import settings

import tests.appliance  # noqa: F401
from ocppclient.events import Explain
from ocppclient.store import QueuedCall, SecurityEvent
from station import log_files, provisioning
from station.diagnostics_archive import Span, build
from station.models import Setting
from station.provision_file import Provision
from station.scrub import Scrubber
from station.store import DjangoStore

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TEXT_KEY = "CanaryKey/+?&=é~"  # what needs escaping somewhere
HEX_KEY = "43616e6172794f66486578446967697473"  # "CanaryOfHexDigits"
WIFI = "canary of the wifi"


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    def clean() -> None:
        for path in (settings.DATA_DIR / log_files.FOLDER).glob("*"):
            path.unlink()

    clean()
    yield
    clean()


def archive(log: str = "DiagnosticsLog", span: Span = Span(), state: dict[str, object] | None = None) -> dict[str, str]:  # noqa: B008
    target = settings.DATA_DIR / "test.zip"
    build(target, log, span, state or {})
    assert target.stat().st_mode & 0o777 == 0o600
    with zipfile.ZipFile(target) as file:
        return {name: file.read(name).decode() for name in file.namelist()}


def write(name: str, text: str) -> None:
    folder = settings.DATA_DIR / log_files.FOLDER
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)


def forms(secret: str) -> dict[str, str]:
    raw = secret.encode()
    return {
        "plain": secret,
        "hexadecimal": raw.hex(),
        "HEXADECIMAL": raw.hex().upper(),
        "base64": base64.b64encode(raw).decode(),
        "base64 for addresses": base64.urlsafe_b64encode(raw).decode(),
        "base64 of the Basic header": base64.b64encode(b"CP-1:" + raw).decode(),
        "base64, shifted by one": base64.b64encode(b"xy" + raw + b"z").decode(),
        "base64 without padding": base64.b64encode(b"x" + raw).decode().rstrip("="),
        "url-quoted": quote(secret, safe=""),
        "form-quoted": quote_plus(secret),
        "quoted twice": quote(quote(secret, safe=""), safe=""),
        "every byte quoted": "".join(f"%{byte:02X}" for byte in raw),
        "JSON": json.dumps(secret),
        "JSON in JSON": json.dumps(json.dumps({"key": secret})),
    }


def plant(store: DjangoStore, text: str) -> None:
    """Put a text wherever something of the archive comes from."""
    line = f"2026-03-01T12:00:00.000Z INFO x {text}\n"
    for name in ("station.log", "station.log.1", "frames.log", "jobs.log"):
        write(name, line * 2)
    with store.atomic():
        store.add_reason(Explain("x", "y", text, text), NOON)
        store.enqueue(QueuedCall("MeterValues", json.dumps({"text": text}), ("m1",)))
        store.add_security_event(SecurityEvent("InvalidMessages", NOON, text))
        store.set_value("key.ConnectorPhaseRotation", text)
    Setting.objects.update_or_create(section="identity", name="model", defaults={"value": json.dumps("M")})
    Setting.objects.update_or_create(section="notes", name="text", defaults={"value": json.dumps(text)})


@pytest.mark.parametrize("secret", [TEXT_KEY, HEX_KEY, WIFI])
@pytest.mark.parametrize("form", forms("x"))
def test_no_secret_leaves_in_any_form(secret: str, form: str):
    """A22, DIA-05: a canary in every form, in logs, frames, settings, reasons, queue and state"""
    store = DjangoStore()
    Setting.objects.create(section="backend", name="authorization_key", value=json.dumps(secret))
    Setting.objects.create(section="network", name="wifi_psk", value=json.dumps([secret]))
    planted = forms(secret)[form]
    plant(store, f"before {planted} after")
    for log in ("DiagnosticsLog", "SecurityLog"):
        for name, text in archive(log, state={"sentence": f"x {planted} y"}).items():
            core = planted.strip('"').rstrip("=")[4:-4]
            assert core not in text, name
            assert secret not in text, name


def test_the_test_above_would_see_a_secret():
    plant(DjangoStore(), f"before {TEXT_KEY} after")
    found = {name for name, text in archive(state={"sentence": TEXT_KEY}).items() if "CanaryKey" in text}
    assert found == {
        "state.json", "settings.json", "values.json", "queue.json", "why.json", "security.log", "configuration.json",
        "logs/station.log.1", "logs/station.log", "logs/jobs.log", "logs/frames.log",
    }  # fmt: skip


def test_private_keys_credentials_and_signed_addresses_are_masked_wherever_they_are():
    text = (
        "a -----BEGIN PRIVATE KEY-----\nMIICanary\nCanary2\n-----END PRIVATE KEY----- b\n"
        '{"key": "-----BEGIN RSA PRIVATE KEY-----\\nCanary3\\n-----END RSA PRIVATE KEY-----"}\n'
        "ftp://user:canary4@h/x https://me@h/ wss://canary5@h\n"
        "Authorization: Basic Y2FuYXJ5Ng== and Bearer canary7canary7\n"
        'PUT https://store.example/in?X-Amz-Signature=canary8&x=1 "https://h/p?sig=canary9"\n'
    )
    clean = Scrubber([]).text(text)
    assert "anary" not in clean
    assert "Y2FuYXJ5Ng" not in clean
    assert "a •••" in clean
    assert "ftp://•••@h/x" in clean
    assert "https://store.example/in?•••" in clean


def test_ordinary_text_stays_as_it_is():
    text = '[2,"id","StatusNotification",{"connectorId":1,"errorCode":"NoError"}] http://h/path 12:00:00 basic auth'
    assert Scrubber(["a-secret-of-some-length"]).text(text) == text


def test_the_archive_tells_what_a_technician_needs():
    store = DjangoStore()
    with store.atomic():
        store.set_value("key.HeartbeatInterval", "77")
        store.enqueue(QueuedCall("MeterValues", "{}", ("m1",)))
        store.add_reason(Explain("Reset", "Rejected", "Why not.", "x", "RES-01"), NOON)
    write("station.log", "2026-03-01T12:00:00.000Z INFO station hello\n")
    provisioning.apply(Provision(sections={"identity": {"model": "M-1", "vendor": "V"}}))
    found = archive(state={"status": "Available"})
    assert json.loads(found["state.json"]) == {"status": "Available"}
    assert json.loads(found["about.json"])["model"] == "M-1"
    assert "Django" in json.loads(found["about.json"])["packages"]
    keys = json.loads(found["configuration.json"])
    assert (keys["HeartbeatInterval"], keys["MeterValueSampleInterval"]) == ("77", "60")
    assert "AuthorizationKey" not in keys
    assert json.loads(found["queue.json"])[0]["action"] == "MeterValues"
    assert json.loads(found["why.json"])[0]["rule"] == "Why not."
    assert "hello" in found["logs/station.log"]


def test_logs_are_limited_to_the_span_that_was_asked_for():
    """DIA-02, LOG-01"""
    write(
        "station.log",
        "2026-03-01T10:00:00.000Z INFO early\n  more of early\n"
        "2026-03-01T12:00:00.000Z INFO middle\nTraceback of middle\n"
        "2026-03-01T14:00:00.000Z INFO late\n",
    )
    span = Span(datetime(2026, 3, 1, 11, tzinfo=UTC), datetime(2026, 3, 1, 13, tzinfo=UTC))
    text = archive(span=span)["logs/station.log"]
    assert text == "2026-03-01T12:00:00.000Z INFO middle\nTraceback of middle\n"


def test_the_security_log_has_its_events_and_nothing_else():
    """N01.FR.03"""
    store = DjangoStore()
    with store.atomic():
        store.add_security_event(SecurityEvent("StartupOfTheDevice", NOON, "firmware 1"))
        store.add_security_event(SecurityEvent("InvalidMessages", datetime(2026, 3, 2, tzinfo=UTC)))
    found = archive("SecurityLog", Span(None, datetime(2026, 3, 1, 13, tzinfo=UTC)))
    assert sorted(found) == ["about.json", "security.log"]
    assert found["security.log"] == "2026-03-01T12:00:00Z StartupOfTheDevice firmware 1\n"


def test_an_archive_that_is_not_finished_has_not_its_name_yet(monkeypatch: pytest.MonkeyPatch):
    target = settings.DATA_DIR / "half.zip"

    def broken(percent: int) -> None:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        build(target, "DiagnosticsLog", Span(), {}, broken)
    assert not target.exists()


def test_logs_roll_and_are_told_oldest_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(log_files, "_FRAMES_SIZE", 300)
    with closing(log_files.FrameLog(tmp_path)) as log:
        for number in range(100):
            log.write(NOON, "in", f'[3,"{number}",{{\n}}]')
    files = list(log_files.kept(tmp_path))
    assert [path.name for path in files] == ["frames.log.3", "frames.log.2", "frames.log.1", "frames.log"]
    lines = "".join(path.read_text() for path in files).splitlines()
    assert lines[-1] == '2026-03-01T12:00:00.000Z in [3,"99",{·}]'
    assert sum(path.stat().st_size for path in files) < 1500


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path: Path):
    (tmp_path / log_files.FOLDER).write_text("a file")
    log_files.FrameLog(tmp_path).write(NOON, "in", "x")
