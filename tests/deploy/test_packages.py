"""The Python packages of releases: shared where they are the same, made anew where not, never half."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from types import ModuleType
from zipfile import ZipFile

import pytest

import tests.appliance  # noqa: F401
from station.releases import Releases

PACKAGES = Path(__file__).resolve().parents[2] / "deploy" / "packages.py"
#: Plays pip: each line of the requirements is a wheel that has to lie in one of the folders.
PIP = """
import pathlib, sys
words = sys.argv[1:]
assert words[0] == "install" and "--no-index" in words
folders = [pathlib.Path(words[at + 1]) for at, word in enumerate(words) if word == "--find-links"]
for name in pathlib.Path(words[words.index("-r") + 1]).read_text().split():
    found = [folder for folder in folders if (folder / f"{name}.whl").exists()]
    if not found:
        sys.exit(f"ERROR: No matching distribution found for {name}")
    with open(f"{sys.prefix}/installed", "a") as file:
        file.write(f"{name} from {found[0].parent.name}\\n")
pathlib.Path(f"{sys.prefix}/obeyed").write_text(pathlib.Path(words[words.index("-c") + 1]).read_text())
"""


@pytest.fixture
def packages() -> ModuleType:
    spec = importlib.util.spec_from_file_location("packages", PACKAGES)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@pytest.fixture
def installer(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The package's own program, with what lies beside it."""
    monkeypatch.syspath_prepend(str(PACKAGES.parent))
    return importlib.import_module("install_release")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Releases with the wheels of the installation: pip and a."""
    (tmp_path / "wheels").mkdir()
    with ZipFile(tmp_path / "wheels/pip-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("pip/__main__.py", PIP)
    (tmp_path / "wheels/a.whl").touch()
    return tmp_path


def slot(home: Path, name: str, requirements: str, *wheels: str) -> Path:
    folder = home / "slots" / name
    (folder / "wheels").mkdir(parents=True)
    (folder / "requirements.txt").write_text(requirements)
    (folder / "manage.py").touch()
    for wheel in wheels:
        (folder / "wheels" / f"{wheel}.whl").touch()
    return folder


def installed(folder: Path) -> list[str]:
    """What pip was asked for, in the environment of the slot."""
    return (folder / ".venv/installed").read_text().splitlines()


def test_releases_with_the_same_packages_share_them(packages: ModuleType, home: Path) -> None:
    old, new = slot(home, "old", "a"), slot(home, "new", "a")
    packages.furnish(home, old)
    packages.furnish(home, new)
    assert (new / ".venv").resolve() == (old / ".venv").resolve()
    assert installed(new) == [f"a from {home.name}"]  # once
    assert (new / ".venv/bin/python").exists()


def test_a_release_brings_what_is_new(packages: ModuleType, home: Path) -> None:
    old, new = slot(home, "old", "a"), slot(home, "new", "a\nb", "b")
    packages.furnish(home, old)
    packages.furnish(home, new)
    assert installed(new) == [f"a from {home.name}", "b from new"]
    assert installed(old) == [f"a from {home.name}"]


def test_another_lock_makes_another_environment_of_exactly_its_versions(packages: ModuleType, home: Path) -> None:
    """A26: a repair in what a requirement needs in turn counts as well"""
    old, new = slot(home, "old", "a"), slot(home, "new", "a")
    for release, version in ((old, "1.0"), (new, "1.1")):
        (release / "deploy").mkdir()
        (release / packages.LOCK).write_text(f"# made\n{'0' * 64}  in_turn-{version}-py3-none-any.whl\n")
        packages.furnish(home, release)
        assert (release / ".venv/obeyed").read_text() == f"in_turn=={version}\n"
    assert (new / ".venv").resolve() != (old / ".venv").resolve()


def test_what_is_missing_is_named_and_nothing_half_is_left(packages: ModuleType, home: Path) -> None:
    new = slot(home, "new", "a\nb")
    with pytest.raises(packages.Missing, match="No matching distribution found for b"):
        packages.furnish(home, new)
    assert not (new / ".venv").is_symlink()
    assert list((home / "venvs").iterdir()) == []


def test_what_a_power_cut_left_half_is_made_again(packages: ModuleType, home: Path) -> None:
    new = slot(home, "new", "a")
    packages.furnish(home, new)
    (new / ".venv" / packages.COMPLETE).unlink()
    (new / ".venv/rest").touch()
    packages.furnish(home, new)
    assert not (new / ".venv/rest").exists()
    assert installed(new) == [f"a from {home.name}"]


def test_packages_that_no_release_uses_go_with_the_last_one_that_did(packages: ModuleType, home: Path) -> None:
    for name, requirements in (("older", "a"), ("old", "a\na"), ("new", "a\na")):
        packages.furnish(home, slot(home, name, requirements))
    os.symlink("slots/new", home / "current")
    os.symlink("slots/old", home / "previous")
    assert len(list((home / "venvs").iterdir())) == 2
    Releases(home, "new").make_room()
    assert list((home / "venvs").iterdir()) == [(home / "slots/new/.venv").resolve()]


def test_a_python_that_is_the_same_changes_nothing(
    installer: ModuleType, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The trigger of the package restarts the services only after "changed"."""
    old, new = slot(home, "old", "a"), slot(home, "new", "a")
    installer.furnish_all(home, home)
    assert capsys.readouterr().out == "changed\n"
    installer.furnish_all(home, home)
    assert capsys.readouterr().out == ""
    (new / ".venv").unlink()
    (new / ".venv").symlink_to("../../venvs/2.7-of-another-python")
    installer.furnish_all(home, home)
    assert capsys.readouterr().out == "changed\n"
    assert (new / ".venv").resolve() == (old / ".venv").resolve()
