"""What goes into the Debian package: every file of deploy/, and the wheels of every Python that it serves."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
#: They make the package and are not files of the machine.
MAKERS = {"build_package.py", *(f"debian/{name}" for name in ("control", "copyright", "triggers"))}


@pytest.fixture(scope="module")
def builder() -> Any:
    spec = importlib.util.spec_from_file_location("build_package", DEPLOY / "build_package.py")
    assert spec is not None
    assert spec.loader is not None
    found = sys.modules[spec.name] = importlib.util.module_from_spec(spec)  # dataclasses look there
    spec.loader.exec_module(found)
    return found


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


def test_what_one_python_needs_and_another_does_not_is_found(builder: Any, tmp_path: Path) -> None:
    """Debian 12 has Python 3.11.2: a builder with 3.11.7 does not ask for what only the former needs."""
    first = wheel(
        tmp_path, "first-1.0-py3-none-any.whl", 'late (>=5.0.3) ; python_full_version < "3.11.3"', "extra[tls]"
    )
    extra = wheel(tmp_path, "extra-2.0-py3-none-any.whl", 'secret >=1; extra == "tls"', 'never; extra == "docs"')
    old, new = (builder.Target(python, "aarch64") for python in ("3.11.2", "3.13.5"))
    assert builder.resolve(old, ["first==1.0"], tmp_path) == ({first, extra}, ["secret>=1", "late>=5.0.3"])
    secret = wheel(tmp_path, "secret-1.1-py3-none-any.whl")
    assert builder.resolve(new, ["first==1.0"], tmp_path) == ({first, extra, secret}, [])


def test_a_wheel_for_another_machine_python_or_c_library_does_not_count(builder: Any, tmp_path: Path) -> None:
    target = builder.Target("3.13.5", "aarch64")
    for name in (
        "fast-1.0-cp313-cp313-manylinux_2_28_x86_64.whl",
        "fast-1.0-cp311-cp311-manylinux_2_28_aarch64.whl",
        "fast-1.0-cp313-cp313-musllinux_1_2_aarch64.whl",
        "fast-1.0-cp313-cp313-manylinux_2_39_aarch64.whl",
    ):
        wheel(tmp_path, name)
    assert builder.resolve(target, ["fast"], tmp_path) == (set(), ["fast"])
    fits = wheel(tmp_path, "fast-1.0-cp39-abi3-manylinux_2_24_aarch64.manylinux_2_28_aarch64.whl")
    assert builder.resolve(target, ["fast"], tmp_path) == ({fits}, [])
    wheel(tmp_path, "fast-0.9-py3-none-any.whl")  # left over from an earlier build
    assert builder.resolve(target, ["fast"], tmp_path) == ({fits}, [])
