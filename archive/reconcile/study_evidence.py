"""What a study says of itself: everything that a verdict sees of it, as plain values.

It is canonical: the same rows give the same evidence, whatever the order in which they came.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import zip_longest
from typing import Final
from zoneinfo import ZoneInfo

import orjson

from archive.dataset import header
from archive.imports import import_sources
from archive.index.header_values import SeriesValues
from archive.modality import DOCUMENTS, UNSPECIFIC
from archive.models import Series, Study
from archive.storage.generated_objects import is_own

_CONFLICTING: Final = ("header_patient_id", "issuer_of_patient_id", "patient_name", "birth_date", "sex")


@dataclass(frozen=True)
class Identity:
    """A patient, as an object's header or a record names one."""

    patient_id: str = ""
    issuer: str = ""
    name: str = ""
    birth_date: str = ""
    sex: str = ""


@dataclass(frozen=True, order=True)
class Request:
    """An item of the Request Attributes Sequence (PS3.3 table 10-9)."""

    scheduled_procedure_step_id: str = ""
    requested_procedure_id: str = ""
    accession_number: str = ""
    accession_issuer: str = ""
    study_instance_uid: str = ""


@dataclass(frozen=True)
class StudyEvidence:
    """What is seen of a study. The first of `identities` is the header's, others contradict it.

    `without_pixels`: nothing but documents, such as a dose report.

    Moments are ISO 8601 in UTC. `quiet_at` is when the study first had become quiet, empty while it is not;
    `acquired_until` ends the day of the acquisition where no more than the day is known.
    """

    study_instance_uid: str
    identities: tuple[Identity, ...]
    accession_numbers: tuple[str, ...] = ()
    accession_issuer: str = ""
    requests: tuple[Request, ...] = ()
    modalities: tuple[str, ...] = ()
    station_ae_titles: tuple[str, ...] = ()
    station_names: tuple[str, ...] = ()
    acquired_at: str = ""
    acquired_until: str = ""
    received_at: str = ""
    quiet_at: str = ""
    performing_physicians: tuple[str, ...] = ()
    body_parts: tuple[str, ...] = ()
    lateralities: tuple[str, ...] = ()
    description: str = ""
    series_descriptions: tuple[str, ...] = ()
    without_pixels: bool = False

    @property
    def identity(self) -> Identity:
        """The header's identity."""
        return self.identities[0]

    @property
    def is_imported(self) -> bool:
        """Whether all of it came from discs or scans: when that was says nothing of the exam."""
        return bool(self.station_ae_titles) and import_sources.IMPORTED.issuperset(self.station_ae_titles)

    @property
    def made_at(self) -> str:
        """When the images were made, as far as is known: when they came, unless they were imported."""
        return self.acquired_at or ("" if self.is_imported else self.received_at)

    @property
    def spans(self) -> tuple[tuple[datetime, datetime], ...]:
        """From when to when the exam may have been: at the acquisition, and at the receipt if that counts."""
        spans = [(self.acquired_at, self.acquired_until or self.acquired_at)]
        spans += [] if self.is_imported else [(self.received_at, self.received_at)]
        return tuple(
            (datetime.fromisoformat(begin), datetime.fromisoformat(end)) for begin, end in spans if begin
        )

    def to_json(self) -> dict[str, object]:
        """As a verdict keeps it."""
        kept: dict[str, object] = orjson.loads(orjson.dumps(self))
        return kept


def gather(study: Study, quiet_at: datetime | None) -> StudyEvidence:
    """Read what is seen of a study from its rows; what was made here, such as a report, is no evidence."""
    series = _series(study)
    others = [SeriesValues.from_json(row.header) for row in series]
    conflicts = study.header.get("conflicts", {})
    acquired_at, acquired_until = _acquired(study)
    accessions = [study.accession_number, *conflicts.get("accession_number", [])]
    return StudyEvidence(
        study_instance_uid=study.study_instance_uid,
        identities=_from_outside(_identities(study, conflicts), series),
        accession_numbers=_distinct(accessions),
        accession_issuer=_issuer(study.header.get("accession_issuer")),
        requests=tuple(sorted({_request(item) for one in others for item in one.requests})),
        modalities=_distinct(m for m in study.modalities if m not in UNSPECIFIC),
        station_ae_titles=_distinct(row.station_ae_title for row in series),
        station_names=_distinct(row.station_name for row in series),
        acquired_at=acquired_at,
        acquired_until=acquired_until,
        received_at=moment(study.first_received_at),
        quiet_at=moment(quiet_at) if quiet_at else "",
        performing_physicians=_distinct(one.performing_physician for one in others),
        body_parts=_distinct(row.body_part for row in series),
        lateralities=_distinct(row.laterality for row in series),
        description=study.description,
        series_descriptions=_distinct(row.description for row in series)[:50],
        without_pixels=bool(series) and all(row.modality in DOCUMENTS for row in series),
    )


def header_identity(study: Study) -> Identity:
    """The identity in a study's header, as its evidence has it."""
    return _from_outside(_identities(study, {}), _series(study))[0]


def _series(study: Study) -> list[Series]:
    """The series that came in and show something; of a study that shows nothing, all of them."""
    rows = Series.objects.filter(study=study)
    series = [row for row in rows if not is_own(row.station_ae_title, row.modality)]
    return [row for row in series if row.instance_count] or series


def moment(value: datetime) -> str:
    """A moment as evidence and candidates hold it; it sorts as time does."""
    return value.astimezone(UTC).isoformat(timespec="microseconds")


def _identities(study: Study, conflicts: Mapping[str, list[str]]) -> tuple[Identity, ...]:
    """The header's identity, then one for each further value of any of its parts."""
    own = [getattr(study, name) for name in _CONFLICTING]
    others = zip_longest(*(sorted(conflicts.get(name, [])) for name in _CONFLICTING))
    found = [own, *([new or known for new, known in zip(other, own, strict=True)] for other in others)]
    return tuple(dict.fromkeys(_identity(*(text.strip() for text in values)) for values in found))


def _from_outside(seen: tuple[Identity, ...], series: Iterable[Series]) -> tuple[Identity, ...]:
    """The identities; where a disc brought some of it, a number without an issuer is not one of ours."""
    if all(row.station_ae_title != import_sources.DISC for row in series):
        return seen
    return tuple(
        one if one.issuer or not one.patient_id else replace(one, issuer=import_sources.UNKNOWN_ISSUER)
        for one in seen
    )


def _identity(patient_id: str, issuer: str, *others: str) -> Identity:
    """A CX typed where the ID alone belongs is taken apart (HL7 v2.5.1 2.A.14)."""
    if "^" in patient_id:
        value, _, _, authority = [*patient_id.split("^"), "", "", ""][:4]
        patient_id, issuer = value.strip(), issuer or authority.partition("&")[0].strip()
    return Identity(patient_id, issuer, *others)


def _request(item: header.Request) -> Request:
    return Request(
        scheduled_procedure_step_id=item.get("scheduled_step_id", "").strip(),
        requested_procedure_id=item.get("requested_procedure_id", "").strip(),
        accession_number=item.get("accession_number", "").strip(),
        accession_issuer=_issuer(item.get("accession_issuer")),
        study_instance_uid=item.get("study_instance_uid", "").strip(),
    )


def _issuer(named: header.Issuer | None) -> str:
    """The local name of an issuer (PS3.3 table 10-17), else its universal one."""
    return (named.get("local", "") or named.get("universal", "")) if named else ""


def _distinct(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({text.strip() for text in texts} - {""}))


def _acquired(study: Study) -> tuple[str, str]:
    """Study date and time as a moment, and the end of the day where there is no time.

    Empty where they can't be read (PS3.5 6.2 DA, TM).
    """
    date = study.study_date.replace(".", "").strip()
    time = study.study_time.replace(":", "").partition(".")[0].strip()
    try:
        local = datetime.strptime(date + time[:6].ljust(6, "0"), "%Y%m%d%H%M%S")
    except ValueError:
        return "", ""
    zone = _zone(study)
    end = local.replace(hour=23, minute=59, second=59, microsecond=999999)
    return moment(local.replace(tzinfo=zone)), "" if time else moment(end.replace(tzinfo=zone))


def _zone(study: Study) -> ZoneInfo | timezone:
    """The zone of the study's times: its Timezone Offset From UTC (0008,0201), else its facility's."""
    offset = str(study.header.get("timezone_offset", "")).strip()
    if len(offset) == 5 and offset[0] in "+-" and offset[1:].isdigit() and int(offset[1:3]) < 24:
        minutes = int(offset[1:3]) * 60 + int(offset[3:])
        return timezone(timedelta(minutes=-minutes if offset[0] == "-" else minutes))
    return ZoneInfo(study.facility.time_zone)
