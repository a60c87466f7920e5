"""A signed report as it is read: the text that counts now, what was added, whether it was taken back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.urls import reverse

from interfaces.hl7.outbound import report_ways
from interfaces.hl7.outbound.report_ways import Leg
from ledger import written_dates
from reporting.models import ReadingItem, Report, ReportHeading, ReportVersion, VersionKind
from reporting.rendering import rendered_objects, signed_identity
from reporting.rendering.composition import Addendum, Document, compose

_TITLES: Final = dict(ReportHeading.choices)


@dataclass(frozen=True)
class SignedReport:
    """What stands on the page.

    `document` is as of the newest version, `shown` as of the one whose text is shown: of a retracted report
    that which was taken back. `successor` is the path of the report that takes its place.
    """

    document: Document
    shown: Document
    pdf: str
    successor: str
    renamed: str
    """That the patient is called otherwise by now, where that is so."""

    @property
    def signed_for(self) -> str:
        """For whom the text was signed."""
        return signed_identity.words(self.shown.signed_for)

    @property
    def title(self) -> str:
        """What its copies in the study are called."""
        return rendered_objects.title(self.document.kind, self.document.signature.number)

    @property
    def is_preliminary(self) -> bool:
        """Whether it may still change."""
        return self.document.kind == VersionKind.PRELIMINARY

    @property
    def is_corrected(self) -> bool:
        """Whether its text replaced another that was signed."""
        return self.shown.text_signature.kind == VersionKind.CORRECTION

    @property
    def is_retracted(self) -> bool:
        """Whether it must not be used."""
        return self.document.kind == VersionKind.RETRACTION

    @property
    def sections(self) -> Sequence[tuple[str, str]]:
        """Its text, by the titles of the sections that have one."""
        return [(_TITLES[name], text) for name, text in self.shown.sections.items() if text.strip()]

    @property
    def addenda(self) -> Sequence[Addendum]:
        """What was added, the newest first."""
        return self.shown.addenda[::-1]

    @property
    def exams(self) -> Sequence[str]:
        """Of which exams it is."""
        return [_exam(one) for one in self.document.header["studies"]]


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
            words = "released unless undone" if self.undo_until else "being released"
            return [(words, "waiting") if has_order else self._unsent()]
        stored = (
            ("PDF and SR stored", "completed") if one.stored_at else ("PDF and SR to be stored", "waiting")
        )
        return [stored, *(self._sent() if self.legs else [self._unsent()])]

    def _sent(self) -> Sequence[tuple[str, str]]:
        found = []
        for leg in self.legs:
            to = f"{leg.destination}, {leg.accession_number or 'no accession number'}"
            words = "on its way" if leg.status in ("waiting", "accepted") else leg.status
            found.append((f"to {to}: {words}", leg.status))
        return found

    def _unsent(self) -> tuple[str, str]:
        if self.version.kind == VersionKind.RETRACTION:
            return ("nobody had been sent it", "withdrawn")
        return (report_ways.obstacle(self.version.report.item, self.version), "failed")


def of(item: ReadingItem, rows: Sequence[ReportVersion]) -> SignedReport | None:
    """The report to be read, from its versions, the newest first; nothing where none counts."""
    valid = [row for row in rows if row.undone_at is None]
    if not valid:
        return None
    newest = valid[0]
    is_retracted = newest.kind == VersionKind.RETRACTION
    document = compose(newest)
    shown = compose(valid[1]) if is_retracted and len(valid) > 1 else document
    return SignedReport(
        document=document,
        shown=shown,
        pdf=_pdf(item, newest),
        successor=_successor(item) if is_retracted else "",
        renamed=signed_identity.notice(shown.signed_for, newest.report),
    )


def versions(
    item: ReadingItem, report: Report, rows: Sequence[ReportVersion], undo_until: datetime | None = None
) -> list[SignedVersion]:
    """All versions of a report, in the order of `rows`, which has the newest first."""
    ways = report_ways.ways(report)
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
    found: dict[int, str] = {}
    later: set[str] = set()
    for row in rows:
        if row.undone_at is not None:
            found[row.pk] = "undone"
            continue
        if not later:
            found[row.pk] = "current"
        elif VersionKind.RETRACTION in later:
            found[row.pk] = "retracted"
        else:
            found[row.pk] = "added_to" if later == {VersionKind.ADDENDUM} else "replaced"
        later.add(row.kind)
    return found


def _pdf(item: ReadingItem, version: ReportVersion) -> str:
    return reverse("reading-pdf", args=[item.public_id, version.number])


def _exam(study: Mapping[str, str]) -> str:
    words = f"Exam of {written_dates.of_dicom(study['date'])}" if study["date"] else "Exam of an unknown day"
    return f"{words}, {study['description']}" if study["description"] else words


def _successor(item: ReadingItem) -> str:
    """The path of the report that is to be made in place of a retracted one."""
    successor = ReadingItem.objects.filter(key=item.key.rpartition("#")[0]).first()
    return reverse("reading-item", args=[successor.public_id]) if successor else ""
