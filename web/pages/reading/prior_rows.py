"""The studies of an item's patient as the report shows them: its own, then the priors by their worth."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.urls import reverse

from archive.models import ExceptionStatus, Outcome, Study
from ledger import written_dates
from reporting.models import ReadingItem
from reporting.reading_worklist import priors
from reporting.reports import suggestions
from web.pages import timelines

SIDE_BY_SIDE = "&hangingProtocolId=@ohif/hpCompare"
"""What makes the viewer show the second study beside the first."""


@dataclass(frozen=True)
class PriorRow:
    """A study of the patient; `is_own` tells those of the item itself, `is_best` what stands beside them."""

    study: Study
    viewer: str
    is_own: bool = False
    is_best: bool = False
    report: str = ""
    comparison: str = ""
    time: str = ""

    @property
    def doubt(self) -> str:
        """The verdict, while nobody has settled whose images these are."""
        exception = getattr(self.study, "exception", None)
        is_open = exception is not None and exception.status == ExceptionStatus.OPEN
        return self.study.verdict if is_open or self.study.verdict == Outcome.PENDING else ""


def rows(own: Sequence[Study], found: Sequence[priors.Prior], item: ReadingItem) -> list[PriorRow]:
    """The item's studies first, then the patient's others in their order."""
    best = priors.best(found)
    shown = [PriorRow(study, viewer_path() + study.study_instance_uid, is_own=True) for study in own]
    return shown + [_row(prior, prior is best, own, item) for prior in found]


def viewer_path() -> str:
    """The viewer's path, up to the Study Instance UID."""
    return f"{timelines.path('viewer') or '/viewer'}?StudyInstanceUIDs="


def _row(prior: priors.Prior, is_best: bool, own: Sequence[Study], item: ReadingItem) -> PriorRow:
    uid = prior.study.study_instance_uid
    keys = [item.public_id, prior.report.public_id] if prior.report else []
    beside = [*(study.study_instance_uid for study in own[:1]), uid]
    return PriorRow(
        prior.study,
        viewer_path() + ",".join(beside) + (SIDE_BY_SIDE if own else ""),
        is_best=is_best,
        report=reverse("reading-prior", args=keys) if keys else "",
        time=written_dates.time_of_dicom(prior.study.study_time) if prior.is_same_day else "",
        comparison=suggestions.comparison(prior),
    )
