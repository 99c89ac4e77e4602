"""{{ fingerprint|pairs }}: a line of it ends between two pairs of digits, so that it can be compared with the label."""

from __future__ import annotations

from django import template
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe

register = template.Library()


@register.filter
def pairs(fingerprint: str) -> SafeString:
    """ "AB:3F:…" with a place for a line break after each colon; a copy of it has none."""
    return format_html_join(mark_safe(":<wbr>"), "{}", ((pair,) for pair in fingerprint.split(":")))
