"""Backup and restore by a person in the browser."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from station import ask, backup, restore
from station.backup import PARTS
from station.backup_file import MOST_FILE, SHORTEST_PASSPHRASE, BackupProblem
from station.roles import Role, needs

_CHOICES = [(name, part.title) for name, part in PARTS.items()]


class BackupForm(forms.Form):
    """What the backup holds, and its passphrase."""

    parts = forms.MultipleChoiceField(
        label="What to save", choices=_CHOICES, widget=forms.CheckboxSelectMultiple, initial=list(PARTS)
    )
    passphrase = forms.CharField(
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=f"At least {SHORTEST_PASSPHRASE} characters; it encrypts the file. Nobody can open the file without "
        "it. Without a passphrase the file holds no secrets, no certificates and no users.",
    )
    again = forms.CharField(
        label="Passphrase again",
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean(self) -> dict[str, object]:
        """Both passphrases are the same: a typing error would make the file worthless."""
        if self.cleaned_data.get("passphrase") != self.cleaned_data.get("again"):
            self.add_error("again", "The two passphrases differ.")
        return self.cleaned_data


class RestoreForm(forms.Form):
    """The file, and what of it counts."""

    file = forms.FileField(label="Backup file")
    passphrase_of_file = forms.CharField(
        label="Its passphrase",
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="Empty when it was saved without one.",
    )
    wanted = forms.MultipleChoiceField(
        label="What to restore",
        choices=_CHOICES,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Nothing ticked: everything in the file that fits this station.",
    )
    takes_place = forms.BooleanField(
        label="This station takes the place of the one in the file at the backend",
        required=False,
        help_text="Its charge point id, key and certificate. The other station must never run again.",
    )
    sure = forms.BooleanField(label="Yes, replace what is here")


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.INSTALLER)
def page(request: HttpRequest) -> HttpResponse:
    """Both forms; POST answers with the backup."""
    form = BackupForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        now = datetime.now(UTC)
        try:
            with tempfile.TemporaryDirectory(prefix="backup-", dir=settings.DATA_DIR) as folder:
                target = Path(folder) / "file"
                backup.make(target, form.cleaned_data["parts"], form.cleaned_data["passphrase"], now)
                answer = HttpResponse(target.read_bytes(), content_type="application/zip")
        except BackupProblem as problem:
            form.add_error(None, str(problem))
        else:
            answer["Content-Disposition"] = f'attachment; filename="station-backup-{now:%Y%m%d-%H%M}.zip"'
            answer["Cache-Control"] = "no-store"
            return answer
    return _shown(request, form, RestoreForm())


@require_POST
@needs(Role.INSTALLER)
def restored(request: HttpRequest) -> HttpResponse:
    """Look at the file, make it ready, start the station again; any problem leaves everything as it is."""
    form = RestoreForm(request.POST, request.FILES)
    if form.is_valid():
        chosen = form.cleaned_data
        try:
            with tempfile.TemporaryDirectory(prefix="restore-", dir=settings.DATA_DIR) as folder:
                source = Path(folder) / "upload"
                if chosen["file"].size > MOST_FILE:
                    raise BackupProblem(f"The file is larger than {MOST_FILE // 2**20} MiB: it is not a backup.")
                with source.open("wb") as file:
                    for chunk in chosen["file"].chunks():
                        file.write(chunk)
                user = request.user.get_username()
                restore.prepare(source, chosen["passphrase_of_file"], chosen["wanted"], chosen["takes_place"], user)
            reply = ask.order("apply", None, user)
            if reply.ok:
                messages.success(request, "The backup is restored while the station starts again: some seconds.")
                return redirect("backup")
            restore.discard()
            form.add_error(None, reply.text)
        except BackupProblem as problem:
            form.add_error(None, str(problem))
        except OSError as error:
            form.add_error(None, f"The file cannot be stored ({error.strerror}). Make room on the disk.")
    return _shown(request, BackupForm(), form)


def _shown(request: HttpRequest, form: BackupForm, restore_form: RestoreForm) -> HttpResponse:
    last = restore.last()
    return render(request, "station/backup.html", {"form": form, "restore_form": restore_form, "last": last})
