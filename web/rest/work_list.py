"""`/hl7/work-list`, `/hl7/replays`: what failed, by error, what people do with it, and replays in bulk."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from django.db import transaction
from django.http import Http404, HttpRequest
from ninja import Router

from accounts.actor import Actor, actor_of
from accounts.models import User
from interfaces.hl7.inspect import bulk_replay, message_search, work_acts
from interfaces.hl7.inspect import work_list as work
from interfaces.hl7.models import BulkReplay, InboundMessage, OutboundMessage, ReplayedState
from interfaces.hl7.outbound import outbox
from ledger import audit
from ledger.errors import Invalid, Unknown
from web.kernel import authorization
from web.rest import messages
from web.rest.limit_offset import Page, page
from web.rest.schemas import Reason
from web.rest.schemas.messages import Messages
from web.rest.schemas.work_list import (
    BulkReplayState,
    Chosen,
    NewReplay,
    WorkAct,
    WorkDone,
    WorkGroup,
    WorkGroups,
)

router = Router(tags=["HL7 messages"])
replays = Router(tags=["HL7 messages"])


@router.get("", response=WorkGroups, summary="Find what is to be worked off")
def find_work(request: HttpRequest) -> dict[str, Any]:
    """Messages that failed or were refused, held or stopped, by error and place."""
    authorization.allow(request, "message.view")
    found = work.groups()
    return {"count": len(found), "results": [_group(one) for one in found]}


@router.post("/acts", response=WorkDone, summary="Work off messages")
def work_off(request: HttpRequest, body: WorkAct) -> WorkDone:
    """Mark as done, ignore, put back, assign; release or skip what goes out. All of them or none."""
    authorization.allow(request, "message.replay")
    rows, by = _rows(body), actor_of(request)
    with transaction.atomic():
        if body.act == "assign":
            return WorkDone(changed=work_acts.assign(rows, to=_person(body.to), by=by, reason=body.reason))
        if body.act in ("release", "skip"):
            return WorkDone(changed=_step(body.act, rows, by, body.reason))
        do = _ACTS[body.act]
        return WorkDone(changed=do(_received(rows), by=by, reason=body.reason))


@router.get("/{group}", response=Messages, summary="Read the messages of a group")
def read_group(request: HttpRequest, group: str, paging: Page) -> dict[str, Any]:
    """In the order in which they were received, or asked for."""
    authorization.allow(request, "message.view")
    found = work.group(group)
    if found is None:
        raise Http404
    related = "replay_of" if found.direction == "in" else "destination"
    part = page(work.messages_of(found).select_related(related), paging, messages.shown)
    authorization.note_reading(request, audit.QUERY, *(("message", one.id) for one in part["results"]))
    return part


@replays.post("", response=BulkReplayState, summary="BulkReplayState messages in order")
def begin_replay(request: HttpRequest, body: NewReplay) -> BulkReplayState:
    """As work in the background; read how far it is."""
    authorization.allow(request, "message.replay")
    rows = _received(_rows(body))
    run = bulk_replay.begin(rows, by=actor_of(request), reason=body.reason, stop_at_error=body.stop_at_error)
    return _replay(run)


@replays.get("/{id}", response=BulkReplayState, summary="Read how far a replay is")
def read_replay(request: HttpRequest, id: str) -> BulkReplayState:
    """What was applied, and what failed."""
    authorization.allow(request, "message.view")
    return _replay(_find(id))


@replays.post("/{id}/stop", response=BulkReplayState, summary="End a replay")
def stop_replay(request: HttpRequest, id: str, body: Reason) -> BulkReplayState:
    """What was applied stays."""
    authorization.allow(request, "message.replay")
    run = _find(id)
    bulk_replay.stop(run, by=actor_of(request), reason=body.reason)
    return _replay(run)


@replays.post("/{id}/continue", response=BulkReplayState, summary="Continue a replay")
def continue_replay(request: HttpRequest, id: str, body: Reason) -> BulkReplayState:
    """Behind the message at which it stopped."""
    authorization.allow(request, "message.replay")
    run = _find(id)
    bulk_replay.go_on(run, by=actor_of(request), reason=body.reason)
    return _replay(run)


_ACTS: Final[dict[str, Callable[..., int]]] = {
    "done": work_acts.done,
    "ignore": work_acts.ignore,
    "put-back": work_acts.put_back,
}


def _step(name: str, rows: Sequence[Any], by: Actor, reason: str) -> int:
    if not reason:
        raise Invalid("This needs a reason.", field="reason")
    sent = [row for row in rows if isinstance(row, OutboundMessage)]
    for row in sent:
        (outbox.release if name == "release" else outbox.skip)(row, by=by, reason=reason)
    return len(sent)


def _rows(body: Chosen) -> Sequence[Any]:
    if body.group:
        found = work.group(body.group)
        if found is None:
            raise Unknown("There is no such group, or nothing of it is left.", field="group")
        return work.first_of(found, work_acts.MOST)
    rows = [message_search.by_public_id(public_id) for public_id in dict.fromkeys(body.ids)]
    if not rows or None in rows:
        raise Unknown("Name messages that there are, or a group.", field="ids")
    return rows


def _received(rows: Sequence[Any]) -> list[InboundMessage]:
    return [row for row in rows if isinstance(row, InboundMessage)]


def _person(name: str) -> User | None:
    user = User.objects.filter(username=name, is_active=True).first() if name else None
    if name and user is None:
        raise Unknown("There is no such user.", field="to")
    return user


def _find(id: str) -> BulkReplay:
    run = BulkReplay.objects.filter(public_id=id).first() if id.isascii() else None
    if run is None:
        raise Http404
    return run


def _group(one: work.WorkGroup) -> WorkGroup:
    return WorkGroup(
        id=one.key,
        direction=one.direction,
        partner=one.partner,
        status=one.status,
        code=one.code,
        place=one.place,
        number=one.number,
        oldest_at=one.oldest,
        newest_at=one.newest,
        example=one.example,
        assigned=one.assigned,
    )


def _replay(run: BulkReplay) -> BulkReplayState:
    run.refresh_from_db()
    failed = run.messages.filter(state=ReplayedState.FAILED).order_by("position")
    return BulkReplayState(
        id=run.public_id,
        state=run.state,  # type: ignore[arg-type]
        total=run.total,
        applied=run.applied,
        failed=run.failed,
        reason=run.reason,
        stop_at_error=run.stop_at_error,
        begun_at=run.begun_at,
        ended_at=run.ended_at,
        failures=list(failed.values_list("replay__public_id", flat=True)[:500]),
    )
