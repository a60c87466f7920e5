"""The other studies of an item's patient, the most useful beside it first."""

from collections.abc import Sequence
from dataclasses import dataclass

from accounts import access
from accounts.models import User
from archive.archive_section import ArchiveSection
from archive.models import Study
from reporting.models import ClassOfChange, ReadingItem, ReportVersion, VersionKind
from reporting.reading_worklist import prior_ranking, reader_inbox, reading_status
from reporting.reading_worklist.prior_ranking import Examination
from reporting.reports import report_versions


@dataclass(frozen=True)
class Prior:
    """Another study of the patient; `report` is a signed one.

    `may_be_named` tells that it was before, and that nobody took its report back as another patient's;
    `is_comparable` that it shows the same part as well, `is_same_day` that its time tells it apart.
    """

    study: Study
    may_be_named: bool
    is_comparable: bool
    is_same_day: bool
    report: ReadingItem | None


def ranked(item: ReadingItem, user: User) -> list[Prior]:
    """What `user` may see of the patient's other studies, the best first."""
    own = list(item.studies.prefetch_related("series"))
    keys = [study.pk for study in own]
    found = reader_inbox.studies_of_patient(item, user).select_related("exception")
    others = [study for study in found.prefetch_related("series", "procedures") if study.pk not in keys]
    current = _current(item, own)
    examined = [_examination(study) for study in others]
    similar = ArchiveSection.current().reconcile.similar_modalities
    reports = _signed(others, user)
    doubtful = _taken_back(others)

    def prior(study: Study, exam: Examination) -> Prior:
        may_be_named = study.pk not in doubtful and prior_ranking.is_earlier(current, exam)
        return Prior(
            study,
            may_be_named,
            may_be_named and prior_ranking.is_comparable(current, exam),
            bool(current.date) and exam.date == current.date,
            reports.get(study.pk),
        )

    return [
        prior(others[place], examined[place]) for place in prior_ranking.ranked(current, examined, similar)
    ]


def best(priors: Sequence[Prior]) -> Prior | None:
    """The prior to show beside the images; nothing where none shows the same part."""
    return next((one for one in priors if one.is_comparable and one.study.instance_count), None)


def count(item: ReadingItem) -> int:
    """How many of the patient's other studies anybody could name as priors; of very many the newest count."""
    own, records = list(item.studies.all()), reader_inbox.records_of(item)
    rows = Study.objects.filter(patient__in=records, hidden="").exclude(pk__in=[one.pk for one in own])
    others = list(rows.order_by("-study_date", "-study_time", "-pk")[: reader_inbox.MOST_PRIORS])
    current, doubtful = _moment(own), _taken_back(others)
    moments = [_moment([one]) for one in others if one.pk not in doubtful]
    return sum(prior_ranking.is_earlier(current, one) for one in moments)


def _moment(studies: Sequence[Study]) -> Examination:
    return Examination.told((), (), *_began(studies))


def _began(studies: Sequence[Study]) -> tuple[str, str]:
    """Date and time of the first, as DICOM writes them; of one day, one without a time is the first."""
    return min(((one.study_date, one.study_time) for one in studies if one.study_date), default=("", ""))


def _current(item: ReadingItem, own: Sequence[Study]) -> Examination:
    kinds = {kind for kind in item.modality.split("/") if kind} | {k for one in own for k in one.modalities}
    words = [item.body_part, item.description, *(word for one in own for word in _words(one))]
    return Examination.told(kinds, words, *_began(own))


def _examination(study: Study) -> Examination:
    ordered = [word for one in study.procedures.all() for word in (one.body_part, one.description)]
    return Examination.told(study.modalities, [*_words(study), *ordered], study.study_date, study.study_time)


def _words(study: Study) -> list[str]:
    return [study.description, *(series.body_part for series in study.series.all())]


def _taken_back(studies: Sequence[Study]) -> set[int]:
    """The studies, by key, whose report was retracted as another patient's, and none signed since."""
    items = ReadingItem.objects.filter(studies__in=studies, retracted=True)
    rows = ReportVersion.objects.filter(
        report__item__in=items.values("pk"), kind=VersionKind.RETRACTION, undone_at=None
    )
    wrong = [
        row.report_id
        for row in rows
        if report_versions.content_of(row)["class_of_change"] == ClassOfChange.WRONG_PATIENT
    ]
    keys = ReadingItem.objects.filter(report__in=wrong, studies__in=studies).values_list("studies", "pk")
    found = {study for study, _ in keys}
    signed = ReadingItem.objects.filter(studies__in=found, status__in=reading_status.SIGNED)
    return found - {study for study, _ in signed.values_list("studies", "pk")}


def _signed(studies: Sequence[Study], user: User) -> dict[int, ReadingItem]:
    rows = access.visible(ReadingItem.objects.all(), user).order_by("pk")
    rows = rows.filter(studies__in=studies, status__in=reading_status.SIGNED)
    keys = rows.values_list("studies", "pk")
    items = rows.in_bulk([item for _, item in keys])
    return {study: items[item] for study, item in keys}
