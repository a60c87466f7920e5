"""What indexing wants of an object: its attributes as received, decoded but neither converted nor judged."""

import hashlib
import mmap
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from enum import Enum
from os import PathLike
from pathlib import Path
from typing import Any, Final, TypedDict

from pydicom.charset import convert_encodings, decode_bytes, python_encoding
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag

from archive.dataset.frames import Image, image_of, native_bytes, walk_mapped
from archive.dataset.part10 import Part10, map_dataset, open_part10
from archive.dataset.walk import (
    ENCAPSULATED_UNCOMPRESSED,
    EXPLICIT_BIG_ENDIAN,
    NATIVE,
    PIXELS,
    SEQUENCE_TAGS,
    DatasetError,
    Walked,
    coding_of,
    guarded,
)

_LONGEST = 64 << 10  # no attribute that is indexed comes near; a name of a gigabyte is left unread
_MOST_ITEMS = 100
_CHARACTER_SET: Final = 0x00080005
# PS3.5 6.1.2.5.3: control characters and these end a code extension.
_DELIMITERS = {0x0A, 0x0C, 0x0D, 0x09, 0x5C, 0x5E, 0x3D}


class Name(TypedDict):
    """A PN: as received, and its component groups (PS3.5 6.2.1.2)."""

    raw: str
    alphabetic: str
    ideographic: str
    phonetic: str


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
    0x00400260, 0x00400275, 0x00081032,
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


def parse(
    buffer: mmap.mmap,
    start: int,
    transfer_syntax: str,
    tags: list[BaseTag | int] | None = None,
    *,
    defer: int | None = None,
) -> Dataset:
    """Parse the dataset up to its pixels, leaving values as raw bytes; longer ones than `defer` unread."""
    coding = coding_of(transfer_syntax)
    buffer.seek(start)
    with guarded("header not readable", start):
        return read_dataset(
            buffer,  # type: ignore[arg-type]  # a map reads, seeks and tells as a file does
            not coding.explicit,
            coding.order == "little",
            stop_when=lambda tag, vr, length: tag in PIXELS,
            defer_size=defer,
            specific_tags=tags,
        )


# Text


def character_sets(raw: bytes) -> list[str]:
    """Split the value of Specific Character Set (PS3.3 C.12.1.1.2)."""
    return [term.strip(" \0") for term in raw.decode("latin-1").split("\\")] if raw.strip(b" \0") else []


def encodings_of(terms: Sequence[str]) -> list[str]:
    """Find Python's codecs for Defined Terms; for an unknown term the default repertoire."""
    terms = [term or "ISO_IR 6" for term in terms] or ["ISO_IR 6"]
    if len(terms) == 1 and terms[0] in python_encoding:
        return [python_encoding[terms[0]]]
    try:
        with guarded("unknown character set"):
            return convert_encodings(list(terms))
    except DatasetError:
        return ["iso8859"]


def decode_text(raw: bytes, terms: Sequence[str]) -> str:
    """Decode a text value by its Specific Character Set (PS3.5 6.1.2); never raises.

    Bytes that the declared sets don't allow, or that come with none declared, are taken for UTF-8 if they
    are UTF-8, since that is what careless senders mostly write; else each is replaced or read as Latin-1.
    """
    if raw.isascii() and b"\x1b" not in raw and not terms:
        return raw.decode("ascii")
    encodings = encodings_of(terms)
    try:
        if b"\x1b" in raw:
            with guarded("text not readable"):
                return decode_bytes(raw, encodings, _DELIMITERS)
        return raw.decode(encodings[0] if terms else "utf-8")
    except (UnicodeError, LookupError, DatasetError):
        return _decode_broken(raw, encodings[0])


def _decode_broken(raw: bytes, encoding: str) -> str:
    for codec, errors in (("utf-8", "strict"), (encoding, "replace")):
        try:
            return raw.decode(codec, errors)
        except (UnicodeError, LookupError):
            continue
    return raw.decode("latin-1")


def name_of(text: str) -> Name:
    """Split a decoded PN into component groups (PS3.5 6.2.1.2)."""
    groups = [group.strip(" ") for group in text.split("=")] + ["", "", ""]
    return Name(raw=text, alphabetic=groups[0], ideographic=groups[1], phonetic=groups[2])


class Attributes:
    """Attributes of a dataset or an item, read without ever raising; what can't be read is noted."""

    def __init__(self, dataset: Dataset, terms: Sequence[str], problems: list[str]) -> None:
        self.dataset = dataset
        self.problems = problems
        # The library converts elements on the way to others: take them while they are as received.
        self.elements = {
            int(tag): dataset.get_item(tag, keep_deferred=True)
            for tag in dataset.keys()  # noqa: SIM118  (iterating a Dataset converts its elements)
        }
        raw = self.raw(_CHARACTER_SET)
        self.terms = character_sets(raw) if raw.strip(b" \0") else list(terms)

    def raw(self, tag: int) -> bytes:
        """Read the bytes of a value; b'' if absent, too long, or no bytes."""
        element = self.elements.get(tag)
        if element is None:
            return b""
        if isinstance(element.value, bytes):
            return element.value
        if element.value is not None or getattr(element, "length", None):
            self.problem(tag)
        return b""

    def problem(self, tag: int) -> None:
        if len(self.problems) < 100:
            self.problems.append(f"({tag >> 16:04X},{tag & 0xFFFF:04X}) not readable")

    def text(self, tag: int) -> str:
        """Read a text as received, padding removed (PS3.5 6.2)."""
        return decode_text(self.raw(tag), self.terms).strip(" \0")

    def texts(self, tag: int) -> list[str]:
        text = self.text(tag)
        return [value.strip(" \0") for value in text.split("\\")] if text else []

    def name(self, tag: int) -> Name:
        return name_of(self.text(tag))

    def number(self, tag: int) -> int | None:
        """Read the first value of a US."""
        raw = self.raw(tag)
        little = self.dataset.original_encoding[1] is not False
        return int.from_bytes(raw[:2], "little" if little else "big") if len(raw) >= 2 else None

    def items(self, tag: int) -> list["Attributes"]:
        """Read the items of a sequence."""
        if tag not in self.elements:
            return []
        try:
            with guarded("sequence not readable"):
                element = self.dataset[tag]
                items = list(element.value or [])
                if not all(isinstance(item, Dataset) for item in items):
                    raise DatasetError("sequence not readable")
        except DatasetError:
            self.problem(tag)
            return []
        return [Attributes(item, self.terms, self.problems) for item in items]


# Header


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
        procedure_codes=_codes(top, 0x00081032),
        performed_protocol_codes=_codes(top, 0x00400260),
    )


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


# Two objects of one UID


class Likeness(Enum):
    """How much two stored objects are the same."""

    SAME_BYTES = "same dataset bytes"
    SAME_DATASET = "same elements in another encoding"
    SAME_PIXELS = "equal pixels under another header"
    DIFFERENT = "different content"
    UNDECIDED = "can't be told without decoding pixels"


def same_content(first: str | PathLike[str], second: str | PathLike[str]) -> Likeness:
    """Compare two stored objects, as they come under one SOP Instance UID.

    Pixels are compared without decoding them: native ones in any byte order, encapsulated ones fragment
    by fragment within one transfer syntax. A compressed and a native copy are UNDECIDED.
    """
    one, other = open_part10(first), open_part10(second)
    with ExitStack() as stack:
        mapped = [stack.enter_context(map_dataset(part10)) for part10 in (one, other)]
        alike = one.transfer_syntax == other.transfer_syntax or {
            one.transfer_syntax,
            other.transfer_syntax,
        } <= (NATIVE - {EXPLICIT_BIG_ENDIAN})
        if one.transfer_syntax == other.transfer_syntax and _same_bytes(*mapped[0], *mapped[1]):
            return Likeness.SAME_BYTES
        walks = [walk_mapped(*pair, part10) for pair, part10 in zip(mapped, (one, other), strict=True)]
        if any(walked.pixel_data_offset is not None for walked in walks):
            return _compare_pixels(mapped[0][0], walks[0], mapped[1][0], walks[1])
        if not alike:
            return Likeness.UNDECIDED
        elements = [
            _elements(parse(*pair, part10.transfer_syntax))
            for pair, part10 in zip(mapped, (one, other), strict=True)
        ]
        return Likeness.SAME_DATASET if elements[0] == elements[1] else Likeness.DIFFERENT


def _same_bytes(first: mmap.mmap, first_start: int, second: mmap.mmap, second_start: int) -> bool:
    size = len(first) - first_start
    if size != len(second) - second_start:
        return False
    return all(
        first[first_start + done : first_start + min(done + (1 << 20), size)]
        == second[second_start + done : second_start + min(done + (1 << 20), size)]
        for done in range(0, size, 1 << 20)
    )


def _compare_pixels(first: mmap.mmap, one: Walked, second: mmap.mmap, other: Walked) -> Likeness:
    if None in (one.pixel_data_offset, other.pixel_data_offset) or one.pixels != other.pixels:
        return Likeness.DIFFERENT if _comparable(one, other) else Likeness.UNDECIDED
    if not _comparable(one, other):
        return Likeness.UNDECIDED
    digests = [_pixel_digest(image_of(first, one)), _pixel_digest(image_of(second, other))]
    return Likeness.SAME_PIXELS if digests[0] == digests[1] else Likeness.DIFFERENT


def _comparable(one: Walked, other: Walked) -> bool:
    """Tell whether both hold native pixels, or encapsulated ones of the same transfer syntax."""
    if one.encapsulated and other.encapsulated:
        return one.transfer_syntax == other.transfer_syntax
    return _native(one) and _native(other)


def _native(walked: Walked) -> bool:
    return not walked.encapsulated or walked.transfer_syntax == ENCAPSULATED_UNCOMPRESSED


def _pixel_digest(image: Image) -> bytes:
    digest = hashlib.sha256(image.tag.to_bytes(4, "big"))
    for chunk in _fragments(image) if image.walked.encapsulated else _native_chunks(image):
        digest.update(chunk)
    return digest.digest()


def _native_chunks(image: Image) -> Iterator[bytes]:
    end = image.pixels.native_length
    for start in range(0, end, 1 << 20):
        yield native_bytes(image, start, min(start + (1 << 20), end))


def _fragments(image: Image) -> Iterator[bytes]:
    """Give the fragments after the Basic Offset Table (PS3.5 A.4); the walk has seen them all."""
    position = image.span.value
    first = True
    while image.buffer[position : position + 4] == b"\xfe\xff\x00\xe0":
        length = int.from_bytes(image.buffer[position + 4 : position + 8], "little")
        position += 8
        if not first:
            yield image.buffer[position : position + length]
        first = False
        position += length


def _elements(dataset: Dataset) -> dict[int, Any]:
    """Bring the elements of a little endian dataset into a form in which two can be compared."""
    elements: dict[int, Any] = {}
    for tag in dataset.keys():  # noqa: SIM118  (iterating a Dataset converts its elements)
        if tag.element == 0 or tag == 0xFFFCFFFC:  # group lengths and padding
            continue
        with guarded("header not readable"):
            raw = dataset.get_item(tag)
            is_sequence = raw.VR == "SQ" or tag in SEQUENCE_TAGS
            value = [_elements(item) for item in dataset[tag].value or []] if is_sequence else raw.value
        elements[tag] = value or b""
    return elements
