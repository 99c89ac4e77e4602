#!/usr/bin/env python3
"""Builds station_<version>_<architecture>.deb with every Python package inside (docs/services.md, decision 15).

One package serves Debian 12 and 13: pure wheels once, compiled ones for both Pythons. Nothing is compiled, so any
machine builds for both architectures; it needs dpkg-deb and the package index (or pip's cache).
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
from collections.abc import Iterator
from dataclasses import dataclass
from email.parser import HeaderParser
from email.utils import formatdate
from pathlib import Path
from zipfile import ZipFile

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
#: Debian's name of an architecture → the name of its wheels.
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
#: The Pythons of Debian 12 and 13, and the oldest C library of the two.
PYTHONS, GLIBC = ("3.11.2", "3.13.5"), 36
#: Makes the environments on the station; Debian's own comes only with packages that a bare system lacks.
PIP = "pip==26.3"

#: File of deploy/ → its place on the machine. docs/services.md says what each is for; a test compares the two.
PLACES = {
    **{
        path.name: f"usr/lib/station/{path.name}"  # the launcher and what it imports
        for path in sorted((ROOT / "deploy").glob("*.py"))
        if path.name != "build_package.py"
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
        wheels = wheels or Path(scratch) / "wheels"
        for wheel in collect_wheels(MACHINES[architecture], wheels):
            _put(wheel, library / "wheels" / wheel.name)
        for source, place in PLACES.items():
            _put(ROOT / "deploy" / source, tree / place)
        _documents(tree / "usr/share/doc/station", version)
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


# --- the wheels ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Target:
    """One Python on one kind of machine."""

    python: str
    machine: str

    @property
    def platforms(self) -> list[str]:
        """Newest first; those of musl and of newer C libraries are not among them."""
        return [f"manylinux_2_{minor}_{self.machine}" for minor in range(GLIBC, 16, -1)] + [
            f"manylinux2014_{self.machine}"
        ]

    def tags(self) -> set[Tag]:
        """Of the wheels that it can use."""
        major, minor = (int(part) for part in self.python.split(".")[:2])
        pure = compatible_tags((major, minor), f"cp{major}{minor}", self.platforms)
        return {*cpython_tags((major, minor), platforms=self.platforms), *pure}

    def environment(self, extra: str) -> dict[str, str]:
        """What markers are judged by."""
        return {
            **{name: str(value) for name, value in default_environment().items()},
            "python_version": self.python.rpartition(".")[0],
            "python_full_version": self.python,
            "implementation_version": self.python,
            "platform_machine": self.machine,
            "platform_system": "Linux",
            "sys_platform": "linux",
            "extra": extra,
        }


def collect_wheels(machine: str, folder: Path) -> set[Path]:
    """What requirements.txt needs, for every Python of `PYTHONS`; the folder may hold other wheels as well."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [*_lines(ROOT / "requirements.txt"), PIP]
    collected: set[Path] = set()
    for python in PYTHONS:
        target = Target(python, machine)
        used, lacking = resolve(target, wanted, folder)
        if lacking:
            _download(target, wanted, folder)
            used, lacking = resolve(target, wanted, folder)
        # pip judges markers by the Python that runs it: what only another one needs is found here.
        while lacking:
            _download(target, lacking, folder)
            before = lacking
            used, lacking = resolve(target, wanted, folder)
            if lacking == before:
                raise SystemExit(f"No wheels for Python {python} on {machine}: {', '.join(lacking)}")
        collected |= used
    return collected


def _download(target: Target, what: list[str], folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--only-binary=:all:"]
    command += ["--implementation", "cp", "--python-version", target.python, "--dest", str(folder)]
    command += [word for platform in target.platforms for word in ("--platform", platform)]
    subprocess.run([*command, *what], check=True)


def resolve(target: Target, wanted: list[str], folder: Path) -> tuple[set[Path], list[str]]:
    """The wheels of the folder that meet the requirements on this target, and the requirements that none meets."""
    tags = target.tags()
    wheels: dict[str, list[tuple[Version, Path]]] = {}
    for path in sorted(folder.glob("*.whl")):
        name, version, _, supported = parse_wheel_filename(path.name)
        if supported & tags:
            wheels.setdefault(name, []).append((version, path))
    waiting = [Requirement(line) for line in wanted]
    used: set[Path] = set()
    lacking: dict[str, None] = {}
    seen: set[str] = set()
    while waiting:
        requirement = waiting.pop()
        if str(requirement) in seen or (requirement.marker and not requirement.marker.evaluate(target.environment(""))):
            continue
        seen.add(str(requirement))
        fitting = [
            (version, path)
            for version, path in wheels.get(canonicalize_name(requirement.name), [])
            if requirement.specifier.contains(version, prereleases=True)
        ]
        if not fitting:
            lacking[f"{requirement.name}{requirement.specifier}"] = None
            continue
        _, path = max(fitting)
        used.add(path)
        for needed in _needs(path):
            extras = ["", *requirement.extras]
            if not needed.marker or any(needed.marker.evaluate(target.environment(extra)) for extra in extras):
                needed.marker = None
                waiting.append(needed)
    return used, list(lacking)


def _lines(requirements: Path) -> list[str]:
    return [line for line in re.sub(r"\s*#.*", "", requirements.read_text()).split("\n") if line.strip()]


def _needs(wheel: Path) -> Iterator[Requirement]:
    with ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name))
        for line in HeaderParser().parsestr(archive.read(name).decode()).get_all("Requires-Dist", []):
            yield Requirement(line)


def main() -> None:
    """From the command line."""
    parser = argparse.ArgumentParser(description="Build the Debian package of the station.")
    parser.add_argument("--arch", choices=MACHINES, default="amd64")
    version = re.search(r'"(.+)"', (ROOT / "station/__init__.py").read_text().rpartition("__version__")[2])
    assert version
    parser.add_argument("--release-version", default=version[1])
    parser.add_argument("--output", type=Path, default=ROOT / "dist")
    parser.add_argument("--wheels", type=Path, help="keep the wheels here for the next build")
    options = parser.parse_args()
    sys.stdout.write(f"{build(options.arch, options.release_version, options.output, options.wheels)}\n")


if __name__ == "__main__":
    main()
