"""What counts now, read from the database: for pages, which never wait for the worker to show it."""

from __future__ import annotations

from ocppclient.configuration import Configuration
from station import provisioning
from station.store import DjangoStore
from station.wiring import charge_point_settings


def configuration() -> Configuration:
    """The configuration keys with their present values; to be read only, the worker writes them."""
    settings = charge_point_settings(provisioning.load())
    return Configuration(DjangoStore(), settings.configuration, [], settings.factory.feature_profiles)
