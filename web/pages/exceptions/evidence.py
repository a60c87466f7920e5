"""Findings and candidates of a verdict, as pages show them: in words, with what differs marked."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.utils import timezone

from archive.models import Verdict
from archive.reconcile import verdict_record
from archive.reconcile.finding import Concordance, Finding
from archive.reconcile.reconcile_policy import FIELDS, PLAIN
from archive.reconcile.verdict_record import CandidateRecord
from ledger import written_dates
from web.kernel import formats
from web.pages.exceptions.text_differences import Pieces, between, unmarked

_NAMES: Final = frozenset({"patient_name", "performing_physician"})
_IN_WORDS: Final = frozenset({"procedure", "body_part", "time", "station", "order_status"})
"""Fields that agree in other letters: nothing is marked where they do."""
_COMMON: Final = frozenset({"study_instance_uid", "station"})
"""Fields that differ in most studies that fit: alone they are no evidence."""
_IN_DOUBT: Final = frozenset({Concordance.CONTRADICTS, Concordance.UNCLEAR})


@dataclass(frozen=True)
class Line:
    """A field: what the images say, what the schedule expects, and how far these agree.

    `concordance` is as the verdict has it; `words` says it, with what had to be forgiven. `share` is what it
    adds to the score, or takes from it, as weight.
    """

    field: str
    title: str
    seen: Pieces
    expected: Pieces
    concordance: Concordance
    words: str
    agreement: float | None
    weight: float
    share: float


@dataclass(frozen=True)
class Candidate:
    """A scheduled step that the study could belong to."""

    step: str
    patient: str
    record: str
    name: str
    born: str
    sex: str
    identifier: str
    accession_number: str
    order: str
    description: str
    modality: str
    station: str
    due: datetime | None
    status: str
    score: float
    is_chosen: bool
    lines: Sequence[Line]

    @property
    def number(self) -> str:
        """The identifier without its authority."""
        return self.identifier.partition("^^^")[0]

    @property
    def percent(self) -> int:
        """The score in hundredths."""
        return round(self.score * 100)

    @property
    def pro(self) -> list[Line]:
        """What speaks for it, the weightiest first."""
        found = [line for line in self.lines if line.concordance is Concordance.AGREES]
        return sorted(found, key=lambda line: -line.weight)

    @property
    def contra(self) -> list[Line]:
        """What speaks against it or is in doubt, the weightiest first."""
        found = [line for line in self.lines if line.concordance in _IN_DOUBT]
        return sorted(found, key=lambda line: -line.weight * (1 - (line.agreement or 0)))


def lines(findings: Iterable[Finding]) -> list[Line]:
    """Findings in the order of the verdict, those of the identity first."""
    return [_line(finding) for finding in findings]


def strongest(verdict: Verdict | None) -> Line | None:
    """The finding that speaks the loudest against the candidate that the images are held against."""
    found = lines(verdict_record.comparison(verdict))
    against = [line for line in found if line.concordance in _IN_DOUBT and line.field not in _COMMON]
    return max(against, key=lambda line: line.weight * (1 - (line.agreement or 0)), default=None)


def candidates(verdict: Verdict | None) -> list[Candidate]:
    """The candidates of a verdict, the best first."""
    return [candidate(one) for one in verdict_record.by_score(verdict)]


def compared(verdict: Verdict | None) -> Candidate | None:
    """The candidate that the images are held against, unless a person chooses another."""
    kept = verdict_record.compared(verdict)
    return candidate(kept) if kept else None


def _line(finding: Finding) -> Line:
    field, concordance = finding.field, finding.concordance
    seen, expected = shown(field, finding.seen), shown(field, finding.expected)
    is_forgiven = finding.agrees and finding.normaliser not in PLAIN and field not in _IN_WORDS
    is_marked = concordance in _IN_DOUBT or is_forgiven
    left, right = between(seen, expected) if is_marked else (unmarked(seen), unmarked(expected))
    return Line(
        field=field,
        title=FIELDS[field].title,
        seen=left,
        expected=right,
        concordance=concordance,
        words=words(concordance, finding.normaliser, bool(seen), bool(expected)),
        agreement=finding.agreement,
        weight=finding.weight,
        share=round(finding.contribution, 2),
    )


_SAYS: Final = {
    Concordance.AGREES: "agrees",
    Concordance.UNCLEAR: "unclear",
    Concordance.CONTRADICTS: "differs",
}


def words(concordance: Concordance, normaliser: str, seen: bool, expected: bool) -> str:
    """How far both sides agree, and what had to be forgiven for it."""
    if concordance is Concordance.SILENT:
        if not seen and not expected:
            return "missing in both"
        return "not compared" if seen and expected else f"only {'seen' if seen else 'expected'}"
    word = _SAYS[concordance]
    return f"{word}: {normaliser}" if normaliser else word


def shown(field: str, text: str) -> str:
    """A value of a field, as people write it."""
    if field in _NAMES:
        return formats.shown(text) if text.strip("^= ") else ""
    if field == "birth_date":
        return formats.date(text)
    if field == "time":
        return _moment(text)
    return text.replace("\\", ", ")


def _moment(text: str) -> str:
    try:
        return written_dates.minute(timezone.localtime(datetime.fromisoformat(text)))
    except ValueError:
        return text


def candidate(kept: CandidateRecord) -> Candidate:
    """A candidate as a verdict keeps it."""
    patient = kept.patient
    first = next(iter(patient.identifiers), None)
    return Candidate(
        step=kept.step,
        patient=patient.id,
        record=patient.record,
        name=formats.shown(patient.name),
        born=formats.date(patient.birth_date),
        sex=patient.sex,
        identifier="^^^".join(filter(None, (first.value, first.authority))) if first else "",
        accession_number=kept.accession_number,
        order=kept.order,
        description=kept.description,
        modality=kept.modality,
        station=", ".join(kept.station_ae_titles),
        due=kept.due_at,
        status=kept.status,
        score=kept.score,
        is_chosen=kept.chosen,
        lines=lines(kept.findings),
    )
