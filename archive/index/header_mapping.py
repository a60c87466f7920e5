"""What study, series and instance rows take from headers.

A value is that of the first object received that has one. An object whose identity contradicts what was told
before it fills in nothing of it: the contradiction is kept beside it, for reconcile to see. Each series keeps
what its objects told of patient and study, and a study shows what its series were told; so a series that
moves to another study takes its part along.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from django.db.models import Field, Model

from archive.dataset.header import Header
from archive.models import Instance, Series, Study
from archive.models.study import PATIENT_NAME_KEYS, REFERRER_KEYS
from archive.storage.generated_objects import is_own
from worklist.patients import person_names

MOST_REQUESTS: Final = 100
MOST_CONFLICTS: Final = 20
_LARGEST_INTEGER: Final = 2**31 - 1
NOTHING_KNOWN: Final[dict[str, Any]] = {
    "number": "",
    "rows": None,
    "columns": None,
    "frames": 1,
    "header": {},
}
"""The columns of an instance whose header can't be read."""
_IDENTITY: Final = ("header_patient_id", "issuer_of_patient_id", "patient_name", "birth_date", "sex")
_OF_STUDY: Final = (
    "accession_number",
    "study_id",
    "study_date",
    "study_time",
    "description",
    "referring_physician",
)


def of_object(header: Header) -> dict[str, Any]:
    """What an object says of its patient and study: the columns of `Study`, and its `header`."""
    patient, own = header["patient"], header["study"]
    issuer = own["accession_issuer"]
    told = {
        "patient_name": patient["name"]["raw"],
        "header_patient_id": patient["id"],
        "issuer_of_patient_id": patient["issuer"],
        "birth_date": patient["birth_date"],
        "sex": patient["sex"],
        "accession_number": own["accession_number"],
        "study_id": own["id"],
        "study_date": own["date"],
        "study_time": own["time"],
        "description": own["description"],
        "referring_physician": own["referring_physician"]["raw"],
    }
    header_facts = {
        "other_patient_ids": patient["other_ids"],
        "timezone_offset": own["timezone_offset"],
        "accession_issuer": issuer if any(issuer.values()) else None,
        "procedure_codes": header["instance"]["procedure_codes"],
        "character_set": header["character_set"],
    }
    return {**{name: _cut(Study, name, value) for name, value in told.items()}, "header": header_facts}


def merge(told: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Bring what an object, or a series, says of patient and study into what was told before it."""
    header = told.setdefault("header", {})
    others = {**more["header"]}
    conflicts = others.pop("conflicts", {})
    whose = others.pop("other_patient_ids", None)
    if not _note_conflicts(told, more, _IDENTITY):
        _fill_told(told, more, _IDENTITY)
        _fill_header(header, {"other_patient_ids": whose})
    _note_conflicts(told, more, ("accession_number",))
    _fill_told(told, more, _OF_STUDY)
    _fill_header(header, others)
    for name, values in conflicts.items():
        for value in values:
            _note_conflicts(told, {name: value}, (name,))


def tell(study: Study, series: Iterable[Mapping[str, Any]]) -> None:
    """Set what a study shows to what its series, in the order in which they came, were told."""
    told: dict[str, Any] = {}
    for one in series:
        if one:
            merge(told, one)
    for name in (*_IDENTITY, *_OF_STUDY):
        setattr(study, name, told.get(name, ""))
    _set_keys(study, PATIENT_NAME_KEYS, study.patient_name)
    _set_keys(study, REFERRER_KEYS, study.referring_physician)
    study.header = told.get("header", {})


def _set_keys(study: Study, columns: Iterable[str], name: str) -> None:
    for column, key in zip(columns, person_names.keys(name), strict=True):
        setattr(study, column, _cut(Study, column, key))


def add_to_series(series: Series, header: Header, calling_ae: str) -> None:
    """Bring an object's facts into its series, and all requests that its objects name."""
    own = header["series"]
    if not is_own(calling_ae, own["modality"]):
        merge(series.told, of_object(header))
    _fill(
        series,
        {
            "modality": own["modality"],
            "number": own["number"],
            "description": own["description"],
            "body_part": own["body_part"],
            "laterality": own["laterality"],
            "station_name": own["station_name"],
            "station_ae_title": calling_ae,
        },
    )
    _fill_header(
        series.header,
        {
            "protocol_name": own["protocol_name"],
            "performing_physician": own["performing_physician"]["raw"],
            "performed_start_date": own["performed_start_date"],
            "performed_start_time": own["performed_start_time"],
            "performed_step_uid": own["performed_step_uid"],
            "performed_protocol_codes": header["instance"]["performed_protocol_codes"],
        },
    )
    requests = series.header.setdefault("requests", [])
    for request in _clean(own["requests"]):
        if request not in requests and len(requests) < MOST_REQUESTS:
            requests.append(request)


def of_instance(header: Header) -> dict[str, Any]:
    """The columns of an instance: number, rows, columns, frames, header."""
    own = header["instance"]
    kept = ("acquisition_date", "acquisition_time", "acquisition_datetime", "content_date", "content_time")
    facts = {name: own[name] for name in (*kept, "image_type") if own[name]}  # type: ignore[literal-required]
    if header["problems"]:
        facts["problems"] = header["problems"]
    frames = own["frames"]
    is_number = frames.isascii() and frames.isdigit() and len(frames) < 10
    return {
        "number": _cut(Instance, "number", own["number"]),
        "rows": own["rows"],
        "columns": own["columns"],
        "frames": max(1, min(int(frames), _LARGEST_INTEGER)) if is_number else 1,
        "header": _clean(facts),
    }


def _note_conflicts(told: dict[str, Any], values: Mapping[str, Any], names: Iterable[str]) -> bool:
    """Keep the values that contradict what was told, name by name; whether there were any."""
    found = False
    for name in names:
        there, new = told.get(name, ""), values.get(name, "")
        if not there or not new or _comparable(name, there) == _comparable(name, new):
            continue
        found = True
        others = told["header"].setdefault("conflicts", {}).setdefault(name, [])
        if new not in others and len(others) < MOST_CONFLICTS:
            others.append(new)
    return found


def _fill_told(told: dict[str, Any], values: Mapping[str, Any], names: Iterable[str]) -> None:
    for name in names:
        if values.get(name) and not told.get(name):
            told[name] = values[name]


def _comparable(name: str, value: str) -> object:
    return person_names.keys(value) if name == "patient_name" else value


def _fill(row: Model, values: Mapping[str, str]) -> None:
    for name, value in values.items():
        if value and not getattr(row, name):
            setattr(row, name, _cut(type(row), name, value))


def _fill_header(header: dict[str, Any], values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if value and not header.get(name):
            header[name] = _clean(value)


def _cut(model: type[Model], name: str, value: str) -> str:
    """Make a text fit its column, with no NUL in it, which PostgreSQL refuses."""
    field = cast("Field[Any, Any]", model._meta.get_field(name))
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}")[: field.max_length]


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if isinstance(value, list):
        return [_clean(entry) for entry in value]
    if isinstance(value, dict):
        return {name: _clean(entry) for name, entry in value.items()}
    return value
