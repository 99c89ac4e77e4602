"""Documentation that is made from the code's own tables and from its tests, so that it cannot lie.

A matter of the source tree: an installed appliance has neither docs/ nor tests/, and never makes these pages.
"""

from __future__ import annotations

from collections.abc import Callable

from station.api.schema import openapi
from station.generated_docs.checklist import checklist
from station.generated_docs.configuration_keys import configuration_keys
from station.generated_docs.faults import faults
from station.generated_docs.page import ROOT
from station.generated_docs.spec_map import spec_map

#: Path below the project → the text it must have.
PAGES: dict[str, Callable[[], str]] = {
    "docs/checklist.md": checklist,
    "docs/configuration-keys.md": configuration_keys,
    "docs/faults.md": faults,
    "docs/openapi.json": openapi,
    "docs/spec-map.md": spec_map,
}

__all__ = ["PAGES", "ROOT"]
