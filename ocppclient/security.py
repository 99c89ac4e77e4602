"""Security profile and password (security white paper A00, A01, A05; conformance SEC, PWD, UPG): changes and ways back.

New credentials are on trial until a connection opens with them; when none does, the former ones come back.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, field
from datetime import datetime

from ocppclient.certificates import CENTRAL_SYSTEM_ROOT, Certificates
from ocppclient.charge_point_certificate import ChargePointCertificate, ClientCertificate
from ocppclient.clock import Clock
from ocppclient.codec import Payload
from ocppclient.configuration import Configuration, Refused
from ocppclient.events import Action, Connect, Disconnect, Explain, UpdateLink
from ocppclient.outbox import Outbox
from ocppclient.security_events import SecurityEvents
from ocppclient.sentence import NOTHING, Sentence, listed
from ocppclient.settings import ChargePointSettings
from ocppclient.store import Store

log = logging.getLogger(__name__)

#: New credentials have that many failed attempts; then it is the turn of the former ones.
TRIAL_ATTEMPTS = 3
#: The answer to ChangeConfiguration has to arrive, and a Reset right behind it, before the connection is opened anew.
_SETTLE_S = 1.0
#: Kinds of `link.LinkError` that say nothing about the credentials: the backend was not reached.
_NOT_REACHED = ("dns", "network", "ordered")
_PASSWORD_REFUSED = ("password", "unauthorised")

#: Failure of the link → the security events it means (conformance SEC-07, SEC-08, SEC-11, SEC-18).
_FAULTS: dict[str, tuple[str, ...]] = {
    "certificate": ("InvalidCentralSystemCertificate", "CentralSystemFailedToAuthenticate"),
    "tls_version": ("InvalidTLSVersion",),
    "tls_cipher": ("InvalidTLSCipherSuite",),
    "password": ("FailedToAuthenticateAtCentralSystem",),
    "unauthorised": ("FailedToAuthenticateAtCentralSystem",),
}

# names in the store
_FORMER_PROFILE = "security.former.SecurityProfile"
_FORMER_KEY = "security.former.AuthorizationKey"
_SEEN_SETTINGS = "security.settings"
_KEY_AS_TEXT = "link.key_as_text"


@dataclass(frozen=True)
class Credentials:
    """What the next connection proves and trusts; see `link.ConnectionSettings`."""

    security_profile: int
    authorization_key: str = field(repr=False)
    key_as_text: bool
    root_certificates: tuple[str, ...]
    client: ClientCertificate | None
    allow_wildcards: bool


class Security:
    """The backend may raise the profile and change the password; people change both in the settings.

    What was said last counts: a change of the backend covers the settings until a person changes these again.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        config: Configuration,
        outbox: Outbox,
        security_events: SecurityEvents,
        certificates: Certificates,
        charge_point_certificate: ChargePointCertificate,
        settings: ChargePointSettings,
        actions: list[Action],
    ) -> None:
        self._store = store
        self._clock = clock
        self._config = config
        self._outbox = outbox
        self._security_events = security_events
        self._certificates = certificates
        self._charge_point_certificate = charge_point_certificate
        self._settings = settings
        self._actions = actions
        self._failures = 0
        self._raised: set[str] = set()  # kinds of failures that were told in this outage
        self._reconnect_at: float | None = None
        #: Of the backend's chain, when it was accepted by a clock that nobody had confirmed.
        self._to_judge: tuple[datetime, datetime] | None = None
        self._linked_with = self.credentials()

    def credentials(self) -> Credentials:
        """For the next connection."""
        return Credentials(
            security_profile=self._config.security_profile,
            authorization_key=self._config.authorization_key,
            key_as_text=self._store.value(_KEY_AS_TEXT) is not None,
            root_certificates=self._certificates.trusted,
            client=self._charge_point_certificate.client(),
            allow_wildcards=self._config.allow_central_system_tls_wildcards,
        )

    # -- messages

    def change_configuration(self, request: Payload) -> Payload:
        """ChangeConfiguration.req: the two keys with conditions here, all others in the table."""
        match request["key"].casefold():
            case "securityprofile":
                return self._change_profile(request)
            case "authorizationkey":
                return self._change_key(request)
        return self._config.change_configuration(request)

    def _change_profile(self, request: Payload) -> Payload:
        key, former = Configuration.security_profile, self._config.security_profile
        try:
            profile = key.parse(request["value"])
        except Refused:
            return self._config.change_configuration(request)
        if profile <= former:
            return self._refuse(
                Sentence(
                    "SecurityProfile is {former} and can only be raised; a lower one is chosen at the station itself.",
                    former=former,
                ),
                "UPG-01",
            )
        if missing := self._missing(profile):
            return self._refuse(
                Sentence("SecurityProfile {profile} needs {missing}.", profile=profile, missing=missing), "UPG-02"
            )
        self._try(
            former,
            None,
            Sentence("SecurityProfile {former} → {profile}, by the backend", former=former, profile=profile),
        )
        self._config.set(key, profile)
        return {"status": "Accepted"}

    def _missing(self, profile: int) -> Sentence:
        """What the profile needs and this station does not have, in words (A05.FR.02…04)."""
        if profile in (1, 2) and not self._config.authorization_key:
            return Sentence("an AuthorizationKey")
        if profile in (1, 2) and ":" in self._settings.charge_point_id:
            return Sentence("a charge point id without ':'")
        if profile >= 2 and not (self._certificates.roots(CENTRAL_SYSTEM_ROOT) or self._settings.system_roots):
            return Sentence("an installed CentralSystemRootCertificate")
        if profile == 3 and self._charge_point_certificate.client() is None:
            return Sentence("a ChargePointCertificate that is valid now")
        return NOTHING

    def _change_key(self, request: Payload) -> Payload:
        former = self._config.authorization_key
        answer = self._config.change_configuration(request)
        if answer["status"] == "Accepted" and self._config.authorization_key != former:
            self._try(None, former, Sentence("AuthorizationKey, by the backend"))
        return answer

    def _refuse(self, rule: Sentence, clause: str) -> Payload:
        self._actions.append(Explain("ChangeConfiguration", "Rejected", rule, "", clause))
        return {"status": "Rejected"}

    # -- people

    def key_chosen(self, name: str, value: str) -> None:
        """A person changes a key: the rules and the reasons are those of ChangeConfiguration."""
        if name.casefold() in ("securityprofile", "authorizationkey"):
            self._refuse(
                Sentence("{name} is changed together with the backend settings, which are tried first.", name=name),
                "UPG-01",
            )
        else:
            self._config.change_configuration({"key": name, "value": value})

    def settings_changed(self, settings: ChargePointSettings) -> None:
        """People changed the settings (which the configuration has taken over already)."""
        self._settings = settings
        self._look_at_settings()

    def _look_at_settings(self) -> None:
        """What the settings say about the credentials counts when it changed since it was last looked at."""
        said = {name.casefold(): text for name, text in self._settings.configuration.items()}
        profile, key = said.get("securityprofile", ""), said.get("authorizationkey", "")
        digest = hashlib.sha256(f"{profile} {key}".encode()).hexdigest()
        seen = self._store.value(_SEEN_SETTINGS)
        if seen == digest:
            return
        self._store.set_value(_SEEN_SETTINGS, digest)
        if seen is None:
            return
        # the former credentials are those of the link, not what the table says: it has read the settings already
        former = self._linked_with
        self._config.reset(Configuration.security_profile)
        self._config.reset(Configuration.authorization_key)
        profile_changed = self._config.security_profile != former.security_profile
        key_changed = self._config.authorization_key != former.authorization_key
        changed = [
            Sentence(
                "SecurityProfile {former} → {present}",
                former=former.security_profile,
                present=self._config.security_profile,
            )
        ] * profile_changed
        changed += [Sentence("AuthorizationKey")] * key_changed
        if changed:
            self._try(
                former.security_profile if profile_changed else None,
                former.authorization_key if key_changed else None,
                Sentence("{what}, by a person at the station", what=listed(changed)),
            )

    # -- trial

    def _try(self, former_profile: int | None, former_key: str | None, tech_info: str) -> None:
        """Credentials are changed: keep the last ones that worked until the new ones have."""
        if former_profile is not None and self._store.value(_FORMER_PROFILE) is None:
            self._store.set_value(_FORMER_PROFILE, str(former_profile))
        if former_key is not None and self._store.value(_FORMER_KEY) is None:
            self._store.set_value(_FORMER_KEY, former_key)
        if former_key is not None:
            self._store.set_value(_KEY_AS_TEXT, None)
        self._failures = 0
        self._security_events.raise_event("ReconfigurationOfSecurityParameters", tech_info)

    def _swap(self, reason: str) -> None:
        """The new credentials do not connect: back to the former. The new ones wait for another turn."""
        profile, key = self._config.security_profile, self._config.authorization_key
        former_profile, former_key = self._store.value(_FORMER_PROFILE), self._store.value(_FORMER_KEY)
        if former_profile is not None:
            self._config.set(Configuration.security_profile, int(former_profile))
            self._store.set_value(_FORMER_PROFILE, str(profile))
        if former_key is not None:
            self._config.set(Configuration.authorization_key, former_key)
            self._store.set_value(_FORMER_KEY, key)
            self._store.set_value(_KEY_AS_TEXT, None)
        self._failures = 0
        back_to = (
            Sentence("SecurityProfile {security_profile}", security_profile=self._config.security_profile)
            if former_profile is not None
            else Sentence("the former key")
        )
        self._security_events.raise_event(
            "ReconfigurationOfSecurityParameters",
            Sentence(
                "back to {back_to} after {attempts} failed attempts",
                back_to=back_to,
                attempts=TRIAL_ATTEMPTS,
            ),
        )
        self._actions.append(
            Explain(
                Sentence("credentials"),
                Sentence("taken back"),
                Sentence(
                    "No connection with the new credentials: {reason}. The station tries {back_to} again.",
                    reason=reason,
                    back_to=back_to,
                ),
                clause="UPG-04",
            )
        )

    # -- the link

    def key_form_accepted(self, as_text: bool) -> None:
        """The form of a hex key that the backend takes; remembered until the key changes."""
        self._store.set_value(_KEY_AS_TEXT, "1" if as_text else None)
        self._linked_with = self.credentials()

    def connected(self, verified_by: tuple[str, ...], valid: tuple[datetime, datetime] | None) -> None:
        """The credentials work: the former ones are forgotten, and never come back (A05.FR.09)."""
        self._to_judge = None if self._clock.confirmed else valid
        self._failures = 0
        self._raised.clear()
        self._certificates.connected(verified_by)
        self._charge_point_certificate.connected()
        self._store.set_value(_FORMER_PROFILE, None)
        self._store.set_value(_FORMER_KEY, None)

    def attempt_failed(self, kind: str, reason: str) -> None:
        """No connection; each fault is a security event once per outage (field problem 9)."""
        if kind in _FAULTS and kind not in self._raised:
            self._raised.add(kind)
            for event_type in _FAULTS[kind]:
                self._security_events.raise_event(event_type, reason)
        if kind == "certificate":
            self._certificates.backend_refused()
        if kind == "unauthorised" and self._config.security_profile == 3:
            self._charge_point_certificate.refused()
        if self._counts(kind):
            self._failures += 1
            if self._failures >= TRIAL_ATTEMPTS:
                self._swap(reason)

    def _counts(self, kind: str) -> bool:
        """The failure speaks against the credentials on trial."""
        if self._store.value(_FORMER_PROFILE) is not None:
            return kind not in _NOT_REACHED
        return self._store.value(_FORMER_KEY) is not None and kind in _PASSWORD_REFUSED

    # -- time

    def update(self) -> None:
        """Let the link follow what it has to be opened with."""
        self._judge_again()
        self._look_at_settings()
        credentials = self.credentials()
        if credentials != self._linked_with:
            if self._outbox.online and _identity(credentials) != _identity(self._linked_with):
                self._reconnect_at = self._clock.monotonic() + _SETTLE_S
            else:
                self._actions.append(UpdateLink("the certificates or the credentials changed"))
            self._linked_with = credentials
        if self._reconnect_at is not None and self._clock.monotonic() >= self._reconnect_at:
            self._reconnect_at = None
            self._actions.append(Connect("the credentials changed"))

    def _judge_again(self) -> None:
        """The clock is confirmed since the connection was opened: the backend's certificates are judged by it."""
        if self._to_judge is None or not self._clock.confirmed:
            return
        (since, until), self._to_judge = self._to_judge, None
        if since <= self._clock.utc() <= until or not self._outbox.online:
            return
        reason = Sentence(
            "the clock is confirmed now, and the backend's certificates are valid from {since} to {until} only",
            since=f"{since:%Y-%m-%d}",
            until=f"{until:%Y-%m-%d}",
        )
        self._security_events.raise_event("InvalidCentralSystemCertificate", reason)
        rule = Sentence("The connection was ended: {reason}.", reason=reason)
        self._actions.append(Explain(Sentence("certificate"), Sentence("refused"), rule, "", "CLK-06"))
        self._actions.append(Disconnect(reason))


def _identity(credentials: Credentials) -> tuple[object, ...]:
    """How the station proves itself: when that changes, the connection that exists is opened anew."""
    profile = credentials.security_profile
    if profile == 3:
        return profile, credentials.client
    return profile, credentials.authorization_key if profile in (1, 2) else ""
