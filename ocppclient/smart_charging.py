"""SetChargingProfile, ClearChargingProfile, GetCompositeSchedule and what the profiles allow now (OCPP 1.6, 3.13)."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import datetime

from ocppclient.charging_hours import ChargingHours
from ocppclient.charging_profile import Periods, Profile, Supply, Unit
from ocppclient.clock import Clock
from ocppclient.codec import CallFailure, Encoded, Payload, dumps
from ocppclient.composite_conf import composite_conf
from ocppclient.composite_schedule import Stack
from ocppclient.configuration import Configuration
from ocppclient.events import Action, Explain
from ocppclient.facts import Facts
from ocppclient.profile_rules import RATE_UNITS, Bounds, Unfit, moment, read_profile, seconds
from ocppclient.sentence import Sentence
from ocppclient.settings import Electrical
from ocppclient.store import InstalledProfile, Store
from ocppclient.transactions import Transactions

PROFILE = "SmartCharging"
#: Fields of a profile that its row has as well.
_COMMON = [field.name for field in fields(Profile) if field.name != "periods"]


@dataclass(frozen=True)
class Allowed:
    """What the profiles allow now: ampere per phase, from which profile, until when (None: not by time alone)."""

    limit_a: float
    profile_id: int
    until: datetime | None


class SmartCharging:
    """The installed profiles of connectors 0 and 1."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        config: Configuration,
        facts: Facts,
        transactions: Transactions,
        charging_hours: ChargingHours,
        electrical: Electrical,
        actions: list[Action],
    ) -> None:
        self._store = store
        self._clock = clock
        self._config = config
        self._facts = facts
        self._transactions = transactions
        self._charging_hours = charging_hours
        self.electrical = electrical
        self._actions = actions
        self._supply = Supply(electrical.nominal_voltage_v, electrical.phases)
        self._installed: dict[int, Profile] | None = None  # as in the store; None: to be read
        self.changes = 0  # of the installed profiles, since the start
        self._for_next: Profile | None = None  # came with a RemoteStartTransaction whose transaction has not begun
        self._allowed: Allowed | None = None
        self._allowed_for: tuple[str, int | None] | None = None  # transaction the stack was made for; None: stale
        self._holds_s = (0, 0)  # … and from when until before when `_allowed` holds

    @property
    def enabled(self) -> bool:
        """The feature profile is in use."""
        return PROFILE in self._config.profiles

    @property
    def installed(self) -> dict[int, Profile]:
        """The profiles by chargingProfileId."""
        if self._installed is None:
            rows = self._store.charging_profiles() if self.enabled else []
            self._installed = {row.profile_id: profile_of(row) for row in rows}
        return self._installed

    def forget(self) -> None:
        """A unit of work was undone: the store knows."""
        self._installed = self._allowed_for = None

    # -- messages

    def set_charging_profile(self, request: Payload) -> Payload:
        """SetChargingProfile.req (section 5.16)."""
        connector_id, given = request["connectorId"], request["csChargingProfiles"]
        if connector_id not in (0, 1):
            raise CallFailure(
                "PropertyConstraintViolation",
                Sentence("there is no connector {connector_id}", connector_id=connector_id),
            )  # errata 3.39
        try:
            profile = read_profile(given, connector_id, self._bounds())
            if profile.purpose == "TxProfile":
                profile = replace(profile, transaction_uid=self._transaction_for(given))
            self._make_room(profile)
        except Unfit as reason:
            return self._refuse("SetChargingProfile", reason, given["chargingProfileId"])
        self._install(profile, "SetChargingProfile")
        return {"status": "Accepted"}

    def _bounds(self) -> Bounds:
        allowed = self._config.charging_schedule_allowed_charging_rate_unit
        return Bounds(
            self._config.charge_profile_max_stack_level,
            self._config.charging_schedule_max_periods,
            tuple(RATE_UNITS[word] for word in allowed if word in RATE_UNITS),
        )

    def _transaction_for(self, given: Payload) -> str:
        """The uid of the transaction a TxProfile is for: the running one, or none (section 3.13.1)."""
        running = self._transactions.running
        if running is None:
            raise Unfit(Sentence("A TxProfile needs a running transaction, and there is none."), "SC-02")
        if "transactionId" in given and given["transactionId"] != running.transaction_id:
            raise Unfit(
                Sentence("The running transaction is not {transaction_id}.", transaction_id=given["transactionId"]),
                "SC-02",
            )
        return running.uid

    def _replaced_by(self, profile: Profile) -> list[int]:
        """Section 5.16.3: of the same id, or of the same connector, purpose and stackLevel."""
        place = (profile.connector_id, profile.purpose, profile.stack_level)
        return [
            one.profile_id
            for one in self.installed.values()
            if one.profile_id == profile.profile_id or (one.connector_id, one.purpose, one.stack_level) == place
        ]

    def _make_room(self, profile: Profile) -> None:
        """Section 9.4.5; profiles whose validity is over make room first."""
        most = self._config.max_charging_profiles_installed
        kept = set(self.installed) - set(self._replaced_by(profile))
        if len(kept) < most:
            return
        now_s = seconds(self._clock.utc())
        over = [key for key in kept if (ends_s := self.installed[key].valid_to_s) is not None and ends_s <= now_s]
        if len(kept) - len(over) >= most:
            raise Unfit(
                Sentence("{most} profiles are installed already (MaxChargingProfilesInstalled).", most=most), "SC-22"
            )
        self._remove(over)

    def _install(self, profile: Profile, origin: str) -> None:
        self._remove(self._replaced_by(profile))
        self._store.save_charging_profile(_row(profile, origin, self._clock.utc()))
        self.installed[profile.profile_id] = profile
        self.changes += 1
        self._allowed_for = None

    def _remove(self, profile_ids: list[int]) -> None:
        for profile_id in profile_ids:
            self._store.delete_charging_profile(profile_id)
        for profile_id in profile_ids:
            self.installed.pop(profile_id, None)
        self._allowed_for = None
        self.changes += bool(profile_ids)

    def _refuse(self, what: str, reason: Unfit, profile_id: int) -> Payload:
        self._actions.append(Explain(what, "Rejected", reason.rule, f"profile {profile_id}", reason.clause))
        return {"status": "Rejected"}

    def clear_charging_profile(self, request: Payload) -> Payload:
        """ClearChargingProfile.req (section 5.5, errata 3.25): by id alone, or all that match every given field."""
        if "id" in request:
            matching = [profile_id for profile_id in self.installed if profile_id == request["id"]]
        else:
            wanted = (request.get("connectorId"), request.get("chargingProfilePurpose"), request.get("stackLevel"))
            matching = [
                one.profile_id
                for one in self.installed.values()
                if all(
                    want is None or want == has
                    for want, has in zip(wanted, (one.connector_id, one.purpose, one.stack_level), strict=True)
                )
            ]
        if not matching:
            rule = Sentence("No installed profile matches.")
            self._actions.append(Explain("ClearChargingProfile", "Unknown", rule, dumps(request)[:100], "SC-29"))
            return {"status": "Unknown"}
        self._remove(matching)
        return {"status": "Accepted"}

    def get_composite_schedule(self, request: Payload) -> Payload | Encoded:
        """GetCompositeSchedule.req (section 5.7); one connector, so connector 0 expects to draw the same."""
        connector_id, duration_s = request["connectorId"], request["duration"]
        if connector_id not in (0, 1) or duration_s < 0:
            rule = (
                Sentence("There is no connector {connector_id}.", connector_id=connector_id)
                if duration_s >= 0
                else Sentence("The duration is negative.")
            )
            self._actions.append(Explain("GetCompositeSchedule", "Rejected", rule, "", "SC-25"))
            return {"status": "Rejected"}
        units = self._bounds().units
        unit: Unit = request.get("chargingRateUnit") or ("W" if units == ("W",) else "A")
        hardware_a = self._facts.reading.limit_a
        limit_a = min(self.electrical.max_current_a, hardware_a) if hardware_a > 0 else self.electrical.max_current_a
        start_s = seconds(self._clock.utc())
        most = self._config.charging_schedule_max_periods
        stack = self._stack(self._charging_hours.as_profile(duration_s))
        schedule = stack.composite(start_s, duration_s, unit, limit_a, most)
        if schedule.duration_s < duration_s:
            rule = Sentence(
                "The composite schedule was cut after {length_s} s of {duration_s} s: it is too long.",
                length_s=schedule.duration_s,
                duration_s=duration_s,
            )
            self._actions.append(Explain("GetCompositeSchedule", Sentence("cut"), rule, "", "SC-24"))
        return composite_conf(connector_id, start_s, schedule)

    # -- a profile that comes with a remote start (section 5.16.2)

    def profile_for_remote_start(self, given: Payload | None) -> Profile | None:
        """The profile of a RemoteStartTransaction.req, None without one.

        Raises:
            Unfit: the request is to be rejected (RST-08).
        """
        if given is None or not self.enabled:  # RST-10: without the feature it is ignored
            return None
        if given["chargingProfilePurpose"] != "TxProfile":
            raise Unfit(
                Sentence(
                    "A {purpose} cannot come with a start, only a TxProfile.",
                    purpose=given["chargingProfilePurpose"],
                ),
                "RST-08",
            )
        if "transactionId" in given:
            raise Unfit(Sentence("The profile names a transaction, but its transaction has not begun."), "RST-08")
        profile = read_profile(given, 1, self._bounds())
        self._make_room(profile)
        return profile

    def use_for_next(self, profile: Profile | None) -> None:
        """A remote start was accepted: the transaction it leads to gets this profile, or none."""
        self._for_next = profile

    # -- looking at the facts

    def update(self) -> None:
        """TxProfiles come and go with their transaction (section 3.13.1, conformance SC-09)."""
        transaction = self._store.open_transaction()
        if self._for_next is not None and transaction is not None:
            profile, self._for_next = self._for_next, None
            if transaction.remote:  # otherwise another card was faster
                self._install(replace(profile, transaction_uid=transaction.uid), "RemoteStartTransaction")
        uid = transaction.uid if transaction is not None else ""
        over = [
            one.profile_id
            for one in self.installed.values()
            if one.purpose == "TxProfile" and one.transaction_uid != uid
        ]
        if over:
            self._remove(over)

    # -- what is allowed now

    def _stack(self, peak_hours: Profile | None = None) -> Stack:
        """With the peak hours for a forecast; at this moment limits.py looks at them by itself."""
        uid, since_s = self._charging()
        return Stack(self.installed.values(), 1, uid, since_s, self._supply, peak_hours)

    def _charging(self) -> tuple[str, int | None]:
        transaction = self._store.open_transaction()
        return (transaction.uid, seconds(transaction.started_at)) if transaction is not None else ("", None)

    def allowed(self) -> Allowed | None:
        """What the profiles allow at this moment, None: no constraint. Kept until the next boundary of a period."""
        if not self.installed:
            return None
        now_s, charging = seconds(self._clock.utc()), self._charging()
        if charging != self._allowed_for or not self._holds_s[0] <= now_s < self._holds_s[1]:
            stack = self._stack()
            following_s = stack.next_change_after(now_s)
            self._allowed_for = charging
            self._holds_s = (now_s, 2**62 if following_s is None else following_s)
            self._allowed = _allowed(stack, now_s)
        return self._allowed


def _allowed(stack: Stack, now_s: int) -> Allowed | None:
    if (present := stack.prevailing(now_s)) is None:
        return None
    tenths, profile = present
    until_s = stack.holds_until(now_s)
    return Allowed(tenths / 10, profile.profile_id, moment(until_s) if until_s is not None else None)


def _row(profile: Profile, origin: str, installed_at: datetime) -> InstalledProfile:
    periods = profile.periods
    return InstalledProfile(
        **{name: getattr(profile, name) for name in _COMMON},
        period_starts=Periods.to_bytes(periods.starts),
        period_limits=Periods.to_bytes(periods.limits),
        period_phases=periods.phases,
        origin=origin,
        installed_at=installed_at,
    )


def profile_of(row: InstalledProfile) -> Profile:
    """The profile that a row keeps."""
    starts, limits = Periods.from_bytes(row.period_starts), Periods.from_bytes(row.period_limits)
    return Profile(**{name: getattr(row, name) for name in _COMMON}, periods=Periods(starts, limits, row.period_phases))
