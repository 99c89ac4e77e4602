"""The endpoints. They read what the pages read, and order what the pages order, by the same rules."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from station import ask, card_csv, card_import, local_list, present, session_messages
from station.alerts import alerts
from station.api import shapes
from station.api.operation import asked, operation, taken
from station.api.rules import Endpoint, Problem, first_of, outcome, unheard
from station.card_import import Kind
from station.consumers import COMMANDS
from station.forms import EntryForm
from station.live import shown_to
from station.models import IdTag, Transaction
from station.outlook import described
from station.roles import Role, role_of
from station.store import TAGS
from station.views import reservations, why
from station.views.cards import to_learn
from station.views.keys import WITH_BACKEND, Row, rows
from station.views.profiles import outlook_now
from station.views.sessions import Row as SessionRow
from station.views.sessions import rows_of


def _snapshot(request: Request) -> dict[str, Any]:
    shown = ask.snapshot()
    if shown is None:
        raise unheard()
    return shown_to(role_of(request.user), shown)


class Status(Endpoint):
    """The live snapshot."""

    page = "dashboard"
    roles = {"GET": Role.VIEWER}

    @operation(OpenApiTypes.OBJECT, summary="Everything the dashboard shows now")
    def get(self, request: Request) -> Response:
        return Response(_snapshot(request))


class Alerts(Endpoint):
    """What needs attention."""

    page = "dashboard"
    roles = {"GET": Role.VIEWER}

    @operation(shapes.Alert, many=True, summary="What needs attention beside the state, the worst first")
    def get(self, request: Request) -> Response:
        network = ask.network(None, request.user.get_username())[1] if settings.NETWORK else None
        return Response([asdict(alert) for alert in alerts(role_of(request.user), network=network)])


class Hardware(Endpoint):
    """Board, meter, reader."""

    page = "hardware"
    roles = {"GET": Role.VIEWER}

    @operation(shapes.Hardware, summary="Active faults with their cures, and the quality of the lines")
    def get(self, request: Request) -> Response:
        return Response(_snapshot(request)["box"])


class Reservation(Endpoint):
    """ReserveNow."""

    page = "reservations"
    roles = {"GET": Role.OPERATOR, "DELETE": Role.OPERATOR}

    @operation(shapes.Reserved, summary="Whom the station is kept for, and how the former reservations ended")
    def get(self, request: Request) -> Response:
        former = shapes.PastReservation(reservations.past(), many=True).data
        return Response({"reservation": _snapshot(request)["reservation"], "former": former})

    @operation(
        shapes.Done, summary="End it: the backend is not asked, and does not hear of it (OCPP 1.6 has no such message)"
    )
    def delete(self, request: Request) -> Response:
        kept = _snapshot(request)["reservation"]
        if kept is None:
            raise Problem(409, "refused", "Nothing is reserved.", "Look at it first.")
        reply = ask.order("reservation_end", kept["id"], request.user.get_username())
        return outcome(reply, "Look at it again: it may be another one meanwhile.")


class Cache(Endpoint):
    """What the station remembers of the backend's answers."""

    page = "cards"
    roles = {"DELETE": Role.OPERATOR}

    @operation(shapes.Done, summary="Forget the remembered cards, as ClearCache does")
    def delete(self, request: Request) -> Response:
        reply = ask.order("cache_clear", None, request.user.get_username())
        return outcome(reply, "The reasons (why log) tell more.")


class Sessions(Endpoint):
    """The list."""

    page = "transactions"
    roles = {"GET": Role.VIEWER}

    @operation(shapes.Session, many=True, parameters=[shapes.Sessions], summary="Charging sessions, newest first")
    def get(self, request: Request) -> Response:
        wanted = asked(shapes.Sessions, request)
        found = _older(Transaction.objects.order_by("-id"), wanted)
        if day := wanted.get("since"):
            found = found.filter(started_at__gte=datetime.combine(day, time.min, UTC))
        if (day := wanted.get("until")) and day < date.max:
            found = found.filter(started_at__lt=datetime.combine(day + timedelta(days=1), time.min, UTC))
        if wanted.get("running") is not None:
            found = found.filter(stopped_at__isnull=wanted["running"])
        if card := wanted.get("card"):
            if role_of(request.user) < Role.OPERATOR:
                raise Problem(403, "role", "Viewers see cards masked, and cannot look for them.", "Leave out `card`.")
            found = found.filter(id_tag__icontains=card)
        return Response([_session(row) for row in rows_of(request, found[: wanted["limit"]])])


class Session(Endpoint):
    """One of them."""

    page = "transactions"
    roles = {"GET": Role.VIEWER}

    @operation(shapes.SessionDetail, summary="One session with its messages")
    def get(self, request: Request, pk: int) -> Response:
        found = get_object_or_404(Transaction, pk=pk)
        (row,) = rows_of(request, [found])
        may = role_of(request.user) >= Role.OPERATOR
        sent = [asdict(message) for message in session_messages.messages_of(found.uid)] if may else []
        return Response({**_session(row), "messages": shapes.Message(sent, many=True).data})


def _session(row: SessionRow) -> dict[str, Any]:
    stored = row.transaction
    return {
        **{name: getattr(stored, name) for name in ("id", "uid", "transaction_id", "meter_start_wh", "meter_stop_wh")},
        "id_tag": row.id_tag,
        "started_at": stored.started_at,
        "stopped_at": stored.stopped_at,
        "duration_s": row.duration_s,
        "energy_kwh": row.energy_kwh,
        "reason": stored.reason,
        "messages_waiting": len(row.waiting),
        "messages_parked": len(row.parked),
    }


class Reasons(Endpoint):
    """The why log."""

    page = "why"
    roles = {"GET": Role.OPERATOR}

    @operation(shapes.Reason, many=True, parameters=[shapes.Reasons], summary="Why something was refused or limited")
    def get(self, request: Request) -> Response:
        wanted = asked(shapes.Reasons, request)
        found = _older(why.chosen(wanted), wanted)[: wanted["limit"]]
        return Response(shapes.Reason(found, many=True).data)


class Cards(Endpoint):
    """The local list and the cache."""

    page = "cards"
    roles = {"GET": Role.OPERATOR, "POST": Role.OPERATOR}

    @operation(shapes.Card, many=True, parameters=[shapes.Range], summary="Who may charge, newest entry first")
    def get(self, request: Request) -> Response:
        wanted = asked(shapes.Range, request)
        found = _older(IdTag.objects.order_by("-id"), wanted)[: wanted["limit"]]
        return Response(shapes.Card(found, many=True).data)

    @operation(shapes.Card, request=shapes.Card, code=201, summary="Add a card to the station's list")
    def post(self, request: Request) -> Response:
        return Response(_saved(request, None), status=201)


class RefusedCards(Endpoint):
    """Cards to learn."""

    page = "cards"
    roles = {"GET": Role.OPERATOR}

    @operation(shapes.Reason, many=True, summary="The latest refused cards that are not in the list (`value`: idTag)")
    def get(self, request: Request) -> Response:
        return Response(shapes.Reason(to_learn(), many=True).data)


class Card(Endpoint):
    """One entry of the list."""

    page = "cards"
    roles = dict.fromkeys(("GET", "PUT", "DELETE"), Role.OPERATOR)

    @operation(shapes.Card, summary="One card")
    def get(self, request: Request, pk: int) -> Response:
        return Response(shapes.Card(get_object_or_404(IdTag, pk=pk)).data)

    @operation(shapes.Card, request=shapes.Card, summary="Change a card; what is left out becomes empty")
    def put(self, request: Request, pk: int) -> Response:
        return Response(_saved(request, _own_card(pk)))

    @operation(OpenApiResponse(description="Gone."), code=204, summary="Take a card off the list")
    def delete(self, request: Request, pk: int) -> Response:
        _own_card(pk).delete()
        local_list.poke(request.user.get_username())
        return Response(status=204)


def _own_card(pk: int) -> IdTag:
    entry = get_object_or_404(IdTag, pk=pk)
    if entry.source == "cache" or not local_list.is_ours(entry):
        sentence = "This entry is the backend's; it changes by SendLocalList and Authorize only."
        raise Problem(409, "refused", sentence, "Add an entry of the station instead.")
    return entry


def _saved(request: Request, entry: IdTag | None) -> dict[str, Any]:
    shape = shapes.Card(data=request.data)
    shape.is_valid(raise_exception=True)
    with transaction.atomic():
        form = EntryForm({"status": "Accepted", **shape.validated_data}, instance=entry)
        if not form.is_valid():
            raise Problem(400, "value", first_of(form), "Change this field.")
        saved = form.save()
    local_list.poke(request.user.get_username())
    return dict(shapes.Card(saved).data)


class CsvRenderer(BaseRenderer):
    """The list as text/csv."""

    media_type, format, charset = "text/csv", "csv", "utf-8"

    def render(self, data: Any, accepted_media_type: Any = None, renderer_context: Any = None) -> bytes:
        """Only named for the negotiation and OpenAPI: the endpoint writes the file itself."""
        raise NotImplementedError


class CsvParser(BaseParser):
    """Hands the bytes on."""

    media_type = "text/csv"

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> bytes:
        """As many as a file may have, and one."""
        return bytes(stream.read(card_csv.MAX_BYTES + 1))


class CardFile(Endpoint):
    """The list as a file, in both directions."""

    page = "cards"
    roles = {"GET": Role.OPERATOR, "POST": Role.OPERATOR}
    parser_classes = [CsvParser]
    renderer_classes = [JSONRenderer, CsvRenderer]

    @operation({(200, "text/csv"): OpenApiTypes.STR}, summary="The whole list as CSV")
    def get(self, request: Request) -> HttpResponse:
        text = card_csv.write(TAGS.select("WHERE source IN ('backend', 'station') ORDER BY source DESC, key"))
        return HttpResponse(text, content_type="text/csv; charset=utf-8")

    @operation(
        shapes.Imported,
        request={"text/csv": OpenApiTypes.STR},
        parameters=[OpenApiParameter("dry_run", bool, description="Only tell what would happen.")],
        summary="Import a list",
    )
    def post(self, request: Request) -> Response:
        try:
            lines = card_csv.read(request.data if isinstance(request.data, bytes) else b"")
        except card_csv.UnusableFile as problem:
            raise Problem(400, "value", str(problem), "See the page Cards for the columns.") from problem
        plan = card_import.plan(lines)
        writes = not plan.counts[Kind.ERROR] and request.query_params.get("dry_run", "") not in ("1", "true", "True")
        if writes:
            try:
                card_import.apply(lines, plan.digest)
            except card_import.ListMoved as moved:
                raise Problem(409, "refused", "The list changed meanwhile.", "Send the file again.") from moved
            local_list.poke(request.user.get_username())
        told = [
            {
                "line": one.line.number,
                "id_tag": one.line.id_tag,
                "outcome": str(one.kind),
                "details": [*(str(problem) for problem in one.line.problems), *one.details],
            }
            for one in plan.outcomes
        ]
        counts = {str(kind): count for kind, count in plan.counts.items()}
        return Response({"written": writes, "counts": counts, "lines": told})


class Messages(Endpoint):
    """The ring of frames."""

    page = "frames"
    roles = {"GET": Role.OPERATOR}

    @operation(shapes.Frame, many=True, summary="The newest OCPP messages on the wire, oldest first; secrets masked")
    def get(self, request: Request) -> Response:
        frames = ask.frames()
        if frames is None:
            raise unheard()
        return Response(frames)


class Keys(Endpoint):
    """All configuration keys."""

    page = "keys"
    roles = {"GET": Role.OPERATOR}

    @operation(shapes.Key, many=True, summary="Every configuration key")
    def get(self, request: Request) -> Response:
        return Response([_key(row) for row in rows()])


class Key(Endpoint):
    """One configuration key."""

    page = "keys"
    roles = {"GET": Role.OPERATOR, "PUT": Role.INSTALLER}

    @operation(shapes.Key, summary="One configuration key")
    def get(self, request: Request, name: str) -> Response:
        return Response(_key(_named(name)))

    @operation(
        shapes.Done,
        request=shapes.KeyValue,
        parameters=[shapes.DryRun],
        summary="Change it, by the rules of ChangeConfiguration",
    )
    def put(self, request: Request, name: str) -> Response:
        row, value = _named(name), taken(shapes.KeyValue, request)["value"]
        if row.key.name in WITH_BACKEND:
            raise Problem(409, "refused", row.effect, "Change it on the page Backend.")
        if asked(shapes.DryRun, request)["dry_run"]:
            if problem := present.configuration().why_not(row.key.name, value):
                raise Problem(409, "refused", problem, f"It takes {row.key.range_text}.")
            return shapes.would_be_taken()
        argument = {"key": row.key.name, "value": value}
        reply = ask.order("configure", argument, request.user.get_username())
        return outcome(reply, f"It takes {row.key.range_text}.")


def _named(name: str) -> Row:
    found = next((row for row in rows() if row.key.name.casefold() == name.casefold()), None)
    if found is None:
        raise Http404
    return found


def _key(row: Row) -> dict[str, Any]:
    key = row.key
    return {
        "name": key.name,
        "profile": key.profile,
        "value": row.value,
        "default": row.default if row.value is not None else "",
        "access": key.access.name,
        "unit": key.unit,
        "range": key.range_text,
        "meaning": key.meaning,
        "effect": row.effect,
    }


class Profiles(Endpoint):
    """The charging profiles."""

    page = "profiles"
    roles = {"GET": Role.VIEWER}

    @operation(shapes.Profile, many=True, summary="Installed charging profiles, and whether each counts now")
    def get(self, request: Request) -> Response:
        outlook, stored = outlook_now(datetime.now(UTC))
        told = []
        for profile in outlook.profiles:
            row = stored[profile.profile_id]
            names = ("profile_id", "connector_id", "stack_level", "purpose", "kind", "unit", "origin")
            told.append(
                {
                    **{name: getattr(row, name) for name in names},
                    "periods": len(profile.periods),
                    "schedule": described(profile),
                    "state": outlook.state(profile)[1],
                }
            )
        return Response(told)


class Acknowledge(Endpoint):
    """Whoever looked at the box says so."""

    page = "dashboard"
    roles = {"POST": COMMANDS["acknowledge"][1]}

    @operation(shapes.Done, request=None, summary="Confirm a fault that waits for a person, as an emergency stop")
    def post(self, request: Request) -> Response:
        return outcome(ask.order("acknowledge", None, request.user.get_username()), "Put the cause right first.")


class Start(Endpoint):
    """A card is presented."""

    page = "dashboard"
    roles = {"POST": COMMANDS["swipe"][1]}

    @operation(shapes.Done, request=shapes.Start, summary="Present a card, as if it were tapped")
    def post(self, request: Request) -> Response:
        return _ordered(request, "swipe", shapes.Start, "id_tag")


class Stop(Endpoint):
    """The session ends."""

    page = "dashboard"
    roles = {"POST": COMMANDS["stop"][1]}

    @operation(shapes.Done, request=None, summary="Stop the running session")
    def post(self, request: Request) -> Response:
        return outcome(ask.order("stop", None, request.user.get_username()), "The status tells what runs.")


class ChargeNow(Endpoint):
    """The running session waits no longer."""

    page = "hours"
    roles = {"POST": COMMANDS["charge_now"][1]}

    @operation(shapes.Done, request=None, summary="End the wait for the off-peak hours, or of a random delay")
    def post(self, request: Request) -> Response:
        reply = ask.order("charge_now", None, request.user.get_username())
        return outcome(reply, "The status tells what limits the current.")


class Resend(Endpoint):
    """A parked message goes out again."""

    page = "transactions"
    roles = {"POST": COMMANDS["resend"][1]}

    @operation(shapes.Done, request=shapes.Resend, summary="Send a parked message again")
    def post(self, request: Request) -> Response:
        return _ordered(request, "resend", shapes.Resend, "seq")


def _ordered(request: Request, command: str, kind: Any, name: str) -> Response:
    reply = ask.order(command, taken(kind, request)[name], request.user.get_username())
    return outcome(reply, "The reasons (why log) tell more.")


def _older(found: Any, asked: dict[str, Any]) -> Any:
    return found.filter(id__lt=asked["before"]) if "before" in asked else found
