"""The feature profiles (OCPP 1.6 section 3.3): which requests belong to which, and which of them this station has."""

from __future__ import annotations

from collections.abc import Collection

#: Profile → the requests of the backend that belong to it.
REQUESTS: dict[str, frozenset[str]] = {
    "Core": frozenset(
        {
            "ChangeAvailability",
            "ChangeConfiguration",
            "ClearCache",
            "DataTransfer",
            "GetConfiguration",
            "RemoteStartTransaction",
            "RemoteStopTransaction",
            "Reset",
            "UnlockConnector",
        }
    ),
    "FirmwareManagement": frozenset({"GetDiagnostics", "UpdateFirmware"}),
    "LocalAuthListManagement": frozenset({"GetLocalListVersion", "SendLocalList"}),
    "Reservation": frozenset({"CancelReservation", "ReserveNow"}),
    "SmartCharging": frozenset({"ClearChargingProfile", "GetCompositeSchedule", "SetChargingProfile"}),
    "RemoteTrigger": frozenset({"TriggerMessage"}),
}
#: The security extension is no feature profile: it is always there, and SupportedFeatureProfiles does not name it.
SECURITY = "Security"
#: What is implemented, in the order SupportedFeatureProfiles tells it; a test compares it with the front door's table.
IMPLEMENTED = (
    "Core",
    "FirmwareManagement",
    "LocalAuthListManagement",
    "Reservation",
    "SmartCharging",
    "RemoteTrigger",
)


def in_use(chosen: Collection[str] | None) -> tuple[str, ...]:
    """The implemented profiles that the factory leaves in (None: all); Core is always there."""
    return tuple(name for name in IMPLEMENTED if chosen is None or name == "Core" or name in chosen)


def left_out(profiles: Collection[str]) -> frozenset[str]:
    """The requests of every profile but these."""
    return frozenset().union(*(requests for name, requests in REQUESTS.items() if name not in profiles))
