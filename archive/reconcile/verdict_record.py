"""What a verdict keeps of its candidates: the one place that writes and reads that JSON."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from archive.models import Verdict
from archive.reconcile.finding import Finding
from archive.reconcile.identity_match import IdentityMatch
from archive.reconcile.reconcile_policy import NAMES_FROM, NAMING, RIVAL
from archive.reconcile.scored_candidate import Scored
from archive.reconcile.verdict import Judgement


@dataclass(frozen=True)
class Identifier:
    """A patient identifier and its assigning authority's namespace."""

    value: str
    authority: str


@dataclass(frozen=True)
class CandidatePatient:
    """Whose order it is: `id` is the public id of the record that shows, `record` of the order's own."""

    id: str
    record: str
    name: str
    birth_date: str
    sex: str
    identifiers: tuple[Identifier, ...]

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Self:
        """As a verdict keeps it."""
        return cls(**{**kept, "identifiers": tuple(Identifier(**one) for one in kept["identifiers"])})

    def to_json(self) -> dict[str, object]:
        """As a verdict keeps it."""
        return vars(self) | {"identifiers": [dict(vars(one)) for one in self.identifiers]}


@dataclass(frozen=True)
class CandidateRecord:
    """A candidate as a verdict keeps it; `step`, `procedure` and `order` are public ids."""

    scheduled_procedure_step_id: str
    accession_number: str
    patient: CandidatePatient
    score: float
    chosen: bool
    identity: str
    step: str
    procedure: str
    order: str
    requested_procedure_id: str
    study_instance_uid: str
    description: str
    modality: str
    station_ae_titles: tuple[str, ...]
    due: str
    status: str
    findings: tuple[Finding, ...]

    @classmethod
    def of(cls, scored: Scored, *, is_chosen: bool) -> Self:
        """What is kept of a weighed candidate."""
        candidate = scored.candidate
        person = candidate.patient
        shown = person.records[0] if person.records else None
        return cls(
            scheduled_procedure_step_id=candidate.scheduled_procedure_step_id,
            accession_number=candidate.accession_number,
            patient=CandidatePatient(
                id=person.id,
                record=person.record,
                name=shown.name if shown else "",
                birth_date=shown.birth_date if shown else "",
                sex=shown.sex if shown else "",
                identifiers=tuple(Identifier(one.patient_id, one.issuer) for one in person.records),
            ),
            score=scored.score,
            chosen=is_chosen,
            identity=scored.identity_match.name.lower(),
            step=candidate.id,
            procedure=candidate.procedure,
            order=candidate.order,
            requested_procedure_id=candidate.requested_procedure_id,
            study_instance_uid=candidate.study_instance_uid,
            description=candidate.description,
            modality=candidate.modality,
            station_ae_titles=candidate.station_ae_titles,
            due=candidate.due,
            status=candidate.status,
            findings=scored.findings,
        )

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Self:
        """As a verdict keeps it."""
        read = {
            "patient": CandidatePatient.from_json(kept["patient"]),
            "station_ae_titles": tuple(kept["station_ae_titles"]),
            "findings": tuple(map(Finding.from_json, kept["findings"])),
        }
        return cls(**{**kept, **read})

    def to_json(self) -> dict[str, object]:
        """As a verdict keeps it."""
        written = {
            "patient": self.patient.to_json(),
            "station_ae_titles": list(self.station_ae_titles),
            "findings": findings_json(self.findings),
        }
        return vars(self) | written

    @property
    def is_named(self) -> bool:
        """Whether the headers name it: by accession number, Study Instance UID or request."""
        found = {finding.field: finding for finding in self.findings}
        return any(
            (found[name].agreement or 0) >= NAMES_FROM or found[name].normaliser == "prefix"
            for name in NAMING & found.keys()
        )

    @property
    def is_contradicted(self) -> bool:
        """Whether the headers say another person than whom it is for."""
        return self.identity == IdentityMatch.CONTRADICTS.name.lower()

    @property
    def due_at(self) -> datetime | None:
        """When the step is due, if that is known."""
        return datetime.fromisoformat(self.due) if self.due else None


def records(judgement: Judgement) -> list[CandidateRecord]:
    """What is kept of the ranked candidates of a judgement."""
    chosen = {candidate.id for candidate in judgement.chosen}
    return [CandidateRecord.of(one, is_chosen=one.candidate.id in chosen) for one in judgement.ranked]


def findings_json(found: Iterable[Finding]) -> list[dict[str, object]]:
    """Findings as a verdict keeps them."""
    return [finding.to_json() for finding in found]


def findings(verdict: Verdict | None) -> list[Finding]:
    """What speaks for and against the best candidate of a verdict."""
    return [Finding.from_json(kept) for kept in (verdict.findings if verdict else ())]


def acquired_at(verdict: Verdict) -> datetime | None:
    """When the images were made, as the verdict saw it."""
    moment = verdict.study_evidence["acquired_at"]
    return datetime.fromisoformat(moment) if moment else None


def candidates(verdict: Verdict | None) -> list[CandidateRecord]:
    """The candidates of a verdict: those that its rule named, then the others, each the best first."""
    return [CandidateRecord.from_json(kept) for kept in (verdict.candidates if verdict else ())]


def compared(verdict: Verdict | None) -> CandidateRecord | None:
    """The candidate that the images are held against: the first that their headers name, else the first."""
    found = candidates(verdict)
    return next((one for one in found if one.is_named), next(iter(found), None))


def comparison(verdict: Verdict | None) -> list[Finding]:
    """What speaks for and against that candidate, and who fits as well; without one, all that was found."""
    one, found = compared(verdict), findings(verdict)
    return [*one.findings, *(finding for finding in found if finding.field == RIVAL)] if one else found


def by_score(verdict: Verdict | None) -> list[CandidateRecord]:
    """The same for a person to choose from: whoever fits best comes first, whatever a header named."""
    return sorted(candidates(verdict), key=lambda one: -one.score)
