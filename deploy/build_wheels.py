"""The wheels of the Debian package: chosen once into wheels.lock, fetched and checked by it, and told in an SBOM.

wheels.lock names every file with its SHA-256, as sha256sum does: what requirements.txt needs, and what that needs, for
both Pythons and both architectures. `build_package.py --lock` chooses anew (docs/services.md).
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "deploy" / "wheels.lock"
#: The Pythons of Debian 12 and 13, and the oldest C library of the two.
PYTHONS, GLIBC = ("3.11.2", "3.13.5"), 36
#: Makes the environments on the station; Debian's own comes only with packages that a bare system lacks.
PIP = "pip==26.3"


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


# --- by the lock -----------------------------------------------------------------------------------------------------


def locked() -> dict[str, str]:
    """Name of a wheel → its SHA-256, as wheels.lock says."""
    rows = (line.split("  ", 1) for line in LOCK.read_text().splitlines() if not line.startswith("#"))
    return {name: digest for digest, name in rows}


def collect(machine: str, folder: Path) -> set[Path]:
    """The wheels of one kind of machine, from the folder or fetched into it; it may hold other wheels as well.

    Raises:
        SystemExit: the lock does not fit requirements.txt any more, or a file is not the one that it names.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock, collected = locked(), set[Path]()
    for python in PYTHONS:
        target = Target(python, machine)
        _fetch(target, {name: digest for name, digest in lock.items() if not (folder / name).exists()}, folder)
        there = [folder / name for name in lock if (folder / name).exists()]
        used, lacking = resolve(target, wanted(), there)
        if lacking:
            raise SystemExit(f"{LOCK.name} lacks {', '.join(lacking)} for Python {python} on {machine}: {_RENEW}")
        collected |= used
    for path in collected:
        if _sha256(path) != lock[path.name]:
            raise SystemExit(f"{path.name} is not the file that {LOCK.name} names. Remove it and try again.")
    return collected


def _fetch(target: Target, missing: dict[str, str], folder: Path) -> None:
    """By pip, which takes no file with another hash."""
    tags, lines = target.tags(), dict[str, str]()
    for file, digest in missing.items():
        name, version, _, supported = parse_wheel_filename(file)
        if supported & tags:
            lines[f"{name}=={version}"] = lines.get(f"{name}=={version}", "") + f" --hash=sha256:{digest}"
    if not lines:
        return
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("".join(f"{line}{hashes}\n" for line, hashes in lines.items()))
        file.flush()
        _download(target, ["--no-deps", "--require-hashes", "-r", file.name], folder)


def _download(target: Target, what: list[str], folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--only-binary=:all:"]
    command += ["--implementation", "cp", "--python-version", target.python, "--dest", str(folder)]
    command += [word for platform in target.platforms for word in ("--platform", platform)]
    subprocess.run([*command, *what], check=True)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# --- the lock itself -------------------------------------------------------------------------------------------------

_RENEW = "renew it with deploy/build_package.py --lock"


def renew(machines: Iterable[str]) -> None:
    """Choose the newest wheels that requirements.txt allows, and write the lock."""
    rows: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for machine in machines:
            rows |= {path.name: _sha256(path) for path in _chosen(machine, Path(scratch) / machine)}
    head = f"# SHA-256 and name of every wheel in the Debian package; made: {_RENEW.removeprefix('renew it with ')}\n"
    LOCK.write_text(head + "".join(f"{rows[name]}  {name}\n" for name in sorted(rows)))


def _chosen(machine: str, folder: Path) -> set[Path]:
    chosen: set[Path] = set()
    for python in PYTHONS:
        target = Target(python, machine)
        _download(target, wanted(), folder)
        used, lacking = resolve(target, wanted(), folder.glob("*.whl"))
        # pip judges markers by the Python that runs it: what only another one needs is found here.
        while lacking:
            _download(target, lacking, folder)
            before = lacking
            used, lacking = resolve(target, wanted(), folder.glob("*.whl"))
            if lacking == before:
                raise SystemExit(f"No wheels for Python {python} on {machine}: {', '.join(lacking)}")
        chosen |= used
    return chosen


def wanted() -> list[str]:
    """What the station needs by itself."""
    lines = re.sub(r"\s*#.*", "", (ROOT / "requirements.txt").read_text()).split("\n")
    return [*(line for line in lines if line.strip()), PIP]


def resolve(target: Target, needs: Iterable[str], there: Iterable[Path]) -> tuple[set[Path], list[str]]:
    """Those of the wheels that meet the requirements on this target, and the requirements that none meets."""
    tags = target.tags()
    wheels: dict[str, list[tuple[Version, Path]]] = {}
    for path in sorted(there):
        name, version, _, supported = parse_wheel_filename(path.name)
        if supported & tags:
            wheels.setdefault(name, []).append((version, path))
    waiting = [Requirement(line) for line in needs]
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


def _needs(wheel: Path) -> Iterator[Requirement]:
    for line in _metadata(wheel).get_all("Requires-Dist", []):
        yield Requirement(line)


def _metadata(wheel: Path) -> Message:
    with ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name))
        return HeaderParser().parsestr(archive.read(name).decode())


# --- what is inside, for others --------------------------------------------------------------------------------------


def bill_of_materials(version: str, wheels: Iterable[Path], made_s: int) -> str:
    """CycloneDX 1.5 as JSON: the station, every wheel, and the files of others in its pages."""
    components = [_component(path) for path in sorted(wheels)]
    for one in tomllib.loads((ROOT / "static/vendor/lock.toml").read_text())["package"]:
        components.append(
            {
                "type": "library",
                "bom-ref": f"pkg:npm/{one['name']}@{one['version']}",
                "name": one["name"],
                "version": one["version"],
                "purl": f"pkg:npm/{one['name']}@{one['version']}",
                "licenses": [{"license": {"name": one["licence"]}}],
            }
        )
    made = datetime.fromtimestamp(made_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    station = {"type": "application", "bom-ref": "station", "name": "station", "version": version}
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"timestamp": made, "component": station},
        "components": components,
    }
    return json.dumps(bill, indent=1) + "\n"


def _component(wheel: Path) -> dict[str, Any]:
    name, version, _, _ = parse_wheel_filename(wheel.name)
    purl = f"pkg:pypi/{name}@{version}?file_name={wheel.name}"
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": str(version),
        "purl": purl,
        "hashes": [{"alg": "SHA-256", "content": _sha256(wheel)}],
    }
    about = _metadata(wheel)
    if expression := about.get("License-Expression"):
        component["licenses"] = [{"expression": expression}]
    elif classifiers := [line for line in about.get_all("Classifier", []) if line.startswith("License :: OSI")]:
        component["licenses"] = [{"license": {"name": line.rpartition(" :: ")[2]}} for line in classifiers]
    return component
