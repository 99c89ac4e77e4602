"""What goes into the Debian package: every file of deploy/, and the wheels of every Python that it serves."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import sys
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from packaging.utils import canonicalize_name, parse_wheel_filename

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
#: They make the package and are not files of the machine.
MAKERS = {
    "build_package.py",
    "build_wheels.py",
    "wheels.lock",
    *(f"debian/{name}" for name in ("control", "copyright", "triggers")),
}


@pytest.fixture(scope="module")
def builder() -> Any:
    spec = importlib.util.spec_from_file_location("build_package", DEPLOY / "build_package.py")
    assert spec is not None
    assert spec.loader is not None
    found = sys.modules[spec.name] = importlib.util.module_from_spec(spec)  # dataclasses look there
    spec.loader.exec_module(found)
    return found


@pytest.fixture(scope="module")
def wheels(builder: Any) -> Any:
    return builder.build_wheels


def wheel(folder: Path, name: str, *needs: str) -> Path:
    path = folder / name
    with ZipFile(path, "w") as archive:
        lines = "".join(f"Requires-Dist: {need}\n" for need in needs)
        archive.writestr(f"{'-'.join(name.split('-')[:2])}.dist-info/METADATA", f"Metadata-Version: 2.1\n{lines}\n")
    return path


def test_every_file_of_deploy_has_its_place_on_the_machine(builder: Any) -> None:
    files = {str(path.relative_to(DEPLOY)) for path in DEPLOY.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert files - MAKERS - {f"debian/{name}" for name in builder.SCRIPTS} == set(builder.PLACES)
    units = [place for source, place in builder.PLACES.items() if source.startswith("systemd/") and "service" in source]
    for script in ("postinst", "postrm"):
        assert all(Path(place).name in (DEPLOY / "debian" / script).read_text() for place in units)


def test_the_page_about_services_tells_every_place(builder: Any) -> None:
    page = (DEPLOY.parent / "docs/services.md").read_text()
    for source, place in builder.PLACES.items():
        if source.endswith(".py") or source == "debian/provision.toml":
            assert "`/usr/lib/station/`" in page  # the programs beside the launcher
            continue
        assert f"`{source}`" in page
        assert f"`/{place}`" in page or f"`/{Path(place).parent}/`" in page, place


def test_what_one_python_needs_and_another_does_not_is_found(wheels: Any, tmp_path: Path) -> None:
    """Debian 12 has Python 3.11.2: a builder with 3.11.7 does not ask for what only the former needs."""
    first = wheel(
        tmp_path, "first-1.0-py3-none-any.whl", 'late (>=5.0.3) ; python_full_version < "3.11.3"', "extra[tls]"
    )
    extra = wheel(tmp_path, "extra-2.0-py3-none-any.whl", 'secret >=1; extra == "tls"', 'never; extra == "docs"')
    old, new = (wheels.Target(python, "aarch64") for python in ("3.11.2", "3.13.5"))
    assert wheels.resolve(old, ["first==1.0"], tmp_path.iterdir()) == ({first, extra}, ["secret>=1", "late>=5.0.3"])
    secret = wheel(tmp_path, "secret-1.1-py3-none-any.whl")
    assert wheels.resolve(new, ["first==1.0"], tmp_path.iterdir()) == ({first, extra, secret}, [])


def test_a_wheel_for_another_machine_python_or_c_library_does_not_count(wheels: Any, tmp_path: Path) -> None:
    target = wheels.Target("3.13.5", "aarch64")
    for name in (
        "fast-1.0-cp313-cp313-manylinux_2_28_x86_64.whl",
        "fast-1.0-cp311-cp311-manylinux_2_28_aarch64.whl",
        "fast-1.0-cp313-cp313-musllinux_1_2_aarch64.whl",
        "fast-1.0-cp313-cp313-manylinux_2_39_aarch64.whl",
    ):
        wheel(tmp_path, name)
    assert wheels.resolve(target, ["fast"], tmp_path.iterdir()) == (set(), ["fast"])
    fits = wheel(tmp_path, "fast-1.0-cp39-abi3-manylinux_2_24_aarch64.manylinux_2_28_aarch64.whl")
    assert wheels.resolve(target, ["fast"], tmp_path.iterdir()) == ({fits}, [])
    wheel(tmp_path, "fast-0.9-py3-none-any.whl")  # left over from an earlier build
    assert wheels.resolve(target, ["fast"], tmp_path.iterdir()) == ({fits}, [])


# --- the lock --------------------------------------------------------------------------------------------------------


def test_the_lock_has_every_requirement_for_every_python_and_machine(builder: Any, wheels: Any) -> None:
    """A26: else a package could not be built; `build_package.py --lock` makes it fit again"""
    parsed = [parse_wheel_filename(name) for name in wheels.locked()]
    for machine in builder.MACHINES.values():
        for python in wheels.PYTHONS:
            tags = wheels.Target(python, machine).tags()
            versions = {(name, str(version)) for name, version, _, supported in parsed if supported & tags}
            for line in wheels.wanted():
                name, _, version = line.partition("==")
                assert (canonicalize_name(name), version) in versions, f"{line} for {python} on {machine}"


def test_the_lock_has_one_wheel_of_a_package_for_each_target(builder: Any, wheels: Any) -> None:
    """Nobody chooses between two."""
    for machine in builder.MACHINES.values():
        for python in wheels.PYTHONS:
            tags = wheels.Target(python, machine).tags()
            fitting = [name for name, _, _, supported in map(parse_wheel_filename, wheels.locked()) if supported & tags]
            assert sorted(set(fitting)) == sorted(fitting)
    versions = {parse_wheel_filename(name)[:2] for name in wheels.locked()}
    assert len({name for name, _ in versions}) == len(versions)  # packages.py tells pip one version of each
    assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in wheels.locked().values())


@pytest.fixture
def one_wheel(wheels: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lock with one wheel, which is all that the station needs."""
    path = wheel(tmp_path, "only-1.0-py3-none-any.whl")
    monkeypatch.setattr(wheels, "LOCK", tmp_path / "wheels.lock")
    wheels.LOCK.write_text(f"# made\n{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n")
    monkeypatch.setattr(wheels, "wanted", lambda: ["only==1.0"])
    return path


def test_only_the_very_files_of_the_lock_go_into_the_package(wheels: Any, one_wheel: Path) -> None:
    """A26"""
    wheel(one_wheel.parent, "only-1.0.post1-py3-none-any.whl")  # newer, and nobody chose it
    assert wheels.collect("x86_64", one_wheel.parent) == {one_wheel}
    with ZipFile(one_wheel, "a") as archive:
        archive.writestr("only/extra.py", "import os")
    with pytest.raises(SystemExit, match=r"is not the file that wheels\.lock names"):
        wheels.collect("x86_64", one_wheel.parent)


def test_a_requirement_that_the_lock_lacks_ends_the_build_with_the_cure(
    wheels: Any, one_wheel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheels, "wanted", lambda: ["only==1.1"])
    with pytest.raises(SystemExit, match=r"lacks only==1\.1 .*build_package\.py --lock"):
        wheels.collect("x86_64", one_wheel.parent)


def test_what_is_missing_is_fetched_by_its_hash_and_nothing_else(
    wheels: Any, one_wheel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    content, digest = one_wheel.read_bytes(), wheels.locked()[one_wheel.name]

    def pip(command: list[str], check: bool) -> None:
        asked.append([*command, Path(command[-1]).read_text()])
        one_wheel.write_bytes(content)

    monkeypatch.setattr(wheels.subprocess, "run", pip)
    one_wheel.unlink()
    assert wheels.collect("aarch64", one_wheel.parent) == {one_wheel}
    [command] = asked  # the second Python finds it there
    assert {"--no-deps", "--require-hashes", "--only-binary=:all:"} < set(command)
    assert command[-1] == f"only==1.0 --hash=sha256:{digest}\n"


def test_the_bill_of_materials_names_every_wheel_and_the_files_of_the_pages(wheels: Any, one_wheel: Path) -> None:
    bill = json.loads(wheels.bill_of_materials("1.2.0", [one_wheel], 1_700_000_000))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    assert bill["metadata"]["component"]["version"] == "1.2.0"
    assert bill["metadata"]["timestamp"] == "2023-11-14T22:13:20Z"
    only, *vendored = bill["components"]
    assert only["purl"] == f"pkg:pypi/only@1.0?file_name={one_wheel.name}"
    assert only["hashes"] == [{"alg": "SHA-256", "content": wheels.locked()[one_wheel.name]}]
    assert "uplot" in {one["name"] for one in vendored}
