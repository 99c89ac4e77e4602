"""What is still to be done to NetworkManager's profiles: noted by a restore or a reset, done by the network's desk."""

from __future__ import annotations

import json
from enum import StrEnum

from station import provisioning
from station.models import Setting

_SECTION, _NAME = "station", "network_wish"  # this section is in no backup
#: Sections of proven uplinks: what another unit may have too, and what only this one can have (an address, a PIN).
UPLINKS, UPLINKS_HERE = "uplink", "uplink_here"


class Wish(StrEnum):
    """As soon as NetworkManager can be reached."""

    JOIN = "join"  # the uplinks of a backup
    FORGET = "forget"  # the station's own profiles go


def noted() -> Wish | None:
    """The one that waits."""
    value = provisioning.stored(_SECTION, _NAME)
    return Wish(value) if value else None


def note(wish: Wish | None) -> None:
    """Once it is noted it happens, also after a power cut; None: it is done."""
    if wish is None:
        Setting.objects.filter(section=_SECTION, name=_NAME).delete()
    else:
        Setting.objects.update_or_create(section=_SECTION, name=_NAME, defaults={"value": json.dumps(wish)})


def forget_uplinks() -> None:
    """All that was proven, and which kind is preferred; the profiles follow by the wish."""
    Setting.objects.filter(section__in=(UPLINKS, UPLINKS_HERE, "network")).delete()
    note(Wish.FORGET)
