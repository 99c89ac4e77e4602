"""What a country asks of a private charge point: defaults of configuration keys, switched on together.

Whatever the provisioning file, people or the backend say about a key wins over its region.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ocppclient.configuration import Configuration


@dataclass(frozen=True)
class Region:
    """Attributes: `configuration`: key name → value; `time_zone`: while nobody has chosen one."""

    configuration: Mapping[str, str] = field(default_factory=dict)
    time_zone: str = "UTC"


#: The world: nothing waits.
ANYWHERE = Region()
#: Value of [charging] region → what it means.
REGIONS: dict[str, Region] = {
    # The Electric Vehicles (Smart Charge Points) Regulations 2021, SI 2021/1467, regulations 10 and 11
    "UK": Region(
        {
            Configuration.peak_hours.name: "Mon-Fri 08:00-11:00,Mon-Fri 16:00-22:00",
            Configuration.randomised_delay.name: "600",
            Configuration.power_return_delay_min.name: "120",
            Configuration.power_return_delay_max.name: "720",
        },
        "Europe/London",
    ),
}


def region(name: str) -> Region:
    """The region of that name; "" is anywhere."""
    return REGIONS.get(name, ANYWHERE)
