"""The first-run wizard: one page a step, each with its proof; resumable, and nothing that was typed is lost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import get_language, gettext
from django.views.decorators.http import require_GET, require_http_methods

from ocppclient.clock import parse_utc
from station import ask, charging_hours, commissioning, local_list, self_test
from station.commissioning import BY_KEY, STEPS, Evidence, Outcome, State, Step
from station.forms import CardForm
from station.models import IdTag, SelfTest, Setting
from station.navigation import PAGES
from station.roles import Role, needs
from station.setup_forms import IdentityForm, LanguageForm, LimitsForm
from station.views.answers import tell
from station.views.cards import to_learn

#: Steps whose proof changes by itself while somebody looks.
_WATCHED = ("selftest", "network", "time", "backend", "cards", "charge")
#: Steps that are proven by something on their page or another one.
_DONE_BEFORE = ("selftest", "network", "backend")
_SHORTEST_REASON = 4
#: What the navigation calls a page.
_LABELS = {entry.route: entry.label for entries in PAGES.values() for entry in entries}
#: In the session: the step that somebody is at; the pages that it leads to lead back.
AT_STEP = "setup_step"
#: What of a step is kept while it is not saved.
_KEPT = {
    "language": ("language", "time_zone"),
    "identity": ("name", "location"),
    "limits": ("max_current_a", "again", "breaker_a", "cable_a", "grid"),
}


@require_GET
@needs(Role.INSTALLER)
def setup(request: HttpRequest) -> HttpResponse:
    """All steps with what they are at, and where to go on."""
    commissioning.begin(datetime.now(UTC))
    found = commissioning.outcomes(_evidence(request))
    following = next((one.step for one in found if one.state in (State.OPEN, State.FAILED)), None)
    return render(request, "station/setup.html", {"outcomes": found, "following": following})


@require_http_methods(["GET", "POST"])
@needs(Role.INSTALLER)
def step(request: HttpRequest, key: str) -> HttpResponse:
    """One step."""
    this = _step(key)
    commissioning.begin(datetime.now(UTC))
    request.session[AT_STEP] = key
    evidence = _evidence(request)
    form = _form(this, request, evidence)
    problem = ""
    if request.method == "POST":
        answer = _obey(request, this, form, evidence)
        if isinstance(answer, HttpResponse):
            return answer
        problem = answer
        evidence = _evidence(request)
    place = STEPS.index(this)
    context = {
        "form": form,
        "problem": problem,
        "number": place + 1,
        "count": len(STEPS),
        "first": place == 0,
        "skipping": request.POST.get("do") == "skip",
        **_proof(request, this, evidence),
    }
    bad = bool(problem) or (form is not None and form.is_bound and bool(form.errors))
    return render(request, "station/setup_step.html", context, status=422 if bad else 200)


@require_GET
@needs(Role.INSTALLER)
def proof(request: HttpRequest, key: str) -> HttpResponse:
    """The proof as a piece of the page, asked for again while it may change by itself."""
    return render(request, "station/_setup_proof.html", _proof(request, _step(key), _evidence(request)))


@require_GET
@needs(Role.INSTALLER)
def report(request: HttpRequest) -> HttpResponse:
    """The hand-over report, made for the printer; before the hand-over how it would look now."""
    return render(request, "station/setup_report.html", {"report": _report(request)})


@require_GET
@needs(Role.INSTALLER)
def report_json(request: HttpRequest) -> HttpResponse:
    """The same for machines."""
    text = json.dumps(_report(request), indent=2, ensure_ascii=False)
    name = f"commissioning-{datetime.now(UTC):%Y-%m-%d}.json"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(text, content_type="application/json; charset=utf-8", headers=headers)


def way_back(request: HttpRequest, page: str) -> Step | None:
    """The step from which somebody came to this page, by the first word of its route's name."""
    this = BY_KEY.get(request.session.get(AT_STEP, ""))
    return this if this is not None and page in (this.page, *this.others) else None


# -- what is there


def _step(key: str) -> Step:
    if key not in BY_KEY:
        raise Http404
    return BY_KEY[key]


def _evidence(request: HttpRequest) -> Evidence:
    assert isinstance(request.user, User)
    return commissioning.gather(request.user, ask.snapshot())


def _report(request: HttpRequest) -> dict[str, Any]:
    kept = commissioning.said().get("handover", {}).get("report")
    return kept if isinstance(kept, dict) else commissioning.report(_evidence(request), datetime.now(UTC))


def _proof(request: HttpRequest, this: Step, evidence: Evidence) -> dict[str, Any]:
    found = commissioning.outcome(this, evidence)
    context: dict[str, Any] = {
        "step": this,
        "outcome": found,
        # What proves it is done before "Next", not by it: that button stands out then.
        "elsewhere": this.key in _DONE_BEFORE and found.state in (State.OPEN, State.FAILED),
        "page_label": _LABELS.get(this.page, ""),
        "watched": this.key == "cards" or (this.key in _WATCHED and found.state is not State.DONE),
        "handed_over": "handover" in evidence.said and "at" in evidence.said["handover"],
    }
    match this.key:
        case "cards":
            context["taps"] = to_learn()
        case "limits":
            context["hours_are_offered"] = charging_hours.are_offered()
        case "charge":
            context["facts"] = _charge_facts(evidence.live)
            context["running"] = bool(evidence.live and evidence.live["session"])
            context["card"] = IdTag.objects.filter(status__in=local_list.VALID).order_by("-id").first()
        case "selftest":
            context["testing"] = SelfTest.objects.filter(state__in=self_test.OPEN).exists()
            context["watched"] = context["watched"] or context["testing"]  # what it proved before counts until its end
        case "handover":
            context["outcomes"] = [one for one in commissioning.outcomes(evidence) if one.step.key != "handover"]
    return context


def _charge_facts(live: Mapping[str, Any] | None) -> list[tuple[str, bool]]:
    """What a test charge goes through, as far as it is now."""
    if live is None:
        return []
    session, box = live["session"], live["box"]
    return [
        (gettext("A car (or a tester) is plugged in"), bool(box["ev_connected"])),
        (gettext("A card was accepted and a session began"), session is not None),
        (gettext("The contactor is closed"), bool(box["contactor_closed"])),
        (gettext("The meter counts up"), bool(session and session["energy_wh"] > 0)),
    ]


def _form(this: Step, request: HttpRequest, evidence: Evidence) -> forms.Form | None:
    posted = request.POST if request.method == "POST" and request.POST.get("do") == "next" else None
    draft = evidence.said.get(f"draft.{this.key}", {})
    told = {**evidence.said.get(this.key, {}), **draft}
    initial = {"language": get_language(), "time_zone": "UTC"} if this.key == "language" else {}
    return form_of(this, evidence.live, posted, {**initial, **told, "again": draft.get("again")})


def form_of(this: Step, live: Mapping[str, Any] | None, data: Any, initial: dict[str, Any]) -> forms.Form | None:
    """The form of a step; None when nothing is typed there."""
    match this.key:
        case "language":
            return LanguageForm(data, initial=initial)
        case "identity":
            return IdentityForm(data, initial=initial)
        case "limits":
            return LimitsForm(float(live["limit"]["hardware_a"]) if live else 0.0, data, initial=initial)
    return None


# -- what people do


def _obey(request: HttpRequest, this: Step, form: forms.Form | None, evidence: Evidence) -> HttpResponse | str:
    """Do what the button says: where to go, or a sentence about what is wrong ("" when all is said already)."""
    place, user = STEPS.index(this), request.user.get_username()
    match request.POST.get("do"):
        case "previous":
            _keep_draft(request, this)
            return redirect("setup_step", STEPS[max(place - 1, 0)].key)
        case "skip" if this.may_skip:
            _keep_draft(request, this)
            return skip(this, request.POST.get("reason", ""), user) or _onward(place)
        case "add" if this.key == "cards":
            return _add_card(request)
        case "test" if this.key == "selftest":
            self_test.ask(user, datetime.now(UTC))
            return redirect("setup_step", this.key)
        case "start" | "stop" as command if this.key == "charge":
            id_tag = request.POST.get("id_tag", "")
            reply = ask.order("swipe", id_tag, user) if command == "start" else ask.order("stop", None, user)
            tell(request, reply)
            return redirect("setup_step", this.key)
        case "next":
            if form is not None and not form.is_valid():
                return ""
            if problem := _save(request, this, form):
                return problem
            answer = _judge(request, this, place)
            if this.key == "language" and isinstance(answer, HttpResponse):
                answer.delete_cookie(
                    settings.LANGUAGE_COOKIE_NAME
                )  # else this browser's former choice would hide the new one
            return answer
    return gettext("This step knows no such button.")


def _save(request: HttpRequest, this: Step, form: forms.Form | None) -> str:
    """Keep what was typed; a sentence when it could not be."""
    now, user = datetime.now(UTC), request.user.get_username()
    match this.key:
        case "language" | "identity" | "limits":
            assert form is not None
            if problem := keep(this, form.cleaned_data, user):
                return problem
        case "time":
            live = ask.snapshot()
            ours = parse_utc(live["clock"]["utc"]) if live else now
            try:
                offset_s = (ours - parse_utc(request.POST.get("phone", ""))).total_seconds()
            except ValueError:
                return gettext("The time of your phone did not arrive. Reload the page, and compare again.")
            commissioning.say("time", offset_s=round(offset_s, 1), at=now.isoformat(timespec="seconds"))
        case "firmware":
            commissioning.say("firmware", version=request.POST.get("version", ""))
    Setting.objects.filter(section=commissioning.SECTION, name=f"draft.{this.key}").delete()
    return ""


def keep(this: Step, values: Mapping[str, Any], user: str) -> str:
    """Keep what the form of a step said; a sentence when it could not be."""
    if this.key != "limits":
        commissioning.say(this.key, **values)
        if this.key == "language":
            local_list.poke(user)  # the charging hours are in its time zone
        return ""
    amps = values["max_current_a"]
    Setting.objects.update_or_create(section="electrical", name="max_current_a", defaults={"value": json.dumps(amps)})
    at = datetime.now(UTC).isoformat(timespec="seconds")
    behind = {name: values[name] or None for name in ("breaker_a", "cable_a", "grid")}
    commissioning.say("limits", max_current_a=amps, by=user, at=at, **behind)
    reply = ask.order("settings", None, user)
    return "" if reply.ok else reply.text


def skip(this: Step, reason: str, user: str) -> str:
    """Skip a step without its proof; a sentence when the reason says too little."""
    reason = reason.strip()[:200]
    if len(reason) < _SHORTEST_REASON:
        return gettext("Write in a few words why this step is skipped: the reason stands in the report.")
    commissioning.say(this.key, waived=reason, waived_by=user)
    return ""


def _judge(request: HttpRequest, this: Step, place: int) -> HttpResponse | str:
    """On to the next step when the proof passes."""
    evidence = _evidence(request)
    if this.key == "handover":
        if problem := hand_over(evidence):
            return problem
        request.session.pop(AT_STEP, None)
        messages.success(request, gettext("The station is handed over. Print the report, or keep the file."))
        return redirect("setup_report")
    found: Outcome = commissioning.outcome(this, evidence)
    if found.state is State.DONE:
        commissioning.say(this.key, waived=None, waived_by=None)
        return _onward(place)
    if found.state is State.WAIVED:
        return _onward(place)
    return gettext("This step is not proven yet. %(text)s") % {"text": found.text}


def hand_over(evidence: Evidence) -> str:
    """Finish the set-up; a sentence when steps are missing."""
    missing = commissioning.hand_over(evidence, datetime.now(UTC))
    if not missing:
        return ""
    return gettext("Not finished yet: %(missing)s. Do these steps, or skip each with a reason.") % {
        "missing": ", ".join(gettext(title) for title in missing)
    }


def _onward(place: int) -> HttpResponse:
    return redirect("setup_step", STEPS[min(place + 1, len(STEPS) - 1)].key)


def _keep_draft(request: HttpRequest, this: Step) -> None:
    """What was typed stays for the next visit; these forms hold no secrets."""
    typed = {name: request.POST[name][:200] for name in _KEPT.get(this.key, ()) if name in request.POST}
    if typed:
        commissioning.say(f"draft.{this.key}", **typed)


def _add_card(request: HttpRequest) -> HttpResponse | str:
    data = {"id_tag": request.POST.get("id_tag", ""), "status": "Accepted", "note": request.POST.get("note", "")}
    form = CardForm(data)
    if not form.is_valid():
        return " ".join(str(error) for errors in form.errors.values() for error in errors)
    form.save()
    local_list.poke(request.user.get_username())
    messages.success(request, gettext("%(id_tag)s may charge.") % {"id_tag": form.instance.id_tag})
    return redirect("setup_step", "cards")
