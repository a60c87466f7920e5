"""The workbench: what a message would do, without doing it; and keeping it as a case."""

from dataclasses import dataclass
from typing import Any, Final

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from accounts.actor import actor_of
from interfaces.dicom.services import mwl_diagnosis
from interfaces.dicom.services.worklist_item import PATIENT_LEVEL, STEP_LEVEL, Item
from interfaces.hl7.inspect import dry_run, message_cases, message_repair, message_search, message_tree
from interfaces.hl7.inspect.dry_run import DryRun
from interfaces.hl7.inspect.message_tree import Place
from interfaces.hl7.models import InboundMessage
from interfaces.hl7.syntax import message_text as texts
from interfaces.hl7.syntax.character_sets import Er7Error
from ledger import audit
from ledger.errors import Refused
from web.kernel import authorization, layout
from web.kernel.list_filters import text_of
from web.pages import timelines
from web.pages.messages import message_tabs
from web.pages.messages.message import flat
from worklist.batches.trial import Trial
from worklist.models import ScheduledProcedureStep, Station
from worklist.mwl.criteria import Exclusion
from worklist.schedule import station_groups

MOST_STEPS: Final = 10
MOST_STATIONS: Final = 60
MOST_SEGMENTS: Final = 40
_NAME: Final = 80


@dataclass(frozen=True)
class Seen:
    """Whether a station would get an entry of the worklist, and if not, why."""

    station: Station
    why_not: list[Exclusion]


@dataclass(frozen=True)
class WorklistEntry:
    """A scheduled step as stations would get it: its attributes, and who gets it."""

    step: str
    attributes: dict[str, str]
    stations: list[Seen]


@require_http_methods(["GET", "HEAD", "POST"])
@layout.may("message.replay")
def workbench(request: HttpRequest) -> HttpResponse:
    """A message in a text area; a POST tries it out."""
    text = _text(request)
    context: dict[str, Any] = {"text": text, "cases": _cases(), "case_folder": message_cases.folder()}
    if request.method == "POST":
        with timezone.override(layout.zone_of(request)):
            context |= _tried(text)
            return message_tabs.page(request, "message-workbench", "web/messages/workbench.html", context)
    return message_tabs.page(request, "message-workbench", "web/messages/workbench.html", context)


@require_POST
@layout.may("message.replay")
def keep(request: HttpRequest) -> HttpResponse:
    """Keep the message as a case, as it is read now."""
    name, text = text_of(request.POST, "name", _NAME), _posted(request)
    try:
        path = message_cases.keep(name, texts.encoded(text), by=actor_of(request))
    except (Refused, Er7Error) as error:
        words = f"{getattr(error, 'sentence', error)}. Nothing was kept."
        return layout.refuse(
            request, 422, "This can't be kept as a case", words, reverse("message-workbench")
        )
    layout.flash(request, f"Kept as {path.name}.")
    return HttpResponseRedirect(reverse("message-workbench"))


@require_POST
@layout.may("message.replay")
def check_cases(request: HttpRequest) -> HttpResponse:
    """Read all cases of the site anew."""
    results = list(message_cases.check(message_cases.folder()))
    context = {
        "text": "",
        "cases": _cases(),
        "case_folder": message_cases.folder(),
        "results": results,
        "wrong": sum(not one.is_right for one in results),
    }
    return message_tabs.page(request, "message-workbench", "web/messages/workbench.html", context)


def _text(request: HttpRequest) -> str:
    if request.method == "POST":
        return _posted(request)
    public_id, case = text_of(request.GET, "message", 32), text_of(request.GET, "case", _NAME)
    if case:
        path = next((one for one in message_cases.paths(message_cases.folder()) if one.stem == case), None)
        if path is None:
            raise Http404
        return _as_lines(texts.decoded(path.read_bytes()))
    if not public_id:
        return ""
    row = message_search.by_public_id(public_id)
    if not isinstance(row, InboundMessage):
        raise Http404
    authorization.note_reading(request, audit.QUERY, ("message", row.public_id))
    return _as_lines(texts.decoded(bytes(row.raw), message_repair.charset_of(row)))


def _posted(request: HttpRequest) -> str:
    return request.POST.get("text", "").replace("\r\n", "\n")


def _as_lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _cases() -> list[str]:
    try:
        return [path.stem for path in message_cases.paths(message_cases.folder())]
    except Refused:
        return []


def _tried(text: str) -> dict[str, Any]:
    try:
        raw = texts.encoded(text)
    except Er7Error as error:
        return {"problem": str(error)}
    done = dry_run.dry_run(raw, _look)
    location = done.problem.location if done.problem else ""
    taken = message_tree.of(raw, location=location)
    return {
        "done": done,
        "place": str(Place.of(location)) if location else "",
        "ack": message_tree.of(done.ack).lines() if done.ack else [],
        "flags": [timelines.words(flag) for flag in done.flags],
        "kept": [(one, _of_source(one.source)) for one in done.trial.kept],
        "things": _things(done),
        "moves": done.trial.moves,
        "entries": done.seen or [],
        "branches": [(one, flat(one.fields)) for one in taken.branches(0)[:MOST_SEGMENTS]],
    }


def _things(done: DryRun) -> list[dict[str, Any]]:
    """What would change, thing by thing."""
    found: dict[tuple[str, str, bool], list[Any]] = {}
    for one in done.trial.changes:
        found.setdefault((one.kind, one.thing, one.is_new), []).append(one)
    return [
        {"kind": kind, "thing": thing, "is_new": is_new, "fields": fields}
        for (kind, thing, is_new), fields in found.items()
    ]


def _of_source(source: str) -> str:
    kind, _, key = source.partition(":")
    return timelines.path("message", key) if kind == "hl7" else ""


def _look(trial: Trial) -> list[WorklistEntry]:
    """The entries of the worklist that the orders of a trial have, while they are there."""
    orders = [one.order.order.id for one in trial.applied if one.order is not None]
    steps = ScheduledProcedureStep.objects.filter(procedure__order__in=orders).select_related(
        "procedure__order__visit",
        "procedure__order__facility",
        "procedure__order__patient__authority",
        "procedure__order__patient__survivor__authority",
    )
    stations = list(Station.objects.order_by("ae_title")[:MOST_STATIONS])
    return [_entry(step, stations) for step in steps.order_by("pk")[:MOST_STEPS]]


def _entry(step: ScheduledProcedureStep, stations: list[Station]) -> WorklistEntry:
    attributes: dict[str, str] = {}
    if step.on_worklist:
        item = Item.of(step, station_groups.titles(), numbers=True)
        for keyword, read in (*PATIENT_LEVEL.items(), *STEP_LEVEL.items()):
            if (value := read(item)) not in ("", None):
                attributes[keyword] = str(value)
    seen = [Seen(one, mwl_diagnosis.by_policy(step, one)) for one in stations]
    return WorklistEntry(step.scheduled_procedure_step_id, attributes, seen)
