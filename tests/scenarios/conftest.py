"""The rig plays the worker, which imports Django's models: Django is set up before it."""

import tests.appliance  # noqa: F401
