"""What is rejected of a study, by which note or decision, and what takes that back."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from archive.models import Instance, Rejection, RejectionState, Study
from archive.rejections import rejected_objects
from archive.rejections.rejection_titles import REJECTION_TITLES

MOST_NAMED: Final = 1000


@dataclass(frozen=True)
class StudyRejection:
    """A rejection; `note` is what `restore_images` names, `decision` what is undone by its id."""

    note: str | None
    decision: str | None
    code: str
    meaning: str
    cause: str
    source: str
    state: RejectionState
    why_held: str
    made_at: datetime
    count: int
    images: tuple[str, ...]
    """The SOP Instance UIDs of what it hides of the study, of very many the first thousand."""


def of(study: Study) -> list[StudyRejection]:
    """The notes and the decisions that reject something of a study, or would, oldest first."""
    decided = Rejection.objects.filter(decision__study=study, decision__undone_at=None)
    rows = [*rejected_objects.of_study(study), *decided.select_related("decision")]
    return [_shown(row, study) for row in sorted(rows, key=lambda row: row.pk)]


def _shown(row: Rejection, study: Study) -> StudyRejection:
    hidden = Instance.objects.filter(rejection=row, series__study=study).order_by("series_id", "id")
    return StudyRejection(
        note=row.public_id if row.decision is None else None,
        decision=row.decision.public_id if row.decision else None,
        code=row.code,
        meaning=REJECTION_TITLES[row.code],
        cause=row.cause,
        source=row.source,
        state=RejectionState(row.state),
        why_held=row.text,
        made_at=row.made_at,
        count=hidden.count(),
        images=tuple(one.uid for one in hidden[:MOST_NAMED]),
    )
