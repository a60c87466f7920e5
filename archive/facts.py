"""What study, series and instance rows take from headers.

A value is that of the first object received that has one. An object whose identity contradicts the study's
fills in nothing of it: the contradiction is kept beside it, for reconcile to see.
"""

from collections.abc import Mapping
from typing import Any, Final, cast

from django.db.models import Field, Model

from archive.dataset.header import Header
from archive.models import Instance, Series, Study
from worklist import person_name

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


def add_to_study(study: Study, header: Header) -> None:
    """Bring an object's patient and study facts into its study."""
    patient, own = header["patient"], header["study"]
    identity = {
        "patient_name": patient["name"]["raw"],
        "header_patient_id": patient["id"],
        "issuer_of_patient_id": patient["issuer"],
        "birth_date": patient["birth_date"],
        "sex": patient["sex"],
    }
    if not _note_conflicts(study, identity, _IDENTITY):
        _fill(study, identity)
        study.patient_name_key = person_name.keys(study.patient_name)[0][:320]
        _fill_header(study.header, {"other_patient_ids": patient["other_ids"]})
    facts = {
        "accession_number": own["accession_number"],
        "study_id": own["id"],
        "study_date": own["date"],
        "study_time": own["time"],
        "description": own["description"],
        "referring_physician": own["referring_physician"]["raw"],
    }
    _note_conflicts(study, facts, ("accession_number",))
    _fill(study, facts)
    _fill_header(
        study.header,
        {
            "timezone_offset": own["timezone_offset"],
            "accession_issuer": own["accession_issuer"] if any(own["accession_issuer"].values()) else None,
            "procedure_codes": header["instance"]["procedure_codes"],
            "character_set": header["character_set"],
        },
    )


def add_to_series(series: Series, header: Header, calling_ae: str) -> None:
    """Bring an object's series facts into its series, and all requests that its objects name."""
    own = header["series"]
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


def _note_conflicts(study: Study, values: Mapping[str, str], names: tuple[str, ...]) -> bool:
    """Keep the values that contradict the study's, name by name; whether there were any."""
    found = False
    for name in names:
        there, new = getattr(study, name), _cut(Study, name, values[name])
        if not there or not new or _comparable(name, there) == _comparable(name, new):
            continue
        found = True
        others = study.header.setdefault("conflicts", {}).setdefault(name, [])
        if new not in others and len(others) < MOST_CONFLICTS:
            others.append(new)
    return found


def _comparable(name: str, value: str) -> object:
    return person_name.keys(value) if name == "patient_name" else value


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
