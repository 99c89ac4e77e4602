"""What the wizard asks for itself: few fields, each with its rule and a sentence when it does not fit."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.utils.translation import gettext, gettext_lazy

from ocppclient.sentence import quoted
from station.languages import LANGUAGES
from station.provision_rules import RULES, Wrong
from station.sentences import spoken

_PLAIN = {"autocomplete": "off", "spellcheck": "false"}


#: How the mains are earthed (IEC 60364-1).
GRIDS = ("TN-S", "TN-C-S", "TT", "IT")


class LanguageForm(forms.Form):
    """Language and time zone; the page fills in what the phone uses."""

    language = forms.ChoiceField(label=gettext_lazy("Language"), choices=list(LANGUAGES.items()))
    time_zone = forms.ChoiceField(label=gettext_lazy("Time zone"))

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        zones = sorted({"UTC", *available_timezones()})
        self.fields["time_zone"].choices = [(zone, zone) for zone in zones]  # type: ignore[attr-defined]


class IdentityForm(forms.Form):
    """How people call the station."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=50,
        help_text=gettext_lazy("For example the number of the parking bay. It stands at the top of every page."),
        widget=forms.TextInput(attrs=_PLAIN),
    )
    location = forms.CharField(
        label=gettext_lazy("Place"), max_length=100, required=False, widget=forms.TextInput(attrs=_PLAIN)
    )


class LimitsForm(forms.Form):
    """The largest current, typed twice: a slip of the finger must not overload a cable.

    What it follows from stands in the report.

    Args:
        hardware_a: what the hardware allows, ampere; 0 while it is not known.
    """

    max_current_a = forms.FloatField(
        localize=True,
        label=gettext_lazy("Largest current (A per phase)"),
        widget=forms.TextInput(attrs={**_PLAIN, "inputmode": "decimal"}),
        error_messages={"invalid": gettext_lazy("Write a number of ampere, for example 16.")},
    )
    again = forms.FloatField(
        localize=True,
        label=gettext_lazy("The same once more"),
        widget=forms.TextInput(attrs={**_PLAIN, "inputmode": "decimal"}),
        error_messages={"invalid": gettext_lazy("Write a number of ampere, for example 16.")},
    )

    breaker_a = forms.FloatField(
        localize=True,
        required=False,
        label=gettext_lazy("Breaker (A)"),
        help_text=gettext_lazy(
            "Stands in the report; the largest current is never above it. Empty when it is not known."
        ),
        widget=forms.TextInput(attrs={**_PLAIN, "inputmode": "decimal"}),
        error_messages={"invalid": gettext_lazy("Write a number of ampere, for example 16.")},
    )
    cable_a = forms.FloatField(
        localize=True,
        required=False,
        label=gettext_lazy("Cable (A)"),
        help_text=gettext_lazy("What the cable carries where it lies; as the breaker."),
        widget=forms.TextInput(attrs={**_PLAIN, "inputmode": "decimal"}),
        error_messages={"invalid": gettext_lazy("Write a number of ampere, for example 16.")},
    )
    grid = forms.ChoiceField(
        required=False,
        label=gettext_lazy("Type of the grid"),
        choices=[("", gettext_lazy("not known")), *((name, name) for name in GRIDS)],
    )

    def __init__(self, hardware_a: float, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._hardware_a = hardware_a
        self.fields["max_current_a"].help_text = (
            gettext(
                "The smallest of breaker, cable and nameplate, at most %(hardware)s A, what the hardware allows. "
                "Where the code asks for it, 80 %% of the breaker."
            )
            % {"hardware": f"{hardware_a:g}"}
            if hardware_a
            else gettext(
                "The smallest of breaker, cable and nameplate. Where the code asks for it, 80 % of the breaker."
            )
        )

    def clean_max_current_a(self) -> float:
        """Within the rule of the settings, and never above the hardware."""
        amps = self.cleaned_data["max_current_a"]
        try:
            RULES["electrical"]["max_current_a"](amps, Path())
        except Wrong as wrong:
            raise forms.ValidationError(gettext("It %(wrong)s.") % {"wrong": spoken(quoted(wrong))}) from None
        if 0 < self._hardware_a < amps:
            raise forms.ValidationError(
                gettext("The hardware allows at most %(hardware)s A. Choose less.")
                % {"hardware": f"{self._hardware_a:g}"}
            )
        return float(amps)

    def clean(self) -> dict[str, Any]:
        """Both are the same, and neither breaker nor cable carries less."""
        cleaned = super().clean() or {}
        first, second = cleaned.get("max_current_a"), cleaned.get("again")
        for name in ("breaker_a", "cable_a"):
            carries_a = cleaned.get(name)
            if carries_a is None or first is None or first <= carries_a:
                continue
            words = gettext("The largest current is %(amps)s A, more than this carries. Choose a smaller one.")
            self.add_error(name, words % {"amps": f"{first:g}"})
        if first is not None and second is not None and not math.isclose(first, second):
            self.add_error("again", gettext("The two numbers differ. Type the current of this installation twice."))
        return cleaned
