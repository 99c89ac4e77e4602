"""Tests of the appliance; Django is set up before any of them is imported."""

import tests.appliance  # noqa: F401
