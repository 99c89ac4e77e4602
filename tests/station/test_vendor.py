"""Files of others that the pages load are exactly those of the lock list."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path

VENDOR = Path(__file__).resolve().parents[2] / "static" / "vendor"
LOCK = tomllib.loads((VENDOR / "lock.toml").read_text())


def test_every_vendored_file_is_in_the_lock_list_with_its_sum() -> None:
    listed = {name: sha for package in LOCK["package"] for name, sha in package["sha256"].items()}
    found = {
        str(path.relative_to(VENDOR)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.rglob("*")
        if path.is_file() and path.name != "lock.toml"
    }
    assert found == listed


def test_every_package_says_what_it_is_and_brings_its_licence() -> None:
    for package in LOCK["package"]:
        assert all(package[name] for name in ("name", "version", "licence", "source", "purpose")), package
        assert any(name.endswith("LICENSE") for name in package["sha256"]), package["name"]
