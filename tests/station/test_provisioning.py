"""The provisioning file: every name and every rule of design.md section 5, and what is stored of it."""

from __future__ import annotations

import dataclasses
import logging
import shutil
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID
from django.conf import settings
from django.contrib.auth.models import User

from ocppclient.certificates import CENTRAL_SYSTEM_ROOT, MANUFACTURER_ROOT
from ocppclient.charge_point import ChargePoint
from ocppclient.clock import Clock
from ocppclient.settings import Factory, Identity
from station import provisioning
from station.errors import StartupError
from station.models import Certificate, OneTimePassword, Setting
from station.people import must_choose_a_password
from station.provision_file import Secret, SupportSettings, UpdateSettings
from station.provision_rules import RULES
from station.roles import Role, role_of
from station.store import DjangoStore
from station.wiring import charge_point_settings

FULL = """
[identity]
vendor = "Acme"
model = "Wall 1"
serial_number = "S1"
charge_box_serial_number = "B1"
firmware_version = "1.2.3"
meter_type = "SDM230"
meter_serial_number = "M1"
iccid = "89"
imsi = "26"
[backend]
url = "  wss://backend.example:8443/ocpp  "
charge_point_id = "BAY 12"
security_profile = 2
authorization_key = "0123456789abcdef"
root_certificates = ["pem/root.pem"]
manufacturer_roots = ["pem/root.pem"]
[ocpp]
HeartbeatInterval = 86400
LocalPreAuthorize = true
MeterValuesSampledData = "Energy.Active.Import.Register"
[electrical]
max_current_a = 32
nominal_voltage_v = 120.5
phases = 3
[hardware]
board = "openevse"
board_port = "/dev/ttyAMA0"
meter = "sdm630"
meter_port = "/dev/ttyUSB0"
meter_unit = 7
meter_baud = 19200
reader = "ascii"
reader_port = "/dev/ttyUSB1"
reader_baud = 9600
uid_order = "reversed"
energy_rate_factor = 60
[factory]
resume_after_power_loss = true
feature_profiles = ["Core", "RemoteTrigger"]
queue_resume_delay_s = 1
queue_quota = 5000
authorize_wait_s = 2.5
boot_retry_s = 10
reconnect_min_s = 0.5
reconnect_max_s = 2
allow_unsigned_update = true
[web]
admin_user = "installer"
admin_password = "correct horse"
"""


@pytest.fixture(scope="session")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate with its key, another key, and a locked key."""
    folder = tmp_path_factory.mktemp("pem")
    for name in ("root", "other"):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
            .not_valid_before(now)
            .not_valid_after(now + timedelta(days=9))
            .sign(key, hashes.SHA256())
        )
        (folder / f"{name}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
        for file, lock in ((f"{name}.key", NoEncryption()), ("locked.key", BestAvailableEncryption(b"x"))):
            (folder / file).write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock))
    return folder


def parse(text: str, folder: Path, **more: Any) -> provisioning.Provision:
    (folder / "station.toml").write_text(text)
    return provisioning.parse(folder / "station.toml", **more)


@pytest.fixture
def folder(tmp_path: Path, pem: Path) -> Path:
    """Where the provisioning file lies."""
    shutil.copytree(pem, tmp_path / "pem")
    return tmp_path


# -- good files


def test_a_full_file_is_read_completely(folder: Path) -> None:
    read = parse(FULL, folder)
    assert read.identity == Identity("Acme", "Wall 1", "S1", "B1", "1.2.3", "SDM230", "M1", "89", "26")
    assert (read.electrical.max_current_a, read.electrical.nominal_voltage_v, read.electrical.phases) == (32, 120.5, 3)
    assert read.factory == Factory(True, ("Core", "RemoteTrigger"), 1.0, 5000, 2.5, 10.0, allow_unsigned_update=True)
    assert (read.reconnect_min_s, read.reconnect_max_s) == (0.5, 2.0)
    assert dict(read.configuration) == {
        "HeartbeatInterval": "86400",
        "LocalPreAuthorize": "true",
        "MeterValuesSampledData": "Energy.Active.Import.Register",
    }
    backend = read.backend
    assert (backend.url, backend.charge_point_id) == ("wss://backend.example:8443/ocpp", "BAY 12")
    assert (backend.security_profile, str(backend.authorization_key)) == (2, "0123456789abcdef")
    assert backend.root_certificates == (str(folder / "pem" / "root.pem"),)
    hardware = read.hardware
    assert (hardware.meter, hardware.meter_unit, hardware.reader_baud, hardware.phases) == ("sdm630", 7, 9600, 3)
    assert hardware.options == {"uid_order": "reversed", "energy_rate_factor": "60.0"}
    assert (read.web.admin_user, str(read.web.admin_password)) == ("installer", "correct horse")


def test_an_empty_file_gives_the_defaults(folder: Path) -> None:
    read = parse("", folder)
    assert read == dataclasses.replace(provisioning.Provision(), sections={}, factory=read.factory)
    assert read.factory == Factory()
    assert read.backend.url == ""
    assert (read.reconnect_min_s, read.reconnect_max_s) == (3, 300)
    assert read.identity.firmware_version


def test_every_field_of_the_parts_can_be_provisioned() -> None:
    assert {field.name for field in dataclasses.fields(Identity)} == set(RULES["identity"])
    assert {field.name for field in dataclasses.fields(Factory)} <= set(RULES["factory"])
    assert {field.name for field in dataclasses.fields(provisioning.BackendSettings)} == set(RULES["backend"])
    assert {field.name for field in dataclasses.fields(provisioning.WebSettings)} == set(RULES["web"])
    assert {field.name for field in dataclasses.fields(SupportSettings)} == set(RULES["support"])
    assert {field.name for field in dataclasses.fields(UpdateSettings)} == set(RULES["updates"])


def test_a_client_certificate_comes_with_its_key(folder: Path) -> None:
    read = parse(
        '[backend]\nurl = "wss://b.example"\ncharge_point_id = "x"\nsecurity_profile = 3\n'
        'client_certificate = "pem/root.pem"\nclient_key = "pem/root.key"\n',
        folder,
    )
    assert read.backend.client_key == str(folder / "pem" / "root.key")


def test_the_backends_address_may_have_a_query(tmp_path: Path) -> None:
    """Field problem 4: the link appends the charge point id to the path"""
    content = '[backend]\nurl = "wss://b.example/ocpp?tenant=1"\ncharge_point_id = "a"\n'
    assert parse(content, tmp_path).backend.url == "wss://b.example/ocpp?tenant=1"


@pytest.mark.parametrize("value", ["1", "1.5", '"a,b"', "true"])
def test_configuration_values_become_text(value: str, folder: Path) -> None:
    assert parse(f"[ocpp]\nKey = {value}\n", folder).configuration["Key"] == value.strip('"')


def test_configuration_keys_are_compared_without_their_case(folder: Path) -> None:
    known = frozenset({"HeartbeatInterval"})
    assert parse("[ocpp]\nheartbeatinterval = 5\n", folder, known_keys=known).configuration == {
        "HeartbeatInterval": "5"
    }


def test_secrets_do_not_show_themselves(folder: Path) -> None:
    shown = repr(parse(FULL, folder))
    assert "0123456789abcdef" not in shown
    assert "correct horse" not in shown
    assert repr(Secret("")) == "''"


# -- bad files: the words that name the problem and its cure

KEY = 'authorization_key = "0123456789abcdef"'
BAD = [
    ('[hotspot]\nssid = "Depot"\n', r"\[hotspot\] ssid and passphrase belong together"),
    ('[hotspot]\nssid = "Depot"\npassphrase = "short"\n', "passphrase cannot be used: .* 8 to 63 characters"),
    (f'[hotspot]\nssid = "{"ä" * 20}"\npassphrase = "long enough"\n', "ssid cannot be used: .* at most 32 bytes"),
    ("[identiy]\n", r"\[identiy\] is not a table of this file; did you mean \[identity\]\?"),
    ("[zzz]\n", r"\[zzz\] is .*; use backend, charging, electrical, .*, support, updates, web"),
    ('[updates]\nurl = "http://seller.example/u.json"\n', "url must be an address that begins with https://"),
    ('[updates]\nurl = "https://me:pw@seller.example/u.json"\n', "without blanks, name and password"),
    ('[updates]\nurl = "https:///u.json"\n', r"\[updates\] url must be an address"),
    ("vendor = 1\n", r"\[vendor\] is not a table"),
    ("identity = 1\n", r"identity must be a table: write \[identity\] on a line of its own"),
    ('[identity]\nserial = "x"\n', r"\[identity\] serial is not a name of this table; did you mean serial_number\?"),
    ('[identity]\nvendor = ""\n', "vendor must not be empty"),
    ("[identity]\nvendor = 3\n", "vendor must be text in quotes, not 3"),
    (f'[identity]\nvendor = "{"x" * 21}"\n', "vendor has 21 characters; at most 20 are allowed"),
    ('[identity]\nmodel = "\\u0007"\n', "model holds characters that cannot be printed"),
    ('[identity]\nmodel = "Wäll"\n', "model may only hold printable ASCII characters"),
    ('[backend]\nurl = "http://b/"\n', r"begins with http://; write ws:// instead"),
    ('[backend]\nurl = "https://b/"\n', r"begins with https://; write wss:// instead"),
    ('[backend]\nurl = "b.example/ocpp"\n', r"must begin with ws:// or wss://, for example wss://backend"),
    ('[backend]\nurl = "ws://u:p@b/"\n', "holds a user name or a password; remove it, and enter .* authorization key"),
    ('[backend]\nurl = "ws://b/#x"\n', "holds a '#'; remove it"),
    ('[backend]\nurl = "ws://b/#"\n', "holds a '#'; remove it"),
    ('[backend]\nurl = "ws://b /"\n', "has a blank in the middle; remove it"),
    ('[backend]\nurl = "ws://b:99999/"\n', "has a port that is not a number from 1 to 65535"),
    ('[backend]\nurl = "ws://b:x/"\n', "has a port that is not a number from 1 to 65535"),
    ('[backend]\nurl = "ws:///ocpp"\n', "names no host"),
    ("[backend]\nurl = 5\n", "url must be text in quotes"),
    ('[backend]\nurl = "ws://b"\n', "charge_point_id is missing: write the id under which the backend knows"),
    ('[backend]\nurl = "ws://b"\ncharge_point_id = " "\n', "charge_point_id is missing"),
    ("[backend]\nsecurity_profile = 4\n", "security_profile is 4; use one of 0, 1, 2, 3"),
    ("[backend]\nsecurity_profile = true\n", "security_profile is true; use one of"),
    ('[backend]\nauthorization_key = "short"\n', "authorization_key has 5 characters; .* 16 to 40 printable ASCII"),
    (f'[backend]\nauthorization_key = "{"ü" * 20}"\n', "16 to 40 printable ASCII"),
    (
        f'[backend]\nurl = "ws://b"\ncharge_point_id = "a:b"\nsecurity_profile = 1\n{KEY}\n',
        "charge_point_id holds a ':', which Basic authentication cannot carry",
    ),
    (
        '[backend]\nurl = "ws://b"\ncharge_point_id = "a"\nsecurity_profile = 1\n',
        "security profile 1 needs an authorization key",
    ),
    (
        f'[backend]\nurl = "ws://b"\ncharge_point_id = "a"\nsecurity_profile = 2\n{KEY}\n',
        "security profile 2 needs a wss:// address",
    ),
    (
        '[backend]\nurl = "wss://b"\ncharge_point_id = "a"\nsecurity_profile = 3\n',
        "security profile 3 needs a client certificate and its key",
    ),
    ('[backend]\nroot_certificates = "pem/root.pem"\n', r"must be a list of files, for example \[\"root.pem\"\]"),
    ('[backend]\nroot_certificates = ["gone.pem"]\n', "names gone.pem, which cannot be read .*; looked for /"),
    ('[backend]\nroot_certificates = ["pem/root.key"]\n', "holds no CERTIFICATE in PEM form"),
    ('[backend]\nclient_key = "pem/locked.key"\n', "locked by a pass phrase"),
    ('[backend]\nclient_key = "pem/root.key"\n', "belong together; give both or none"),
    ('[backend]\nclient_certificate = "pem/root.pem"\n', "belong together; give both or none"),
    (
        '[backend]\nclient_certificate = "pem/root.pem"\nclient_key = "pem/other.key"\n',
        "client_key does not fit client_certificate",
    ),
    ("[ocpp]\nKey = [1]\n", r"Key must be text, a number, true or false, not \[1\]"),
    ("[ocpp]\nKey = {a = 1}\n", "must be text, a number, true or false, not a table"),
    ("[ocpp]\nKey = inf\n", "must be text, a number"),
    (f'[ocpp]\nKey = "{"x" * 501}"\n', "at most 500"),
    (f"[ocpp]\n{'k' * 51} = 1\n", "a key has 1 to 50 characters"),
    ("[electrical]\nmax_current_a = 5.9\n", "max_current_a is 5.9; it must lie between 6 and 80 A"),
    ("[electrical]\nmax_current_a = nan\n", "must be a number"),
    ('[electrical]\nmax_current_a = "16"\n', 'must be a number, not "16"'),
    ("[electrical]\nmax_current_a = true\n", "must be a number, not true"),
    ("[electrical]\nnominal_voltage_v = 400\n", "must lie between 100 and 277 V"),
    ("[electrical]\nphases = 2\n", "phases is 2; use one of 1, 3"),
    ('[hardware]\nboard = "other"\n', 'board is "other"; use one of "openevse"'),
    ('[hardware]\nreader = "rfid"\n', 'use one of "pn532", "rdm6300", "ascii", ""'),
    ("[hardware]\nmeter_unit = 1.5\n", "meter_unit must be a whole number"),
    ("[hardware]\nmeter_unit = 248\n", "it must lie between 1 and 247"),
    ("[hardware]\nmeter_baud = 1\n", "meter_baud is 1; use one of"),
    ('[hardware]\nsimulated_lock = "yes"\n', 'use one of "boot", "authorisation", "none"'),
    (
        '[hardware]\nboard = "evse_din"\nboard_port = "/dev/a"\nmeter_port = "/dev/a"\n',
        "meter_port: Board and meter share this port and have the same Modbus address 1",
    ),
    ('[hardware]\nuid_order = "up"\n', 'use one of "normal", "reversed"'),
    ('[factory]\nresume_after_power_loss = "yes"\n', r"must be true or false \(without quotes\)"),
    ('[factory]\nfeature_profiles = "Core"\n', "must be a list in square brackets"),
    ('[factory]\nfeature_profiles = ["Corre"]\n', 'is "Corre"; use one of "Core"'),
    ("[factory]\nreconnect_min_s = 10\nreconnect_max_s = 5\n", "reconnect_max_s is 5, less than reconnect_min_s"),
    ("[factory]\nreconnect_min_s = 301\n", "reconnect_max_s is 300, less than"),
    ("[factory]\nqueue_resume_delay_s = -1\n", "must lie between 0 and"),
    ('[web]\nadmin_user = ""\n', "admin_user must not be empty"),
    ("[web\n", "is not valid TOML"),
    ("[web]\n[web]\n", "is not valid TOML"),
]


@pytest.mark.parametrize(("text", "words"), BAD, ids=[text.replace("\n", " ")[:60] for text, _ in BAD])
def test_a_bad_value_is_refused_with_its_cure(text: str, words: str, folder: Path) -> None:
    with pytest.raises(StartupError, match=words) as refused:
        parse(text, folder)
    assert refused.value.exit_code == 78
    assert not Setting.objects.exists()


def test_all_problems_are_told_at_once(folder: Path) -> None:
    with pytest.raises(StartupError) as refused:
        parse("[identity]\nvendor = 1\nmodel = 2\n[web]\nx = 1\n", folder)
    assert str(refused.value).count("\n  [") == 3
    assert "nothing was changed" in str(refused.value)


def test_an_unknown_configuration_key_names_the_nearest(folder: Path) -> None:
    with pytest.raises(StartupError, match=r"HeartBeatIntervall .*; did you mean HeartbeatInterval\?"):
        parse("[ocpp]\nHeartBeatIntervall = 1\n", folder, known_keys=frozenset({"HeartbeatInterval", "GetMaxKeys"}))


def test_a_key_twice_in_different_case_is_refused(folder: Path) -> None:
    with pytest.raises(StartupError, match="is there twice"):
        parse("[ocpp]\nAbc = 1\naBC = 2\n", folder, known_keys=frozenset({"Abc"}))


def test_a_file_that_is_not_text_is_refused(folder: Path) -> None:
    (folder / "station.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StartupError, match="is not valid TOML"):
        provisioning.parse(folder / "station.toml")


# -- storing


def test_what_was_stored_is_read_back(folder: Path) -> None:
    wanted = parse(FULL, folder)
    applied = provisioning.apply(wanted)
    shutil.rmtree(folder / "pem")  # the factory's stick is gone
    read = provisioning.load()
    assert applied.provision == read
    assert applied.one_time_password == ""
    for part in (
        "identity",
        "electrical",
        "factory",
        "configuration",
        "hardware",
        "reconnect_min_s",
        "reconnect_max_s",
    ):
        assert getattr(read, part) == getattr(wanted, part), part
    assert read.backend.root_certificates == ()
    assert sorted(Certificate.objects.values_list("kind", flat=True)) == [CENTRAL_SYSTEM_ROOT, MANUFACTURER_ROOT]
    assert all("BEGIN CERTIFICATE" in row.pem for row in Certificate.objects.all())
    assert not Setting.objects.filter(value__contains="pem/").exists()
    assert str(read.backend.authorization_key) == "0123456789abcdef"


def test_the_password_is_kept_as_a_hash_only(folder: Path) -> None:
    provisioning.apply(parse(FULL, folder))
    assert "correct horse" not in "".join(Setting.objects.values_list("value", flat=True))
    assert User.objects.get(username="installer").check_password("correct horse")
    assert provisioning.load().web.admin_password == ""
    assert OneTimePassword.objects.count() == 0


def test_without_a_password_one_is_made_and_told_once() -> None:
    applied = provisioning.apply(provisioning.Provision())
    assert len(applied.one_time_password) == 19
    user = User.objects.get(username="admin")
    assert user.check_password(applied.one_time_password)
    assert role_of(user) is Role.INSTALLER
    assert must_choose_a_password(user)
    assert provisioning.at_start().one_time_password == ""


def test_a_second_provisioning_is_refused_and_changes_nothing(folder: Path) -> None:
    provisioning.apply(provisioning.Provision())
    before = list(Setting.objects.values_list("section", "name", "value"))
    with pytest.raises(StartupError, match="already has its settings") as refused:
        provisioning.apply(parse(FULL, folder))
    assert refused.value.exit_code == 78
    assert list(Setting.objects.values_list("section", "name", "value")) == before
    assert not User.objects.filter(username="installer").exists()


def test_a_new_data_folder_takes_the_file_of_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "station.toml").write_text('[identity]\nvendor = "Acme"\n')
    monkeypatch.setenv("STATION_PROVISION", str(folder / "station.toml"))
    assert provisioning.at_start().provision.identity.vendor == "Acme"


def test_existing_state_is_never_overwritten_and_the_log_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    provisioning.at_start()
    monkeypatch.setenv("STATION_PROVISION", str(folder / "gone.toml"))
    with caplog.at_level(logging.INFO):
        assert provisioning.at_start().provision.identity.vendor == "OpenStation"
    assert "ignored: the data folder" in caplog.text


def test_a_bad_file_at_the_first_start_stores_nothing(folder: Path) -> None:
    (folder / "station.toml").write_text("[nope]\n")
    with pytest.raises(StartupError):
        provisioning.at_start(str(folder / "station.toml"))
    assert provisioning.is_new()
    assert not User.objects.exists()


def test_a_certificate_that_vanished_before_it_was_stored_is_exit_code_66(folder: Path) -> None:
    provision = parse(FULL, folder)
    (folder / "pem" / "root.pem").unlink()
    with pytest.raises(StartupError, match="cannot be read") as refused:
        provisioning.apply(provision)
    assert refused.value.exit_code == 66
    assert provisioning.is_new()
    assert not Certificate.objects.exists()


def test_the_client_certificate_is_stored_with_its_key_and_the_link_presents_it(folder: Path) -> None:
    names = 'client_certificate = "pem/root.pem"\nclient_key = "pem/root.key"\nroot_certificates = ["pem/root.pem"]\n'
    provision = parse(f'[backend]\nurl = "wss://h/"\ncharge_point_id = "CP1"\nsecurity_profile = 3\n{names}', folder)
    provisioning.apply(provision)
    charge_point = ChargePoint(DjangoStore(), Clock(), charge_point_settings(provisioning.load()))
    credentials = charge_point.security.credentials()
    assert credentials.security_profile == 3
    assert credentials.client is not None
    assert credentials.client.chain == (folder / "pem" / "root.pem").read_text()
    assert credentials.client.key == (folder / "pem" / "root.key").read_text()
    assert credentials.root_certificates == (credentials.client.chain,)
    assert "PRIVATE" not in repr(credentials)


def test_the_database_with_the_keys_is_the_owners_alone() -> None:
    """PWD-04"""
    assert stat.S_IMODE(Path(settings.DATABASES["default"]["NAME"]).stat().st_mode) == 0o600
