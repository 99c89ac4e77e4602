"""From what is stored to what runs: the charge point with its store, and the settings of the backend link."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import astuple, dataclass, replace

from django.conf import settings
from django.db import connections

from ocppclient.charge_point import ChargePoint
from ocppclient.clock import FLOOR, Clock, parse_utc
from ocppclient.configuration import KEYS
from ocppclient.link import ConnectionSettings, address_for
from ocppclient.security import Credentials
from ocppclient.settings import ChargePointSettings, Identity, Release
from station import __version__, disk_room, factory_reset, provisioning, releases, restore_apply
from station.database import open_store
from station.provisioning import Applied, BackendSettings, Provision
from station.regions import region
from station.worker import Domain

log = logging.getLogger("station")


@dataclass(frozen=True)
class Opened:
    """What `open_domain` found; `link` is None when no backend is configured (or its settings cannot work)."""

    applied: Applied
    link: ConnectionSettings | None
    #: What was put in place before anything ran, for the security log.
    changes: tuple[str, ...] = ()


class Wiring:
    """Belongs to the domain thread."""

    def __init__(self) -> None:
        self.opened: Opened | None = None
        self._charge_point: ChargePoint | None = None

    def open_domain(self) -> Domain:
        """Open the database, provision a new data folder, recover the charge point (construction is recovery).

        Raises:
            StartupError: see `open_store` and `provisioning.at_start`.
        """
        disk_room.at_start(settings.DATA_DIR)
        store = open_store()
        changes = tuple(filter(None, (restore_apply.apply_pending(), factory_reset.apply_pending())))
        applied = provisioning.at_start(known_keys=frozenset(key.name for key in KEYS.values()))
        floor = store.value("clock.floor")
        ours = releases.here()
        clock = Clock(floor=parse_utc(floor) if floor else None, built=ours.made if ours else FLOOR)
        self._charge_point = ChargePoint(store, clock, charge_point_settings(applied.provision))
        self.opened = Opened(applied, self._link(applied.provision), changes)
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

    def credentials(self) -> Credentials:
        """What the charge point proves and trusts at the next connection."""
        assert self._charge_point is not None
        return self._charge_point.security.credentials()

    def trial_link(self, provision: Provision) -> ConnectionSettings:
        """The link as it would be with this profile and key in [backend].

        Raises:
            ValueError: it cannot work; the text says why.
        """
        backend = provision.backend
        tried = replace(
            self.credentials(), security_profile=backend.security_profile, authorization_key=backend.authorization_key
        )
        return self._connection(provision, tried)

    def _link(self, provision: Provision) -> ConnectionSettings | None:
        if not provision.backend.url:
            log.warning("No backend is configured: the station works with its local list only")
            return None
        try:
            return self._connection(provision, self.credentials())
        except ValueError as error:
            log.error("The backend settings cannot work: %s", error)
            return None

    def _connection(self, provision: Provision, credentials: Credentials) -> ConnectionSettings:
        assert self._charge_point is not None
        backend = provision.backend
        return ConnectionSettings(
            url=address_for(credentials.security_profile, backend.url, backend.secure_url),
            charge_point_id=backend.charge_point_id,
            security_profile=credentials.security_profile,
            authorization_key=credentials.authorization_key,
            key_as_text=credentials.key_as_text,
            root_certificates=credentials.root_certificates,
            system_roots=backend.system_roots,
            client_certificate=credentials.client.chain if credentials.client else "",
            client_key=credentials.client.key if credentials.client else "",
            allow_wildcards=credentials.allow_wildcards,
            ping_interval_s=self._charge_point.limits.ping_interval_s,
            reconnect_min_s=provision.reconnect_min_s,
            reconnect_max_s=provision.reconnect_max_s,
            user_agent=f"openstation/{__version__}",
        )


def charge_point_settings(provision: Provision) -> ChargePointSettings:
    """The part of the settings that the domain sees."""
    backend = provision.backend
    return ChargePointSettings(
        identity=_identity(provision.identity),
        electrical=provision.electrical,
        factory=provision.factory,
        configuration={
            **region(provision.charging.region).configuration,
            **provision.configuration,
            **_credentials(backend),
        },
        release=ours.facts() if (ours := releases.here()) else Release(),
        backend_key=f"{backend.url} {backend.charge_point_id}".strip(),
        connection=_fingerprint(provision),
        charge_point_id=backend.charge_point_id,
        system_roots=backend.system_roots,
        time_zone=time_zone(provision),
    )


def time_zone(provision: Provision) -> str:
    """Whose time of day the station has: what people chose in the set-up or on the page Time, else its region's."""
    said = provisioning.stored("commissioning", "language") or {}
    return str(said.get("time_zone") or region(provision.charging.region).time_zone)


def _credentials(backend: BackendSettings) -> dict[str, str]:
    """What [backend] says about two configuration keys, unless it leaves them to [ocpp]."""
    said = {}
    if backend.security_profile:
        said["SecurityProfile"] = str(backend.security_profile)
    if backend.authorization_key:
        said["AuthorizationKey"] = backend.authorization_key  # still a Secret, which hides itself
    return said


def _identity(identity: Identity) -> Identity:
    """An installed release tells its own version; the factory's text was about the one it delivered."""
    ours = releases.here()
    version = str(ours.manifest(ours.own_slot).get("version", "")) if ours else ""
    return replace(identity, firmware_version=version) if version else identity


def _fingerprint(provision: Provision) -> str:
    """Another one means another link; no secret can be read from it."""
    link = [*astuple(provision.backend), provision.reconnect_min_s, provision.reconnect_max_s]
    return hashlib.sha256(json.dumps(link).encode()).hexdigest()
