"""The form of the hardware page: names from the registry, ports, speeds, addresses, and the lines of the panel."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.text import format_lazy

from hardware import registry
from hardware.interfaces import HardwareConfig
from hardware.registry import Kind
from station.provision_rules import BAUD_RATES, PANEL_LINES
from station.sentences import spoken, spoken_lazy

#: Fields that are options of the drivers (hardware/interfaces.py).
OPTIONS = ("uid_order", "em4100", *PANEL_LINES)
_HEADINGS = {"board": "Charging board", "meter": "Energy meter", "reader": "Card reader", "panel": "Panel (optional)"}
_PARITY_WORDS = {"N": "none (8N1)", "E": "even (8E1)", "O": "odd (8O1)"}


def _kinds(kinds: Mapping[str, Kind], none: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = [
        (name, format_lazy("{} ({})", spoken_lazy(kind.title), name)) for name, kind in kinds.items()
    ]
    return [*found, ("", none)] if none else found


def _port(label: str) -> forms.CharField:
    attributes = {"list": "ports", "autocomplete": "off", "spellcheck": "false"}
    return forms.CharField(label=label, required=False, max_length=500, widget=forms.TextInput(attrs=attributes))


def _speed(label: str) -> forms.TypedChoiceField:
    choices = [(0, "as delivered"), *((baud, f"{baud} baud") for baud in BAUD_RATES)]
    return forms.TypedChoiceField(label=label, choices=choices, coerce=int)


def _unit(label: str) -> forms.IntegerField:
    return forms.IntegerField(label=label, min_value=1, max_value=247, help_text="1 to 247, where the device has one.")


class HardwareForm(forms.Form):
    """[hardware] of the provisioning file as a form."""

    board = forms.ChoiceField(label="Board", choices=_kinds(registry.BOARDS))
    board_port = _port("Port of the board")
    board_unit = _unit("Modbus address of the board")
    board_baud = _speed("Speed of the board")
    meter = forms.ChoiceField(label="Energy meter", choices=_kinds(registry.METERS, "none"), required=False)
    meter_port = _port("Port of the meter")
    meter_unit = _unit("Modbus address of the meter")
    meter_baud = _speed("Speed of the meter")
    meter_parity = forms.ChoiceField(
        label="Parity of the meter", choices=[("", "as delivered"), *_PARITY_WORDS.items()], required=False
    )
    reader = forms.ChoiceField(label="Card reader", choices=_kinds(registry.READERS, "none"), required=False)
    reader_port = _port("Port of the reader")
    reader_baud = _speed("Speed of the reader")
    uid_order = forms.ChoiceField(
        label="Order of a card's bytes (pn532)",
        choices=[("normal", "byte 0 first"), ("reversed", "byte 0 last")],
    )
    em4100 = forms.ChoiceField(
        label="Number of a tag (rdm6300)",
        choices=[("full10", "10 digits, with the version byte"), ("id8", "8 digits, the id alone")],
    )
    panel = forms.ChoiceField(label="Panel", choices=_kinds(registry.PANELS, "none"), required=False)
    panel_port = _port("Chip or port of the panel")

    def __init__(self, data: Any = None, initial: dict[str, Any] | None = None) -> None:
        filled = {name: value or default for name, value, default in _defaulted(initial or {})}
        super().__init__(data, initial={**(initial or {}), **filled})
        for name in PANEL_LINES:
            line = name.removeprefix("panel_")
            self.fields[name] = forms.CharField(label=f"Panel line: {line}", required=False, max_length=64)
            self.initial.setdefault(name, "")

    def groups(self) -> list[tuple[str, str, list[forms.BoundField]]]:
        """(device, heading, its fields), in the order of the page."""
        names = list(self.fields)
        starts = {what: names.index(what) for what in _HEADINGS}
        ends = [*list(starts.values())[1:], len(names)]
        return [
            (what, heading, [self[name] for name in names[starts[what] : end]])
            for (what, heading), end in zip(_HEADINGS.items(), ends, strict=True)
        ]

    def clean(self) -> dict[str, Any]:
        """Who may share a port, and how, is the registry's to say."""
        values = self.cleaned_data
        if not self.errors:
            fields = {field.name for field in dataclasses.fields(HardwareConfig)}
            config = HardwareConfig(**{name: value for name, value in values.items() if name in fields})
            if problem := registry.port_problem(config):
                self.add_error(f"{problem[0]}_port", spoken(problem[1]))
        return values


def _defaulted(initial: dict[str, Any]) -> list[tuple[str, Any, str]]:
    return [(name, initial.get(name), default) for name, default in (("uid_order", "normal"), ("em4100", "full10"))]
