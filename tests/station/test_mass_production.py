"""Mass production: every unit its own secrets, and a file that makes a station."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command

from station import mass_production, people, provisioning
from station.errors import StartupError
from station.network import profiles
from station.network.kept import Settings

TEMPLATE = """
[identity]
vendor = "Acme"
[backend]
url = "wss://b.example/ocpp"
security_profile = 1
[ocpp]
MeterValueSampleInterval = 60
[factory]
feature_profiles = ["Core"]
"""


@pytest.fixture
def template(tmp_path: Path) -> Path:
    path = tmp_path / "template.toml"
    path.write_text(TEMPLATE)
    return path


def test_every_unit_has_its_own_secrets(template: Path, tmp_path: Path) -> None:
    units = list(mass_production.make(template, tmp_path, "HEV{:06d}", 41, 3))
    assert [unit["serial_number"] for unit in units] == ["HEV000041", "HEV000042", "HEV000043"]
    for secret in ("password", "authorization_key", "hotspot_ssid", "hotspot_passphrase"):
        assert len({unit[secret] for unit in units}) == 3
    assert all(len(unit["authorization_key"]) == 40 for unit in units)
    assert ((tmp_path / units[0]["file"]).stat().st_mode & 0o777) == 0o600


def test_two_units_of_a_batch_never_have_one_name(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = iter(["aaaaaa", "aaaaaa", "bbbbbb"])
    monkeypatch.setattr(profiles.secrets, "token_hex", lambda _: next(tokens))
    template.write_text('[identity]\nvendor = "Acme"\n')
    units = list(mass_production.make(template, tmp_path, "HEV{:06d}", 1, 2))
    assert [unit["hotspot_ssid"] for unit in units] == ["charger-aaaaaa", "charger-bbbbbb"]


def test_no_passphrase_of_10000_units_is_like_another_or_easy_to_guess() -> None:
    made = {profiles.new_hotspot().passphrase for _ in range(10_000)}
    assert len(made) == 10_000
    signs = [sign for passphrase in made for sign in passphrase.replace("-", "")]
    assert {len(passphrase) for passphrase in made} == {19}
    shares = {sign: signs.count(sign) / len(signs) for sign in set(signs)}
    assert len(shares) == 57
    assert all(0.8 < share * len(shares) < 1.2 for share in shares.values())


def test_the_labels_come_as_csv_too(template: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("provision_batch", str(template), str(tmp_path), "--first", "1", "--count", "2", "--csv")
    lines = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [line["serial_number"] for line in lines] == ["00000001", "00000002"]
    assert all(line["hotspot_qr"].startswith("WIFI:T:WPA;S:charger-") for line in lines)


def test_the_file_makes_the_station_of_the_label(template: Path, tmp_path: Path) -> None:
    (unit,) = mass_production.make(template, tmp_path, "HEV{:06d}", 7, 1)
    applied = provisioning.apply(provisioning.parse(str(tmp_path / unit["file"])))
    provision = applied.provision
    assert (provision.identity.vendor, provision.identity.serial_number) == ("Acme", "HEV000007")
    assert provision.backend.charge_point_id == "HEV000007"
    assert provision.backend.authorization_key == unit["authorization_key"]
    hotspot = Settings().hotspot()
    assert (hotspot.ssid, hotspot.passphrase) == (unit["hotspot_ssid"], unit["hotspot_passphrase"])
    assert unit["hotspot_qr"] == f"WIFI:T:WPA;S:{hotspot.ssid};P:{hotspot.passphrase};;"
    owner = User.objects.get(username=unit["user"])
    assert owner.check_password(unit["password"])
    assert people.must_choose_a_password(owner)


def test_a_unit_never_gets_other_secrets_by_mistake(template: Path, tmp_path: Path) -> None:
    list(mass_production.make(template, tmp_path, "HEV{:06d}", 1, 1))
    before = (tmp_path / "HEV000001.toml").read_bytes()
    with pytest.raises(StartupError, match="exists already"):
        list(mass_production.make(template, tmp_path, "HEV{:06d}", 1, 1))
    assert (tmp_path / "HEV000001.toml").read_bytes() == before


@pytest.mark.parametrize(
    ("pattern", "first", "count", "said"),
    [
        ("HEV", 1, 2, "one number in them"),
        ("../{:d}", 1, 1, "letters and digits"),
        ("{:x", 1, 1, "no pattern"),
        ("HEV{:06d}", 1, 0, "1 to 10000 units"),
        ("HEV{:030d}", 1, 1, "serial_number"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_no_file(
    template: Path, tmp_path: Path, pattern: str, first: int, count: int, said: str
) -> None:
    with pytest.raises(StartupError, match=said):
        list(mass_production.make(template, tmp_path, pattern, first, count))
    assert list(tmp_path.iterdir()) == [template]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[hotspot]\npassphrase = 'the same for all'\n", "same for all units"),
        ("[backend]\nurl = 5\n", "url"),
        ("backend = 5", "outside a table"),
        ("[backend", "cannot be read"),
    ],
)
def test_a_template_that_makes_no_station_is_refused(template: Path, tmp_path: Path, text: str, said: str) -> None:
    template.write_text(text)
    with pytest.raises(StartupError, match=said):
        list(mass_production.make(template, tmp_path, "HEV{:06d}", 1, 1))
    assert list(tmp_path.iterdir()) == [template]
