"""What happens on the way from images to a delivered report, in words."""

from collections.abc import Mapping
from typing import Final

from ledger.event_types import EventType, declare, labels
from reporting.models import HoldReason, RecheckOutcome, ReturnReason, VersionKind

READY: Final = declare("reading.ready", "Ready for reading")
OPENED: Final = declare("reading.opened", "Opened for reading")
TAKEN_OVER: Final = declare("reading.taken_over", "Taken over from {taken_from}", short="taken over")
RELEASED_BY_READER: Final = declare(
    "reading.released", "Returned to the list by its reader", short="returned"
)
SKIPPED: Final = declare("reading.skipped", "Exam skipped")
RESERVED: Final = declare("reading.reserved", "Exam reserved")
HELD: Final = declare(
    "reading.held",
    "Reading put on hold: {reason}[ ({note})]",
    short="reading on hold",
    labels={"reason": labels(HoldReason)},
)
RESUMED: Final = declare("reading.resumed", "Hold released")
PATIENT_CONFIRMED: Final = declare(
    "reading.patient_confirmed", "Patient confirmed after: {question}", short="patient confirmed"
)
WITHDRAWN: Final = declare("report.withdrawn", "Withdrawn: no report needed")
OUTSIDE_REPORT: Final = declare(
    "report.outside", "Outside report from {sender} received: {status}", short="outside report"
)

BEGUN: Final = declare("report.begun", "Report begun[ with the template {template}]", short="report begun")
AUTHOR_CHANGED: Final = declare(
    "report.author_changed", "Became the report's author, after {author}", short="author changed"
)
DICTATION_BEGUN: Final = declare("dictation.begun", "Dictation begun")
DICTATED: Final = declare("report.dictated", "Dictation sent to transcription")
TYPING: Final = declare("dictation.typing", "Transcription begun")
TYPED: Final = declare("report.typed", "Dictation transcribed")
DICTATION_RETURNED: Final = declare(
    "dictation.returned",
    "Dictation returned to its author: {reason}[ ({note})]",
    short="dictation returned",
    labels={"reason": labels(ReturnReason)},
)
DICTATION_DISCARDED: Final = declare("dictation.discarded", "Dictation discarded")
DICTATION_RECLAIMED: Final = declare(
    "dictation.reclaimed", "Dictation taken back from transcription", short="dictation taken back"
)
DICTATION_REPLACED: Final = declare(
    "dictation.replaced", "Returned dictation replaced by a new one", short="dictation replaced"
)

_SIGNING: Final[Mapping[VersionKind, str]] = {
    VersionKind.PRELIMINARY: "Signed as preliminary",
    VersionKind.FINAL: "Signed as final",
    VersionKind.ADDENDUM: "Addendum signed",
    VersionKind.CORRECTION: "Correction signed",
    VersionKind.RETRACTION: "Report retracted",
}
SIGNED: Final[Mapping[VersionKind, EventType]] = {
    kind: declare(f"report.{kind}", f"{words} (version {{version}})", short=words.lower())
    for kind, words in _SIGNING.items()
}
SIGNATURE_UNDONE: Final = declare(
    "report.undone", "Signature of version {version} undone", short="signature undone"
)
RELEASED: Final = declare("report.released", "Report released")
STORED: Final = declare(
    "report.stored", "PDF and SR of version {version} stored with the images", short="PDF and SR stored"
)
DELIVERED: Final = declare("report.delivered", "Version {version} delivered", short="report delivered")
UNDELIVERABLE: Final = declare(
    "report.undeliverable",
    "Nobody to send version {version} to",
    short="report undeliverable",
    tone="bad",
)

RECHECK_RAISED: Final = declare(
    "recheck.raised", "Signer asked to check the report again", short="recheck requested"
)
RECHECK_CLOSED: Final = declare(
    "recheck.closed",
    "Report checked again: {outcome}[ ({note})]",
    short="report checked again",
    labels={"outcome": labels(RecheckOutcome)},
)
