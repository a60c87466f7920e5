"""Studies, stored files, verdicts and decisions, quarantined objects."""

from archive.models.quarantine import Quarantined
from archive.models.storage import StoredFile, Volume
from archive.models.study import Instance, ReadingStatus, Series, Study
from archive.models.verdict import Decision, DecisionKind, ExceptionStatus, Outcome, StudyException, Verdict

__all__ = [
    "Decision",
    "DecisionKind",
    "ExceptionStatus",
    "Instance",
    "Outcome",
    "Quarantined",
    "ReadingStatus",
    "Series",
    "StoredFile",
    "Study",
    "StudyException",
    "Verdict",
    "Volume",
]
