"""What a study was like before and after a decision: all that a decision may change, by public ids."""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Self

from archive.models import ExceptionStatus, Study, StudyException, Verdict
from archive.reconcile import apply_verdict


@dataclass(frozen=True)
class ExceptionState:
    """Where an exception stood."""

    status: str
    resolution: str
    opened_at: str

    @classmethod
    def of(cls, row: StudyException) -> Self:
        """Where it stands now."""
        return cls(row.status, row.resolution, row.opened_at.isoformat())

    def restore(self, row: StudyException) -> None:
        """Set the row to it; the caller saves it."""
        row.status, row.resolution = self.status, self.resolution
        opened_at = datetime.fromisoformat(self.opened_at)
        row.due_at += opened_at - row.opened_at
        row.opened_at = opened_at


@dataclass(frozen=True)
class Snapshot:
    """A study's patient and procedures, its exception, and what it was thought to be."""

    patient: str | None
    procedures: list[str]
    exception: ExceptionState | None
    verdict: int
    outcome: str
    reading_status: str
    hidden: str
    changes: list[str] = field(default_factory=list)
    """What had changed under its links: see `later_changes`."""

    @classmethod
    def take(cls, study: Study, exception: StudyException | None) -> Self:
        """What a study is like now."""
        newest = Verdict.objects.filter(study=study).order_by("-number")
        return cls(
            patient=study.patient.public_id if study.patient else None,
            procedures=sorted(study.procedures.values_list("public_id", flat=True)),
            exception=ExceptionState.of(exception) if exception else None,
            verdict=newest.values_list("number", flat=True)[0],
            outcome=study.verdict,
            reading_status=study.reading_status,
            hidden=study.hidden,
            changes=[one.key for one in apply_verdict.changes(study)],
        )

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Self:
        """A decision's `before` or `after`."""
        exception = kept["exception"]
        return cls(**{**kept, "exception": ExceptionState(**exception) if exception else None})

    def to_json(self) -> dict[str, object]:
        """As a decision keeps it."""
        return asdict(self)


def restore_exception(study: Study, before: ExceptionState | None) -> None:
    """Bring a study's exception back to where it stood; of one that was not there only the row is left."""
    row = StudyException.objects.get(study=study)
    if before is None:
        row.status, row.resolution = ExceptionStatus.NONE, ""
    else:
        before.restore(row)
    row.save(update_fields=["status", "resolution", "opened_at", "due_at"])
