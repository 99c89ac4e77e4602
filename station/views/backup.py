"""Backup and restore by a person in the browser."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from ocppclient.clock import parse_utc
from ocppclient.sentence import quoted
from station import ask, backup, restore, restore_apply, restore_preview
from station.backup import PARTS
from station.backup_file import MOST_FILE, SHORTEST_PASSPHRASE, BackupProblem
from station.restore_preview import Preview
from station.roles import Role, needs
from station.sentences import spoken
from station.views.answers import tell, zip_file

_CHOICES = [(name, part.title) for name, part in PARTS.items()]


class BackupForm(forms.Form):
    """What the backup holds, and its passphrase."""

    parts = forms.MultipleChoiceField(
        label=gettext_lazy("What to save"), choices=_CHOICES, widget=forms.CheckboxSelectMultiple, initial=list(PARTS)
    )
    passphrase = forms.CharField(
        label=gettext_lazy("Passphrase"),
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    again = forms.CharField(
        label=gettext_lazy("Passphrase again"),
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields["passphrase"].help_text = gettext(
            "At least %(shortest_passphrase)s characters; it encrypts the file. Nobody can open "
            "the file without it. Without a passphrase the file holds no secrets, no "
            "certificates and no users."
        ) % {"shortest_passphrase": SHORTEST_PASSPHRASE}

    def clean(self) -> dict[str, object]:
        """Both passphrases are the same: a typing error would make the file worthless."""
        if self.cleaned_data.get("passphrase") != self.cleaned_data.get("again"):
            self.add_error("again", gettext("The two passphrases differ."))
        return self.cleaned_data


class LookForm(forms.Form):
    """The file that somebody brings."""

    file = forms.FileField(label=gettext_lazy("Backup file"))
    passphrase_of_file = forms.CharField(
        label=gettext_lazy("Its passphrase"),
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy("Empty when it was saved without one."),
    )


class RestoreForm(forms.Form):
    """What of the file that was looked at counts."""

    look = forms.CharField(widget=forms.HiddenInput)
    wanted = forms.MultipleChoiceField(
        label=gettext_lazy("What to restore"),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": gettext_lazy("Choose what is to be restored.")},
    )
    takes_place = forms.BooleanField(
        label=gettext_lazy("This station takes the place of the one in the file at the backend"),
        required=False,
        help_text=gettext_lazy("Its charge point id, key and certificate. The other station must never run again."),
    )
    sure = forms.BooleanField(label=gettext_lazy("Yes, replace what is here"))

    def __init__(self, looked: restore.Looked, preview: Preview, data: Any = None) -> None:
        fitting = [line.name for line in preview.lines if not line.why_not]
        super().__init__(data, initial={"look": looked.token, "wanted": fitting})
        self.fields["wanted"].choices = [choice for choice in _CHOICES if choice[0] in fitting]  # type: ignore[attr-defined]
        if preview.same_unit:
            del self.fields["takes_place"]


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.INSTALLER)
def page(request: HttpRequest) -> HttpResponse:
    """Both forms; POST answers with the backup."""
    form = BackupForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            content, name = made(form.cleaned_data["parts"], form.cleaned_data["passphrase"])
        except BackupProblem as problem:
            form.add_error(None, spoken(quoted(problem)))
        else:
            return zip_file(content, name)
    return _shown(request, form, LookForm())


@require_POST
@needs(Role.INSTALLER)
def looked(request: HttpRequest) -> HttpResponse:
    """Look at a file; what it would do is shown next, nothing is changed yet."""
    form = LookForm(request.POST, request.FILES)
    if form.is_valid():
        try:
            with _stored(form.cleaned_data["file"].chunks()) as source:
                restore.look(source, form.cleaned_data["passphrase_of_file"])
        except BackupProblem as problem:
            form.add_error(None, spoken(quoted(problem)))
        else:
            return redirect("backup_restore")
    return _shown(request, BackupForm(), form)


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.INSTALLER)
def restored(request: HttpRequest) -> HttpResponse:
    """What the file would do; POST does it (or, `cancel`, forgets the file). Any problem leaves everything as it is."""
    found = restore.looked()
    if "cancel" in request.POST:
        restore.forget()
        messages.success(request, gettext("Nothing was restored, and the file is forgotten."))
        return redirect("backup")
    if found is None:
        messages.warning(request, gettext("The file is not here any more. Choose it again."))
        return redirect("backup")
    preview = restore_preview.of(found.told, found.copy)
    form = RestoreForm(found, preview, request.POST if request.method == "POST" else None)
    if form.is_valid():
        chosen, user = form.cleaned_data, request.user.get_username()
        try:
            restore.choose(chosen["look"], chosen["wanted"], chosen.get("takes_place", False), user)
            reply = _started_again(user)
        except BackupProblem as problem:
            form.add_error(None, spoken(quoted(problem)))
        else:
            text = gettext("The backup is restored while the station starts again: some seconds.")
            tell(request, replace(reply, text=text) if reply.ok else reply)
            return redirect("backup")
    context = {
        "form": form,
        "told": preview.told,
        "made_at": parse_utc(preview.told.made_at),
        "same_unit": preview.same_unit,
        "lines": [(PARTS[line.name].title, line) for line in preview.lines],
        "changes": preview.changes,
    }
    return render(request, "station/backup_restore.html", context, status=422 if form.errors else 200)


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
    return _started_again(user)


def looked_at(
    pieces: Iterable[bytes], passphrase: str, parts: Collection[str], takes_place: bool, user: str
) -> tuple[restore.Plan, Preview]:
    """What `restored_from` would do. Raises `BackupProblem`."""
    with _stored(pieces) as source, restore.unpacked(source, passphrase) as (told, copy):
        plan = restore.planned(told, parts, takes_place, user)
        restore.check_sessions(plan)
        return plan, restore_preview.of(told, copy)


def _started_again(user: str) -> ask.Reply:
    reply = ask.order("apply", None, user)
    if not reply.ok:
        restore.discard()
    return reply


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


def _shown(request: HttpRequest, form: BackupForm, look_form: LookForm) -> HttpResponse:
    last = restore_apply.last()
    parts = [PARTS[name].title for name in last.get("parts", ()) if name in PARTS] if last else []
    context = {"form": form, "look_form": look_form, "last": last, "last_parts": parts}
    return render(request, "station/backup.html", context)
