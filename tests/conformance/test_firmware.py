"""Firmware updates (OCTT groups 19 and 25): real downloads, and releases that the launcher really starts."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.journeys.releases import OLD, Maker, launched, running
from tests.journeys.rig import Rig, RigMaker
from tests.journeys.station import until
from tests.station.transfer.servers import Web, web

CLASSIC, SIGNED = "FirmwareStatusNotification", "SignedFirmwareStatusNotification"


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    return Maker(tmp_path_factory.mktemp("maker"))


@pytest.fixture
def releases(tmp_path: Path, maker: Maker) -> Path:
    return maker.slots(tmp_path / "releases")


@pytest.fixture
def files(maker: Maker) -> Iterator[Web]:
    """Serves what the manufacturer made."""

    def answer(handler: object) -> None:
        path = maker.folder / Path(handler.path).name  # type: ignore[attr-defined]
        if path.is_file():
            handler.reply(200, path.read_bytes())  # type: ignore[attr-defined]
        else:
            handler.reply(404)  # type: ignore[attr-defined]

    with web(answer) as server:
        yield server


@pytest.fixture
def rig(make_rig: RigMaker, releases: Path, maker: Maker) -> Rig:
    """A station that runs OLD, started by the launcher; the backend has just accepted it."""
    provision = {
        "factory": {"allow_local_transfers": True},
        "backend": {"manufacturer_roots": [maker.root.cert_file]},
        "ocpp": {'"OpenStation.SendSecurityEvents"': True},
    }
    return launched(make_rig(provision), releases).start()


def states(rig: Rig, message: str, count: int, timeout_s: float = 60) -> list[str]:
    return [rig.backend.next(message, timeout_s).payload["status"] for _ in range(count)]


def now() -> str:
    return datetime.now(UTC).isoformat()


def update(rig: Rig, url: str, **more: object) -> None:
    assert rig.backend.call("UpdateFirmware", {"location": url, "retrieveDate": now(), **more}) == {}


def signed(rig: Rig, maker: Maker, url: str, content: bytes, request_id: int) -> str:
    key = maker.signer.key
    assert isinstance(key, rsa.RSAPrivateKey)
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    firmware = {
        "location": url,
        "retrieveDateTime": now(),
        "signingCertificate": maker.signer.pem,
        "signature": base64.b64encode(key.sign(content, pss, hashes.SHA256())).decode(),
    }
    return rig.command("SignedUpdateFirmware", requestId=request_id, firmware=firmware)


def test_TC_044_1_firmware_update_download_and_install(rig: Rig, maker: Maker, files: Web, releases: Path):
    """FW-01, FW-02, FW-03, FW-04"""
    update(rig, files.url(f"/{maker.release('2.0.0').name}"))
    assert states(rig, CLASSIC, 3) == ["Downloading", "Downloaded", "Installing"]
    rig.backend.wait_status("Unavailable")
    boot = rig.backend.next("BootNotification", 60)
    assert boot.payload["firmwareVersion"] == "2.0.0"
    assert states(rig, CLASSIC, 1) == ["Installed"]
    rig.backend.wait_status("Available", timeout_s=20)
    rig.backend.expect_no(CLASSIC, 0.5)
    assert running(releases) == "2.0.0"
    rig.start_session()


def test_TC_044_2_firmware_update_download_failed(rig: Rig, files: Web, releases: Path):
    """FW-02, FW-05"""
    update(rig, files.url("/nothing.release"), retries=0)
    assert states(rig, CLASSIC, 2) == ["Downloading", "DownloadFailed"]
    rig.backend.expect_no(CLASSIC, 0.5)
    assert running(releases) == OLD
    assert rig.status() == "Available"


def test_TC_044_3_firmware_update_installation_failed(rig: Rig, maker: Maker, files: Web, releases: Path):
    """FW-02, FW-07"""
    (maker.folder / "broken.release").write_bytes(b"no firmware at all" * 100)
    update(rig, files.url("/broken.release"))
    assert states(rig, CLASSIC, 4) == ["Downloading", "Downloaded", "Installing", "InstallationFailed"]
    assert running(releases) == OLD
    until(lambda: rig.status() == "Available", 10, "it is in service again")
    rig.start_session()


def test_TC_080_secure_firmware_update(rig: Rig, maker: Maker, files: Web, releases: Path):
    """SFW-01, SFW-02, SFW-03, SFW-05, SFW-10, SFW-12"""
    path = maker.release("2.1.0")
    assert signed(rig, maker, files.url(f"/{path.name}"), path.read_bytes(), 42) == "Accepted"
    assert states(rig, SIGNED, 4) == ["Downloading", "Downloaded", "SignatureVerified", "Installing"]
    assert rig.backend.next("BootNotification", 60).payload["firmwareVersion"] == "2.1.0"
    assert states(rig, SIGNED, 1) == ["Installed"]
    assert {call.payload["requestId"] for call in rig.backend.calls(SIGNED)} == {42}
    rig.backend.wait_for("SecurityEventNotification", lambda p: p["type"] == "FirmwareUpdated", 20)
    assert running(releases) == "2.1.0"


def test_TC_081_secure_firmware_update_invalid_signature(rig: Rig, maker: Maker, files: Web, releases: Path):
    """SFW-04"""
    path = maker.release("2.2.0")
    assert signed(rig, maker, files.url(f"/{path.name}"), b"something else", 43) == "Accepted"
    assert states(rig, SIGNED, 3) == ["Downloading", "Downloaded", "InvalidSignature"]
    rig.backend.wait_for("SecurityEventNotification", lambda p: p["type"] == "InvalidFirmwareSignature", 20)
    rig.backend.expect_no(SIGNED, 0.5)
    assert running(releases) == OLD
