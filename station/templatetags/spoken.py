"""Numbers as people say them, in templates."""

from __future__ import annotations

from django import template
from django.utils.translation import gettext, ngettext

register = template.Library()


@register.filter
def duration(seconds: int) -> str:
    """In the two largest units that matter: "3 days 4 h", "2 h 05 min", "4 min"."""
    minutes = max(0, seconds) // 60
    days, hours = minutes // 1440, minutes // 60 % 24
    if days:
        return ngettext("%(days)d day %(hours)d h", "%(days)d days %(hours)d h", days) % {"days": days, "hours": hours}
    if hours:
        return gettext("%(hours)s h %(minutes)s min") % {"hours": hours, "minutes": f"{minutes % 60:02}"}
    return gettext("%(minutes)s min") % {"minutes": minutes}
