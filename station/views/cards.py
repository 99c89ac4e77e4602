"""The cards: local list and cache with their verdicts, cards to learn, and the list as CSV in both directions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.contrib import messages
from django.core.cache import cache
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Case, Q, QuerySet, Value, When
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext, gettext_lazy, pgettext_lazy
from django.views.decorators.http import require_GET, require_http_methods

from ocppclient.storable import tag_key
from station import card_csv, card_import, csv_file, local_list
from station.card_import import Kind
from station.forms import CardForm, UploadForm
from station.models import IdTag, Reason
from station.roles import Role, needs
from station.store import TAGS

PAGE_LENGTH = 50
#: Cards to learn that are shown, and how far back in the why log they are looked for.
LEARN, LEARN_WITHIN = 5, 200
#: An uploaded file waits that long for its import, seconds.
KEEP_S = 3600

_VERDICTS = {
    "Accepted": (gettext_lazy("may charge"), "available"),
    "ConcurrentTx": (gettext_lazy("may charge, in use elsewhere"), "charging"),
    "Blocked": (gettext_lazy("blocked"), "fault"),
    "Expired": (gettext_lazy("expired"), "waiting"),
    "Invalid": (gettext_lazy("not valid"), "fault"),
}
_SOURCES = {
    "backend": gettext_lazy("from the backend"),
    "station": gettext_lazy("added here"),
    "cache": gettext_lazy("remembered from the backend"),
}
#: What happens to a line of an import.
_FATES = {
    Kind.ERROR: pgettext_lazy("line of an import", "wrong"),
    Kind.NEW: pgettext_lazy("line of an import", "new"),
    Kind.CHANGED: pgettext_lazy("line of an import", "changed"),
    Kind.KEPT: pgettext_lazy("line of an import", "kept"),
    Kind.UNCHANGED: pgettext_lazy("line of an import", "unchanged"),
}


@dataclass(frozen=True)
class Card:
    """One entry as the page shows it."""

    row: IdTag
    editable: bool
    overruled: bool

    @property
    def verdict(self) -> tuple[str, str]:
        """In plain words, with the colour of the chip."""
        expiry_date = self.row.expiry_date
        expired = expiry_date is not None and expiry_date <= datetime.now(UTC)
        status = "Expired" if expired and self.row.status in local_list.VALID else self.row.status
        word, kind = _VERDICTS.get(status, (status, "unavailable"))
        return str(word), kind

    @property
    def origin(self) -> str:
        """Where it comes from."""
        return str(_SOURCES[self.row.source])


@require_GET
@needs(Role.OPERATOR)
def cards(request: HttpRequest) -> HttpResponse:
    """Who may charge, and who wanted to."""
    query, show = request.GET.get("q", "").strip(), request.GET.get("show", "")
    rows = IdTag.objects.annotate(
        rank=Case(When(source="backend", then=Value(0)), When(source="station", then=Value(1)), default=Value(2))
    ).order_by("key", "rank")
    if show in ("list", "cache"):
        rows = rows.filter(source="cache") if show == "cache" else rows.exclude(source="cache")
    if query:
        rows = rows.filter(
            Q(key__contains=tag_key(query)) | Q(parent_id_tag__icontains=query) | Q(note__icontains=query)
        )
    page = Paginator(rows, PAGE_LENGTH).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "cards": _cards(list(page.object_list)),
        "query": query,
        "show": show,
        "listed": IdTag.objects.filter(source__in=local_list.LISTED).count(),
        "remembered": IdTag.objects.filter(source="cache").exists(),
        "learn": to_learn(),
        "has_backend": local_list.has_backend(),
        "list_is_used": local_list.list_is_used(),
        "list_first": local_list.key_is_true("LocalPreAuthorize"),
        "offline": local_list.key_is_true("LocalAuthorizeOffline"),
        "unknown_may": local_list.key_is_true("AllowOfflineTxForUnknownId"),
    }
    return render(request, "station/cards.html", context)


def _cards(rows: list[IdTag]) -> list[Card]:
    """A row is overruled when a stronger one of the same tag exists, perhaps on another page."""
    stronger = {
        (row.key, row.source)
        for row in IdTag.objects.filter(key__in=[row.key for row in rows], source__in=local_list.LISTED)
    }
    ours_too = not local_list.has_backend()
    return [
        Card(
            row,
            row.source == "station" or (row.source == "backend" and ours_too),
            (row.source != "backend" and (row.key, "backend") in stronger)
            or (row.source == "cache" and (row.key, "station") in stronger),
        )
        for row in rows
    ]


def to_learn() -> list[Reason]:
    """The latest refused cards that are not in the list."""
    refused: QuerySet[Reason] = Reason.objects.filter(what="card", verdict="refused", clause__startswith="AUT-")
    latest: dict[str, Reason] = {}
    for reason in refused.order_by("-id")[:LEARN_WITHIN]:
        try:
            latest.setdefault(tag_key(local_list.check_id_tag(reason.value)), reason)
        except local_list.Unfit:
            continue  # what the reader told is no idTag
    for key in IdTag.objects.filter(key__in=latest, source__in=local_list.LISTED).values_list("key", flat=True):
        latest.pop(key, None)
    return list(latest.values())[:LEARN]


@require_http_methods(["GET", "POST"])
@needs(Role.OPERATOR)
def add(request: HttpRequest) -> HttpResponse:
    """A new entry; `?id_tag=` fills it in."""
    initial = {"id_tag": request.GET.get("id_tag", "")[: local_list.TAG_LENGTH]}
    form = CardForm(request.POST if request.method == "POST" else None, initial=initial)
    if saved := _saved(request, form):
        return saved
    return render(request, "station/card.html", {"form": form})


@require_http_methods(["GET", "POST"])
@needs(Role.OPERATOR)
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change or delete an entry that people own."""
    entry = get_object_or_404(IdTag, pk=pk, source__in=local_list.LISTED)
    if not local_list.is_ours(entry):
        raise Http404
    if request.method == "POST" and "delete" in request.POST:
        entry.delete()
        local_list.poke(request.user.get_username())
        messages.success(request, gettext("%(id_tag)s was removed from the list.") % {"id_tag": entry.id_tag})
        return redirect("cards")
    form = CardForm(request.POST if request.method == "POST" else None, instance=entry)
    if saved := _saved(request, form):
        return saved
    return render(request, "station/card.html", {"form": form, "entry": entry})


def _saved(request: HttpRequest, form: CardForm) -> HttpResponse | None:
    """Save what was posted and go back to the list; None when there is something to show first."""
    if request.method != "POST":
        return None
    with transaction.atomic():  # between "is not there yet" and the insert nobody else writes
        if not form.is_valid():
            return None
        entry = form.save()
    local_list.poke(request.user.get_username())
    messages.success(
        request,
        gettext("%(id_tag)s is saved: %(verdict)s.")
        % {"id_tag": entry.id_tag, "verdict": Card(entry, True, False).verdict[0]},
    )
    for doubt in form.doubts():
        messages.warning(request, doubt)
    return redirect("cards")


@require_GET
@needs(Role.OPERATOR)
def export(request: HttpRequest) -> HttpResponse:
    """The whole list as a file."""
    text = card_csv.write(TAGS.select("WHERE source IN ('backend', 'station') ORDER BY source DESC, key"))
    return csv_file.download("cards", text)


@require_http_methods(["GET", "POST"])
@needs(Role.OPERATOR)
def upload(request: HttpRequest) -> HttpResponse:
    """Choose a file; what can be read goes to the preview, nothing is written yet."""
    form = UploadForm(request.POST, request.FILES) if request.method == "POST" else UploadForm()
    if form.is_valid():
        file = form.cleaned_data["file"]
        data = file.read(card_csv.MAX_BYTES + 1)
        try:
            card_csv.read(data)
        except card_csv.UnusableFile as problem:
            form.add_error("file", str(problem))
        else:
            cache.set(_waiting(request), (file.name, data), KEEP_S)
            return redirect("cards_preview")
    return render(
        request, "station/cards_import.html", {"form": form, "columns": card_csv.COLUMNS, "most": card_csv.MAX_LINES}
    )


@require_http_methods(["GET", "POST"])
@needs(Role.OPERATOR)
def preview(request: HttpRequest) -> HttpResponse:
    """What the import would do, line by line; POST does it."""
    waiting: tuple[str, bytes] | None = cache.get(_waiting(request))
    if waiting is None:
        messages.warning(request, gettext("The uploaded file is not there any more. Choose it again."))
        return redirect("cards_import")
    name, data = waiting
    lines = card_csv.read(data)
    if request.method == "POST":
        try:
            done = card_import.apply(lines, request.POST.get("digest", ""))
        except card_import.ListMoved:
            messages.warning(
                request, gettext("The list changed meanwhile. Look at the preview again before you import.")
            )
            return redirect("cards_preview")
        if not done.counts[Kind.ERROR]:
            cache.delete(_waiting(request))
            local_list.poke(request.user.get_username())
            messages.success(request, _told(done))
            return redirect("cards")
    planned = card_import.plan(lines)
    return render(request, "station/cards_preview.html", {"name": name, "plan": planned, **_shown(request, planned)})


def _waiting(request: HttpRequest) -> str:
    return f"card-import-{request.user.pk}"


def _told(done: card_import.Plan) -> str:
    counts = done.counts
    return gettext(
        "Imported: %(new)s new, %(changed)s changed, %(unchanged)s unchanged, %(kept)s kept as they are."
    ) % {
        "new": counts[Kind.NEW],
        "changed": counts[Kind.CHANGED],
        "unchanged": counts[Kind.UNCHANGED],
        "kept": counts[Kind.KEPT],
    }


def _shown(request: HttpRequest, planned: card_import.Plan) -> dict[str, Any]:
    """One page of the lines, the errors first; `?show=` takes one kind."""
    show = request.GET.get("show", "")
    order = {kind: place for place, kind in enumerate(Kind)}
    outcomes = sorted(
        (outcome for outcome in planned.outcomes if show not in order or outcome.kind == show),
        key=lambda outcome: (order[outcome.kind], outcome.line.number),
    )
    return {
        "page": Paginator(outcomes, PAGE_LENGTH).get_page(request.GET.get("page")),
        "show": show,
        "counts": [(kind.value, f"{count} {_FATES[kind]}") for kind, count in planned.counts.items() if count],
        "errors": planned.counts[Kind.ERROR],
        "to_write": len(planned.entries),
    }
