"""The charging hours as people see and choose them: rules of the week, and whether the owner was asked about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time

from ocppclient.configuration import Configuration
from ocppclient.peak_hours import is_rule
from ocppclient.sentence import Sentence
from station import commissioning, present, provisioning
from station.regions import region

KEY = Configuration.peak_hours
#: What was decided, among what people said in the set-up: a factory reset asks again.
_DECIDED = "hours"

#: Days of a rule, as OpenStation.PeakHours writes them → in words.
DAYS = {
    "Mon-Fri": Sentence("Monday to Friday"),
    "Sat-Sun": Sentence("Saturday and Sunday"),
    "Mon-Sun": Sentence("every day"),
    "Mon": Sentence("Monday"),
    "Tue": Sentence("Tuesday"),
    "Wed": Sentence("Wednesday"),
    "Thu": Sentence("Thursday"),
    "Fri": Sentence("Friday"),
    "Sat": Sentence("Saturday"),
    "Sun": Sentence("Sunday"),
}


@dataclass(frozen=True)
class Peak:
    """One rule: `days` as a key of DAYS (others come by the backend), from `begin` to `end`, 00:00 being midnight."""

    days: str
    begin: time
    end: time

    @classmethod
    def of(cls, text: str) -> Peak:
        """As `peak_hours.read` takes it."""
        days, hours = text.split(" ")
        begin, end = hours.split("-")
        return cls(days, time.fromisoformat(begin), time.fromisoformat("00:00" if end == "24:00" else end))

    @property
    def text(self) -> str:
        """For the key."""
        end = f"{self.end:%H:%M}"
        return f"{self.days} {self.begin:%H:%M}-{'24:00' if end == '00:00' else end}"

    @property
    def words(self) -> Sentence:
        """For people."""
        days = DAYS.get(self.days, self.days)
        return Sentence("{days}, {begin} to {end}", days=days, begin=f"{self.begin:%H:%M}", end=f"{self.end:%H:%M}")


def now() -> list[Peak]:
    """The rules that count; what the factory wrote is not always one."""
    return [Peak.of(text) for text in present.configuration().peak_hours if is_rule(text)]


def written(peaks: Sequence[Peak]) -> str:
    """The value of the key."""
    return KEY.format(tuple(dict.fromkeys(peak.text for peak in peaks)))


def are_offered() -> bool:
    """The region has default hours, and nobody has said yet whether they are wanted."""
    name = provisioning.stored("charging", "region")
    return bool(name and region(name).configuration.get(KEY.name)) and _DECIDED not in commissioning.said()


def decide(user: str) -> None:
    """The owner has accepted, changed or removed them."""
    commissioning.say(_DECIDED, by=user, at=datetime.now(UTC).isoformat(timespec="seconds"))
