"""Backup and restore by a person in the browser."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from station import ask, backup, restore
from station.backup import PARTS
from station.backup_file import MOST_FILE, SHORTEST_PASSPHRASE, BackupProblem, Manifest
from station.roles import Role, needs

_CHOICES = [(name, part.title) for name, part in PARTS.items()]


class BackupForm(forms.Form):
    """What the backup holds, and its passphrase."""

    parts = forms.MultipleChoiceField(
        label=gettext_lazy("What to save"), choices=_CHOICES, widget=forms.CheckboxSelectMultiple, initial=list(PARTS)
    )
    passphrase = forms.CharField(
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=gettext_lazy(
            "At least %(shortest_passphrase)s characters; it encrypts the file. Nobody can open "
            "the file without it. Without a passphrase the file holds no secrets, no "
            "certificates and no users."
        )
        % {"shortest_passphrase": SHORTEST_PASSPHRASE},
    )
    again = forms.CharField(
        label=gettext_lazy("Passphrase again"),
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean(self) -> dict[str, object]:
        """Both passphrases are the same: a typing error would make the file worthless."""
        if self.cleaned_data.get("passphrase") != self.cleaned_data.get("again"):
            self.add_error("again", gettext("The two passphrases differ."))
        return self.cleaned_data


class RestoreForm(forms.Form):
    """The file, and what of it counts."""

    file = forms.FileField(label=gettext_lazy("Backup file"))
    passphrase_of_file = forms.CharField(
        label=gettext_lazy("Its passphrase"),
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy("Empty when it was saved without one."),
    )
    wanted = forms.MultipleChoiceField(
        label=gettext_lazy("What to restore"),
        choices=_CHOICES,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("Nothing ticked: everything in the file that fits this station."),
    )
    takes_place = forms.BooleanField(
        label=gettext_lazy("This station takes the place of the one in the file at the backend"),
        required=False,
        help_text=gettext_lazy("Its charge point id, key and certificate. The other station must never run again."),
    )
    sure = forms.BooleanField(label=gettext_lazy("Yes, replace what is here"))


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.INSTALLER)
def page(request: HttpRequest) -> HttpResponse:
    """Both forms; POST answers with the backup."""
    form = BackupForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            content, name = made(form.cleaned_data["parts"], form.cleaned_data["passphrase"])
        except BackupProblem as problem:
            form.add_error(None, str(problem))
        else:
            answer = HttpResponse(content, content_type="application/zip")
            answer["Content-Disposition"] = f'attachment; filename="{name}"'
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
        wishes = (chosen["passphrase_of_file"], chosen["wanted"], chosen["takes_place"], request.user.get_username())
        try:
            reply = restored_from(chosen["file"].chunks(), *wishes)
        except BackupProblem as problem:
            form.add_error(None, str(problem))
        else:
            if reply.ok:
                messages.success(
                    request, gettext("The backup is restored while the station starts again: some seconds.")
                )
                return redirect("backup")
            form.add_error(None, reply.text)
    return _shown(request, BackupForm(), form)


# -- what the API does as well


def made(parts: Collection[str], passphrase: str) -> tuple[bytes, str]:
    """A backup as it is now, and the name of its file. Raises `BackupProblem`."""
    now = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="backup-", dir=settings.DATA_DIR) as folder:
        target = Path(folder) / "file"
        backup.make(target, parts, passphrase, now)
        return target.read_bytes(), f"station-backup-{now:%Y%m%d-%H%M}.zip"


def restored_from(
    pieces: Iterable[bytes], passphrase: str, parts: Collection[str], takes_place: bool, user: str
) -> ask.Reply:
    """Make a backup ready and have the station start again with it. Raises `BackupProblem`; refused, nothing waits."""
    with _stored(pieces) as source:
        restore.prepare(source, passphrase, parts, takes_place, user)
    reply = ask.order("apply", None, user)
    if not reply.ok:
        restore.discard()
    return reply


def looked_at(
    pieces: Iterable[bytes], passphrase: str, parts: Collection[str], takes_place: bool, user: str
) -> tuple[Manifest, restore.Plan]:
    """What `restored_from` would do. Raises `BackupProblem`."""
    with _stored(pieces) as source:
        return restore.preview(source, passphrase, parts, takes_place, user)


@contextmanager
def _stored(pieces: Iterable[bytes]) -> Iterator[Path]:
    try:
        with tempfile.TemporaryDirectory(prefix="restore-", dir=settings.DATA_DIR) as folder:
            source, size = Path(folder) / "upload", 0
            with source.open("wb") as file:
                for piece in pieces:
                    size += file.write(piece)
                    if size > MOST_FILE:
                        raise BackupProblem(
                            gettext("The file is larger than %(most_file)s MiB: it is not a backup.")
                            % {"most_file": MOST_FILE // 2**20}
                        )
            yield source
    except OSError as error:
        raise BackupProblem(
            gettext("The file cannot be stored (%(strerror)s). Make room on the disk.") % {"strerror": error.strerror}
        ) from error


def _shown(request: HttpRequest, form: BackupForm, restore_form: RestoreForm) -> HttpResponse:
    last = restore.last()
    return render(request, "station/backup.html", {"form": form, "restore_form": restore_form, "last": last})
