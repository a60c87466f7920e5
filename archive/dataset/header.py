"""What indexing wants of an object: its attributes as received, decoded but neither converted nor judged."""

from os import PathLike
from pathlib import Path
from typing import Final, TypedDict

from pydicom.tag import BaseTag

from archive.dataset.attributes import Attributes, Name, parse
from archive.dataset.dataset_error import guarded
from archive.dataset.part10 import Part10, map_dataset, open_part10

_LONGEST = 64 << 10  # no attribute that is indexed comes near; a name of a gigabyte is left unread
_MOST_ITEMS = 100


class Issuer(TypedDict):
    """HL7v2 Hierarchic Designator Macro (PS3.3 table 10-17)."""

    local: str
    universal: str
    universal_type: str


class OtherPatientID(TypedDict):
    id: str
    issuer: str
    type: str


class Code(TypedDict):
    """Code Sequence Macro (PS3.3 table 8.8-1)."""

    value: str
    scheme: str
    version: str
    meaning: str


class Request(TypedDict):
    """Item of Request Attributes Sequence (PS3.3 table 10-9)."""

    scheduled_step_id: str
    requested_procedure_id: str
    accession_number: str
    accession_issuer: Issuer
    study_instance_uid: str


class PatientHeader(TypedDict):
    name: Name
    id: str
    issuer: str
    other_ids: list[OtherPatientID]
    birth_date: str
    sex: str


class StudyHeader(TypedDict):
    uid: str
    date: str
    time: str
    timezone_offset: str
    accession_number: str
    accession_issuer: Issuer
    id: str
    description: str
    referring_physician: Name


class SeriesHeader(TypedDict):
    uid: str
    modality: str
    number: str
    description: str
    body_part: str
    laterality: str
    protocol_name: str
    station_name: str
    performing_physician: Name
    operators_name: Name
    requests: list[Request]
    performed_start_date: str
    performed_start_time: str
    performed_step_uid: str


class InstanceHeader(TypedDict):
    uid: str
    sop_class_uid: str
    number: str
    acquisition_date: str
    acquisition_time: str
    acquisition_datetime: str
    content_date: str
    content_time: str
    rows: int | None
    columns: int | None
    frames: str
    image_type: list[str]
    view_position: str
    laterality: str  # Image Laterality, or Frame Laterality of all frames
    procedure_codes: list[Code]  # Procedure Code Sequence: what was done
    performed_protocol_codes: list[Code]


class Header(TypedDict):
    """Everything that is indexed. Texts are as received but for their padding; '' if absent."""

    transfer_syntax: str
    character_set: list[str]
    patient: PatientHeader
    study: StudyHeader
    series: SeriesHeader
    instance: InstanceHeader
    problems: list[str]  # attributes that couldn't be read, by tag; never with their values


# Top-level attributes that are read; all others are stepped over.
_TAGS: Final[list[BaseTag | int]] = [
    0x00080005, 0x00080008, 0x00080016, 0x00080018, 0x00080020, 0x00080022, 0x00080023, 0x0008002A,
    0x00080030, 0x00080032, 0x00080033, 0x00080050, 0x00080051, 0x00080060, 0x00080090, 0x00080201,
    0x00081010, 0x00081030, 0x0008103E, 0x00081050, 0x00081111, 0x00100010, 0x00100020, 0x00100021,
    0x00100030, 0x00100040, 0x00101002, 0x00180015, 0x00181030, 0x0020000D, 0x0020000E, 0x00200010,
    0x00200011, 0x00200013, 0x00200060, 0x00280008, 0x00280010, 0x00280011, 0x00400244, 0x00400245,
    0x00400260, 0x00400275, 0x00081032, 0x00081070, 0x00185101, 0x00200062, 0x52009229,
]  # fmt: skip


def read_header(
    path: str | PathLike[str], dataset_offset: int | None = None, transfer_syntax: str = ""
) -> Header:
    """Read what indexing needs; the walk must have passed before.

    Parameters
    ----------
    path : path-like
        A stored object.
    dataset_offset, transfer_syntax
        Where the dataset begins and how it is written, if both are known; else the file is asked.

    Raises
    ------
    DatasetError
        The dataset can't be read. (OSError, as the file system raises it, is passed on.)
    """
    if dataset_offset is None or not transfer_syntax:
        part10 = open_part10(path)
    else:
        size = Path(path).stat().st_size
        part10 = Part10(Path(path), size, dataset_offset, transfer_syntax, {}, dataset_offset > 0, False)
    with map_dataset(part10) as (buffer, start):
        dataset = parse(buffer, start, part10.transfer_syntax, _TAGS, defer=_LONGEST)
        with guarded("header not readable", start):
            return _header(Attributes(dataset, [], []), part10.transfer_syntax)


def _header(top: Attributes, transfer_syntax: str) -> Header:
    return Header(
        transfer_syntax=transfer_syntax,
        character_set=list(top.terms),
        patient=_patient(top),
        study=_study(top),
        series=_series(top),
        instance=_instance(top),
        problems=top.problems,
    )


def _patient(top: Attributes) -> PatientHeader:
    others = [
        OtherPatientID(id=item.text(0x00100020), issuer=item.text(0x00100021), type=item.text(0x00100022))
        for item in top.items(0x00101002)[:_MOST_ITEMS]
    ]
    return PatientHeader(
        name=top.name(0x00100010),
        id=top.text(0x00100020),
        issuer=top.text(0x00100021),
        other_ids=others,
        birth_date=top.text(0x00100030),
        sex=top.text(0x00100040),
    )


def _study(top: Attributes) -> StudyHeader:
    return StudyHeader(
        uid=top.text(0x0020000D),
        date=top.text(0x00080020),
        time=top.text(0x00080030),
        timezone_offset=top.text(0x00080201),
        accession_number=top.text(0x00080050),
        accession_issuer=_issuer(top),
        id=top.text(0x00200010),
        description=top.text(0x00081030),
        referring_physician=top.name(0x00080090),
    )


def _issuer(attributes: Attributes) -> Issuer:
    """Read Issuer of Accession Number Sequence."""
    items = attributes.items(0x00080051)
    texts = [items[0].text(tag) if items else "" for tag in (0x00400031, 0x00400032, 0x00400033)]
    return Issuer(local=texts[0], universal=texts[1], universal_type=texts[2])


def _series(top: Attributes) -> SeriesHeader:
    steps = top.items(0x00081111)
    return SeriesHeader(
        uid=top.text(0x0020000E),
        modality=top.text(0x00080060),
        number=top.text(0x00200011),
        description=top.text(0x0008103E),
        body_part=top.text(0x00180015),
        laterality=top.text(0x00200060),
        protocol_name=top.text(0x00181030),
        station_name=top.text(0x00081010),
        performing_physician=top.name(0x00081050),
        operators_name=top.name(0x00081070),
        requests=[_request(item) for item in top.items(0x00400275)[:_MOST_ITEMS]],
        performed_start_date=top.text(0x00400244),
        performed_start_time=top.text(0x00400245),
        performed_step_uid=steps[0].text(0x00081155) if steps else "",
    )


def _request(item: Attributes) -> Request:
    return Request(
        scheduled_step_id=item.text(0x00400009),
        requested_procedure_id=item.text(0x00401001),
        accession_number=item.text(0x00080050),
        accession_issuer=_issuer(item),
        study_instance_uid=item.text(0x0020000D),
    )


def _instance(top: Attributes) -> InstanceHeader:
    return InstanceHeader(
        uid=top.text(0x00080018),
        sop_class_uid=top.text(0x00080016),
        number=top.text(0x00200013),
        acquisition_date=top.text(0x00080022),
        acquisition_time=top.text(0x00080032),
        acquisition_datetime=top.text(0x0008002A),
        content_date=top.text(0x00080023),
        content_time=top.text(0x00080033),
        rows=top.number(0x00280010),
        columns=top.number(0x00280011),
        frames=top.text(0x00280008),
        image_type=top.texts(0x00080008),
        view_position=top.text(0x00185101),
        laterality=top.text(0x00200062) or _frame_laterality(top),
        procedure_codes=_codes(top, 0x00081032),
        performed_protocol_codes=_codes(top, 0x00400260),
    )


def _frame_laterality(top: Attributes) -> str:
    """The side of all frames of an enhanced object (PS3.3 C.7.6.16.2.8)."""
    for shared in top.items(0x52009229)[:1]:
        for anatomy in shared.items(0x00209071)[:1]:
            return anatomy.text(0x00209072)
    return ""


def _codes(top: Attributes, tag: int) -> list[Code]:
    return [
        Code(
            value=item.text(0x00080100),
            scheme=item.text(0x00080102),
            version=item.text(0x00080103),
            meaning=item.text(0x00080104),
        )
        for item in top.items(tag)[:_MOST_ITEMS]
    ]
