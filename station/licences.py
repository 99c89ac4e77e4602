"""Whose work the station's software stands on: vendored files and Python packages, with version and licence."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from django.conf import settings

_CLASSIFIER = "License :: OSI Approved :: "
#: A licence's whole text in the field for its name is no name.
_LONGEST = 60


@dataclass(frozen=True)
class Work:
    """One work of others; `licence` "" when it does not say."""

    name: str
    version: str
    licence: str
    purpose: str = ""


def vendored() -> list[Work]:
    """The files that the pages load (static/vendor/lock.toml)."""
    lock: Path = settings.BASE_DIR / "static" / "vendor" / "lock.toml"
    packages = tomllib.loads(lock.read_text())["package"]
    return [Work(one["name"], one["version"], one["licence"], one["purpose"]) for one in packages]


@cache  # what is installed does not change while the process runs
def packages() -> tuple[Work, ...]:
    """The installed Python packages by name, as their own metadata tells."""
    found = {one.metadata["Name"].casefold(): one for one in metadata.distributions() if one.metadata["Name"]}
    return tuple(Work(one.metadata["Name"], one.version, _licence(one)) for _, one in sorted(found.items()))


def _licence(distribution: metadata.Distribution) -> str:
    return next((text for text in _said(distribution) if text and len(text) <= _LONGEST), "")


def _said(distribution: metadata.Distribution) -> Iterator[str]:
    """The SPDX expression (PEP 639), the classifiers, the old free text: the first that is there counts."""
    about = distribution.metadata
    yield _field(about, "License-Expression")
    classifiers = about.get_all("Classifier") or []
    yield ", ".join(one.removeprefix(_CLASSIFIER) for one in classifiers if one.startswith(_CLASSIFIER))
    yield _field(about, "License").partition("\n")[0]


def _field(about: metadata.PackageMetadata, name: str) -> str:
    return about[name].strip() if name in about else ""
