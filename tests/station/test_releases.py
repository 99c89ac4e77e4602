"""What a release says about itself, for the station that runs it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

import tests.appliance  # noqa: F401
from ocppclient.clock import FLOOR
from station.releases import MANIFEST, Releases


@pytest.mark.parametrize(
    ("manifest", "made"),
    [
        ('{"version": "2.0", "made": "2026-05-01T10:00:00.000Z"}', datetime(2026, 5, 1, 10, tzinfo=UTC)),
        ('{"version": "2.0"}', FLOOR),
        ('{"version": "2.0", "made": "yesterday"}', FLOOR),
        (None, FLOOR),
    ],
)
def test_the_date_of_the_release_is_a_floor_for_the_clock(tmp_path: Path, manifest: str | None, made: datetime) -> None:
    """CLK-06"""
    (tmp_path / "slots/1").mkdir(parents=True)
    if manifest is not None:
        (tmp_path / "slots/1" / MANIFEST).write_text(manifest)
    assert Releases(tmp_path, "1").made == made
