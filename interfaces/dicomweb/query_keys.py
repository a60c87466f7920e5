"""The query of a QIDO-RS request: matching keys, paging, fields to include (PS3.18 8.3.4)."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.http import QueryDict

from archive.dataset.uid import valid_uid
from archive.search.study_search import Range
from interfaces.dicomweb.attributes import BadAttribute, path_of
from ledger import wildcards

STUDY, SERIES, INSTANCE = "study", "series", "instance"
LEVELS: Final = (STUDY, SERIES, INSTANCE)
_DATE: Final = re.compile(r"[0-9]{8}", re.ASCII)
_TIME: Final = re.compile(r"[0-9]{2}(?:[0-9]{2}(?:[0-9]{2}(?:\.[0-9]{1,6})?)?)?", re.ASCII)


class BadQuery(Exception):
    """A query that makes no sense, with what is wrong about it."""


@dataclass(slots=True)
class Query:
    """What is searched for; `keys` has the arguments of the search functions, level by level."""

    keys: dict[str, dict[str, Any]] = field(default_factory=lambda: {level: {} for level in LEVELS})
    limit: int | None = None
    offset: int = 0
    include: frozenset[str] = frozenset()
    include_all: bool = False
    fuzzy: bool = False


def parse(parameters: QueryDict, level: str) -> Query:
    """Read the parameters of a search at `level`; keys of levels below it are refused.

    Raises
    ------
    BadQuery
    """
    query = Query()
    included: set[str] = set()
    for name, values in parameters.lists():
        if name == "limit":
            query.limit = _count(name, values)
        elif name == "offset":
            query.offset = _count(name, values)
        elif name == "fuzzymatching":
            query.fuzzy = _boolean(name, values)
        elif name == "includefield":
            included |= set(_attributes(values))
        else:
            _add_key(query, name, values, level)
    query.include_all = "all" in included
    query.include = frozenset(included)
    return query


def _count(name: str, values: list[str]) -> int:
    if len(values) != 1 or not re.fullmatch(r"[0-9]{1,9}", values[0], re.ASCII):
        raise BadQuery(f"{name} has to be one whole number")
    return int(values[0])


def _boolean(name: str, values: list[str]) -> bool:
    if values not in (["true"], ["false"]):
        raise BadQuery(f"{name} has to be true or false")
    return values == ["true"]


def _attributes(values: list[str]) -> list[str]:
    names = [name.strip() for value in values for name in value.split(",") if name.strip()]
    return [name if name == "all" else _path(name) for name in names]


def _path(name: str) -> str:
    try:
        return path_of(name)
    except BadAttribute as error:
        raise BadQuery(f"{str(error)[:64]!r} is neither an attribute nor a parameter known here") from None


def _add_key(query: Query, name: str, values: list[str], level: str) -> None:
    path = _path(name)
    known = KEYS.get(path)
    if known is None:
        raise BadQuery(f"{name[:64]} can't be matched here")
    of_level, argument, read = known
    if LEVELS.index(of_level) > LEVELS.index(level):
        raise BadQuery(f"{name[:64]} can't be matched in a search for {_PLURALS[level]}")
    if argument in query.keys[of_level]:
        raise BadQuery(f"{name[:64]} is there twice")
    if len(values) > 1 and read is not _list and read is not _uids:
        raise BadQuery(f"{name[:64]} is there twice")
    value = read(name[:64], values)
    if value:
        query.keys[of_level][argument] = value


_PLURALS: Mapping[str, str] = {STUDY: "studies", SERIES: "series", INSTANCE: "instances"}


# Values


def _text(name: str, values: list[str]) -> str:
    text = values[0].strip()
    if "\0" in text or len(text) > 320:
        raise BadQuery(f"{name} has a value that can't be")
    return text


def _list(name: str, values: list[str]) -> list[str]:
    found = [part for value in values for part in re.split(r"[,\\]", _text(name, [value])) if part]
    if wildcards.is_too_long(found):
        raise BadQuery(f"{name} has too many values")
    return found


def _uids(name: str, values: list[str]) -> list[str]:
    """UID list matching, by comma and by backslash (PS3.18 8.3.4.1, PS3.4 C.2.2.2.2)."""
    uids = [part.strip() for value in values for part in re.split(r"[,\\]", value) if part.strip()]
    if uids == ["*"]:
        return []
    if len(uids) > wildcards.MOST_VALUES or not all(valid_uid(uid) for uid in uids):
        raise BadQuery(f"{name} has to be a UID, or a list of them")
    return uids


def _range(pattern: re.Pattern[str], what: str) -> Callable[[str, list[str]], Range | None]:
    """Range matching (PS3.4 C.2.2.2.5); the older forms with dots and colons are read too."""

    def read(name: str, values: list[str]) -> Range | None:
        text = values[0].strip()
        if text in ("", "*", '""'):
            return None
        parts = [re.sub(r"(?<=\d)[.:](?=\d\d(?:\D|$))", "", part.strip()) for part in text.split("-")]
        if len(parts) > 2 or not any(parts) or not all(not part or pattern.fullmatch(part) for part in parts):
            raise BadQuery(f"{name} has to be a {what}, or a range of them")
        return Range(parts[0], parts[-1])

    return read


_dates = _range(_DATE, "date as YYYYMMDD")
_times = _range(_TIME, "time as HHMMSS")

KEYS: Final[Mapping[str, tuple[str, str, Callable[[str, list[str]], Any]]]] = {
    path_of(name): (level, argument, read)
    for name, level, argument, read in (
        ("StudyInstanceUID", STUDY, "study_instance_uids", _uids),
        ("AccessionNumber", STUDY, "accession_number", _text),
        ("PatientID", STUDY, "patient_id", _text),
        ("IssuerOfPatientID", STUDY, "issuer_of_patient_id", _text),
        ("PatientName", STUDY, "patient_name", _text),
        ("PatientBirthDate", STUDY, "patient_birth_date", _text),
        ("PatientSex", STUDY, "patient_sex", _text),
        ("StudyDate", STUDY, "study_date", _dates),
        ("StudyTime", STUDY, "study_time", _times),
        ("StudyID", STUDY, "study_id", _text),
        ("StudyDescription", STUDY, "study_description", _text),
        ("ReferringPhysicianName", STUDY, "referring_physician", _text),
        ("ModalitiesInStudy", STUDY, "modalities_in_study", _list),
        ("SeriesInstanceUID", SERIES, "series_instance_uids", _uids),
        ("Modality", SERIES, "modalities", _list),
        ("SeriesNumber", SERIES, "number", _text),
        ("SeriesDescription", SERIES, "description", _text),
        ("BodyPartExamined", SERIES, "body_part", _text),
        ("PerformedProcedureStepStartDate", SERIES, "performed_start_date", _dates),
        ("PerformedProcedureStepStartTime", SERIES, "performed_start_time", _times),
        ("RequestAttributesSequence.ScheduledProcedureStepID", SERIES, "scheduled_step_id", _text),
        ("RequestAttributesSequence.RequestedProcedureID", SERIES, "requested_procedure_id", _text),
        ("SOPInstanceUID", INSTANCE, "sop_instance_uids", _uids),
        ("SOPClassUID", INSTANCE, "sop_class_uids", _uids),
        ("InstanceNumber", INSTANCE, "number", _text),
    )
}
"""What can be matched (PS3.18 table 10.6.1-5): tags → level, argument of the search, reader of the value."""
