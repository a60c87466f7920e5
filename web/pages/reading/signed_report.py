"""A signed report as it is read: the text that counts now, what was added, whether it was taken back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.urls import reverse

from interfaces.hl7.outbound.messages import results
from interfaces.hl7.outbound.messages.results import Leg
from ledger import written_dates
from reporting.models import ReadingItem, Report, ReportHeading, ReportVersion, VersionKind
from reporting.rendering import rendered_objects
from reporting.rendering.composition import Addendum, Document, Signature, compose

_TITLES: Final = dict(ReportHeading.choices)


@dataclass(frozen=True)
class SignedReport:
    """What stands on the page.

    `addenda` are the newest first. Of a retracted report `sections` are those that were taken back; `reason`
    and `retraction` say why, by whom and when, `successor` is the path of the report that takes its place.
    """

    document: Document
    sections: Sequence[tuple[str, str]]
    addenda: Sequence[Addendum]
    text_signature: Signature
    procedures: Sequence[str]
    exams: Sequence[str]
    number: int
    title: str
    pdf: str
    is_preliminary: bool
    is_corrected: bool
    is_retracted: bool
    reason: str
    class_of_change: str
    successor: str


@dataclass(frozen=True)
class SignedVersion:
    """A signed version, how far it went, and whether it still counts."""

    version: ReportVersion
    state: str
    undo_until: str
    pdf: str
    legs: Sequence[Leg]

    @property
    def title(self) -> str:
        """What its copies in the study are called."""
        return rendered_objects.title(self.version.kind, self.version.number)

    @property
    def delivery(self) -> Sequence[tuple[str, str]]:
        """Each leg of its way: what it is, and a class that says how it stands."""
        one = self.version
        if one.undone_at:
            return [("undone, never sent", "withdrawn")]
        if not one.released_at:
            has_order = one.report.item.procedures.exists()
            return [("goes out soon", "waiting") if has_order else self._unsent()]
        stored = (
            ("PDF and SR stored", "completed") if one.stored_at else ("PDF and SR to be stored", "waiting")
        )
        return [stored, *(self._sent() if self.legs else [self._unsent()])]

    def _sent(self) -> Sequence[tuple[str, str]]:
        found = []
        for leg in self.legs:
            to = f"{leg.destination}, {leg.accession_number or 'no accession number'}"
            words = "on its way" if leg.status == "waiting" else leg.status
            found.append((f"to {to}: {words}", leg.status))
        return found

    def _unsent(self) -> tuple[str, str]:
        if self.version.kind == VersionKind.RETRACTION:
            return ("nobody had been sent it", "withdrawn")
        if not self.version.report.item.procedures.exists():
            return ("no order: cannot be delivered", "failed")
        return ("no system takes reports of this order", "failed")


def of(item: ReadingItem, rows: Sequence[ReportVersion]) -> SignedReport | None:
    """The report to be read, from its versions, the newest first; nothing where none counts."""
    valid = [row for row in rows if row.undone_at is None]
    if not valid:
        return None
    newest = valid[0]
    document = told = compose(newest)
    is_retracted = newest.kind == VersionKind.RETRACTION
    if is_retracted and len(valid) > 1:
        told = compose(valid[1])
    own = document.signature
    return SignedReport(
        document=document,
        sections=[(_TITLES[name], text) for name, text in told.sections.items() if text.strip()],
        addenda=list(reversed(told.addenda)),
        text_signature=told.text_signature,
        procedures=[_described(one) for one in document.header["procedures"]],
        exams=[_exam(one) for one in document.header["studies"]],
        number=own.number,
        title=rendered_objects.title(newest.kind, newest.number),
        pdf=_pdf(item, newest),
        is_preliminary=newest.kind == VersionKind.PRELIMINARY,
        is_corrected=told.text_signature.kind == VersionKind.CORRECTION,
        is_retracted=is_retracted,
        reason=document.reason,
        class_of_change=document.class_of_change,
        successor=_successor(item) if is_retracted else "",
    )


def versions(
    item: ReadingItem, report: Report, rows: Sequence[ReportVersion], undo_until: datetime | None = None
) -> list[SignedVersion]:
    """All versions of a report, in the order of `rows`, which has the newest first."""
    ways = results.ways(report)
    standing = states(rows)
    return [
        SignedVersion(
            row,
            standing[row.pk],
            undo_until.isoformat() if undo_until and place == 0 else "",
            _pdf(item, row),
            ways.get(row.public_id, []),
        )
        for place, row in enumerate(rows)
    ]


def states(rows: Sequence[ReportVersion]) -> Mapping[int, str]:
    """By key of a version: `current`, `added_to`, `replaced`, `retracted` or `undone`.

    `rows` has the newest first. An addendum leaves the text before it standing, which is to be read with it.
    """
    valid = [row for row in rows if row.undone_at is None]
    newest = valid[0] if valid else None
    is_retracted = newest is not None and newest.kind == VersionKind.RETRACTION
    found = {}
    for row in rows:
        if row.undone_at is not None:
            found[row.pk] = "undone"
        elif newest is not None and row.pk == newest.pk:
            found[row.pk] = "current"
        elif is_retracted:
            found[row.pk] = "retracted"
        else:
            later = {one.kind for one in valid if one.number > row.number}
            found[row.pk] = "added_to" if later <= {VersionKind.ADDENDUM} else "replaced"
    return found


def _pdf(item: ReadingItem, version: ReportVersion) -> str:
    return reverse("reading-pdf", args=[item.public_id, version.number])


def _described(procedure: Mapping[str, str]) -> str:
    words = procedure["description"] or procedure["code"] or procedure["requested_procedure_id"]
    number = procedure["accession_number"]
    return f"{words} ({number})" if number else words


def _exam(study: Mapping[str, str]) -> str:
    words = f"Exam of {written_dates.of_dicom(study['date'])}" if study["date"] else "Exam of an unknown day"
    return f"{words}, {study['description']}" if study["description"] else words


def _successor(item: ReadingItem) -> str:
    """The path of the report that is to be made in place of a retracted one."""
    successor = ReadingItem.objects.filter(key=item.key.rpartition("#")[0]).first()
    return reverse("reading-item", args=[successor.public_id]) if successor else ""
