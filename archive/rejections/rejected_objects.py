"""What rejections hide: derived anew from them all, so that it does not matter what came first.

A note hides nothing of another patient than the one whom it names itself, and nothing under a signed report:
then it is held, and a person decides. One that says that images are kept no longer (113039) comes years after
their report: only a preliminary one holds it up, and their exam stays done.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet

from archive import archive_events
from archive.archive_section import ArchiveSection
from archive.decisions.snapshot import Snapshot
from archive.index import indexer, visible_headers
from archive.index.header_values import HeaderValues
from archive.modality import DOCUMENTS
from archive.models import (
    HAS_SIGNATURE,
    Decision,
    Hidden,
    Instance,
    ReadingStatus,
    RejectedObject,
    Rejection,
    RejectionState,
    Series,
    Study,
    Verdict,
)
from archive.reconcile import apply_verdict, patient_number, reconcile_job
from archive.reconcile.study_evidence import Identity
from archive.rejections import received_notes
from archive.rejections.received_notes import KEY_OBJECT
from archive.rejections.rejection_titles import REJECTION_TITLES, RETENTION_EXPIRED
from archive.storage import generated_objects
from ledger import events, jobs
from worklist.models import Patient, RequestedProcedure
from worklist.patients import person_names

KIND: Final = received_notes.KIND
_ENDED: Final = (RejectionState.IGNORED, RejectionState.TAKEN_BACK)
_OF_ANOTHER: Final = "it names objects of another patient"
_AT_ONCE: Final = 500
_WHOLE: Final = "reject"
"""The decision that rejects all that there is of a study."""
_SIGNED: Final = "the report of the images is signed"


def apply(claim: jobs.Claim, prepared: Any) -> None:
    """The job: derive what is hidden of one study, by the UID that headers name."""
    settle(claim.key)


def settle(study_instance_uid: str) -> None:
    """Derive what is hidden of all that headers name this study, wherever a split has moved it."""
    studies = _locked(study_instance_uid)
    if not studies:
        return
    section = ArchiveSection.current()
    hidden: dict[int, int] = {}
    is_news = False
    rows = Rejection.objects.filter(study_instance_uid=study_instance_uid).exclude(state__in=_ENDED)
    rows = rows.select_related("decision")
    for row in rows.order_by("pk"):
        before = row.state
        if row.decision_id is None and not section.note_hides(row.code):
            _change(row, RejectionState.IGNORED, "", studies)
        else:
            hidden |= {key: row.pk for key in _weighed(row, studies) if key not in hidden}
        is_news |= row.state != before
    has_changed = _hide(study_instance_uid, hidden) or is_news
    if has_changed or any(_is_wrongly_hidden(study) for study in studies.values()):
        _follow(list(studies.values()))


def _locked(study_instance_uid: str) -> dict[int, Study]:
    """The studies that what headers name this study lies in, locked in the order of their UIDs."""
    moved = Series.objects.filter(moved_from__study_instance_uid=study_instance_uid)
    rows = Study.objects.select_for_update(of=("self",)).select_related("facility", "patient__survivor")
    named = Instance.objects.filter(study_instance_uid=study_instance_uid).exclude(series=None).order_by()
    rows = rows.filter(
        Q(study_instance_uid=study_instance_uid)
        | Q(pk__in=moved.values("study"))
        | Q(pk__in=named.values("series__study"))  # a header that a person took though it names another
    )
    return {row.pk: row for row in rows.order_by("study_instance_uid")}


@dataclass(frozen=True)
class _Object:
    """An instance that a rejection names: its key, series and study, and what hides it now."""

    key: int
    series: int
    study: int
    hidden_by: int | None


def _named(row: Rejection) -> Iterator[_Object]:
    rows = Instance.objects.filter(study_instance_uid=row.study_instance_uid).exclude(series=None)
    rows = rows.exclude(pk=row.note_id or 0).exclude(
        calling_ae_title=settings.AE_TITLE, sop_class_uid=KEY_OBJECT
    )
    columns = ("pk", "series_id", "series__study_id", "rejection_id")
    if row.is_whole:
        yield from (_Object(*values) for values in rows.values_list(*columns))
        return
    named = RejectedObject.objects.filter(rejection=row)
    single = rows.filter(sop_instance_uid__in=named.exclude(sop_instance_uid="").values("sop_instance_uid"))
    whole = rows.filter(
        series_instance_uid__in=named.filter(sop_instance_uid="").values("series_instance_uid")
    )
    found = {values[0]: values for part in (single, whole) for values in part.values_list(*columns)}
    yield from (_Object(*values) for values in found.values())


def _weighed(row: Rejection, studies: Mapping[int, Study]) -> set[int]:
    """The keys of what a rejection hides; it is held for what it names and may not hide."""
    named = list(_named(row))
    if row.decision is not None:
        # A study that is rejected as a whole is hidden itself, until others come.
        return {one.key for one in named} if row.decision.kind != _WHOLE or _is_beside(row) else set()
    if not named:
        return set()
    theirs = _of_its_patient(row, named, studies)
    is_new = row.state != RejectionState.IN_FORCE
    holding = (ReadingStatus.PRELIMINARY,) if row.code == RETENTION_EXPIRED else HAS_SIGNATURE
    signed = {
        one.key
        for one in named
        if is_new and one.hidden_by is None and studies[one.study].reading_status in holding
    }
    held = [_OF_ANOTHER] if len(theirs) < len(named) else []
    held += [_SIGNED] if theirs & signed else []
    state = RejectionState.HELD if held else RejectionState.IN_FORCE
    taken = theirs - signed
    count = sum(one.key in taken for one in named)
    if (row.state, row.text) != (state, "; ".join(held)):
        _change(row, state, "; ".join(held), studies, count)
    return taken


def _change(
    row: Rejection, state: RejectionState, text: str, studies: Mapping[int, Study], count: int = 0
) -> None:
    row.state, row.text = state, text
    row.save(update_fields=["state", "text"])
    event = {
        RejectionState.IN_FORCE: archive_events.NOTE_APPLIED,
        RejectionState.HELD: archive_events.NOTE_HELD,
        RejectionState.IGNORED: archive_events.NOTE_IGNORED,
    }[state]
    events.record(
        event,
        about=[("study", study.public_id) for study in studies.values()],
        source=row.source,
        meaning=REJECTION_TITLES[row.code],
        count=count,
        text=text,
    )


# Whose objects


def _of_its_patient(row: Rejection, named: Sequence[_Object], studies: Mapping[int, Study]) -> set[int]:
    """Those objects whose own headers, or whose study's record, name the patient whom the note names."""
    series = {row.pk: row for row in Series.objects.filter(pk__in={one.series for one in named})}
    fits = {
        key: _is_patient(row.identity, HeaderValues.from_json(one.header_values), studies[one.study_id])
        for key, one in series.items()
    }
    others = Instance.objects.filter(series__in=series, header__has_key=visible_headers.IDENTITY)
    says = {
        one.pk: _is_patient(
            row.identity, HeaderValues(**one.header[visible_headers.IDENTITY]), studies[one.series.study_id]
        )
        for one in others.select_related("series")
        if one.series is not None
    }
    return {one.key for one in named if says.get(one.key, fits[one.series])}


def _is_patient(identity: Mapping[str, str], header: HeaderValues, study: Study) -> bool:
    wanted, known = identity["header_patient_id"], header.header_patient_id
    issuer, other_issuer = identity["issuer_of_patient_id"], header.issuer_of_patient_id
    is_described = _describes(identity, header)
    if wanted and wanted == known and (not issuer or not other_issuer or issuer == other_issuer):
        return is_described is not False
    if not wanted or not known:
        return bool(is_described)
    people = patient_number.holders(Identity(wanted, issuer), study.facility_id).keys()
    if study.patient:
        return study.patient.current.pk in people
    theirs = patient_number.holders(Identity(known, other_issuer), study.facility_id)
    return bool(people & theirs.keys())


def _describes(identity: Mapping[str, str], header: HeaderValues) -> bool | None:
    """Whether name and birth date are the same; None where only one of them is, or not both are known."""
    names = identity["patient_name"], header.patient_name
    dates = identity["birth_date"], header.birth_date
    if not all(names) or not all(dates):
        return None
    same = (person_names.keys(names[0]) == person_names.keys(names[1]), dates[0] == dates[1])
    return same[0] if same[0] == same[1] else None


# What follows


def _hide(study_instance_uid: str, hidden: Mapping[int, int]) -> bool:
    """Bring the instances in line; whether that changed anything."""
    rows = Instance.objects.filter(study_instance_uid=study_instance_uid)
    ours = Q(calling_ae_title=settings.AE_TITLE, sop_class_uid=KEY_OBJECT)
    now = dict(rows.exclude(rejection=None).exclude(ours).values_list("pk", "rejection_id"))
    changed: dict[int | None, list[int]] = {}
    for key in sorted(now.keys() | hidden.keys()):
        if now.get(key) != hidden.get(key):
            changed.setdefault(hidden.get(key), []).append(key)
    touched: set[int] = set()
    for rejection, keys in changed.items():
        for start in range(0, len(keys), _AT_ONCE):
            part = Instance.objects.filter(pk__in=keys[start : start + _AT_ONCE])
            part.update(rejection=rejection)
            touched.update(part.order_by().values_list("series_id", flat=True).distinct())
    visible_headers.follow(touched)
    return bool(changed)


def _follow(studies: Sequence[Study]) -> None:
    """Count anew, hide what holds nothing else, and judge anew what is left."""
    indexer.recount(Series.objects.filter(study__in=studies))
    indexer.save_indexed(studies)
    for study in studies:
        was = study.hidden
        if _is_wrongly_hidden(study):
            _show(study)
        if was == Hidden.REJECTED and not study.hidden:
            jobs.enqueue(reconcile_job.KIND, study.study_instance_uid)  # once the repeat has come in full
        elif Verdict.objects.filter(study=study).exists() and study.hidden != Hidden.JOINED:
            reconcile_job.judge_now(study)


def _is_wrongly_hidden(study: Study) -> bool:
    return study.hidden != Hidden.JOINED and study.hidden != hidden_of(study)


def _show(study: Study) -> None:
    """Hide a study all of whose images are rejected; bring one back that has others again."""
    study.hidden = wanted = hidden_of(study)
    live = apply_verdict.pinning(study)
    if wanted != Hidden.NOTED and live is not None:
        after = Snapshot.from_json(live.after)
        patient = Patient.objects.filter(public_id=after.patient).first() if after.patient else None
        procedures = RequestedProcedure.objects.filter(public_id__in=after.procedures)
        apply_verdict.set_links(study, patient, list(procedures))
    study.save(update_fields=["hidden", "patient"])


def take_back(row: Rejection) -> None:
    """Show what a rejection hides, where nothing else hides it."""
    row.state = RejectionState.TAKEN_BACK
    row.save(update_fields=["state"])
    settle(row.study_instance_uid)


def hidden_of(study: Study) -> str:
    """`rejected` by a person; `noted` where all images are, `expired` if some for their age; else empty."""
    if _is_rejected(study):
        return Hidden.REJECTED
    rows = Instance.objects.filter(series__study=study).exclude(series__modality__in=DOCUMENTS)
    if rows.filter(rejection=None).exists() or not rows.exists():
        return ""
    return Hidden.EXPIRED if rows.filter(rejection__code=RETENTION_EXPIRED).exists() else Hidden.NOTED


def _is_rejected(study: Study) -> bool:
    """Whether a decision hides the study as a whole: no images have come since that it doesn't name."""
    standing = Decision.objects.filter(study=study, kind=_WHOLE, undone_at=None)
    standing = standing.exclude(rejection__state=RejectionState.TAKEN_BACK)
    rows = {row.decision_id: row for row in Rejection.objects.filter(decision__in=standing)}
    return any(act.pk not in rows or not _is_beside(rows[act.pk]) for act in standing)


def _is_beside(row: Rejection) -> bool:
    """Whether there are images beside all those that a decision on a whole study names; one may name none."""
    named = RejectedObject.objects.filter(rejection=row)
    images = Instance.objects.filter(series__study__decisions=row.decision_id)
    others = images.exclude(series__modality__in=DOCUMENTS).filter(
        ~Exists(named.filter(sop_instance_uid=OuterRef("sop_instance_uid")))
    )
    return named.exists() and others.exists()


def name_all(decision: Decision, study: Study, cause: str) -> None:
    """Name with the rejection of a whole study what is there, so that it does not reject what comes later.

    Where the headers name several studies, or there are no images, it rejects that as well.
    """
    columns = ("study_instance_uid", "series_instance_uid", "sop_instance_uid")
    there = list(generated_objects.instances_of_others(study).values_list(*columns))
    if len(named := {uid for uid, _, _ in there}) != 1:
        return
    row = Rejection.objects.get(decision=decision)
    row.study_instance_uid, row.cause = named.pop(), cause
    row.save(update_fields=["study_instance_uid", "cause"])
    RejectedObject.objects.bulk_create(
        (
            RejectedObject(rejection=row, series_instance_uid=series, sop_instance_uid=sop)
            for _, series, sop in there
        ),
        batch_size=500,
    )


def of_study(study: Study) -> QuerySet[Rejection]:
    """The notes that came for what lies in a study, and are neither taken back nor ignored."""
    uids = {study.study_instance_uid, *_named_by_headers(study)}
    rows = Rejection.objects.filter(study_instance_uid__in=uids, decision=None).exclude(state__in=_ENDED)
    return rows.order_by("pk")


def _named_by_headers(study: Study) -> set[str]:
    moved = Series.objects.filter(study=study).exclude(moved_from=None)
    return set(moved.values_list("moved_from__study_instance_uid", flat=True))
