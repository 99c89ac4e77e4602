"""The list of updates: whom it is believed, what in it fits a station, and making it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

import tests.appliance  # noqa: F401
from ocppclient.firmware_signature import ALGORITHMS
from station.release_archive import Trust
from station.release_signer import signer as signing
from station.updates.published import LONGEST_NOTES, BadList, Offer, best, make, read
from tests.ocppclient.certificates import NOW, Issued, issue
from tests.station.test_release_archive import GOOD, manifest_of, packed, release

ADDRESS = "https://seller.example/stations/updates.json"
MADE = datetime(2026, 3, 1, 12, tzinfo=UTC)
OFFER = Offer("2.0.0", "2.0.0.release", 1000, "ab" * 32, ("AC-1",), "New:\nmore.", True)
Sign = Callable[[bytes], tuple[bytes, bytes]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("maker")


@pytest.fixture(scope="module")
def root(folder: Path) -> Issued:
    return issue(folder, "Manufacturer Root")


@pytest.fixture(scope="module")
def maker(folder: Path, root: Issued) -> Issued:
    return issue(folder, "signer", root)


def sign(by: Issued) -> Sign:
    made = signing(Path(by.key_file), Path(by.cert_file))
    assert made is not None
    return made


def trust(root: Issued, **changes: Any) -> Trust:
    return replace(Trust(False, (root.pem,), ALGORITHMS, False, NOW, True), **changes)


def refusal(content: bytes, trusted: Trust, not_before: datetime | None = None) -> BadList:
    with pytest.raises(BadList) as caught:
        read(content, ADDRESS, trusted, not_before)
    return caught.value


def test_a_signed_list_is_read_and_its_files_lie_beside_it(root: Issued, maker: Issued):
    elsewhere = replace(OFFER, version="1.9", location="https://files.example/1.9.release")
    told = read(make([OFFER, elsewhere], MADE, sign(maker)), ADDRESS, trust(root), None)
    beside = replace(OFFER, location="https://seller.example/stations/2.0.0.release")
    assert (told.made, told.offers) == (MADE, (beside, elsewhere))


@pytest.mark.parametrize("bits", [0, 2048])
def test_rsa_and_ec_keys_sign_lists_as_they_sign_releases(folder: Path, root: Issued, bits: int):
    by = issue(folder, f"signer {bits}", root, rsa_bits=bits)
    assert read(make([], MADE, sign(by)), ADDRESS, trust(root), None).offers == ()


def test_a_list_of_somebody_else_is_not_believed(folder: Path, root: Issued, maker: Issued):
    """A10"""
    stranger = issue(folder, "signer of another", issue(folder, "Another Root"))
    assert refusal(make([OFFER], MADE, sign(stranger)), trust(root)).failure == "certificate"
    assert refusal(make([OFFER], MADE, None), trust(root)).failure == "signature"
    envelope = json.loads(make([OFFER], MADE, sign(maker)))
    changed = {**envelope, "list": envelope["list"].replace("2.0.0", "2.0.1")}
    assert refusal(json.dumps(changed).encode(), trust(root)).failure == "signature"
    other = {**envelope, "signature": base64.b64encode(b"x" * 70).decode()}
    assert refusal(json.dumps(other).encode(), trust(root)).failure == "signature"
    # one that proved itself is needed, whatever was proven of a file before
    assert refusal(make([OFFER], MADE, None), trust(root, proven=True)).failure == "signature"


def test_the_signers_dates_count_as_far_as_the_clock_is_sure(root: Issued, maker: Issued):
    """CLK-06"""
    content = make([], MADE, sign(maker))
    behind = trust(root, now=NOW - timedelta(days=9))
    assert refusal(content, behind).failure == "certificate"
    assert read(content, ADDRESS, replace(behind, sure=False), None).made == MADE
    assert refusal(content, trust(root, now=NOW + timedelta(days=40), sure=False)).failure == "certificate"


def test_a_test_rig_may_believe_an_unsigned_list(root: Issued):
    assert read(make([], MADE, None), ADDRESS, trust(root, allow_unsigned=True), None).made == MADE


def test_a_list_that_was_replaced_is_not_believed_again(root: Issued, maker: Issued):
    """A11: a release may have been withdrawn since"""
    content = make([OFFER], MADE, sign(maker))
    assert refusal(content, trust(root), MADE + timedelta(days=1)).failure == "list"
    assert read(content, ADDRESS, trust(root), MADE).offers


GOOD_ENTRY = {
    "version": "2.0",
    "file": "x",
    "size": 1,
    "sha256": "ab" * 32,
    "models": [],
    "notes": "",
    "security": False,
}


@pytest.mark.parametrize(
    "changes",
    [
        {"version": "../2"}, {"version": 2}, {"file": 3}, {"file": "http://plain.example/x"}, {"file": "ftp://x/y"},
        {"file": "https://user:pw@h/x"}, {"file": "https://h/a b"}, {"size": 0}, {"size": "1"}, {"size": True},
        {"sha256": "AB" * 32}, {"sha256": "ab"}, {"models": "AC-1"}, {"models": [1]}, {"notes": None},
        {"notes": "\x1b[2J"}, {"notes": "x" * (LONGEST_NOTES + 1)}, {"security": 1},
    ],
)  # fmt: skip
def test_an_entry_that_does_not_fit_spoils_the_list(root: Issued, changes: dict[str, Any]):
    content = {"format": 1, "product": "openstation", "kind": "updates", "made": "2026-03-01T12:00:00Z"}
    for entry, good in ((GOOD_ENTRY, True), ({**GOOD_ENTRY, **changes}, False)):
        raw = json.dumps({"list": json.dumps({**content, "releases": [entry]})}).encode()
        if good:
            assert len(read(raw, ADDRESS, trust(root, allow_unsigned=True), None).offers) == 1
        else:
            assert refusal(raw, trust(root, allow_unsigned=True)).failure == "list"


@pytest.mark.parametrize(
    "text",
    [
        b"", b"\xff\xfe", b"[]", b"<html>", b'{"list": 3}', b'{"list": "{}"}', b'{"list": "[[[["}', b"[" * 100_000,
        json.dumps({"list": "[" * 100_000}).encode(), b'{"list": "null"}',
        json.dumps({"list": json.dumps({"format": 2, "product": "openstation", "kind": "updates"})}).encode(),
        json.dumps({"list": json.dumps({"format": 1, "product": "toaster", "kind": "updates"})}).encode(),
        json.dumps({"list": json.dumps({"format": 1, "product": "openstation", "kind": "updates", "made": "soon",
                                        "releases": []})}).encode(),
        json.dumps({"list": json.dumps({"format": 1, "product": "openstation", "kind": "updates",
                                        "made": "2026-01-01T00:00:00Z", "releases": [GOOD_ENTRY] * 201})}).encode(),
    ],
)  # fmt: skip
def test_anything_else_is_no_list(root: Issued, text: bytes):
    assert refusal(text, trust(root, allow_unsigned=True)).failure == "list"


@pytest.mark.parametrize(
    ("running", "expected"),
    [
        ("1.0.0", ("2.10.0", True)),
        ("1.5.0", ("2.10.0", True)),
        ("2.0.0", ("2.10.0", False)),
        ("2.10.0", None),
        ("3", None),
    ],
)
def test_the_newest_for_this_model_is_chosen_and_repairs_what_it_skips(running: str, expected: tuple[str, bool] | None):
    offers = [
        replace(OFFER, version="2.0.0", security=True),
        replace(OFFER, version="2.10.0", security=False, models=()),
        replace(OFFER, version="2.9.0", security=False),
        replace(OFFER, version="9.0.0", models=("DC-1",)),
    ]
    found = best(offers, "AC-1", running)
    assert (found and (found.version, found.security)) == expected


# --- making it -------------------------------------------------------------------------------------------------------


def run(*words: object) -> None:
    call_command("make_update_list", *map(str, words))


def test_the_command_lists_releases_and_keeps_those_of_the_list_so_far(folder: Path, root: Issued, maker: Issued):
    new, old = folder / "2.0.0.release", folder / "1.9.0.release"
    content = packed(GOOD)
    new.write_bytes(release(maker, content))
    old.write_bytes(release(maker, content, manifest_of(content, version="1.9.0")))
    first, second = folder / "first.json", folder / "second.json"
    keys = ("--key", maker.key_file, "--certificate", maker.cert_file)
    run(first, old, "--security", *keys)
    run(second, new, "--former", first, "--notes", "Charts.", "--base", "https://files.example/", *keys)
    told = read(second.read_bytes(), ADDRESS, trust(root), None)
    assert [(offer.version, offer.location, offer.notes, offer.security) for offer in told.offers] == [
        ("2.0.0", "https://files.example/2.0.0.release", "Charts.", False),
        ("1.9.0", "https://seller.example/stations/1.9.0.release", "", True),
    ]
    assert told.offers[0].size == new.stat().st_size
    run(first, "--former", second, "--withdraw", "2.0.0", *keys)
    assert [offer.version for offer in read(first.read_bytes(), ADDRESS, trust(root), told.made).offers] == ["1.9.0"]


def test_the_command_refuses_what_would_not_be_believed(folder: Path, maker: Issued):
    stranger = folder / "no.release"
    stranger.write_bytes(b"nonsense")
    with pytest.raises(CommandError, match="no release"):
        run(folder / "x.json", stranger)
    with pytest.raises(CommandError, match="belong together"):
        run(folder / "x.json", "--key", maker.key_file)
    with pytest.raises(CommandError, match="does not belong"):
        run(folder / "x.json", "--key", maker.key_file, "--certificate", folder / "Manufacturer Root.pem")
