"""The other studies of an item's patient, the most useful beside it first."""

from collections.abc import Sequence
from dataclasses import dataclass

from accounts import access
from accounts.models import User
from archive.archive_section import ArchiveSection
from archive.models import Study
from reporting.models import ReadingItem
from reporting.reading_worklist import prior_ranking, reader_inbox, reading_status
from reporting.reading_worklist.prior_ranking import Examination


@dataclass(frozen=True)
class Prior:
    """A prior study; `is_comparable` tells that it shows the same part, `report` is a signed one."""

    study: Study
    is_comparable: bool
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
    return [
        Prior(
            others[place],
            prior_ranking.is_comparable(current, examined[place]),
            reports.get(others[place].pk),
        )
        for place in prior_ranking.ranked(current, examined, similar)
    ]


def best(priors: Sequence[Prior]) -> Prior | None:
    """The prior to show beside the images; nothing where none shows the same part."""
    return next((one for one in priors if one.is_comparable and one.study.instance_count), None)


def _current(item: ReadingItem, own: Sequence[Study]) -> Examination:
    kinds = {kind for kind in item.modality.split("/") if kind} | {k for one in own for k in one.modalities}
    words = [item.body_part, item.description, *(word for one in own for word in _words(one))]
    return Examination.told(kinds, words, min((one.study_date for one in own if one.study_date), default=""))


def _examination(study: Study) -> Examination:
    ordered = [word for one in study.procedures.all() for word in (one.body_part, one.description)]
    return Examination.told(study.modalities, [*_words(study), *ordered], study.study_date)


def _words(study: Study) -> list[str]:
    return [study.description, *(series.body_part for series in study.series.all())]


def _signed(studies: Sequence[Study], user: User) -> dict[int, ReadingItem]:
    rows = access.visible(ReadingItem.objects.all(), user).order_by("pk")
    rows = rows.filter(studies__in=studies, status__in=reading_status.SIGNED)
    keys = rows.values_list("studies", "pk")
    items = rows.in_bulk([item for _, item in keys])
    return {study: items[item] for study, item in keys}
