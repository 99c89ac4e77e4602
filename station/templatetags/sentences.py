"""{{ text|spoken }}: a sentence of the domain or the hardware in the reader's language."""

from __future__ import annotations

from django import template

from station.sentences import spoken

register = template.Library()
register.filter("spoken", spoken)
