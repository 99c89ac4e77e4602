"""The form of the page Firmware: where to look for updates, and whether to install them by night."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django import forms
from django.utils.translation import gettext, gettext_lazy

from ocppclient.sentence import quoted
from station.provision_rules import Wrong, update_address
from station.sentences import spoken
from station.updates import kept


class AddressForm(forms.Form):
    """`of_stored` shows what is stored."""

    url = forms.CharField(
        label=gettext_lazy("Address of the list of updates"),
        required=False,
        max_length=2000,
        widget=forms.URLInput(attrs={"placeholder": "https://", "autocapitalize": "none", "spellcheck": "false"}),
        help_text=gettext_lazy("From whoever sells the station. Empty: nobody is asked."),
    )
    install_at_night = forms.BooleanField(
        label=gettext_lazy("Install updates at night by itself, when nobody charges"), required=False
    )

    @classmethod
    def of_stored(cls) -> AddressForm:
        """As it is now."""
        now = kept.chosen()
        return cls(initial={"url": now.url, "install_at_night": now.install_at_night})

    def clean_url(self) -> Any:
        """By the rule of the provisioning file."""
        try:
            return update_address(self.cleaned_data["url"], Path())
        except Wrong as wrong:
            problem = spoken(quoted(wrong))
            raise forms.ValidationError(gettext("The address %(problem)s.") % {"problem": problem}) from None
