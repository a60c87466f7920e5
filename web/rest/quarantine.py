"""`/quarantine`: objects that were refused, released into a study or discarded, one by one and in bulk."""

from collections.abc import Sequence
from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Query, Router

from accounts import access
from accounts.actor import actor_of
from accounts.models import User
from archive.models import Quarantined as Row
from archive.models import QuarantineState, Study
from archive.storage import quarantine, quarantine_release
from archive.storage.quarantine_release import Done
from ledger import audit
from ledger.errors import Unknown
from web.kernel import authorization
from web.rest.limit_offset import Page, page
from web.rest.schemas.quarantine import (
    QuarantineAct,
    Quarantined,
    QuarantinedObjects,
    QuarantineFilters,
    QuarantineOutcome,
    QuarantineOutcomes,
    QuarantineRelease,
)

router = Router(tags=["quarantine"])


@router.get("", response=QuarantinedObjects, summary="Find quarantined objects")
def find_quarantined(
    request: HttpRequest, filters: Annotated[QuarantineFilters, Query()], paging: Page
) -> dict[str, Any]:
    """The newest first."""
    authorization.allow(request, "queue.view")
    rows = quarantine.find(reason=filters.reason, text=filters.text, state=filters.state)
    found = page(rows, paging, lambda part: [_shown(row) for row in part])
    things = [("quarantined", one.id) for one in found["results"]]
    authorization.note_reading(request, audit.QUERY, *things)
    return found


@router.post("/release", response=QuarantineOutcomes, summary="Release objects into a study")
def release_quarantined(request: HttpRequest, body: QuarantineRelease) -> QuarantineOutcomes:
    """A copy is stored, indexed and judged like what comes in; where its UIDs can't stay it gets new ones."""
    user = authorization.allow(request, "quarantine.decide")
    study = _study(body.study_instance_uid, user)
    rows = _rows(body.ids)
    return _outcomes(quarantine_release.release(rows, reason=body.reason, by=actor_of(request), study=study))


@router.post("/discard", response=QuarantineOutcomes, summary="Discard objects")
def discard_quarantined(request: HttpRequest, body: QuarantineAct) -> QuarantineOutcomes:
    """They can be restored for 30 days."""
    authorization.allow(request, "quarantine.decide")
    return _outcomes(quarantine_release.discard(_rows(body.ids), reason=body.reason, by=actor_of(request)))


@router.post("/restore", response=QuarantineOutcomes, summary="Take back that objects were discarded")
def restore_quarantined(request: HttpRequest, body: QuarantineAct) -> QuarantineOutcomes:
    """They are in quarantine again."""
    authorization.allow(request, "quarantine.decide")
    return _outcomes(quarantine_release.restore(_rows(body.ids), reason=body.reason, by=actor_of(request)))


def _study(uid: str, user: User) -> Study | None:
    if not uid:
        return None
    study = access.visible(Study.objects.order_by(), user).filter(study_instance_uid=uid).first()
    if study is None:
        raise Unknown("study_instance_uid names nothing here", "study_instance_uid")
    return study


def _rows(ids: Sequence[str]) -> list[Row]:
    found = {row.public_id: row for row in Row.objects.filter(public_id__in=ids)}
    if any(key not in found for key in ids):
        raise Unknown("ids names something that is not here", "ids")
    return [found[key] for key in dict.fromkeys(ids)]


def _outcomes(done: Sequence[Done]) -> QuarantineOutcomes:
    return QuarantineOutcomes(
        results=[QuarantineOutcome(object=_shown(one.row), refused=one.refused) for one in done]
    )


def _shown(row: Row) -> Quarantined:
    return Quarantined(
        id=row.public_id,
        reason=row.reason,
        text=row.text,
        sop_instance_uid=row.sop_instance_uid,
        study_instance_uid=row.study_instance_uid,
        calling_ae_title=row.calling_ae_title,
        address=row.address,
        size=row.size,
        received_at=row.received_at,
        state=QuarantineState(row.state),
        released_as=row.released_as,
        ended_at=row.ended_at,
        ended_by=row.ended_by,
        end_reason=row.end_reason,
    )
