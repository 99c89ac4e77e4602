"""The shapes of what goes in and out: checked on the way in, documented on the way out."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers as s
from rest_framework.response import Response

from station.models import IdTag
from station.views.pages import SPANS as POWER_SPANS
from station.views.profiles import SPANS as PROFILE_SPANS


class Problem(s.Serializer):
    """Every error."""

    code = s.CharField(help_text="token, role, value, missing, refused, controller …")
    sentence = s.CharField(help_text="What is wrong, for people.")
    cure = s.CharField(help_text="What helps.")


class Done(s.Serializer):
    """A command was obeyed."""

    sentence = s.CharField()


class DryRun(s.Serializer):
    """Of what writes settings."""

    dry_run = s.BooleanField(default=False, help_text="Only judge the values; nothing is changed.")


def would_be_taken() -> Response:
    """The answer to a dry run without a refusal."""
    return Response({"sentence": "These values would be taken; nothing was changed."})


class Range(s.Serializer):
    """A page of a list, newest first: go on with `before` = the last id."""

    before = s.IntegerField(required=False, min_value=1, max_value=2**63 - 1, help_text="Only older than this id.")
    limit = s.IntegerField(required=False, default=100, min_value=1, max_value=1000)


class Sessions(Range):
    """Which sessions; a role below operator cannot look for cards."""

    since = s.DateField(required=False, help_text="First day of their start, UTC.")
    until = s.DateField(required=False, help_text="Last day of their start, UTC.")
    card = s.CharField(required=False, max_length=20, help_text="A part of the card's number.")
    running = s.BooleanField(required=False, default=None, allow_null=True)


class Reasons(Range):
    """Which reasons."""

    what = s.CharField(required=False, max_length=100, help_text="What was refused or limited.")
    verdict = s.CharField(required=False, max_length=100)
    q = s.CharField(required=False, max_length=100, help_text="Words that appear in any of the texts, in English.")


class Alert(s.Serializer):
    """Something that needs attention."""

    kind = s.CharField(help_text="fault, waiting …: how bad it is.")
    text = s.CharField()
    url = s.CharField(allow_blank=True, help_text="Page with the cure; empty: none, or not for this role.")


class Hours(s.Serializer):
    """How far back."""

    hours = s.ChoiceField(list(POWER_SPANS), default=1)


class Span(s.Serializer):
    """How far ahead, and in which unit."""

    hours = s.ChoiceField(list(PROFILE_SPANS), default=24)
    unit = s.ChoiceField(["A", "W"], default="A")


class Curve(s.Serializer):
    """Moments in seconds since 1970 (`x`), their values (`y`, null: nothing)."""

    kind = s.CharField(
        help_text='"measured": means of a span at its middle; others are steps that hold until the next.'
    )
    name = s.CharField()
    x = s.ListField(child=s.IntegerField())
    y = s.ListField(child=s.FloatField(allow_null=True))


class Chart(s.Serializer):
    """What a page draws from `from` to `to`, seconds since 1970."""

    now = s.IntegerField(help_text="0 for what is over.")
    to = s.IntegerField(required=False)
    unit = s.CharField(required=False)
    curves = Curve(many=True)

    def get_fields(self) -> dict[str, Any]:
        """`from` is no name in Python."""
        return {**super().get_fields(), "from": s.IntegerField()}


class Message(s.Serializer):
    """One OCPP message of a session and its acknowledgement."""

    seq = s.IntegerField()
    action = s.CharField()
    state = s.ChoiceField(["delivered", "waiting", "parked"])
    request = s.CharField(help_text="JSON, secrets masked.")
    answer = s.CharField()
    created_at = s.DateTimeField(allow_null=True)
    sent_at = s.DateTimeField(allow_null=True)
    answered_at = s.DateTimeField(allow_null=True)
    attempts = s.IntegerField()
    reason = s.CharField(help_text="Why it was given up.")


class Session(s.Serializer):
    """One charging session; a viewer sees a part of the card's number."""

    id = s.IntegerField()
    uid = s.CharField()
    transaction_id = s.IntegerField(allow_null=True, help_text="Of the backend; null until it answered.")
    id_tag = s.CharField()
    started_at = s.DateTimeField()
    stopped_at = s.DateTimeField(allow_null=True)
    duration_s = s.IntegerField()
    meter_start_wh = s.IntegerField()
    meter_stop_wh = s.IntegerField(allow_null=True)
    energy_kwh = s.FloatField()
    reason = s.CharField(help_text="Reason of OCPP 1.6 section 7.36; empty while it runs.")
    messages_waiting = s.IntegerField()
    messages_parked = s.IntegerField()


class SessionDetail(Session):
    """One session with every message (operator and above)."""

    messages = Message(many=True)


class Reason(s.Serializer):
    """Why something was refused, ignored or limited."""

    id = s.IntegerField()
    at = s.DateTimeField()
    what = s.CharField()
    verdict = s.CharField()
    rule = s.CharField()
    value = s.CharField()
    clause = s.CharField()


class Card(s.ModelSerializer):
    """One entry of the local list or of the cache; only those of the station can be changed."""

    class Meta:
        model = IdTag
        fields = ["id", "id_tag", "status", "source", "parent_id_tag", "expiry_date", "note", "updated_at"]
        read_only_fields = ["id", "source", "updated_at"]


class ImportedLine(s.Serializer):
    """What becomes of one line of a file."""

    line = s.IntegerField()
    id_tag = s.CharField()
    outcome = s.CharField()
    details = s.ListField(child=s.CharField())


class Imported(s.Serializer):
    """What an import did, or (dry_run) would do. With an error in it nothing is written."""

    written = s.BooleanField()
    counts = s.DictField(child=s.IntegerField())
    lines = ImportedLine(many=True)


class Frame(s.Serializer):
    """One OCPP message on the wire; secrets are masked."""

    seq = s.IntegerField()
    at = s.DateTimeField()
    direction = s.ChoiceField(["in", "out"])
    text = s.CharField()


class Key(s.Serializer):
    """One configuration key; `value` is null for one that is never shown."""

    name = s.CharField()
    profile = s.CharField()
    value = s.CharField(allow_null=True)
    default = s.CharField()
    access = s.ChoiceField(["R", "RW", "W"])
    unit = s.CharField()
    range = s.CharField()
    meaning = s.CharField()
    effect = s.CharField()


class KeyValue(s.Serializer):
    """Another value; judged like ChangeConfiguration."""

    value = s.CharField(allow_blank=True, max_length=10_000, trim_whitespace=False)


class Profile(s.Serializer):
    """One installed charging profile."""

    profile_id = s.IntegerField()
    connector_id = s.IntegerField()
    stack_level = s.IntegerField()
    purpose = s.CharField()
    kind = s.CharField()
    unit = s.CharField()
    periods = s.IntegerField()
    schedule = s.CharField(help_text="In words.")
    state = s.CharField(help_text="In words: whether it counts now.")
    origin = s.CharField()


class Reservation(s.Serializer):
    """Whom the station is kept for."""

    id = s.IntegerField()
    id_tag = s.CharField()
    group = s.CharField(allow_blank=True)
    until = s.DateTimeField()


class PastReservation(s.Serializer):
    """One reservation that is over."""

    reservation_id = s.IntegerField()
    id_tag = s.CharField()
    made_at = s.DateTimeField(allow_null=True)
    until = s.DateTimeField()
    ended_at = s.DateTimeField()
    word = s.CharField(help_text="How it ended.")
    by = s.CharField()


class Reserved(s.Serializer):
    """The reservation, null when there is none, and those before, newest first."""

    reservation = Reservation(allow_null=True)
    former = PastReservation(many=True)


class Hardware(s.Serializer):
    """The box: its active faults, each with its cure, and the quality of its lines."""

    ready = s.BooleanField()
    ev_connected = s.BooleanField(allow_null=True)
    contactor_closed = s.BooleanField()
    faults = s.ListField(child=s.DictField())
    ports = s.ListField(child=s.DictField())


class Start(s.Serializer):
    """Present a card, as if it were tapped."""

    id_tag = s.CharField(max_length=20)


class Resend(s.Serializer):
    """Send a parked message again."""

    seq = s.IntegerField(min_value=1, max_value=2**63 - 1)
