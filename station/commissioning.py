"""The first-run wizard: its steps in one table, and the proof of each from what the station is and did.

A step is done when its proof passes, never because something was "saved". What people said is kept as settings of the
section [commissioning], so that it outlives sessions, restarts and other phones.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils.formats import get_format
from django.utils.translation import gettext, gettext_lazy, pgettext_lazy
from django.utils.translation import gettext_noop as noop

from station import __version__, ask, backend_settings, local_list, models, people, provisioning, self_test
from station.hosts import machine_addresses
from station.languages import LANGUAGES
from station.network import ways
from station.network.rules import HOTSPOT_ADDRESS
from station.provision_file import Provision
from station.sentences import spoken
from station.updates import kept as updates

SECTION = "commissioning"
#: The phone and the station may differ by that much, seconds (installer-ui.md, step 7).
CLOCK_TOLERANCE_S = 2.0


class State(StrEnum):
    """What a step is at."""

    OPEN = "open"
    DONE = "done"
    FAILED = "failed"
    WAIVED = "waived"


_WORDS = {
    State.OPEN: pgettext_lazy("step", "open"),
    State.DONE: pgettext_lazy("step", "done"),
    State.FAILED: pgettext_lazy("step", "failed"),
    State.WAIVED: pgettext_lazy("step", "waived"),
}


@dataclass(frozen=True)
class Proof:
    """What proves a step, or what is missing; `numbers` go into the hand-over report."""

    state: State
    text: str
    numbers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Evidence:
    """Everything that proofs look at, gathered once a page.

    Attributes:
        said: what people said in the wizard, by step.
        live: the snapshot of the dashboard (station/live.py); None while the worker does not answer.
        network: what the network desk tells; None where the station does not rule the network.
    """

    user: User
    provision: Provision
    said: Mapping[str, Mapping[str, Any]]
    live: Mapping[str, Any] | None
    network: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        page: route of the page where it is done, "" when the wizard asks itself.
        others: of pages that help with it. All of them lead back to the step.
    """

    key: str
    title: str
    purpose: str
    prove: Callable[[Evidence], Proof]
    may_skip: bool = True
    page: str = ""
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """A step with what it is at."""

    step: Step
    state: State
    text: str
    numbers: Mapping[str, str]

    @property
    def kind(self) -> str:
        """Colour of its chip (station.css)."""
        return {"done": "available", "failed": "fault", "waived": "waiting", "open": "unavailable"}[self.state]

    @property
    def word(self) -> str:
        """What it is at, for people."""
        return str(_WORDS[self.state])


# -- what people said


def said() -> dict[str, dict[str, Any]]:
    """By step; a step that was never opened is not there."""
    rows = models.Setting.objects.filter(section=SECTION)
    return {row.name: value for row in rows if isinstance(value := json.loads(row.value), dict)}


def say(step: str, **values: Any) -> None:
    """Add to what was said about a step; None takes a value away."""
    with transaction.atomic():
        kept = {**said().get(step, {}), **values}
        value = json.dumps({name: item for name, item in kept.items() if item is not None})
        models.Setting.objects.update_or_create(section=SECTION, name=step, defaults={"value": value})


def begun() -> bool:
    """Somebody has opened the wizard on this station."""
    return models.Setting.objects.filter(section=SECTION, name="begun").exists()


def begin(now: datetime) -> None:
    """The wizard was opened; the first time counts."""
    if not begun():
        say("begun", at=now.isoformat())


# -- the proofs

_NO_CONTROLLER = gettext_lazy(
    "The station's controller does not answer. Wait some seconds; if it stays so, switch the station off and on."
)


def _language(evidence: Evidence) -> Proof:
    told = evidence.said.get("language", {})
    if "language" not in told:
        return Proof(State.OPEN, gettext("Choose the language and the time zone."))
    language = LANGUAGES.get(told["language"], told["language"])
    return Proof(
        State.DONE,
        f"{language}, {told['time_zone']}",
        {noop("Language"): language, noop("Time zone"): told["time_zone"]},
    )


def _password(evidence: Evidence) -> Proof:
    if people.must_choose_a_password(evidence.user):
        return Proof(State.FAILED, gettext("Your password was made by somebody else. Choose one of your own."))
    name, waiting = evidence.user.get_username(), models.OneTimePassword.objects.count()
    numbers = {noop("Own password of"): name, noop("Users with a one-time password"): str(waiting)}
    return Proof(
        State.DONE,
        gettext("%(name)s has no one-time password any more: what stands on the label is dead.") % {"name": name},
        numbers,
    )


def _identity(evidence: Evidence) -> Proof:
    told, identity = evidence.said.get("identity", {}), evidence.provision.identity
    if not told.get("name"):
        return Proof(State.OPEN, gettext("Give the station a name."))
    numbers = {
        noop("Name"): told["name"],
        noop("Location"): told.get("location", ""),
        noop("Model"): f"{identity.vendor} {identity.model}",
        noop("Serial number"): identity.serial_number or identity.charge_box_serial_number,
    }
    return Proof(State.DONE, " · ".join(text for text in (told["name"], told.get("location", "")) if text), numbers)


def _limits(evidence: Evidence) -> Proof:
    told, electrical = evidence.said.get("limits", {}), evidence.provision.electrical
    if "max_current_a" not in told:
        return Proof(State.OPEN, gettext("Nobody has confirmed the largest current of this installation."))
    amps = float(told["max_current_a"])
    if electrical.max_current_a != amps:
        text = gettext("%(amps)s A were confirmed, but %(present)s A are set now. Confirm the limit again.") % {
            "amps": f"{amps:g}",
            "present": f"{electrical.max_current_a:g}",
        }
        return Proof(State.FAILED, text)
    if evidence.live is None:
        return Proof(
            State.FAILED,
            gettext("The limit cannot be proven now. %(no_controller)s") % {"no_controller": _NO_CONTROLLER},
        )
    working_a, hardware_a = evidence.live["limit"]["limit_a"], evidence.live["limit"]["hardware_a"]
    if working_a > amps:
        return Proof(
            State.FAILED,
            gettext("The station still works with %(amps)s A. Save the limit again.") % {"amps": f"{working_a:g}"},
        )
    numbers = {
        noop("Never more than"): f"{amps:g} A",
        noop("Hardware maximum"): f"{hardware_a:g} A" if hardware_a else gettext("not known"),
        noop("Voltage"): f"{electrical.nominal_voltage_v:g} V",
        noop("Phases"): str(electrical.phases),
        noop("Breaker"): f"{told['breaker_a']:g} A" if "breaker_a" in told else "",
        noop("Cable"): f"{told['cable_a']:g} A" if "cable_a" in told else "",
        noop("Type of the grid"): str(told.get("grid", "")),
        noop("Confirmed by"): str(told.get("by", "")),
    }
    return Proof(
        State.DONE, gettext("The station will never offer more than %(amps)s A.") % {"amps": f"{amps:g}"}, numbers
    )


def _self_test(evidence: Evidence) -> Proof:
    row = models.SelfTest.objects.exclude(state__in=self_test.OPEN).order_by("-id").first()
    if row is None:
        return Proof(State.OPEN, gettext("The station has not been tested yet."))
    report = self_test.report_of(row)
    checks = report["checks"]
    numbers = {
        spoken(check["title"]): f"{self_test.WORDS[check['verdict']]}: {spoken(check['measured'])}".rstrip(": ")
        for check in checks
    }
    numbers[noop("Tested")] = _local(row.asked_at, evidence.said)
    failed = [f"{spoken(check['title'])}. {spoken(check['cure'])}" for check in checks if check["verdict"] == "failed"]
    if row.state == self_test.PASSED:
        skipped = sum(check["verdict"] == "skipped" for check in checks)
        return Proof(
            State.DONE,
            gettext("%(passed)s checks passed, %(skipped)s skipped.")
            % {"passed": len(checks) - skipped, "skipped": skipped},
            numbers,
        )
    why = (
        gettext("Failed: %(failed)s") % {"failed": "; ".join(failed)}
        if failed
        else gettext("It was %(state)s: %(why)s") % {"state": self_test.WORDS[row.state], "why": spoken(report["why"])}
    )
    return Proof(State.FAILED, why, numbers)


#: Addresses in no network: its own loop, one cable, its own hotspot.
_NOWHERE = ("127.", "[::1]", "[fe80", HOTSPOT_ADDRESS)


def _network(evidence: Evidence) -> Proof:
    addresses = [text for text in machine_addresses() if not text.startswith(_NOWHERE)]
    link = evidence.live["backend"] if evidence.live else None
    if not addresses:
        return Proof(
            State.FAILED, gettext("The station has no address in any network. Connect a cable, or join a WiFi.")
        )
    numbers = {noop("Addresses"): ", ".join(addresses)}
    if evidence.network and not evidence.network["problem"]:
        numbers = ways.numbers(evidence.network)
        if problem := ways.missing(evidence.network):
            return Proof(State.FAILED, problem, numbers)
    if link and link["last_byte_age_s"] is not None:
        numbers[noop("Backend last heard")] = gettext("%(seconds)s s ago") % {"seconds": link["last_byte_age_s"]}
    return Proof(State.DONE, gettext("Reachable under %(addresses)s.") % {"addresses": ", ".join(addresses)}, numbers)


def _signed(offset_s: float) -> str:
    """Seconds with their sign, as numbers are written in the reader's language."""
    return f"{offset_s:+.1f}".replace(".", get_format("DECIMAL_SEPARATOR"))


#: Source of the clock → in words; these two need no phone beside them.
_CLOCKS = {"ntp": "NTP", "backend": gettext_lazy("the backend")}


def _time(evidence: Evidence) -> Proof:
    told = evidence.said.get("time", {})
    clock = evidence.live["clock"] if evidence.live else None
    numbers = {}
    if "offset_s" in told:
        numbers = {
            noop("Difference to the phone"): f"{_signed(told['offset_s'])} s",
            noop("Compared"): _local(datetime.fromisoformat(told["at"]), evidence.said),
        }
    if clock and clock["source"] in _CLOCKS:
        source = f"{_CLOCKS[clock['source']]}{' (' + clock['by'] + ')' if clock['by'] else ''}"
        text = gettext("The clock is set from %(source)s, %(seconds)s s ago.") % {
            "source": source,
            "seconds": clock["told_s"],
        }
        return Proof(State.DONE, text, {**numbers, noop("Source"): source})
    if not numbers:
        return Proof(State.OPEN, gettext("Compare the clock with your phone."))
    offset_s = float(told["offset_s"])
    source = gettext("set from a phone") if clock and clock["source"] else gettext("the clock of the computer")
    numbers[noop("Source")] = source
    if abs(offset_s) > CLOCK_TOLERANCE_S:
        text = gettext(
            "The station's clock differs by %(seconds)s s from your phone. Set it on the page Time, then compare."
        ) % {"seconds": f"{offset_s:+.0f}"}
        return Proof(State.FAILED, text, numbers)
    return Proof(
        State.DONE,
        gettext("The clock differs by %(seconds)s s from the phone; %(source)s.")
        % {"seconds": _signed(offset_s), "source": source},
        numbers,
    )


def _firmware(evidence: Evidence) -> Proof:
    told = evidence.said.get("firmware", {})
    numbers = {noop("Software"): __version__, noop("Told to the backend"): evidence.provision.identity.firmware_version}
    if told.get("version") != __version__:
        return Proof(
            State.OPEN,
            gettext("Version %(version)s is installed. Is that the one you were told to use?")
            % {"version": __version__},
            numbers,
        )
    found = updates.found()
    if found.answered_at:
        numbers[noop("Looked for updates")] = found.answered_at
    if found.offer:
        text = gettext("Version %(version)s can be installed on the page Firmware, or skip this step and say why.")
        return Proof(State.OPEN, text % {"version": found.offer.version}, numbers)
    if evidence.live is None:
        return Proof(
            State.FAILED,
            gettext("Version %(version)s is installed. %(no_controller)s")
            % {"version": __version__, "no_controller": _NO_CONTROLLER},
            numbers,
        )
    return Proof(
        State.DONE, gettext("Version %(version)s is installed and running.") % {"version": __version__}, numbers
    )


_TRY_BACKEND = gettext_lazy("Try it on the page Backend: it tells at which stage it fails, and what helps.")


def _backend(evidence: Evidence) -> Proof:
    backend = evidence.provision.backend
    if not backend.url:
        return Proof(State.OPEN, gettext("No backend is configured."))
    if evidence.live is None:
        return Proof(State.FAILED, str(_NO_CONTROLLER))
    link = evidence.live["backend"]
    numbers = {
        noop("Address"): link["url"],
        noop("Security profile"): str(backend.security_profile),
        noop("Registration"): link["registration_words"],
        noop("Heartbeat"): f"{link['heartbeat_interval_s']} s",
    }
    change = backend_settings.change()
    if change and change["state"] == "on trial":
        return Proof(State.OPEN, gettext("The new settings are being proven."), numbers)
    if link["state"] == "connected" and link["registration"] == "accepted":
        return Proof(
            State.DONE,
            gettext("Accepted, heartbeat every %(seconds)s s.") % {"seconds": link["heartbeat_interval_s"]},
            numbers,
        )
    why = link["last_error"] or link["registration_words"]
    return Proof(
        State.FAILED,
        gettext("The backend does not accept this station: %(why)s. %(try_backend)s")
        % {"why": why, "try_backend": _TRY_BACKEND},
        numbers,
    )


def _cards(evidence: Evidence) -> Proof:
    listed = models.IdTag.objects.filter(status__in=local_list.VALID, source__in=local_list.LISTED).count()
    remembered = models.IdTag.objects.filter(status__in=local_list.VALID, source="cache").count()
    numbers = {noop("Cards in the list"): str(listed), noop("Cards accepted by the backend"): str(remembered)}
    if listed + remembered == 0:
        return Proof(
            State.OPEN, gettext("No card may charge yet. Hold one to the reader, or type its number."), numbers
        )
    count = listed + remembered
    return Proof(
        State.DONE,
        gettext("One card may charge.") if count == 1 else gettext("%(count)s cards may charge.") % {"count": count},
        numbers,
    )


def _charge(evidence: Evidence) -> Proof:
    since = evidence.said.get("begun", {}).get("at", "")
    rows = models.Transaction.objects.exclude(stopped_at=None).order_by("-id")
    if since:
        rows = rows.filter(started_at__gte=datetime.fromisoformat(since))
    row = rows.first()
    if row is None or row.stopped_at is None or row.meter_stop_wh is None:
        running = models.Transaction.objects.filter(stopped_at=None).exists()
        text = (
            gettext("The session is running. Stop it when energy has flowed.")
            if running
            else gettext("No test charge yet.")
        )
        return Proof(State.OPEN, text)
    energy_wh = row.meter_stop_wh - row.meter_start_wh
    calls = list(models.QueuedCall.objects.filter(transaction_uid=row.uid))
    numbers = {
        noop("Energy"): f"{energy_wh} Wh",
        noop("Duration"): f"{(row.stopped_at - row.started_at).total_seconds():.0f} s",
        noop("Card"): row.id_tag,
        noop("Ended"): row.reason or "Local",
        noop("Transaction id"): "" if row.transaction_id is None else str(row.transaction_id),
    }
    if energy_wh <= 0:
        return Proof(
            State.FAILED, gettext("The session ended without energy: the meter did not count. Charge again."), numbers
        )
    if any(call.parked_reason for call in calls):
        return Proof(
            State.FAILED, gettext("The backend did not take the messages of the session; see Sessions."), numbers
        )
    if calls and evidence.provision.backend.url:
        return Proof(
            State.OPEN,
            gettext("%(energy)s Wh flowed. The backend has not answered StopTransaction yet.") % {"energy": energy_wh},
            numbers,
        )
    return Proof(
        State.DONE,
        gettext("%(energy)s Wh flowed, and every message of the session was answered.") % {"energy": energy_wh},
        numbers,
    )


def _hand_over(evidence: Evidence) -> Proof:
    told = evidence.said.get("handover", {})
    if "at" not in told:
        return Proof(State.OPEN, gettext("Look at the summary, then finish."))
    return Proof(
        State.DONE,
        gettext("Handed over by %(by)s.") % {"by": told.get("by", "")},
        {noop("Handed over"): str(told["at"])},
    )


STEPS = (
    Step(
        "language",
        noop("Language and time zone"),
        noop("How this station speaks, and whose time its report tells."),
        _language,
    ),
    Step(
        "password",
        noop("Your own password"),
        noop("The password on the label is known to whoever read it."),
        _password,
        False,
        others=("password", "backup"),
    ),
    Step("identity", noop("Name and place"), noop("How people call this station, and where it stands."), _identity),
    Step(
        "limits", noop("Largest current"), noop("What the breaker and the cable of this installation allow."), _limits
    ),
    Step(
        "selftest",
        noop("Self-test"),
        noop("Contactor, meter, reader and protection are tried."),
        _self_test,
        page="selftest",
    ),
    Step("network", noop("Network"), noop("How the station reaches its backend."), _network, page="network"),
    Step("time", noop("Clock"), noop("Certificates, schedules and receipts need the right time."), _time, page="time"),
    Step("firmware", noop("Software"), noop("Which version runs."), _firmware, page="firmware"),
    Step("backend", noop("Backend"), noop("The operator's system accepts this station."), _backend, page="backend"),
    Step("cards", noop("Cards"), noop("Who may charge."), _cards, others=("cards",)),
    Step("charge", noop("Test charge"), noop("A real session from card to receipt."), _charge),
    Step(
        "handover",
        noop("Hand-over"),
        noop("The report with all numbers."),
        _hand_over,
        False,
        others=("backup", "users"),
    ),
)
BY_KEY = {step.key: step for step in STEPS}


# -- what they add up to


def outcome(step: Step, evidence: Evidence) -> Outcome:
    """The proof, or the reason why the step was skipped without one."""
    proof = step.prove(evidence)
    waived = evidence.said.get(step.key, {}).get("waived", "")
    if proof.state is not State.DONE and waived:
        return Outcome(
            step,
            State.WAIVED,
            gettext("Skipped: %(waived)s") % {"waived": waived},
            {**proof.numbers, noop("Skipped because"): waived},
        )
    return Outcome(step, proof.state, proof.text, proof.numbers)


def outcomes(evidence: Evidence) -> list[Outcome]:
    """All steps in their order."""
    return [outcome(step, evidence) for step in STEPS]


def report(evidence: Evidence, now: datetime) -> dict[str, Any]:
    """The hand-over report as data: every step with its verdict and numbers."""
    identity = evidence.provision.identity
    return {
        "station": {
            "vendor": identity.vendor,
            "model": identity.model,
            "serial_number": identity.serial_number or identity.charge_box_serial_number,
            "software": __version__,
        },
        "made_at": _local(now, evidence.said),
        "made_by": evidence.user.get_username(),
        "steps": [
            {"step": one.step.key, "title": one.step.title, "verdict": str(one.state), "text": one.text,
             "numbers": dict(one.numbers)}
            for one in outcomes(evidence)
        ],
    }  # fmt: skip


def _local(moment: datetime, told: Mapping[str, Mapping[str, Any]]) -> str:
    """In the time zone of the station, which is named."""
    zone = str(told.get("language", {}).get("time_zone", "UTC"))
    try:
        return f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S} {zone}"
    except (ZoneInfoNotFoundError, ValueError):  # the system forgot a zone that it knew
        return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def unfinished() -> str:
    """What the dashboard says about the set-up, "" when every step was proven: live proofs are not made again."""
    told = provisioning.stored(SECTION, "handover") or {}
    if "open" not in told:
        return gettext("The set-up of this station is not finished.")
    skipped = ", ".join(gettext(title) for title in told["open"])
    return gettext("Skipped at the set-up: %(skipped)s.") % {"skipped": skipped} if skipped else ""


def hand_over(evidence: Evidence, now: datetime) -> list[str]:
    """Finish: keep the report, and which steps stay yellow. Returns what forbids it, nothing when it was done."""
    found = [one for one in outcomes(evidence) if one.step.key != "handover"]
    missing = [one.step.title for one in found if one.state in (State.OPEN, State.FAILED)]
    if missing:
        return missing
    waived = [one.step.title for one in found if one.state is State.WAIVED]
    at, by = _local(now, evidence.said), evidence.user.get_username()
    say("handover", at=at, by=by, open=waived)
    say("handover", report=report(Evidence(evidence.user, evidence.provision, said(), evidence.live), now))
    return []


def gather(user: User, live: Mapping[str, Any] | None) -> Evidence:
    """The evidence as it is now."""
    network = ask.network(None, user.get_username())[1] if settings.NETWORK else None
    return Evidence(user, provisioning.load(), said(), live, network)
