"""`/dictations/{uuid}`: sound in segments, its WAV, and what transcriptionists do with it."""

import hashlib
import re
from collections.abc import Callable
from typing import Any, Final

from django.db import transaction
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from ninja import Router
from ninja.errors import HttpError

from accounts import access as policy
from accounts.actor import Actor, actor_of
from accounts.models import User
from ledger import audit
from ledger.errors import Invalid
from reporting.dictation import audio, dictations, transcription
from reporting.models import Dictation as Row
from reporting.models import ReadingItem, Segment
from web.kernel import authorization
from web.rest.limit_offset import Page, page
from web.rest.schemas import Reason
from web.rest.schemas.dictations import Dictation, Dictations, Finished, NewDictation, Returned
from web.rest.schemas.reading_items import Fence
from web.rest.schemas.reports import ChangedSections

router = Router(tags=["dictations"])
transcriptions = Router(tags=["dictations"])

_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


@router.get("/{uuid}", response=Dictation, summary="Read a dictation")
def read_dictation(request: HttpRequest, uuid: str) -> Dictation:
    """How far it has come, and what was typed from it."""
    row = _find(request, authorization.allow(request, "dictation.hear"), uuid)
    return shown(row)


@router.put("/{uuid}/segments/{seq}", response=Dictation, summary="Send a segment")
def put_segment(request: HttpRequest, uuid: str, seq: int) -> Dictation:
    """The body is PCM; the same segment again changes nothing, other samples under its number are a 409."""
    user = authorization.allow(request, "report.write")
    row = _find(request, user, uuid)
    if not 0 <= seq < 100_000:
        raise Invalid("A segment's number is from 0 to 99999.", "seq")
    _store(row, seq, request.body, actor_of(request))
    return shown(Row.objects.get(pk=row.pk))


@router.post("/{uuid}/finish", response=Dictation, summary="Hand a dictation on to be typed")
def finish(request: HttpRequest, uuid: str, body: Finished) -> Dictation:
    """409 `missing` names the segments that have not come."""
    return _do(
        request,
        uuid,
        "report.write",
        lambda row, by: dictations.finish(dictation=row, segments=body.segments, sha256=body.sha256, by=by),
    )


@router.post("/{uuid}/discard", response=Dictation, summary="Give a dictation up")
def discard(request: HttpRequest, uuid: str, body: Reason) -> Dictation:
    """By its author, before it is typed; the sound is kept for 30 days."""
    return _do(
        request,
        uuid,
        "report.write",
        lambda row, by: dictations.discard(dictation=row, by=by, reason=body.reason),
    )


@router.post("/{uuid}/reclaim", response=Dictation, summary="Take a dictation back")
def reclaim(request: HttpRequest, uuid: str) -> Dictation:
    """By its author, until typing begins."""
    return _do(
        request,
        uuid,
        "report.write",
        lambda row, by: dictations.reclaim(dictation=row, by=by),
    )


@router.get("/{uuid}/audio", summary="Hear a dictation")
def hear(request: HttpRequest, uuid: str) -> HttpResponseBase:
    """WAV, with ranges (RFC 9110 14); each play is in the audit trail."""
    row = _find(request, authorization.allow(request, "dictation.hear"), uuid)
    segments = list(Segment.objects.filter(dictation=row).order_by("seq").values_list("name", "size"))
    total = audio.HEADER_BYTES + sum(size for _, size in segments)
    start, end = _asked(request, total)
    if start >= total:
        refused = HttpResponse(status=416)
        refused["Content-Range"] = f"bytes */{total}"
        return refused
    if start == 0:
        with transaction.atomic():
            dictations.note(actor_of(request), row, "Dictation heard", audit.READ)
    names, sizes = [name for name, _ in segments], [size for _, size in segments]
    answer = StreamingHttpResponse(
        audio.wav(names, sizes, row.sample_rate, start, end),
        status=206 if "Range" in request.headers else 200,
        content_type="audio/wav",
    )
    answer["Accept-Ranges"], answer["Content-Length"] = "bytes", str(end - start)
    answer["Cache-Control"] = "private, no-store"
    if answer.status_code == 206:
        answer["Content-Range"] = f"bytes {start}-{end - 1}/{total}"
    return answer


# Transcription


@transcriptions.get("", response=Dictations, summary="What waits to be typed")
def waiting(request: HttpRequest, paging: Page) -> dict[str, Any]:
    """The most due first."""
    user = authorization.allow(request, "transcription.type")
    return page(transcription.queue(user=user), paging, lambda rows: map(shown, rows))


@transcriptions.post("/next", response=Dictation, summary="Open the most urgent dictation")
def next_dictation(request: HttpRequest) -> Dictation:
    """Picks and leases in one transaction; 404 where nothing waits."""
    authorization.allow(request, "transcription.type")
    with transaction.atomic():
        row = transcription.next_dictation(by=actor_of(request))
    if row is None:
        raise HttpError(404, "Nothing waits to be typed.")
    return shown(row)


@router.post("/{uuid}/take", response=Dictation, summary="Take a dictation to type it")
def take(request: HttpRequest, uuid: str) -> Dictation:
    """409 `held` where another person types it."""
    return _do(
        request,
        uuid,
        "transcription.type",
        lambda row, by: transcription.take(dictation=row, by=by),
    )


@router.post("/{uuid}/renew", response=Dictation, summary="Go on typing")
def renew(request: HttpRequest, uuid: str, body: Fence) -> Dictation:
    """409 `taken_over` where another person types it now."""
    return _do(
        request,
        uuid,
        "transcription.type",
        lambda row, by: transcription.renew(dictation=row, by=by, fence=body.fence),
    )


@router.post("/{uuid}/save", response=Dictation, summary="Save what was typed so far")
def save(request: HttpRequest, uuid: str, body: ChangedSections) -> Dictation:
    """409 `stale_revision` where another save came between."""
    return _do(
        request,
        uuid,
        "transcription.type",
        lambda row, by: transcription.save(
            dictation=row, sections=body.sections, revision=body.revision, by=by
        ),
    )


@router.post("/{uuid}/type", response=Dictation, summary="Hand the typed text to its author")
def typed(request: HttpRequest, uuid: str, body: ChangedSections) -> Dictation:
    """Adds the text to the report, which then waits for its signature."""
    return _do(
        request,
        uuid,
        "transcription.type",
        lambda row, by: transcription.finish(
            dictation=row, sections=body.sections, revision=body.revision, by=by
        ),
    )


@router.post("/{uuid}/return", response=Dictation, summary="Give a dictation back to its author")
def give_back(request: HttpRequest, uuid: str, body: Returned) -> Dictation:
    """For one of: no audio, poor audio, incomplete, missing words, wrong patient suspected."""
    return _do(
        request,
        uuid,
        "transcription.type",
        lambda row, by: transcription.give_back(dictation=row, reason=body.reason, note=body.note, by=by),
    )


# What others use as well


def begin(by: Actor, item: ReadingItem, body: NewDictation, pcm: bytes | None) -> Dictation:
    """Begin a dictation of an item, and with `pcm` end it as well."""
    with transaction.atomic():
        row = dictations.begin(
            uuid=body.id, item=item, by=by, sample_rate=body.sample_rate, patient=body.patient
        )
    if pcm is None:
        return shown(row)
    if row.state == "recording":
        _store(row, 0, pcm, by)
    with transaction.atomic():
        row = dictations.finish(dictation=row, segments=1, sha256=hashlib.sha256(pcm).hexdigest(), by=by)
    return shown(row)


def shown(row: Row) -> Dictation:
    """A dictation as JSON."""
    return Dictation(
        id=row.uuid,
        state=row.state,
        author=str(row.author),
        seconds=round(row.seconds, 3),
        sample_rate=row.sample_rate,
        segments=Segment.objects.filter(dictation=row).count(),
        sha256=row.sha256,
        created_at=row.created_at,
        reading_item=row.item.public_id,
        typist=str(row.typist or ""),
        fence=row.typing_fence,
        sections=row.sections,
        revision=row.revision,
        return_reason=row.return_reason,
        note=row.note,
    )


def _do(
    request: HttpRequest,
    uuid: str,
    action: str,
    act: Callable[[Row, Actor], Row],
) -> Dictation:
    """Do an act to a dictation in one transaction."""
    user = authorization.allow(request, action)
    row = _find(request, user, uuid)
    with transaction.atomic():
        row = act(row, actor_of(request))
    return shown(row)


def _store(row: Row, seq: int, data: bytes, by: Actor) -> None:
    """Bring a segment to disk, then its row; a file that no row came to name goes again."""
    try:
        name = audio.write(data)
    except OSError:
        raise HttpError(507, "The sound can't be stored: the disk is full. Keep it and try again.") from None
    kept = False
    try:
        with transaction.atomic():
            segment = dictations.add_segment(dictation=row, seq=seq, name=name, data=data, by=by)
        kept = segment.name == name
    finally:
        if not kept:
            audio.remove(name)


def _find(request: HttpRequest, user: User, uuid: str) -> Row:
    rows = Row.objects.select_related("item__patient", "author", "typist")
    mine = rows.filter(item__in=policy.visible(ReadingItem.objects.all(), user))
    return authorization.find(rows, mine, request, uuid=uuid)


def _asked(request: HttpRequest, total: int) -> tuple[int, int]:
    """The range of bytes that is asked for; one that can't be read is passed over (RFC 9110 14.2)."""
    asked = _RANGE.fullmatch(request.headers.get("Range", "").strip())
    if asked is None or asked[1] == asked[2] == "":
        return 0, total
    if not asked[1]:
        return max(0, total - int(asked[2])), total
    end = min(int(asked[2]) + 1, total) if asked[2] else total
    start = int(asked[1])
    return (start, end) if start < end else (total, total)
