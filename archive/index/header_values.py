"""What headers say of patient and study, and of their series: of one object, and of all that came so far.

A value is that of the first object received that has one. An object whose identity contradicts what came
before it fills in nothing of it: the contradiction is kept beside it, for reconcile to see.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Self, cast

from django.db.models import Field, Model

from archive.dataset.header import Code, Header, Issuer, OtherPatientID, Request
from archive.models import Study
from worklist.patients import person_names

MOST_REQUESTS: Final = 100
MOST_CONFLICTS: Final = 20
IDENTITY: Final = ("header_patient_id", "issuer_of_patient_id", "patient_name", "birth_date", "sex")
_STUDY: Final = (
    "accession_number",
    "study_id",
    "study_date",
    "study_time",
    "description",
    "referring_physician",
)
COLUMNS: Final = (*IDENTITY, *_STUDY)
"""Those that are columns of a study; it keeps the others as its `header`."""
_OTHERS: Final = ("timezone_offset", "accession_issuer", "procedure_codes", "character_set")


@dataclass
class HeaderValues:
    """What headers say of patient and study; what they don't say is empty."""

    patient_name: str = ""
    header_patient_id: str = ""
    issuer_of_patient_id: str = ""
    birth_date: str = ""
    sex: str = ""
    accession_number: str = ""
    study_id: str = ""
    study_date: str = ""
    study_time: str = ""
    description: str = ""
    referring_physician: str = ""
    other_patient_ids: list[OtherPatientID] = field(default_factory=list)
    timezone_offset: str = ""
    accession_issuer: Issuer | None = None
    procedure_codes: list[Code] = field(default_factory=list)
    character_set: list[str] = field(default_factory=list)
    conflicts: dict[str, list[str]] = field(default_factory=dict)
    """Further values of the identity and of the accession number, by name."""

    @classmethod
    def of_object(cls, header: Header) -> Self:
        """What an object says."""
        patient, study = header["patient"], header["study"]
        columns: dict[str, Any] = {
            "patient_name": patient["name"]["raw"],
            "header_patient_id": patient["id"],
            "issuer_of_patient_id": patient["issuer"],
            "birth_date": patient["birth_date"],
            "sex": patient["sex"],
            "accession_number": study["accession_number"],
            "study_id": study["id"],
            "study_date": study["date"],
            "study_time": study["time"],
            "description": study["description"],
            "referring_physician": study["referring_physician"]["raw"],
        }
        columns = {name: fitting(Study, name, text) for name, text in columns.items()}
        issuer = study["accession_issuer"]
        return cls(
            **columns,
            other_patient_ids=patient["other_ids"],
            timezone_offset=study["timezone_offset"],
            accession_issuer=issuer if any(issuer.values()) else None,
            procedure_codes=header["instance"]["procedure_codes"],
            character_set=header["character_set"],
        )

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Self:
        """As a series keeps it."""
        return cls(**kept)

    def to_json(self) -> dict[str, object]:
        """As a series keeps it."""
        return _said(vars(self))

    def header(self) -> dict[str, object]:
        """What a study keeps of it beside its columns."""
        return _said({name: value for name, value in vars(self).items() if name not in COLUMNS})

    def merge(self, more: "HeaderValues") -> None:
        """Add what an object, or a series, says that came later."""
        if not self._note_conflicts(more, IDENTITY):
            self._fill(more, (*IDENTITY, "other_patient_ids"))
        self._note_conflicts(more, ("accession_number",))
        self._fill(more, (*_STUDY, *_OTHERS))
        for name, values in more.conflicts.items():
            for value in values:
                self._note_conflict(name, value)

    def _fill(self, more: "HeaderValues", names: Iterable[str]) -> None:
        for name in names:
            if not getattr(self, name) and (value := getattr(more, name)):
                setattr(self, name, printable(value))

    def _note_conflicts(self, more: "HeaderValues", names: Iterable[str]) -> bool:
        """Keep the values that contradict ours; whether there are any."""
        return any([self._note_conflict(name, getattr(more, name)) for name in names])

    def _note_conflict(self, name: str, value: str) -> bool:
        ours = getattr(self, name)
        if not ours or not value or _comparable(name, ours) == _comparable(name, value):
            return False
        others = self.conflicts.setdefault(name, [])
        if value not in others and len(others) < MOST_CONFLICTS:
            others.append(value)
        return True


@dataclass
class SeriesValues:
    """What headers say of their series beside its columns; what they don't say is empty."""

    protocol_name: str = ""
    performing_physician: str = ""
    operators_name: str = ""
    performed_start_date: str = ""
    performed_start_time: str = ""
    performed_step_uid: str = ""
    performed_protocol_codes: list[Code] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Self:
        """As a series keeps it."""
        return cls(**kept)

    def to_json(self) -> dict[str, object]:
        """As a series keeps it."""
        return _said(vars(self))

    def add(self, header: Header) -> None:
        """Add what an object says, and all requests that it names."""
        series = header["series"]
        self.protocol_name = self.protocol_name or printable(series["protocol_name"])
        self.performing_physician = self.performing_physician or printable(
            series["performing_physician"]["raw"]
        )
        self.operators_name = self.operators_name or printable(series["operators_name"]["raw"])
        self.performed_start_date = self.performed_start_date or printable(series["performed_start_date"])
        self.performed_start_time = self.performed_start_time or printable(series["performed_start_time"])
        self.performed_step_uid = self.performed_step_uid or printable(series["performed_step_uid"])
        self.performed_protocol_codes = self.performed_protocol_codes or printable(
            header["instance"]["performed_protocol_codes"]
        )
        for request in printable(series["requests"]):
            if request not in self.requests and len(self.requests) < MOST_REQUESTS:
                self.requests.append(request)


def fitting(model: type[Model], name: str, text: str) -> str:
    """As much of a text as its column holds."""
    column = cast("Field[Any, Any]", model._meta.get_field(name))
    return str(printable(text))[: column.max_length]


def printable(value: Any) -> Any:
    """A value with no NUL in its texts, which PostgreSQL refuses."""
    if isinstance(value, str):
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if isinstance(value, list):
        return [printable(entry) for entry in value]
    if isinstance(value, dict):
        return {name: printable(entry) for name, entry in value.items()}
    return value


def _said(values: dict[str, Any]) -> dict[str, object]:
    """Those of some values that are not empty."""
    return {name: value for name, value in values.items() if value}


def _comparable(name: str, value: str) -> object:
    return person_names.keys(value) if name == "patient_name" else value
