"""The form of the hardware page: names from the registry, ports, speeds, addresses, and the lines of the panel."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.utils.text import format_lazy
from django.utils.translation import gettext, gettext_lazy

from hardware import registry
from hardware.interfaces import HardwareConfig
from hardware.registry import Kind
from ocppclient.sentence import quoted
from station.provision_rules import BAUD_RATES, PANEL_LINES, RULES, Wrong
from station.sentences import spoken, spoken_lazy

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

#: Fields that are options of the drivers (hardware/interfaces.py).
OPTIONS = ("uid_order", "em4100", *PANEL_LINES)
_HEADINGS = {
    "board": gettext_lazy("Charging board"),
    "meter": gettext_lazy("Energy meter"),
    "reader": gettext_lazy("Card reader"),
    "panel": gettext_lazy("Panel (optional)"),
}
_PARITY_WORDS = {"N": gettext_lazy("none (8N1)"), "E": gettext_lazy("even (8E1)"), "O": gettext_lazy("odd (8O1)")}


def _kinds(kinds: Mapping[str, Kind], none: str | StrPromise = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = [
        (name, format_lazy("{} ({})", spoken_lazy(kind.title), name)) for name, kind in kinds.items()
    ]
    return [*found, ("", none)] if none else found


def _port(label: StrPromise) -> forms.CharField:
    attributes = {"list": "ports", "autocomplete": "off", "spellcheck": "false"}
    return forms.CharField(label=label, required=False, max_length=500, widget=forms.TextInput(attrs=attributes))


def _speed(label: StrPromise) -> forms.TypedChoiceField:
    choices = [(0, gettext_lazy("as delivered")), *((baud, f"{baud} Bd") for baud in BAUD_RATES)]
    return forms.TypedChoiceField(label=label, choices=choices, coerce=int)


def _unit(label: StrPromise) -> forms.IntegerField:
    return forms.IntegerField(
        label=label, min_value=1, max_value=247, help_text=gettext_lazy("1 to 247, where the device has one.")
    )


class HardwareForm(forms.Form):
    """[hardware] of the provisioning file as a form."""

    board = forms.ChoiceField(label=gettext_lazy("Board"), choices=_kinds(registry.BOARDS))
    board_port = _port(gettext_lazy("Port of the board"))
    board_unit = _unit(gettext_lazy("Modbus address of the board"))
    board_baud = _speed(gettext_lazy("Speed of the board"))
    meter = forms.ChoiceField(
        label=gettext_lazy("Energy meter"), choices=_kinds(registry.METERS, gettext_lazy("none")), required=False
    )
    meter_port = _port(gettext_lazy("Port of the meter"))
    meter_unit = _unit(gettext_lazy("Modbus address of the meter"))
    meter_baud = _speed(gettext_lazy("Speed of the meter"))
    meter_parity = forms.ChoiceField(
        label=gettext_lazy("Parity of the meter"),
        choices=[("", gettext_lazy("as delivered")), *_PARITY_WORDS.items()],
        required=False,
    )
    reader = forms.ChoiceField(
        label=gettext_lazy("Card reader"), choices=_kinds(registry.READERS, gettext_lazy("none")), required=False
    )
    reader_port = _port(gettext_lazy("Port of the reader"))
    reader_baud = _speed(gettext_lazy("Speed of the reader"))
    uid_order = forms.ChoiceField(
        label=gettext_lazy("Order of a card's bytes (pn532)"),
        choices=[("normal", gettext_lazy("byte 0 first")), ("reversed", gettext_lazy("byte 0 last"))],
    )
    em4100 = forms.ChoiceField(
        label=gettext_lazy("Number of a tag (rdm6300)"),
        choices=[
            ("full10", gettext_lazy("10 digits, with the version byte")),
            ("id8", gettext_lazy("8 digits, the id alone")),
        ],
    )
    panel = forms.ChoiceField(
        label=gettext_lazy("Panel"), choices=_kinds(registry.PANELS, gettext_lazy("none")), required=False
    )
    panel_port = _port(gettext_lazy("Chip or port of the panel"))

    def __init__(self, data: Any = None, initial: dict[str, Any] | None = None) -> None:
        filled = {name: value or default for name, value, default in _defaulted(initial or {})}
        super().__init__(data, initial={**(initial or {}), **filled})
        for name in PANEL_LINES:
            line = name.removeprefix("panel_")
            self.fields[name] = forms.CharField(
                label=gettext("Panel line: %(line)s") % {"line": line}, required=False, max_length=64
            )
            self.initial.setdefault(name, "")

    def groups(self) -> list[tuple[str, StrPromise, list[forms.BoundField]]]:
        """(device, heading, its fields), in the order of the page."""
        names = list(self.fields)
        starts = {what: names.index(what) for what in _HEADINGS}
        ends = [*list(starts.values())[1:], len(names)]
        return [
            (what, heading, [self[name] for name in names[starts[what] : end]])
            for (what, heading), end in zip(_HEADINGS.items(), ends, strict=True)
        ]

    def clean(self) -> dict[str, Any]:
        """Each value by the rule of the provisioning file; who may share a port, and how, is the registry's to say."""
        values = self.cleaned_data
        for name, value in tuple(values.items()):
            try:
                values[name] = RULES["hardware"][name](value, settings.DATA_DIR)
            except Wrong as wrong:
                self.add_error(name, gettext("It %(wrong)s.") % {"wrong": spoken(quoted(wrong))})
        if not self.errors:
            fields = {field.name for field in dataclasses.fields(HardwareConfig)}
            config = HardwareConfig(**{name: value for name, value in values.items() if name in fields})
            if problem := registry.port_problem(config):
                self.add_error(f"{problem[0]}_port", spoken(problem[1]))
        return values


def _defaulted(initial: dict[str, Any]) -> list[tuple[str, Any, str]]:
    return [(name, initial.get(name), default) for name, default in (("uid_order", "normal"), ("em4100", "full10"))]
