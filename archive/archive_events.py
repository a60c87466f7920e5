"""What happens to studies and their files, in words."""

from collections.abc import Mapping
from typing import Final

from archive.models import DecisionKind, Outcome
from ledger.event_types import EventType, declare, labels

_OUTCOME: Final = {"outcome": labels(Outcome)}

STUDY_RECEIVED: Final = declare("study.received", "First images received")
STUDY_SPLIT: Final = declare("study.split", "Series moved to a new study")
VERDICT: Final = declare(
    "study.verdict",
    "Checked against the schedule: {outcome}",
    short="checked against the schedule",
    labels=_OUTCOME,
)
EXCEPTION_OPENED: Final = declare(
    "study.exception.opened", "Needs review: {outcome}", short="needs review", tone="bad", labels=_OUTCOME
)
EXCEPTION_CLOSED: Final = declare(
    "study.exception.closed",
    "Exception resolved automatically: {outcome}",
    short="exception resolved automatically",
    labels=_OUTCOME,
)
EXCEPTION_RESOLVED: Final = declare("study.exception.resolved", "Exception resolved")
DECIDED: Final[Mapping[DecisionKind, EventType]] = {
    kind: declare(f"study.decision.{kind}", f"Decided: {kind.label.lower()}") for kind in DecisionKind
}
DECISION_UNDONE: Final[Mapping[DecisionKind, EventType]] = {
    kind: declare(f"study.decision.undone.{kind}", f"Decision undone: {kind.label.lower()}")
    for kind in DecisionKind
}

OBJECT_QUARANTINED: Final = declare(
    "object.quarantined", "Object quarantined: {text}", short="object quarantined", tone="bad"
)
FILE_MISSING: Final = declare(
    "file.missing", "File {name} is missing on volume {volume}", short="file missing", tone="bad"
)
FILE_DAMAGED: Final = declare(
    "file.damaged", "File {name} is damaged on volume {volume}", short="file damaged", tone="bad"
)
