"""THE table of configuration keys (OCPP 1.6 section 9) and Get/ChangeConfiguration (sections 5.3, 5.8).

A key is declared once, as an attribute of `Configuration`; features read `config.heartbeat_interval`, people read the
generated documentation, the backend reads GetConfiguration: all from the same declaration.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from enum import StrEnum
from typing import Any, Generic, TypeVar, overload

from ocppclient import feature_profiles
from ocppclient.codec import CallFailure, Payload, tolerant_int
from ocppclient.events import Action, Explain
from ocppclient.peak_hours import is_rule
from ocppclient.sentence import NOTHING, Sentence, quoted
from ocppclient.store import Store
from ocppclient.transfer_request import PROTOCOLS

T = TypeVar("T")

log = logging.getLogger(__name__)

#: What the station can measure; a list with anything else is Rejected as a whole (conformance MTR-12).
MEASURANDS = (
    "Energy.Active.Import.Register",
    "Power.Active.Import",
    "Current.Import",
    "Voltage",
    "Current.Offered",
    "Power.Offered",
    "Temperature",
    "Frequency",
)
_PHASE_ROTATIONS = ("NotApplicable", "Unknown", "RST", "RTS", "SRT", "STR", "TRS", "TSR")


class Access(StrEnum):
    """RW: the backend may change it; R: it may only read it; W: it may change it and never reads it."""

    R = "R"
    RW = "RW"
    W = "W"


class Refused(ValueError):
    """A value that does not fit its key; the text says why and what fits."""


class Key(Generic[T]):
    """One configuration key: a descriptor that reads the store, else the factory's value, else the default.

    Args:
        name: as on the wire; compared case-insensitively (it is a CiString).
        default: in Python's type.
        meaning: one line for people.
        access: whether the backend may change it.
        unit: "s", "Wh", "times" or "".
        profile: the feature profile it belongs to.
    """

    def __init__(
        self,
        name: str,
        default: T,
        meaning: str,
        *,
        access: Access = Access.RW,
        unit: str = "",
        profile: str = "Core",
    ) -> None:
        self.name = name
        self.default = default
        self.meaning = meaning
        self.access = access
        self.unit = unit
        self.profile = profile

    def parse(self, text: str) -> T:
        """Text from the wire → value; raises Refused with the reason."""
        raise NotImplementedError

    def format(self, value: T) -> str:
        """Value → the canonical text for the wire."""
        raise NotImplementedError

    @property
    def range_text(self) -> str:
        """What values fit, for people."""
        raise NotImplementedError

    @overload
    def __get__(self, config: None, owner: type) -> Key[T]: ...
    @overload
    def __get__(self, config: Configuration, owner: type) -> T: ...
    def __get__(self, config: Configuration | None, owner: type) -> T | Key[T]:
        return self if config is None else config.get(self)


class Bool(Key[bool]):
    """`true` or `false`, any case on input."""

    def parse(self, text: str) -> bool:
        match text.strip().lower():
            case "true":
                return True
            case "false":
                return False
        raise Refused(Sentence("{name} takes true or false", name=self.name))

    def format(self, value: bool) -> str:
        return "true" if value else "false"

    @property
    def range_text(self) -> str:
        return "true, false"


class Int(Key[int]):
    """A decimal integer from `low` to `high` (None: no upper bound); 0 is allowed besides when `zero_is_off`."""

    def __init__(
        self,
        name: str,
        default: int,
        meaning: str,
        *,
        low: int = 0,
        high: int | None = None,
        zero_is_off: bool = False,
        access: Access = Access.RW,
        unit: str = "",
        profile: str = "Core",
    ) -> None:
        super().__init__(name, default, meaning, access=access, unit=unit, profile=profile)
        self.low = low
        self.high = high
        self.zero_is_off = zero_is_off

    def parse(self, text: str) -> int:
        digits = text.strip()
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 9):
            raise Refused(Sentence("{name} takes an integer: {range_text}", name=self.name, range_text=self.range_text))
        value = int(digits)
        if not (self.zero_is_off and value == 0) and not self.low <= value <= (self.high or value):
            raise Refused(
                Sentence(
                    "{value} is outside {name}'s range: {range_text}",
                    value=value,
                    name=self.name,
                    range_text=self.range_text,
                )
            )
        return value

    def format(self, value: int) -> str:
        return str(value)

    @property
    def range_text(self) -> str:
        fits = f"{self.low}…{self.high}"
        if self.high is None:
            fits = Sentence("{low} or more", low=self.low)
        return Sentence("0 (off), {range}", range=fits) if self.zero_is_off and self.low > 0 else fits


class Text(Key[str]):
    """Printable ASCII up to 500 characters; `fits` may refuse a value by raising Refused."""

    def parse(self, text: str) -> str:
        if not (text.isascii() and (text.isprintable() or not text)) or len(text) > 500:
            raise Refused(Sentence("{name} takes up to 500 printable ASCII characters", name=self.name))
        return text

    def format(self, value: str) -> str:
        return value

    @property
    def range_text(self) -> str:
        return "text"


class Password(Key[str]):
    """AuthorizationKey: 16…40 printable ASCII characters (product.md, settled question 3); write-only."""

    def __init__(self, name: str, meaning: str, *, profile: str) -> None:
        super().__init__(name, "", meaning, access=Access.W, profile=profile)

    def parse(self, text: str) -> str:
        if not (text.isascii() and text.isprintable() and 16 <= len(text) <= 40):
            raise Refused(Sentence("{name} takes {range_text}", name=self.name, range_text=self.range_text))
        return text

    def format(self, value: str) -> str:
        return value

    @property
    def range_text(self) -> str:
        return Sentence("16…40 printable ASCII characters; an even number of 32…40 hexadecimal digits stands for bytes")


class Csl(Key[tuple[str, ...]]):
    """A comma separated list; every item must be one of `allowed` (or satisfy `fits`), at most `longest` items."""

    def __init__(
        self,
        name: str,
        default: tuple[str, ...],
        meaning: str,
        *,
        allowed: tuple[str, ...] = (),
        fits: Callable[[str], bool] | None = None,
        fits_text: str = "",
        longest: int = 99,
        access: Access = Access.RW,
        profile: str = "Core",
    ) -> None:
        super().__init__(name, default, meaning, access=access, profile=profile)
        self.allowed = allowed
        self.fits = fits
        self.fits_text = fits_text
        self.longest = longest

    def parse(self, text: str) -> tuple[str, ...]:
        items = tuple(item.strip() for item in text.split(",")) if text.strip() else ()
        if len(items) > self.longest:
            raise Refused(
                Sentence(
                    "{name} takes at most {longest} items, not {items}",
                    name=self.name,
                    longest=self.longest,
                    items=len(items),
                )
            )
        for item in items:
            if (self.allowed and item not in self.allowed) or (self.fits and not self.fits(item)):
                raise Refused(
                    Sentence(
                        "{item!r} is not supported in {name}: {range_text}",
                        item=item[:40],
                        name=self.name,
                        range_text=self.range_text,
                    )
                )
        if len(set(items)) != len(items):
            raise Refused(Sentence("{name} names an item twice", name=self.name))
        return items

    def format(self, value: tuple[str, ...]) -> str:
        return ",".join(value)

    @property
    def range_text(self) -> str:
        return self.fits_text or ", ".join(self.allowed) or "list"


def _rotation_fits(item: str) -> bool:
    connector, _, rotation = item.partition(".")
    return connector in ("0", "1") and rotation in _PHASE_ROTATIONS


_ENERGY = ("Energy.Active.Import.Register",)


class Configuration:
    """The keys and their present values.

    Args:
        store: keeps what was changed, under "key.<name>".
        factory: values fixed by the provisioning; they are trusted and may lie outside the range.
        actions: where reasons of refusals are told (`Explain`).
        profiles: feature profiles that the factory leaves in; None: all. Keys of the others do not exist.
    """

    allow_offline_tx_for_unknown_id = Bool(
        "AllowOfflineTxForUnknownId", False, Sentence("Offline, accept cards that are in neither list nor cache.")
    )
    authorization_cache_enabled = Bool("AuthorizationCacheEnabled", True, Sentence("Use the authorization cache."))
    authorize_remote_tx_requests = Bool(
        "AuthorizeRemoteTxRequests",
        True,
        Sentence("Authorise the idTag of a RemoteStartTransaction like a local card."),
    )
    clock_aligned_data_interval = Int(
        "ClockAlignedDataInterval", 0, Sentence("Meter values at multiples of this from UTC midnight."),
        low=1, high=86400, zero_is_off=True, unit="s",
    )  # fmt: skip
    connection_time_out = Int(
        "ConnectionTimeOut",
        60,
        Sentence("Preparing without plug or card is given up after this."),
        low=1,
        high=86400,
        unit="s",
    )
    connector_phase_rotation = Csl(
        "ConnectorPhaseRotation", ("1.NotApplicable",), Sentence("Phase rotation per connector."),
        fits=_rotation_fits, fits_text="0.XXX or 1.XXX with " + ", ".join(_PHASE_ROTATIONS),
    )  # fmt: skip
    connector_phase_rotation_max_length = Int(
        "ConnectorPhaseRotationMaxLength", 2, Sentence("Most items of ConnectorPhaseRotation."), access=Access.R
    )
    get_configuration_max_keys = Int(
        "GetConfigurationMaxKeys", 20, Sentence("Most keys one GetConfiguration may name."), access=Access.R
    )
    heartbeat_interval = Int(
        "HeartbeatInterval",
        300,
        Sentence("Silence after which a Heartbeat is sent; BootNotification.conf sets it too."),
        low=1,
        high=10800,
        unit="s",
    )
    local_authorize_offline = Bool(
        "LocalAuthorizeOffline", True, Sentence("Offline, accept cards that the list or the cache knows as valid.")
    )
    local_pre_authorize = Bool(
        "LocalPreAuthorize", False, Sentence("Online, accept known valid cards without asking the backend.")
    )
    max_energy_on_invalid_id = Int(
        "MaxEnergyOnInvalidId", 0, Sentence("Energy still delivered after the backend refused the card (only when "
        "StopTransactionOnInvalidId is false); 0: none."), high=1_000_000, unit="Wh",
    )  # fmt: skip
    message_timeout = Int(
        "MessageTimeout", 30, Sentence("How long a message waits for its answer."), low=1, high=600, unit="s"
    )
    meter_values_aligned_data = Csl(
        "MeterValuesAlignedData",
        _ENERGY,
        Sentence("What clock-aligned meter values contain: registers at the end of an interval, the rest as its mean."),
        allowed=MEASURANDS,
    )
    meter_values_aligned_data_max_length = Int(
        "MeterValuesAlignedDataMaxLength", 99, Sentence("Most items of MeterValuesAlignedData."), access=Access.R
    )
    meter_values_sampled_data = Csl(
        "MeterValuesSampledData", _ENERGY, Sentence("What sampled meter values contain."), allowed=MEASURANDS
    )
    meter_values_sampled_data_max_length = Int(
        "MeterValuesSampledDataMaxLength", 99, Sentence("Most items of MeterValuesSampledData."), access=Access.R
    )
    meter_value_sample_interval = Int(
        "MeterValueSampleInterval",
        60,
        Sentence("Meter values during a transaction at multiples of this from its start."),
        low=1,
        high=3600,
        zero_is_off=True,
        unit="s",
    )
    minimum_status_duration = Int(
        "MinimumStatusDuration", 0, Sentence("A status is reported when it lasted this long."), high=86400, unit="s"
    )
    number_of_connectors = Int("NumberOfConnectors", 1, Sentence("Connectors of this station."), access=Access.R)
    reset_retries = Int(
        "ResetRetries",
        3,
        Sentence("How often a hard reset is tried again when the EVSE board does not restart."),
        high=100,
        unit="times",
    )
    stop_transaction_max_meter_values = Int(
        "StopTransactionMaxMeterValues",
        20,
        Sentence("Most entries of transactionData in StopTransaction."),
        access=Access.R,
    )
    stop_transaction_on_ev_side_disconnect = Bool(
        "StopTransactionOnEVSideDisconnect", True, Sentence("Unplugging at the EV ends the transaction.")
    )
    stop_transaction_on_invalid_id = Bool(
        "StopTransactionOnInvalidId",
        True,
        Sentence("A card refused by StartTransaction.conf ends the transaction; false: only the energy stops."),
    )
    stop_txn_aligned_data = Csl(
        "StopTxnAlignedData", (), Sentence("Clock-aligned values that StopTransaction carries."), allowed=MEASURANDS
    )
    stop_txn_aligned_data_max_length = Int(
        "StopTxnAlignedDataMaxLength", 99, Sentence("Most items of StopTxnAlignedData."), access=Access.R
    )
    stop_txn_sampled_data = Csl(
        "StopTxnSampledData", (), Sentence("Sampled values that StopTransaction carries."), allowed=MEASURANDS
    )
    stop_txn_sampled_data_max_length = Int(
        "StopTxnSampledDataMaxLength", 99, Sentence("Most items of StopTxnSampledData."), access=Access.R
    )
    supported_feature_profiles = Csl(
        "SupportedFeatureProfiles",
        feature_profiles.IMPLEMENTED,
        Sentence("The feature profiles of this station."),
        access=Access.R,
    )
    transaction_message_attempts = Int(
        "TransactionMessageAttempts", 3, Sentence("How often a transaction message is sent before it is parked."),
        low=1, high=1000, unit="times",
    )  # fmt: skip
    transaction_message_retry_interval = Int(
        "TransactionMessageRetryInterval",
        60,
        Sentence("Wait before sending a failed transaction message again, times the number of attempts so far."),
        high=86400,
        unit="s",
    )
    unlock_connector_on_ev_side_disconnect = Bool(
        "UnlockConnectorOnEVSideDisconnect", False, Sentence("Always false: the cable is fixed."), access=Access.R
    )
    web_socket_ping_interval = Int(
        "WebSocketPingInterval", 120, Sentence("Time between pings of the station; 0: none."), high=86400, unit="s"
    )
    local_auth_list_enabled = Bool(
        "LocalAuthListEnabled", True, Sentence("Use the local authorization list."), profile="LocalAuthListManagement"
    )
    local_auth_list_max_length = Int(
        "LocalAuthListMaxLength", 100, Sentence("Most entries of the backend in the local list."),
        access=Access.R, profile="LocalAuthListManagement",
    )  # fmt: skip
    send_local_list_max_length = Int(
        "SendLocalListMaxLength", 100, Sentence("Most entries of one SendLocalList."),
        access=Access.R, profile="LocalAuthListManagement",
    )  # fmt: skip
    reserve_connector_zero_supported = Bool(
        "ReserveConnectorZeroSupported", True, Sentence("The whole station can be reserved, as connector 0."),
        access=Access.R, profile="Reservation",
    )  # fmt: skip
    charge_profile_max_stack_level = Int(
        "ChargeProfileMaxStackLevel", 3, Sentence("Highest stackLevel of a charging profile; the lowest is 0."),
        access=Access.R, profile="SmartCharging",
    )  # fmt: skip
    charging_schedule_allowed_charging_rate_unit = Csl(
        "ChargingScheduleAllowedChargingRateUnit", ("Current", "Power"), Sentence("Units of charging schedules: A, W."),
        allowed=("Current", "Power"), access=Access.R, profile="SmartCharging",
    )  # fmt: skip
    charging_schedule_max_periods = Int(
        "ChargingScheduleMaxPeriods", 86400, Sentence("Most periods of one charging schedule."),
        access=Access.R, profile="SmartCharging",
    )  # fmt: skip
    max_charging_profiles_installed = Int(
        "MaxChargingProfilesInstalled", 12, Sentence("Most charging profiles installed at once."),
        access=Access.R, profile="SmartCharging",
    )  # fmt: skip
    additional_root_certificate_check = Bool(
        "AdditionalRootCertificateCheck",
        False,
        Sentence("Only one root certificate of the backend; a new one must be signed by the former."),
        access=Access.R,
        profile=feature_profiles.SECURITY,
    )
    allow_central_system_tls_wildcards = Bool(
        "AllowCentralSystemTLSWildcards",
        False,
        Sentence(
            "At SecurityProfile 2 and 3, take a certificate of the backend that fits its host name only by a wildcard."
        ),
        profile=feature_profiles.SECURITY,
    )
    authorization_key = Password(
        "AuthorizationKey", Sentence("The password of SecurityProfile 1 and 2."), profile=feature_profiles.SECURITY
    )
    certificate_signed_max_chain_size = Int(
        "CertificateSignedMaxChainSize", 10000, Sentence("Most characters of the chain in CertificateSigned."),
        access=Access.R, profile=feature_profiles.SECURITY,
    )  # fmt: skip
    certificate_store_max_length = Int(
        "CertificateStoreMaxLength", 20, Sentence("Most root certificates installed at once."),
        access=Access.R, profile=feature_profiles.SECURITY,
    )  # fmt: skip
    cpo_name = Text(
        "CpoName",
        "",
        Sentence("Organisation in the certificate that this station asks for."),
        profile=feature_profiles.SECURITY,
    )
    security_profile = Int(
        "SecurityProfile",
        0,
        Sentence(
            "0: none, 1: password, 2: TLS and password, 3: TLS with client certificate; the backend can only raise it."
        ),
        high=3,
        profile=feature_profiles.SECURITY,
    )
    send_security_events = Bool(
        "OpenStation.SendSecurityEvents",
        False,
        Sentence("Send security events also at SecurityProfile 0."),
        profile=feature_profiles.SECURITY,
    )
    supported_file_transfer_protocols = Csl(
        "SupportedFileTransferProtocols",
        PROTOCOLS,
        Sentence("What firmware is downloaded and diagnostics are uploaded by."),
        allowed=PROTOCOLS,
        access=Access.R,
        profile="FirmwareManagement",
    )
    loss_of_control_time_out = Int(
        "OpenStation.LossOfControlTimeOut",
        0,
        Sentence("After so long without any sign of life of the backend the current is limited."),
        low=10,
        high=86400,
        zero_is_off=True,
        unit="s",
    )
    loss_of_control_current = Int(
        "OpenStation.LossOfControlCurrent",
        6,
        Sentence("Limit while the backend is silent, per phase; below 6 charging pauses."),
        high=80,
        unit="A",
    )
    peak_hours = Csl(
        "OpenStation.PeakHours",
        (),
        Sentence("Hours of the week in which no session charges, by the station's time zone; a person may override."),
        fits=is_rule,
        fits_text=Sentence("up to 14 like {example}", example="Mon-Fri 16:00-22:00"),
        longest=14,
    )
    randomised_delay = Int(
        "OpenStation.RandomisedDelay",
        0,
        Sentence("More power comes after a random time up to this; a person may skip it. 0: at once."),
        high=1800,
        unit="s",
    )
    power_return_delay_min = Int(
        "OpenStation.PowerReturnDelayMin",
        0,
        Sentence("A car that is plugged in when the power comes back waits at least this long, by chance."),
        high=1800,
        unit="s",
    )
    power_return_delay_max = Int(
        "OpenStation.PowerReturnDelayMax",
        0,
        Sentence("… and at most this long. 0: as any other start."),
        high=1800,
        unit="s",
    )

    def __init__(
        self,
        store: Store,
        factory: Mapping[str, str],
        actions: list[Action],
        profiles: Collection[str] | None = None,
    ) -> None:
        self._store = store
        self._actions = actions
        #: The feature profiles in use.
        self.profiles = feature_profiles.in_use(profiles)
        self._keys = {name: key for name, key in KEYS.items() if self._has(key)}
        self._factory = self._folded(factory)
        #: Names of the keys that this event changed; the front door hands them on as actions.
        self.changes: list[str] = []
        self._values: dict[str, Any] = {}
        self._load()

    @property
    def keys(self) -> list[Key[Any]]:
        """The keys that this station has: those of the feature profiles in use, and of the security extension."""
        return list(self._keys.values())

    def _has(self, key: Key[Any]) -> bool:
        return key.profile in self.profiles or key.profile == feature_profiles.SECURITY

    def _load(self) -> None:
        stored = self._store.values("key.")
        for key in KEYS.values():
            text = stored.get(f"key.{key.name}", self._factory.get(key.name.casefold()))
            self._values[key.name] = key.default if text is None else _trusted(key, text)
            if isinstance(key, Bool) and not self._has(key):
                self._values[key.name] = False  # the switch of a function that is not there

    def _folded(self, factory: Mapping[str, str]) -> dict[str, str]:
        return {
            Configuration.supported_feature_profiles.name.casefold(): ",".join(self.profiles),
            **{name.casefold(): text for name, text in factory.items()},
        }

    def settings_changed(self, factory: Mapping[str, str]) -> None:
        """People may have changed keys, and what the settings say about them is this now."""
        self._factory = self._folded(factory)
        self.forget()

    def forget(self) -> None:
        """Read everything again: a unit of work was undone, or a person changed a key."""
        former = dict(self._values)
        self._load()
        self.changes += [name for name, value in self._values.items() if former[name] != value]

    def get(self, key: Key[T]) -> T:
        value: T = self._values[key.name]
        return value

    def reset(self, key: Key[T]) -> None:
        """What was changed is forgotten: the settings (or the default) count again."""
        self._store.set_value(f"key.{key.name}", None)
        self.forget()

    def set(self, key: Key[T], value: T) -> None:
        """The station itself sets a key (HeartbeatInterval from BootNotification.conf); durable like a change."""
        if self._values[key.name] != value:
            self._store.set_value(f"key.{key.name}", key.format(value))
            self._values[key.name] = value
            self.changes.append(key.name)

    def entry(self, key: Key[Any]) -> Payload:
        """One KeyValue of GetConfiguration.conf; values are cut to 500 characters (section 7.29)."""
        if key.access is Access.W:  # white paper section 7.2: never readable
            return {"key": key.name, "readonly": False}
        text = key.format(self._values[key.name])
        return {"key": key.name, "readonly": key.access is Access.R, "value": text[:500]}

    # -- messages

    def get_configuration(self, request: Payload) -> Payload:
        """GetConfiguration.req (section 5.8); no keys, or none named, asks for all of them."""
        names: list[str] = request.get("key") or []
        if len(names) > self.get_configuration_max_keys:
            raise CallFailure(
                "OccurenceConstraintViolation",
                Sentence(
                    "at most {get_configuration_max_keys} keys at once (GetConfigurationMaxKeys), not {names}",
                    get_configuration_max_keys=self.get_configuration_max_keys,
                    names=len(names),
                ),
            )
        if not names:
            listed = [key for key in self._keys.values() if key.access is not Access.W]
            return {"configurationKey": [self.entry(key) for key in listed]}
        known, unknown = [], []
        for name in dict.fromkeys(names):
            key = self._keys.get(name.casefold())
            if key is None:
                unknown.append(name)
            else:
                known.append(self.entry(key))
        answer: Payload = {"configurationKey": known}
        if unknown:
            answer["unknownKey"] = unknown
        return answer

    def change_configuration(self, request: Payload) -> Payload:
        """ChangeConfiguration.req (section 5.3): effective at once and durable, or nothing changes."""
        judged = self._judged(request["key"], request["value"])
        if isinstance(judged, Explain):
            self._actions.append(judged)
            return {"status": judged.verdict}
        self.set(*judged)
        return {"status": "Accepted"}

    def why_not(self, name: str, text: str) -> Sentence:
        """Why ChangeConfiguration would not be Accepted, empty when it would; nothing changes."""
        judged = self._judged(name, text)
        return judged.rule if isinstance(judged, Explain) else NOTHING

    def _judged(self, name: str, text: str) -> tuple[Key[Any], Any] | Explain:
        """The key and its new value, or the refusal."""
        key = self._keys.get(name.casefold())
        if key is None:
            # its value is not told: what nobody here knows may be a secret
            rule = Sentence("This station has no configuration key {name!r}.", name=name)
            return Explain("ChangeConfiguration", "NotSupported", rule, "", "CFG-04")
        if key.access is Access.R:
            rule = Sentence("{name} is read-only.", name=key.name)
            return Explain("ChangeConfiguration", "Rejected", rule, text[:60], "CFG-05")
        try:
            value = key.parse(text)
            self._check_length(key, value)
        except Refused as reason:
            rule = Sentence("{reason}.", reason=quoted(reason))
            return Explain(
                "ChangeConfiguration", "Rejected", rule, "" if key.access is Access.W else text[:60], "CFG-04"
            )
        return key, value

    def _check_length(self, key: Key[Any], value: Any) -> None:
        """Section 5.3: a list may have as many items as its companion key …MaxLength says."""
        companion = KEYS.get(f"{key.name}MaxLength".casefold())
        if isinstance(key, Csl) and companion is not None and len(value) > (longest := self.get(companion)):
            raise Refused(
                Sentence(
                    "{name} takes at most {longest} items ({companion}), not {number}",
                    name=key.name,
                    longest=longest,
                    companion=companion.name,
                    number=len(value),
                )
            )


def _trusted(key: Key[Any], text: str) -> Any:
    """A stored or provisioned value: range checks do not apply (the factory is trusted), only the type does.

    What has no meaning at all is replaced by the default: one bad row must not keep the station from starting.
    """
    try:
        return key.parse(text)
    except Refused as reason:
        if isinstance(key, Int) and (number := tolerant_int(text)) is not None:
            return number
        if isinstance(key, Csl):
            return tuple(item.strip() for item in text.split(",") if item.strip())
        log.error("The stored value of %s is not usable, its default counts: %s", key.name, reason)
        return key.default


#: The table: lower-case name → key, in alphabetical order of the specification's sections.
KEYS: dict[str, Key[Any]] = {key.name.casefold(): key for key in vars(Configuration).values() if isinstance(key, Key)}
