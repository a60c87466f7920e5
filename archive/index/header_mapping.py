"""What study, series and instance rows take from headers.

Each series keeps what its objects say of patient and study, and a study shows what its series say; so a
series that moves to another study takes its part along.
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import orjson
from django.db.models import Model

from archive.dataset.header import Header
from archive.index.header_values import COLUMNS, HeaderValues, SeriesValues, fitting, printable
from archive.models import Instance, Series, Study
from archive.models.study import PATIENT_NAME_KEYS, REFERRER_KEYS
from archive.storage.generated_objects import is_own
from worklist.patients import person_names

_LARGEST_INTEGER: Final = 2**31 - 1
_TIMES: Final = (
    "acquisition_date",
    "acquisition_time",
    "acquisition_datetime",
    "content_date",
    "content_time",
)


_OF_SERIES: Final = (
    "modality",
    "number",
    "description",
    "body_part",
    "station_name",
    "station_ae_title",
)


class InstanceColumns(NamedTuple):
    """The columns of an instance that its header fills in; `header` is JSON."""

    number: str = ""
    rows: int | None = None
    columns: int | None = None
    frames: int = 1
    header: str = "{}"


NOTHING_KNOWN: Final = InstanceColumns()
"""Those of an instance whose header can't be read."""


def show(study: Study, series: Iterable[HeaderValues]) -> None:
    """Set what a study shows to what its series, in the order in which they came, say."""
    values = HeaderValues()
    for one in series:
        values.merge(one)
    for name in COLUMNS:
        setattr(study, name, getattr(values, name))
    _set_keys(study, PATIENT_NAME_KEYS, study.patient_name)
    _set_keys(study, REFERRER_KEYS, study.referring_physician)
    study.header = values.header()


def _set_keys(study: Study, columns: Iterable[str], name: str) -> None:
    for column, key in zip(columns, person_names.keys(name), strict=True):
        setattr(study, column, fitting(Study, column, key))


def add_to_series(series: Series, header: Header, calling_ae: str) -> None:
    """Bring what an object says into its series."""
    own = header["series"]
    if not is_own(calling_ae, own["modality"]):
        values = HeaderValues.from_json(series.header_values)
        values.merge(HeaderValues.of_object(header))
        series.header_values = values.to_json()
    _fill(
        series,
        dict(
            zip(
                _OF_SERIES,
                (
                    own["modality"],
                    own["number"],
                    own["description"],
                    own["body_part"],
                    own["station_name"],
                    calling_ae,
                ),
                strict=True,
            )
        ),
    )
    said = own["laterality"] or header["instance"]["laterality"]
    series.laterality = _both(series.laterality, fitting(Series, "laterality", said))
    others = SeriesValues.from_json(series.header)
    others.add(header)
    series.header = others.to_json()


def _both(side: str, other: str) -> str:
    """The side of a series with another image; B where there are images of both (PS3.3 C.7.3.1.1.1)."""
    sides = {side[:1].upper(), other[:1].upper()}
    return "B" if sides == {"L", "R"} else side or other


def clear(series: Series) -> None:
    """Forget all that objects have said of a series, to build it anew."""
    series.header_values, series.header, series.laterality = {}, {}, ""
    for name in _OF_SERIES:
        setattr(series, name, "")


def of_instance(header: Header) -> InstanceColumns:
    """The columns of an instance."""
    own = header["instance"]
    others: dict[str, object] = {
        name: own[name] for name in (*_TIMES, "image_type", "view_position", "laterality") if own[name]
    }
    if header["problems"]:
        others["problems"] = header["problems"]
    frames = own["frames"]
    is_number = frames.isascii() and frames.isdigit() and len(frames) < 10
    return InstanceColumns(
        number=fitting(Instance, "number", own["number"]),
        rows=own["rows"],
        columns=own["columns"],
        frames=max(1, min(int(frames), _LARGEST_INTEGER)) if is_number else 1,
        header=orjson.dumps(printable(others)).decode(),
    )


def _fill(row: Model, values: Mapping[str, str]) -> None:
    for name, value in values.items():
        if value and not getattr(row, name):
            setattr(row, name, fitting(type(row), name, value))
