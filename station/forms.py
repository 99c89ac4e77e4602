"""Forms: what people type, checked with sentences they can act on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.models import User
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy

from ocppclient.certificates import CENTRAL_SYSTEM_ROOT, MANUFACTURER_ROOT
from ocppclient.storable import tag_key
from station import local_list
from station.models import IdTag
from station.roles import PURPOSES, Role, role_of

_MEANINGS = {
    "Accepted": gettext_lazy("Accepted: may charge"),
    "Blocked": gettext_lazy("Blocked: may not charge"),
    "Expired": gettext_lazy("Expired: may not charge any more"),
    "Invalid": gettext_lazy("Invalid: is not known as a card"),
    "ConcurrentTx": gettext_lazy("ConcurrentTx: may charge, is in use elsewhere"),
}


class EntryForm(forms.ModelForm):  # type: ignore[type-arg]
    """One entry of the local list. What a person saves is the station's own, whoever made the entry first."""

    class Meta:
        model = IdTag
        fields = ["id_tag", "status", "parent_id_tag", "expiry_date", "note"]
        labels = {
            "note": gettext_lazy("Note"),
            "id_tag": gettext_lazy("Card number"),
            "status": gettext_lazy("Verdict"),
            "parent_id_tag": gettext_lazy("Group"),
            "expiry_date": gettext_lazy("Valid until (UTC)"),
        }
        help_texts = {
            "id_tag": gettext_lazy(
                "1 to 20 characters, as the reader tells them; upper and lower case count as the same."
            ),
            "parent_id_tag": gettext_lazy(
                "Cards of one group may stop each other's sessions. Leave empty if in doubt."
            ),
            "expiry_date": gettext_lazy("In UTC. Leave empty for no end."),
            "note": gettext_lazy("For people only, for example a name."),
        }

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if "status" in self.fields:  # a read-only entry has no fields
            self.fields["status"].choices = list(_MEANINGS.items())  # type: ignore[attr-defined]

    def clean_id_tag(self) -> str:
        """The tag, refused when it is there already."""
        id_tag = _fitting(local_list.check_id_tag, self.cleaned_data["id_tag"])
        others = IdTag.objects.filter(key=tag_key(id_tag), source="station").exclude(pk=self.instance.pk)
        if others.exists():
            raise forms.ValidationError(
                gettext("%(id_tag)s is in the list already (upper and lower case count as the same).")
                % {"id_tag": id_tag}
            )
        return id_tag

    def clean_parent_id_tag(self) -> str:
        """A group has the form of a tag."""
        return _fitting(local_list.check_parent_id_tag, self.cleaned_data["parent_id_tag"])

    def clean_note(self) -> str:
        """One line."""
        return _fitting(local_list.check_note, self.cleaned_data["note"])

    def save(self, commit: bool = True) -> IdTag:
        """Fill in what people do not type."""
        entry: IdTag = self.instance
        entry.key, entry.source, entry.updated_at = tag_key(entry.id_tag), "station", timezone.now()
        saved: IdTag = super().save(commit)
        return saved

    def doubts(self) -> list[str]:
        """What is saved, but perhaps not what was meant."""
        entry: IdTag = self.instance
        found = []
        if entry.expiry_date is not None and entry.expiry_date <= timezone.now():
            found.append(
                gettext("%(id_tag)s has expired already, at %(expiry_date)s UTC.")
                % {"id_tag": entry.id_tag, "expiry_date": f"{entry.expiry_date:%Y-%m-%d %H:%M}"}
            )
        if IdTag.objects.filter(key=tag_key(entry.id_tag), source="backend").exclude(pk=entry.pk).exists():
            found.append(
                gettext("The backend has an entry of %(id_tag)s too, and the backend's entry wins.")
                % {"id_tag": entry.id_tag}
            )
        return found


class CardForm(EntryForm):
    """The same on the station's own pages."""

    class Meta(EntryForm.Meta):
        widgets = {
            "id_tag": forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
            "expiry_date": forms.DateTimeInput(
                format="%Y-%m-%dT%H:%M:%S", attrs={"type": "datetime-local", "step": "1"}
            ),
        }


class OwnPasswordForm(PasswordChangeForm):
    """A new password of somebody who knows the present one."""

    error_messages = {
        **PasswordChangeForm.error_messages,
        "password_incorrect": gettext_lazy("That is not your present password. Check capital letters and try again."),
    }


class UserForm(forms.Form):
    """The name of a new user, or of an existing one its role.

    Args:
        own: role of the person who fills it in; nobody gives more than they have.
    """

    username = forms.RegexField(
        r"^[\w.@+-]+$",
        max_length=150,
        label=gettext_lazy("Name"),
        error_messages={"invalid": gettext_lazy("Letters, digits and . @ + - _ only.")},
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
    )
    role = forms.TypedChoiceField(label=gettext_lazy("Role"), coerce=int, widget=forms.RadioSelect)

    def __init__(self, own: Role, user: User | None, data: Any = None) -> None:
        super().__init__(data, initial={"role": role_of(user) if user else Role.VIEWER})
        roles = [role for role in Role if Role.NOBODY < role <= own]
        self.fields["role"].choices = [(int(role), f"{role.shown}: {PURPOSES[role]}") for role in roles]  # type: ignore[attr-defined]
        if user is not None:
            del self.fields["username"]

    @property
    def chosen(self) -> Role:
        """What was chosen."""
        return Role(self.cleaned_data["role"])

    def clean_username(self) -> str:
        """A name that nobody has; capital letters make no other person."""
        name: str = self.cleaned_data["username"]
        if User.objects.filter(username__iexact=name).exists():
            raise forms.ValidationError(gettext("There is a user %(name)s already.") % {"name": name})
        return name


class RootCertificateForm(forms.Form):
    """A root certificate, as a file or pasted."""

    LONGEST = 100_000

    kind = forms.ChoiceField(
        label=gettext_lazy("Whose"),
        choices=[
            (CENTRAL_SYSTEM_ROOT, gettext_lazy("the backend's")),
            (MANUFACTURER_ROOT, gettext_lazy("the manufacturer's (firmware)")),
        ],
        widget=forms.RadioSelect,
        initial=CENTRAL_SYSTEM_ROOT,
    )
    file = forms.FileField(label=gettext_lazy("PEM file"), required=False)
    text = forms.CharField(
        label=gettext_lazy("or its text"),
        required=False,
        max_length=LONGEST,
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "placeholder": "-----BEGIN CERTIFICATE-----"}),
    )

    def clean(self) -> dict[str, Any]:
        """Exactly one of file and text; `pem` is what it says."""
        cleaned: dict[str, Any] = super().clean() or {}
        file, text = cleaned.get("file"), cleaned.get("text", "")
        if not self.errors and bool(file) == bool(text):
            raise forms.ValidationError(gettext("Choose a file or paste the text of the certificate."))
        if file and file.size > self.LONGEST:
            raise forms.ValidationError(gettext("This file is too long for a certificate."))
        cleaned["pem"] = file.read().decode("ascii", "replace") if file else text
        return cleaned


class UploadForm(forms.Form):
    """A CSV file with cards."""

    file = forms.FileField(
        label=gettext_lazy("CSV file"),
        allow_empty_file=True,
        error_messages={"required": gettext_lazy("Choose a file first.")},
    )


def _fitting(check: Callable[[str], str], text: str) -> str:
    try:
        return check(text)
    except local_list.Unfit as problem:
        raise forms.ValidationError(str(problem)) from None
