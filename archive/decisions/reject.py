"""Reject a study: it stays on disk and is shown nowhere but among the exceptions (IHE RAD TF-1 IOCM)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final

from accounts.actor import Actor
from archive.archive_section import ArchiveSection
from archive.decisions.decision_type import DecisionType, Parameters, register
from archive.decisions.needs import ChosenFrom, Need
from archive.models import Decision, Hidden, Instance, Rejection, Study
from archive.reconcile import apply_verdict
from archive.rejections import rejected_objects, written_notes
from archive.rejections.rejection_titles import QUALITY, REJECTION_TITLES, RETENTION_EXPIRED
from ledger.errors import Invalid
from worklist.schedule.order_choices import Choice

REJECTION_CODES: Final[Mapping[str, str]] = {
    code: meaning for code, meaning in REJECTION_TITLES.items() if code != RETENTION_EXPIRED
}
"""The codes of PS3.16 CID 7011 that a person may give. That a retention policy has expired (113039) is for
no person to say."""
CODE: Final = Need(
    name="code",
    meaning="113001, 113037 or 113038 (PS3.16 CID 7011)",
    prompt="Choose why it is rejected.",
    example="113001",
    chosen_from=ChosenFrom.FEW,
    label="Why",
    choices=lambda study: [Choice(code, meaning, code) for code, meaning in REJECTION_CODES.items()],
    field="rejection_code",
    if_missing="a rejection needs a code",
)


CAUSE: Final = Need(
    name="cause",
    meaning="what was wrong with the images, one of the site's `reject_reasons` (AAPM TG-305)",
    prompt="Choose what was wrong with the images.",
    example="Positioning",
    chosen_from=ChosenFrom.MANY,
    label="What was wrong",
    choices=lambda study: [Choice(text, text) for text in ArchiveSection.current().reject_reasons],
)


def check_code(code: str, cause: str | None) -> None:
    """Refuse a code that no person may give, and what is not among the site's reasons."""
    if not code:
        raise CODE.missing()
    if code not in REJECTION_CODES:
        allowed = ", ".join(f"{number} {meaning}" for number, meaning in REJECTION_CODES.items())
        raise Invalid(f"{code!r} is none of {allowed}", CODE.field)
    known = ArchiveSection.current().reject_reasons
    if cause and cause not in known:
        raise Invalid(f"{cause!r} is none of {', '.join(known)}", CAUSE.name)


@dataclass(frozen=True)
class RejectParameters(Parameters):
    """The code and its meaning; what was wrong, if that was said."""

    code: str
    meaning: str
    cause: str | None = None


@register
@dataclass(frozen=True)
class Reject(DecisionType):
    """The study is hidden from lists, interfaces, viewer and reading; its orders are scheduled again.

    One of poor quality comes back with the images of the repeat, and with them alone.
    """

    kind = "reject"
    key = "6"
    title = "Reject"
    does = "Hide the images from lists, viewer and reading. They stay on disk."
    done = "rejected"
    restores = "the images in all lists"
    example_reason = "moved during the scan"

    writes_note: ClassVar[bool] = True

    code: str = field(metadata={"need": CODE})
    cause: str | None = field(default=None, metadata={"need": CAUSE})

    def check(self, study: Study) -> None:
        """The code is one that a person may give."""
        check_code(self.code, self.cause)

    def act(self, study: Study, by: Actor) -> RejectParameters:
        """Hide and unlink it."""
        study.hidden = Hidden.REJECTED
        apply_verdict.set_links(study, None, [])
        return RejectParameters(self.code, REJECTION_CODES[self.code], self.cause)

    def finish(self, decision: Decision, study: Study, by: Actor) -> None:
        """Have the rejection note written (IHE RAD-66); what comes later for poor images is the repeat."""
        if self.writes_note:
            written_notes.write(decision, self.code)
        if self.writes_note and self.code == QUALITY:
            rejected_objects.name_all(decision, study, self.cause or "")

    @classmethod
    def take_back(cls, decision: Decision, study: Study, *, reason: str, by: Actor) -> None:
        """Take back the note, and show what it hides beside images that came later."""
        row = Rejection.objects.filter(decision=decision).first()
        hides = row is not None and Instance.objects.filter(rejection=row).exists()
        written_notes.withdraw(decision)
        if row is not None and hides:
            rejected_objects.settle(row.study_instance_uid)
            study.refresh_from_db()
