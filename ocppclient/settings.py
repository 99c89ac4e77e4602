"""What the factory and the installer fix before the charge point runs: identity, electrical limits, factory choices.

Plain values; where they come from (the provisioning file) is the appliance's affair.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ocppclient.sentence import Sentence


@dataclass(frozen=True)
class Identity:
    """The fields of BootNotification.req (OCPP 1.6 section 6.3). Longer texts than the PDU allows are refused early.

    Raises:
        ValueError: a field is too long, not printable ASCII, or vendor/model is empty; the text names the field.
    """

    vendor: str = "OpenStation"
    model: str = "AC-1"
    serial_number: str = ""
    charge_box_serial_number: str = ""
    firmware_version: str = ""
    meter_type: str = ""
    meter_serial_number: str = ""
    iccid: str = ""
    imsi: str = ""

    LIMITS = {
        "vendor": 20,
        "model": 20,
        "serial_number": 25,
        "charge_box_serial_number": 25,
        "firmware_version": 50,
        "meter_type": 25,
        "meter_serial_number": 25,
        "iccid": 20,
        "imsi": 20,
    }

    def __post_init__(self) -> None:
        for name, longest in self.LIMITS.items():
            text = getattr(self, name)
            if len(text) > longest:
                raise ValueError(
                    Sentence(
                        "{name} has {text} characters; OCPP allows at most {longest}",
                        name=name,
                        text=len(text),
                        longest=longest,
                    )
                )
            if not (text.isascii() and (text.isprintable() or not text)):
                raise ValueError(Sentence("{name} may only hold printable ASCII characters", name=name))
        if not self.vendor or not self.model:
            raise ValueError(Sentence("vendor and model must not be empty (BootNotification needs both)"))


@dataclass(frozen=True)
class Electrical:
    """The installer's limits: max_current_a in ampere per phase (6…80), nominal_voltage_v (100…277), phases 1 or 3."""

    max_current_a: float = 16.0
    nominal_voltage_v: float = 230.0
    phases: int = 1


@dataclass(frozen=True)
class Factory:
    """Choices of the maker that no installer and no backend changes.

    Attributes:
        resume_after_power_loss: continue an open transaction after a power cut instead of stopping it (PowerLoss).
        feature_profiles: what SupportedFeatureProfiles reports; None: everything that is implemented.
        queue_resume_delay_s: pause between a reconnect and the first queued transaction message (conformance TXQ-10).
        queue_quota: messages that the transaction queue keeps (parked ones counted) before the meter values in the
            middle of its transactions are thinned; 30 days with one value a minute are 46,000.
        authorize_wait_s: how long a card waits for Authorize.conf before the offline policy decides (field problem 27).
        allow_unsigned_update: install files that no manufacturer has signed, and take UpdateFirmware at any security
            profile (product.md, settled question 2). For test rigs.
        firmware_signatures: which signatures count, names of `firmware_signature.ALGORITHMS`.
        boot_retry_s: first wait after a BootNotification without an answer, and the interval when the backend says 0.
    """

    resume_after_power_loss: bool = False
    feature_profiles: tuple[str, ...] | None = None
    queue_resume_delay_s: float = 0.0
    queue_quota: int = 100_000
    authorize_wait_s: float = 5.0
    boot_retry_s: float = 60.0
    allow_unsigned_update: bool = False
    firmware_signatures: tuple[str, ...] = ("rsa-pss", "ecdsa")


@dataclass(frozen=True)
class Release:
    """The software that runs.

    Attributes:
        slot: the folder it was installed into; "" when it was not started by the launcher (a development checkout).
        on_trial: it was just installed and has to prove itself, else the former one comes back.
        rolled_back: the slot that failed its trial last, "" if none; reason says why.
    """

    slot: str = ""
    on_trial: bool = False
    rolled_back: str = ""
    reason: str = ""


@dataclass(frozen=True)
class ChargePointSettings:
    """Everything above, and the factory's values of configuration keys (`key name → value`, conformance section 27)."""

    identity: Identity = Identity()
    electrical: Electrical = Electrical()
    factory: Factory = Factory()
    configuration: Mapping[str, str] = field(default_factory=dict)
    release: Release = Release()
    #: Identifies the backend: registration with another one does not count (OCPP 1.6 section 4.2.1).
    backend_key: str = ""
    #: Fingerprint of everything the link is opened with; with another one a new session has to be opened.
    connection: str = ""
    #: Identity at the backend; names the station's certificate when there is no serial number.
    charge_point_id: str = ""
    #: The root certificates of the operating system count as installed Central System roots.
    system_roots: bool = False
    #: Whose time of day OpenStation.PeakHours means; an IANA name.
    time_zone: str = "UTC"
