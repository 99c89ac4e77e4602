#!/usr/bin/env python3
"""Builds station_<version>_<architecture>.deb with every Python package inside (docs/services.md, decision 15).

One package serves Debian 12 and 13: pure wheels once, compiled ones for both Pythons. Nothing is compiled, so any
machine builds for both architectures; it needs dpkg-deb and the package index (or pip's cache). The wheels are those of
wheels.lock (build_wheels.py).
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from email.utils import formatdate
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import build_wheels

ROOT = Path(__file__).resolve().parent.parent
#: Debian's name of an architecture → the name of its wheels.
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}

#: File of deploy/ → its place on the machine. docs/services.md says what each is for; a test compares the two.
PLACES = {
    **{
        path.name: f"usr/lib/station/{path.name}"  # the launcher and what it imports
        for path in sorted((ROOT / "deploy").glob("*.py"))
        if not path.name.startswith("build_")
    },
    "debian/provision.toml": "usr/lib/station/provision.toml",
    "debian/station.command": "usr/bin/station",
    "debian/station.env": "etc/station/station.env",
    "systemd/station-worker.service": "usr/lib/systemd/system/station-worker.service",
    "systemd/station-web.service": "usr/lib/systemd/system/station-web.service",
    "systemd/station-jobs.service": "usr/lib/systemd/system/station-jobs.service",
    "systemd/station-redis.service": "usr/lib/systemd/system/station-redis.service",
    "systemd/station-firewall.service": "usr/lib/systemd/system/station-firewall.service",
    "systemd/station.sysusers": "usr/lib/sysusers.d/station.conf",
    "systemd/station.sysctl": "usr/lib/sysctl.d/90-station.conf",
    "journald/station.conf": "usr/lib/systemd/journald.conf.d/station.conf",
    "redis/redis.conf": "etc/station/redis.conf",
    "nftables/station.nft": "etc/station/station.nft",
    "dnsmasq/station.conf": "etc/NetworkManager/dnsmasq-shared.d/station.conf",
    "avahi/station.service": "etc/avahi/services/station.service",
    "chrony/station.conf": "etc/chrony/conf.d/station.conf",
    "chrony/station.tmpfiles": "usr/lib/tmpfiles.d/station-chrony.conf",
    "polkit/50-station.rules": "usr/share/polkit-1/rules.d/50-station.rules",
    "udev/99-station.rules": "usr/lib/udev/rules.d/99-station.rules",
}
SCRIPTS = ("preinst", "postinst", "prerm", "postrm")


def build(architecture: str, version: str, output: Path, wheels: Path | None = None) -> Path:
    """The package file; the wheels of a former build are used again when their folder is given."""
    os.environ.setdefault("SOURCE_DATE_EPOCH", _last_commit())
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch) / "station"
        library = tree / "usr/lib/station"
        library.mkdir(parents=True)
        _release(version, library)
        used = build_wheels.collect(MACHINES[architecture], wheels or Path(scratch) / "wheels")
        for wheel in used:
            _put(wheel, library / "wheels" / wheel.name)
        for source, place in PLACES.items():
            _put(ROOT / "deploy" / source, tree / place)
        _documents(tree / "usr/share/doc/station", version)
        bill = build_wheels.bill_of_materials(version, used, int(os.environ["SOURCE_DATE_EPOCH"]))
        (tree / "usr/share/doc/station/sbom.cdx.json").write_text(bill)
        _control(tree, architecture, version)
        target = output / f"station_{version}_{architecture}.deb"
        # The wheels are packed already: packing them again costs a minute and saves nothing.
        command = ["dpkg-deb", "--root-owner-group", "-Zxz", "-z0", "--build", str(tree), str(target)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return target


def _last_commit() -> str:
    found = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True)
    return found.stdout.strip() or "0"


def _release(version: str, folder: Path) -> None:
    """The same content as a release file of an update has."""
    file = folder / "station.release"
    command = [sys.executable, "manage.py", "make_release", str(file), "--release-version", version]
    with tempfile.TemporaryDirectory() as data:
        subprocess.run(
            command, cwd=ROOT, env={**os.environ, "STATION_DATA_DIR": data}, check=True, stdout=subprocess.DEVNULL
        )
    with tarfile.open(file) as outer:
        for name in ("manifest.json", "content.tar.gz"):
            content = outer.extractfile(name)
            assert content is not None
            (folder / name).write_bytes(content.read())
    file.unlink()


def _put(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o755 if target.parts[-2] == "bin" else 0o644)


def _documents(folder: Path, version: str) -> None:
    _put(ROOT / "deploy/debian/copyright", folder / "copyright")
    when = formatdate(int(os.environ["SOURCE_DATE_EPOCH"]))
    entry = f"station ({version}) unstable; urgency=medium\n\n  * See the changelog of the project.\n\n"
    entry += f" -- The maintainers of the station <maintainers@station.invalid>  {when}\n"
    _gzip(entry.encode(), folder / "changelog.gz")
    _gzip((ROOT / "CHANGELOG.md").read_bytes(), folder / "CHANGELOG.md.gz")


def _gzip(content: bytes, target: Path) -> None:
    target.write_bytes(gzip.compress(content, mtime=0))


def _control(tree: Path, architecture: str, version: str) -> None:
    files = sorted(path for path in tree.rglob("*") if path.is_file())
    for path in (path for path in tree.rglob("*") if path.is_dir()):
        path.chmod(0o755)
    folder = tree / "DEBIAN"
    folder.mkdir(mode=0o755)
    template = (ROOT / "deploy/debian/control").read_text()
    size = sum(path.stat().st_size for path in files) // 1024
    (folder / "control").write_text(template.format(version=version, architecture=architecture, installed_kib=size))
    names = [path.relative_to(tree) for path in files]
    (folder / "conffiles").write_text("".join(f"/{name}\n" for name in names if name.parts[0] == "etc"))
    sums = (f"{hashlib.md5(path.read_bytes()).hexdigest()}  {name}\n" for path, name in zip(files, names, strict=True))
    (folder / "md5sums").write_text("".join(sums))
    _put(ROOT / "deploy/debian/triggers", folder / "triggers")
    for name in SCRIPTS:
        _put(ROOT / "deploy/debian" / name, folder / name)
        (folder / name).chmod(0o755)


def main() -> None:
    """From the command line."""
    parser = argparse.ArgumentParser(description="Build the Debian package of the station.")
    parser.add_argument("--arch", choices=MACHINES, default="amd64")
    version = re.search(r'"(.+)"', (ROOT / "station/__init__.py").read_text().rpartition("__version__")[2])
    assert version
    parser.add_argument("--release-version", default=version[1])
    parser.add_argument("--output", type=Path, default=ROOT / "dist")
    parser.add_argument("--wheels", type=Path, help="keep the wheels here for the next build")
    parser.add_argument("--lock", action="store_true", help="build nothing: choose the wheels anew, into wheels.lock")
    options = parser.parse_args()
    if options.lock:
        build_wheels.renew(MACHINES.values())
        return
    sys.stdout.write(f"{build(options.arch, options.release_version, options.output, options.wheels)}\n")


if __name__ == "__main__":
    main()
