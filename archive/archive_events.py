"""What happens to studies and their files, in words; each decision declares its own events."""

from typing import Final

from archive.models import ExceptionKind, HeldBecause, Outcome
from ledger.event_types import declare, labels

_OUTCOME: Final = {"outcome": labels(Outcome)}

STUDY_RECEIVED: Final = declare("study.received", "First images received")
STUDY_SPLIT: Final = declare("study.split", "Series moved to a new study")
VERDICT: Final = declare(
    "study.verdict",
    "Checked against the schedule: {outcome}",
    short="checked against the schedule",
    labels=_OUTCOME,
)
RESENT: Final = declare(
    "study.resent", "Sent again[ by {sender}] with another header: {text}", short="sent again, another header"
)
RESENT_HELD: Final = declare(
    "study.resent.held",
    "Sent again[ by {sender}] with another header, not taken yet ({why}): {text}",
    short="sent again, not taken yet",
    tone="bad",
    labels={"why": labels(HeldBecause)},
)
EXCEPTION_OPENED: Final = declare(
    "study.exception.opened", "Needs review: {outcome}", short="needs review", tone="bad", labels=_OUTCOME
)
EXCEPTION_OPENED_BY: Final = {
    ExceptionKind.VERDICT: EXCEPTION_OPENED,
    ExceptionKind.CANCELLED_AFTER_IMAGES: declare(
        "study.exception.cancelled",
        "Needs review: order cancelled after the images",
        short="needs review: cancelled",
        tone="bad",
    ),
    ExceptionKind.NOTE_HELD: declare(
        "study.exception.opened.note_held", "Needs review: rejection note", short="needs review", tone="bad"
    ),
    ExceptionKind.IDENTITY_REPLACED: declare(
        "study.exception.replaced",
        "Needs review: patient details replaced",
        short="needs review: details replaced",
        tone="bad",
    ),
    ExceptionKind.IMAGES_AFTER_REJECTION: declare(
        "study.exception.images_after_rejection",
        "Needs review: images came after the study was rejected",
        short="needs review: late images",
        tone="bad",
    ),
    ExceptionKind.SPLIT_OFF: declare(
        "study.exception.split_off",
        "Needs review: split off, and of the same order by its headers",
        short="needs review: split off",
        tone="bad",
    ),
    ExceptionKind.RESENT: declare(
        "study.exception.resent",
        "Needs review: sent again with another header",
        short="needs review: sent again",
        tone="bad",
    ),
}
EXCEPTION_CLOSED: Final = declare(
    "study.exception.closed",
    "Exception resolved automatically: {outcome}",
    short="exception resolved automatically",
    labels=_OUTCOME,
)
EXCEPTION_RESOLVED: Final = declare("study.exception.resolved", "Exception resolved")

NOTE_APPLIED: Final = declare(
    "study.rejection.applied",
    "Rejection note from {source}: {count} images hidden, {meaning}",
    short="images rejected by a note",
)
NOTE_HELD: Final = declare(
    "study.rejection.held",
    "Rejection note from {source} waits for a person: {text}",
    short="rejection note needs review",
    tone="bad",
)
NOTE_IGNORED: Final = declare(
    "study.rejection.ignored",
    "Rejection note from {source} not applied, by the site's policy: {meaning}",
    short="rejection note not applied",
)

OBJECT_QUARANTINED: Final = declare(
    "object.quarantined", "Object quarantined: {text}", short="object quarantined", tone="bad"
)
OBJECT_RELEASED: Final = declare(
    "object.released", "Released from quarantine into a study", short="released from quarantine"
)
OBJECT_DISCARDED: Final = declare("object.discarded", "Discarded from quarantine")
OBJECT_RESTORED: Final = declare("object.restored", "Back in quarantine")
FILE_MISSING: Final = declare(
    "file.missing", "File {name} is missing on volume {volume}", short="file missing", tone="bad"
)
FILE_DAMAGED: Final = declare(
    "file.damaged", "File {name} is damaged on volume {volume}", short="file damaged", tone="bad"
)
