"""Studies, stored files, verdicts and decisions, imports, quarantined objects."""

from archive.models.imports import Import, ImportedStudy, ImportKind, ImportRefusal, ImportState
from archive.models.quarantine import Quarantined, QuarantineState
from archive.models.rejection import RejectedObject, Rejection, RejectionState
from archive.models.storage import StoredFile, Volume
from archive.models.study import (
    HAS_SIGNATURE,
    FormerUid,
    Hidden,
    Instance,
    ReadingStatus,
    Series,
    Study,
    known_as,
)
from archive.models.verdict import (
    TARGET,
    TARGET_STAT,
    Decision,
    DecisionRequest,
    ExceptionKind,
    ExceptionStatus,
    Outcome,
    RequestState,
    StudyException,
    Verdict,
)
from archive.models.versions import HeldBecause, ObjectVersion, VersionState

__all__ = [
    "HAS_SIGNATURE",
    "TARGET",
    "TARGET_STAT",
    "Decision",
    "DecisionRequest",
    "ExceptionKind",
    "ExceptionStatus",
    "FormerUid",
    "HeldBecause",
    "Hidden",
    "Import",
    "ImportKind",
    "ImportRefusal",
    "ImportState",
    "ImportedStudy",
    "Instance",
    "ObjectVersion",
    "Outcome",
    "QuarantineState",
    "Quarantined",
    "ReadingStatus",
    "RejectedObject",
    "Rejection",
    "RejectionState",
    "RequestState",
    "Series",
    "StoredFile",
    "Study",
    "StudyException",
    "Verdict",
    "VersionState",
    "Volume",
    "known_as",
]
