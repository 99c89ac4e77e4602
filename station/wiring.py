"""From what is stored to what runs: the charge point with its store, and the settings of the backend link."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import astuple, dataclass

from django.db import connections

from ocppclient.charge_point import ChargePoint
from ocppclient.clock import Clock, parse_utc
from ocppclient.configuration import KEYS
from ocppclient.link import ConnectionSettings
from ocppclient.settings import ChargePointSettings
from station import __version__, provisioning
from station.database import open_store
from station.provisioning import Applied, Provision
from station.store import DjangoStore
from station.worker import Domain

log = logging.getLogger("station")

#: A hex key is sent as its text, because the backend refused its bytes (field problem 7).
KEY_AS_TEXT = "link.key_as_text"


@dataclass(frozen=True)
class Opened:
    """What `open_domain` found; `link` is None when no backend is configured (or its settings cannot work)."""

    applied: Applied
    link: ConnectionSettings | None


class Wiring:
    """Belongs to the domain thread."""

    def __init__(self) -> None:
        self.opened: Opened | None = None
        self._store: DjangoStore | None = None
        self._charge_point: ChargePoint | None = None

    def open_domain(self) -> Domain:
        """Open the database, provision a new data folder, recover the charge point (construction is recovery).

        Raises:
            StartupError: see `open_store` and `provisioning.at_start`.
        """
        self._store = store = open_store()
        applied = provisioning.at_start(known_keys=frozenset(key.name for key in KEYS.values()))
        floor = store.value("clock.floor")
        clock = Clock(floor=parse_utc(floor) if floor else None)
        self._charge_point = ChargePoint(store, clock, charge_point_settings(applied.provision))
        self.opened = Opened(applied, self._link(applied.provision))
        return Domain(store, self._charge_point, clock, connections.close_all)

    def link_settings(self) -> ConnectionSettings | None:
        """The backend settings as they are stored now."""
        return self._link(provisioning.load())

    def settings(self) -> ChargePointSettings:
        """What the charge point has to know of the settings as they are stored now.

        Raises:
            StartupError: see `provisioning.load`.
        """
        return charge_point_settings(provisioning.load())

    def remember_key_form(self, as_text: bool) -> None:
        """The other form of the key was accepted."""
        assert self._store is not None
        log.info("The backend takes the key as %s; this is remembered", "text" if as_text else "bytes")
        with self._store.atomic():
            self._store.set_value(KEY_AS_TEXT, "1" if as_text else None)

    def _link(self, provision: Provision) -> ConnectionSettings | None:
        assert self._store is not None
        assert self._charge_point is not None
        backend = provision.backend
        if not backend.url:
            log.warning("No backend is configured: the station works with its local list only")
            return None
        try:
            return ConnectionSettings(
                url=backend.url,
                charge_point_id=backend.charge_point_id,
                security_profile=backend.security_profile,
                authorization_key=backend.authorization_key,
                key_as_text=self._store.value(KEY_AS_TEXT) is not None,
                root_certificates=backend.root_certificates,
                client_certificate=backend.client_certificate,
                client_key=backend.client_key,
                ping_interval_s=self._charge_point.limits.ping_interval_s,
                reconnect_min_s=provision.reconnect_min_s,
                reconnect_max_s=provision.reconnect_max_s,
                user_agent=f"openstation/{__version__}",
            )
        except ValueError as error:
            log.error("The backend settings cannot work: %s", error)
            return None


def charge_point_settings(provision: Provision) -> ChargePointSettings:
    """The part of the settings that the domain sees."""
    backend = provision.backend
    return ChargePointSettings(
        identity=provision.identity,
        electrical=provision.electrical,
        factory=provision.factory,
        configuration={**provision.configuration, "SecurityProfile": str(backend.security_profile)},
        backend_key=f"{backend.url} {backend.charge_point_id}".strip(),
        connection=_fingerprint(provision),
    )


def _fingerprint(provision: Provision) -> str:
    """Another one means another link; no secret can be read from it."""
    link = [*astuple(provision.backend), provision.reconnect_min_s, provision.reconnect_max_s]
    return hashlib.sha256(json.dumps(link).encode()).hexdigest()
