"""Our worklist by a shadow source beside another system's: what differs, and where that comes from."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from typing import Final

from interfaces.hl7.models import InboundMessage
from interfaces.hl7.source_options import SourceOptions
from interfaces.shadow.shadow_run import ShadowRun
from interfaces.shadow.worklist_answers import WorklistAnswer
from ledger import written_dates

_FIELDS: Final[Mapping[str, str]] = {
    "PatientName": "PID-5",
    "PatientID": "PID-3",
    "IssuerOfPatientID": "PID-3.4",
    "PatientBirthDate": "PID-7",
    "PatientSex": "PID-8",
    "PatientAddress": "PID-11",
    "PatientWeight": "OBX",
    "PatientSize": "OBX",
    "PregnancyStatus": "PV1-15, OBX",
    "Allergies": "AL1-3",
    "AdmissionID": "PV1-19",
    "CurrentPatientLocation": "PV1-3",
    "ReferringPhysicianName": "PV1-8",
    "RequestingPhysician": "OBR-16",
    "RequestedProcedureDescription": "OBR-44, OBR-4",
    "ScheduledProcedureStepDescription": "OBR-4, or the catalogue",
    "ScheduledPerformingPhysicianName": "OBR-34",
    "RequestedProcedureComments": "NTE-3",
    "PlacerOrderNumberImagingServiceRequest": "ORC-2, OBR-2",
    "FillerOrderNumberImagingServiceRequest": "ORC-3, OBR-3",
}
_MAPPED: Final[Mapping[str, str]] = {
    "AccessionNumber": "accession_number",
    "RequestedProcedureID": "requested_procedure_id",
    "ScheduledProcedureStepID": "scheduled_procedure_step_id",
    "StudyInstanceUID": "study_instance_uid",
    "Modality": "modality",
    "ScheduledStationAETitle": "station_ae_title",
    "ScheduledStationName": "station_name",
    "ScheduledProcedureStepLocation": "location",
    "ScheduledProcedureStepStartDate": "start",
    "ScheduledProcedureStepStartTime": "start",
    "RequestedProcedurePriority": "priority",
    "ReasonForTheRequestedProcedure": "reason",
    "ReasonForTheImagingServiceRequest": "reason",
    "MedicalAlerts": "clinical_information",
    "AdditionalPatientHistory": "clinical_information",
    "PatientState": "danger",
    "PatientTransportArrangements": "transport",
    "ConfidentialityConstraintOnPatientDataDescription": "confidentiality",
    "RequestingService": "requesting_service",
}


@dataclass(frozen=True)
class AttributeDifference:
    """An attribute that both have, or one; `why` is where ours comes from."""

    keyword: str
    ours: str
    theirs: str
    why: str


@dataclass(frozen=True)
class EntryDifference:
    """An entry that only one has, or that differs."""

    accession_number: str
    step: str
    text: str = ""
    attributes: Sequence[AttributeDifference] = ()


@dataclass
class WorklistComparison:
    """All differences, and how many entries are alike."""

    alike: int = 0
    only_theirs: list[EntryDifference] = field(default_factory=list)
    only_ours: list[EntryDifference] = field(default_factory=list)
    different: list[EntryDifference] = field(default_factory=list)

    @property
    def is_alike(self) -> bool:
        """Whether nothing differs."""
        return not (self.only_theirs or self.only_ours or self.different)


def compare(run: ShadowRun, answers: Iterable[WorklistAnswer], options: SourceOptions) -> WorklistComparison:
    """Match entries by accession number and step; what theirs leaves out is not asked for."""
    found = WorklistComparison()
    ours = _by_keys(run.entries)
    refused = {row.pk: problem for row, problem in run.refused}
    for theirs in answers:
        accession, step = theirs.keys
        mine = _taken(ours, accession, step)
        if mine is None:
            message = run.named_by.get(accession)
            problem = refused.get(message.pk) if message else None
            text = f"{problem.code} {problem.location} {problem.text}" if problem else ""
            why = _why_missing(message, text, run.states.get(accession, ""))
            found.only_theirs.append(EntryDifference(accession, step, why))
            continue
        attributes = list(_attributes(mine, theirs, options))
        if attributes:
            found.different.append(EntryDifference(accession, step, attributes=attributes))
        else:
            found.alike += 1
    for (accession, step), entries in sorted(ours.items()):
        found.only_ours += [EntryDifference(accession, step, _source(run.named_by.get(accession)))] * len(
            entries
        )
    return found


def _by_keys(entries: Iterable[WorklistAnswer]) -> dict[tuple[str, str], list[WorklistAnswer]]:
    found: dict[tuple[str, str], list[WorklistAnswer]] = {}
    for one in entries:
        found.setdefault(one.keys, []).append(one)
    return found


def _taken(
    ours: dict[tuple[str, str], list[WorklistAnswer]], accession: str, step: str
) -> WorklistAnswer | None:
    """Our entry of a step, else the only one of its accession number, which is then not there any more."""
    keys = [key for key in [(accession, step)] if key in ours]
    if not keys:
        of_number = [key for key in ours if key[0] == accession != ""]
        keys = of_number if len(of_number) == 1 else []
    if not keys:
        return None
    entries = ours[keys[0]]
    one = entries.pop(0)
    if not entries:
        del ours[keys[0]]
    return one


def _attributes(
    mine: WorklistAnswer, theirs: WorklistAnswer, options: SourceOptions
) -> Iterator[AttributeDifference]:
    for keyword, value in theirs.values.items():
        own = mine.values.get(keyword, "")
        if own != value:
            yield AttributeDifference(keyword, own, value, _where(keyword, options))


def _where(keyword: str, options: SourceOptions) -> str:
    if keyword in _MAPPED:
        paths = options.paths_of(_MAPPED[keyword])
        return f"ours is the first of {', '.join(paths)}" if paths else "no field is mapped to it"
    return f"ours is {_FIELDS[keyword]}" if keyword in _FIELDS else ""


def _why_missing(message: InboundMessage | None, problem: str, state: str) -> str:
    if message is None:
        return "no message that came names this accession number"
    told = _source(message)
    if problem:
        return f"{told} would be refused: {problem}"
    return f"{told}; its step is {state}" if state else told


def _source(message: InboundMessage | None) -> str:
    if message is None:
        return "it was here before"
    at = written_dates.zoned(message.received_at, UTC)
    return f"message {message.control_id} of {at} ({message.public_id})"
