"""`/studies/{uid}/reports`, `/reports/{id}`, `/rechecks/{id}`: reports from the first word on."""

import base64
import binascii
from collections.abc import Iterable
from typing import Annotated, Any

from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest
from django.utils import timezone
from ninja import Header, Router, Status
from ninja.errors import HttpError

from accounts import access as policy
from accounts import sign_in_throttle, signing_pin
from accounts.actor import actor_of
from accounts.models import User
from archive.models import Study
from interfaces.hl7.outbound import report_ways
from ledger import audit
from ledger.errors import Forbidden, Invalid
from reporting.errors import StateConflict
from reporting.models import AddendumDraft, KeptText, ReadingItem, Recheck, ReportTemplate, ReportVersion
from reporting.models import Report as Row
from reporting.reporting_section import ReportingSection
from reporting.reports import drafts, rechecks, report_versions, signatures
from reporting.reports.signing_checks import Shown
from web.kernel import authorization, signing_session
from web.rest import dictations
from web.rest.schemas.dictations import Dictation, NewDictation
from web.rest.schemas.reports import (
    Addendum,
    ChangedSections,
    Kept,
    KeptSections,
    KeptTexts,
    NewAddendum,
    NewReport,
    Note,
    Report,
    Reports,
    Signature,
    SigningChecks,
    SigningPin,
    ToBeSigned,
    Version,
    Versions,
)

IdempotencyKey = Annotated[str, Header(max_length=100, description="the same key again signs nothing more")]

router = Router(tags=["reports"])
signing = Router(tags=["reports"])
of_studies = Router(tags=["reports"])
of_rechecks = Router(tags=["reports"])


@of_studies.get("/{uid}/reports", response=Reports, summary="Read a study's reports")
def reports_of_study(request: HttpRequest, uid: str) -> dict[str, Any]:
    """Of all items of the study, also those that were withdrawn."""
    user = authorization.allow(request, "report.view")
    study = _study(request, user, uid)
    rows = list(_rows(user).filter(item__studies=study).order_by("pk"))
    _note(request, rows)
    return {"count": len(rows), "results": [shown(row) for row in rows]}


@of_studies.post("/{uid}/reports", response={201: Report}, summary="Begin a report")
def begin_report(request: HttpRequest, uid: str, body: NewReport) -> Status[Report]:
    """409 `exists` where the item has a report, `held` where another person has the item."""
    user = authorization.allow(request, "report.write")
    study = _study(request, user, uid)
    item = _item(study, body.reading_item)
    with transaction.atomic():
        report = drafts.begin(
            item=item,
            by=actor_of(request),
            sections=body.sections,
            template=_template(item, body.template),
        )
    return Status(201, shown(_again(report)))


@router.get("/{id}", response=Report, summary="Read a report")
def read_report(request: HttpRequest, id: str) -> Report:
    """Its text as it stands; what was signed is at `/versions`."""
    report = _find(request, authorization.allow(request, "report.view"), id)
    _note(request, [report])
    return shown(report)


@router.patch("/{id}", response=Report, summary="Save what was typed")
def save_report(request: HttpRequest, id: str, body: ChangedSections) -> Report:
    """409 `stale_revision` holds both texts of each section that differs; nothing is overwritten."""
    user = authorization.allow(request, "report.write")
    report = _find(request, user, id)
    with transaction.atomic():
        report = drafts.save(
            report=report, sections=body.sections, revision=body.revision, by=actor_of(request)
        )
    return shown(_again(report))


@router.post("/{id}/kept", response={201: Kept}, summary="Keep text that could not be saved")
def keep_text(request: HttpRequest, id: str, body: KeptSections) -> Status[Kept]:
    """For whoever was taken over, or found another text when saving."""
    user = authorization.allow(request, "report.write")
    report = _find(request, user, id)
    with transaction.atomic():
        row = drafts.keep(
            report=report,
            sections=body.sections,
            revision=body.revision,
            by=actor_of(request),
            reason=body.reason or "not saved",
        )
    return Status(201, _kept(row))


@router.get("/{id}/kept", response=KeptTexts, summary="Read the kept texts")
def kept_texts(request: HttpRequest, id: str) -> dict[str, Any]:
    """The newest first."""
    report = _find(request, authorization.allow(request, "report.view"), id)
    rows = list(KeptText.objects.filter(report=report).select_related("author").order_by("-pk")[:100])
    _note(request, [report])
    return {"count": len(rows), "results": [_kept(row) for row in rows]}


@router.post("/{id}/dictations", response={201: Dictation}, summary="Dictate")
def dictate(request: HttpRequest, id: str, body: NewDictation) -> Status[Dictation]:
    """Begin a dictation, or send a whole one with `pcm`; the same UUID again changes nothing."""
    user = authorization.allow(request, "report.write")
    report = _find(request, user, id)
    return Status(201, dictations.begin(actor_of(request), report.item, body, pcm_of(body.pcm)))


@router.post("/{id}/sign", response=Report, summary="Sign")
def sign_report(
    request: HttpRequest,
    id: str,
    body: Signature,
    idempotency_key: IdempotencyKey = "",
) -> Report:
    """409 lists in `blocks` all that stands in the way; 403 where password or PIN are wrong.

    With `new_pin` the password also sets a PIN, which signs in this session and `tab` until it was wrong five
    times, nobody worked for 15 minutes, or four hours have gone.
    """
    user = authorization.allow(request, "report.sign_preliminary")
    report = _find(request, user, id)
    check_secret(request, user, body)
    with transaction.atomic():
        version = signatures.sign(
            report=report,
            by=actor_of(request),
            revision=body.revision,
            kind=body.kind,
            idempotency_key=idempotency_key,
            overrides=body.overrides,
            shown=Shown(**body.shown.model_dump()),
        )
    return shown(_again(version.report))


@router.post("/{id}/signing-checks", response=SigningChecks, summary="See what a signature would meet")
def signing_checks(request: HttpRequest, id: str, body: ToBeSigned) -> dict[str, Any]:
    """All that stands in the way, and who will be sent the report; nothing is changed."""
    user = authorization.allow(request, "report.sign_preliminary")
    report = _find(request, user, id)
    kind, blocks = signatures.preview(
        report=report, by=actor_of(request), kind=body.kind, shown=Shown(**body.shown.model_dump())
    )
    legs = report_ways.recipients(report.item, kind)
    return {
        "kind": kind,
        "blocks": [vars(block) for block in blocks],
        "recipients": [vars(leg) for leg in legs],
        "obstacle": "" if legs else report_ways.obstacle(report.item),
    }


@router.post("/{id}/undo", response=Report, summary="Take a signature back")
def undo_signature(request: HttpRequest, id: str) -> Report:
    """Before it went out, by its signer."""
    user = authorization.allow(request, "report.sign_preliminary")
    report = _find(request, user, id)
    version = ReportVersion.objects.filter(report=report, undone_at=None).order_by("-number").first()
    if version is None:
        raise StateConflict("nothing is signed", "not_signed")
    with transaction.atomic():
        report = signatures.undo(version=version, by=actor_of(request))
    return shown(_again(report))


@router.post("/{id}/addenda", response={201: Report}, summary="Draft an addendum")
def draft_addendum(request: HttpRequest, id: str, body: NewAddendum) -> Status[Report]:
    """An addition to, a correction or the retraction of a signed report; one open draft for each author."""
    user = authorization.allow(request, "report.write")
    report = _find(request, user, id)
    with transaction.atomic():
        drafts.draft_addendum(report=report, by=actor_of(request), **body.model_dump())
    return Status(201, shown(_again(report)))


@router.get("/{id}/versions", response=Versions, summary="Read what was signed")
def read_versions(request: HttpRequest, id: str) -> dict[str, Any]:
    """All versions, oldest first; `problems` names any that is not as it was signed."""
    report = _find(request, authorization.allow(request, "report.view"), id)
    rows = list(ReportVersion.objects.filter(report=report).order_by("number").select_related("signed_by"))
    _note(request, [report])
    results = [_version(row) for row in rows]
    return {"count": len(rows), "results": results, "problems": report_versions.verify(report)}


@of_rechecks.post("/{id}/still-valid", response=Report, summary="The report holds as it is")
def still_valid(request: HttpRequest, id: str, body: Note) -> Report:
    """Closes a recheck that was raised when something changed under a signed report."""
    user = authorization.allow(request, "report.sign")
    rows = Recheck.objects.select_related("item")
    mine = rows.filter(item__in=policy.visible(ReadingItem.objects.all(), user))
    recheck = authorization.find(rows, mine, request, public_id=id)
    with transaction.atomic():
        rechecks.still_valid(recheck=recheck, by=actor_of(request), note=body.note)
        report = Row.objects.get(item=recheck.item)
    return shown(_again(report))


@signing.get("", response=SigningPin, summary="Whether a PIN signs in this session")
def read_pin(request: HttpRequest) -> SigningPin:
    """Never the PIN itself."""
    user = authorization.allow(request, "report.sign_preliminary")
    is_allowed = _may_use_pin(request)
    key, active_at = request.session.session_key or "", signing_session.active_at(request.session)
    left = signing_pin.tries_left(user=user, session_key=key, active_at=active_at) if is_allowed else 0
    return SigningPin(tries_left=left, may_be_set=is_allowed)


@signing.delete("", response=SigningPin, summary="End the PIN of this session")
def end_pin(request: HttpRequest) -> SigningPin:
    """From now on only the password signs."""
    authorization.allow(request, "report.sign_preliminary")
    signing_session.end(request.session)
    is_allowed = _may_use_pin(request)
    return SigningPin(tries_left=0, may_be_set=is_allowed)


# What other resources use as well


def check_secret(request: HttpRequest, user: User, body: Signature) -> None:
    """Raise `Forbidden` where password or PIN is wrong; set the new PIN, if one is wanted."""
    if not body.pin:
        if body.new_pin:
            _check_new_pin(request, body)
        check_password(request, user, body.password)
        if body.new_pin:
            with transaction.atomic():
                key = str(request.session.session_key)
                signing_pin.put(user=user, session_key=key, tab=body.tab, pin=body.new_pin)
            signing_session.begin(request.session)
        return
    with transaction.atomic():
        key, active_at = request.session.session_key or "", signing_session.active_at(request.session)
        if not _may_use_pin(request):
            active_at = None
        is_right = signing_pin.check(
            user=user, session_key=key, tab=body.tab, pin=body.pin, active_at=active_at
        )
        if not is_right:
            audit.note(
                actor_of(request), audit.USER_AUTHENTICATION, audit.EXECUTE, outcome=audit.MINOR_FAILURE
            )
        left = signing_pin.tries_left(user=user, session_key=key, active_at=active_at)
    if is_right:
        return
    if left:
        raise Forbidden(f"the PIN is wrong; {left} more tries; nothing was signed", "pin")
    signing_session.end(request.session)
    raise Forbidden("there is no PIN any more; sign with the password; nothing was signed", "password")


def _check_new_pin(request: HttpRequest, body: Signature) -> None:
    if not ReportingSection.current().signing_pin:
        raise Forbidden("this department asks for the password each time", "new_pin")
    if not _has_session(request):
        raise Invalid("a PIN belongs to a session; a token has none", "new_pin")
    signing_pin.check_new(body.new_pin, body.tab)


def _may_use_pin(request: HttpRequest) -> bool:
    return ReportingSection.current().signing_pin and _has_session(request)


def _has_session(request: HttpRequest) -> bool:
    return bool(request.session.session_key) and "Authorization" not in request.headers


def check_password(request: HttpRequest, user: User, password: str) -> None:
    """Raise `Forbidden` where the password is wrong, `HttpError` 429 after too many that were."""
    actor = actor_of(request)
    address = actor.address
    if until := sign_in_throttle.locked_until(username=user.username, address=address):
        minutes = max(1, round((until - timezone.now()).total_seconds() / 60))
        raise HttpError(429, f"Too many wrong passwords. Try again in {minutes} min.")
    if user.check_password(password):
        with transaction.atomic():
            sign_in_throttle.forget(username=user.username, address=address)
        return
    with transaction.atomic():
        sign_in_throttle.note_failure(username=user.username, address=address)
        audit.note(actor, audit.USER_AUTHENTICATION, audit.EXECUTE, outcome=audit.MINOR_FAILURE)
    raise Forbidden("the password is wrong; nothing was signed", "password")


def shown(row: Row) -> Report:
    """A report as JSON."""
    newest = ReportVersion.objects.filter(report=row, undone_at=None).order_by("-number").first()
    addendum_drafts = (
        AddendumDraft.objects.filter(report=row, is_open=True).select_related("author").order_by("pk")
    )
    spoken = row.item.dictations.select_related("author", "typist", "item").order_by("pk")
    return Report(
        id=row.public_id,
        reading_item=row.item.public_id,
        status=row.status,
        version=newest.number if newest else 0,
        revision=row.revision,
        sections=row.sections,
        author=str(row.author),
        changed_by=str(row.changed_by),
        changed_at=row.changed_at,
        template=str(row.template or ""),
        signed_by=str(newest.signed_by) if newest else "",
        signed_at=newest.signed_at if newest else None,
        undo_until=signatures.undoable_until(newest) if newest else None,
        hash=newest.sha256 if newest else "",
        dictations=[dictations.shown(one) for one in spoken],
        addenda=[_addendum(one) for one in addendum_drafts],
    )


def _addendum(row: AddendumDraft) -> Addendum:
    return Addendum(
        author=str(row.author),
        kind=row.kind,
        text=row.text,
        sections=row.sections,
        class_of_change=row.class_of_change,
        changes_care=row.changes_care,
        revision=row.revision,
    )


def _kept(row: KeptText) -> Kept:
    return Kept(
        id=row.public_id,
        author=str(row.author),
        sections=row.sections,
        revision=row.revision,
        reason=row.reason,
        kept_at=row.kept_at,
    )


def _version(row: ReportVersion) -> Version:
    content = report_versions.content_of(row)
    return Version(
        number=row.number,
        kind=row.kind,
        sections=content["sections"],
        text=content["text"],
        signed_by=content["signer"]["name"],
        signed_at=row.signed_at,
        hash=row.sha256,
        released_at=row.released_at,
        undone_at=row.undone_at,
        stored_at=row.stored_at,
        delivered_at=row.delivered_at,
    )


# Finding


def _rows(user: User) -> QuerySet[Row]:
    rows = Row.objects.select_related("item", "author", "changed_by", "template")
    return rows.filter(item__in=policy.visible(ReadingItem.objects.all(), user))


def _find(request: HttpRequest, user: User, key: str) -> Row:
    rows = Row.objects.select_related("item", "author", "changed_by", "template")
    return authorization.find(rows, _rows(user), request, public_id=key)


def _again(report: Row) -> Row:
    return Row.objects.select_related("item", "author", "changed_by", "template").get(pk=report.pk)


def _study(request: HttpRequest, user: User, uid: str) -> Study:
    rows = Study.objects.all()
    return authorization.find(rows, policy.visible(rows, user), request, study_instance_uid=uid)


def _item(study: Study, wanted: str) -> ReadingItem:
    """The named item of a study, else its first that has no report, else its first."""
    rows = ReadingItem.objects.filter(studies=study).order_by("pk")
    if wanted:
        item = rows.filter(public_id=wanted).first()
        if item is None:
            raise Http404("The study has no such reading item.")
        return item
    rows = rows.exclude(status="withdrawn")
    item = rows.filter(report=None).first() or rows.first()
    if item is None:
        raise StateConflict(
            "the study has no reading item: it has no verdict yet, or there is nothing to read", "not_ready"
        )
    return item


def _template(item: ReadingItem, name: str) -> ReportTemplate | None:
    if not name:
        return None
    row = ReportTemplate.objects.filter(facility=item.facility, name=name, is_current=True).first()
    if row is None:
        raise Invalid(f"There is no report template {name!r}.", "template")
    return row


def pcm_of(text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Invalid("The sound is not base64.", "pcm") from None


def _note(request: HttpRequest, rows: Iterable[Row]) -> None:
    things = [("report", row.public_id) for row in rows]
    authorization.note_reading(request, audit.PATIENT_RECORD, *things)
