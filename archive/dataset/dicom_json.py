"""The DICOM JSON Model (PS3.18 Annex F) of stored objects, for WADO-RS metadata and bulk data."""

import base64
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from os import PathLike
from struct import iter_unpack
from typing import Any, Final

import orjson
from pydicom.datadict import dictionary_VR, private_dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset

from archive.dataset.attributes import Attributes, name_of, parse
from archive.dataset.dataset_error import DatasetError, guarded
from archive.dataset.frames import little_endian, native_bytes, open_image, walk_mapped
from archive.dataset.part10 import Part10, map_dataset, open_part10
from archive.dataset.tags import PIXELS
from archive.dataset.text_value import decode_text
from archive.dataset.walk import Walked

Json = dict[str, Any]
BulkDataURI = Callable[[str], str]

INLINE: Final = 1024  # longer binary values are bulk data
_DEFERRED: Final = 1 << 20  # values that aren't even read for the model
_LARGEST_HEADER: Final = 256 << 20
_DEEPEST: Final = 40  # the walk stops at 32; a UN that turns out to be a sequence may add some
_NOT_MODELLED: Final = (0x0000, 0x0002, 0xFFFC, 0xFFFE)
_CHARACTER_SET: Final = 0x00080005
_EXACT: Final = 1 << 53  # larger integers lose digits in JavaScript
# PS3.18 table F.2.3-1
_SINGLE_TEXT = frozenset(("LT", "ST", "UT", "UR"))
_TEXTS = frozenset(("AE", "AS", "CS", "DA", "DT", "LO", "SH", "TM", "UC", "UI"))
_LOCALISED = frozenset(("LO", "LT", "PN", "SH", "ST", "UC", "UT"))  # PS3.5 6.1.2.2
_NUMBERS = {"FD": "d", "FL": "f", "SL": "l", "SS": "h", "SV": "q", "UL": "L", "US": "H", "UV": "Q"}
_WHERE = re.compile(r"(?:[0-9A-F]{8}/[0-9]{1,6}/)*[0-9A-F]{8}", re.ASCII)
_VALUES = _TEXTS | _SINGLE_TEXT | _NUMBERS.keys() | {"PN", "IS", "DS", "AT"}  # the others are binary
_IS = re.compile(r"[+-]?[0-9]{1,16}", re.ASCII)
_DS = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)


@dataclass(slots=True)
class Metadata:
    """The model of one instance, and what of it couldn't be said (by tag, never with values)."""

    model: Json
    problems: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Context:
    uri: BulkDataURI
    where: str  # '' or 'GGGGEEEE/item/' of each sequence above
    depth: int


def metadata(path: str | PathLike[str], bulk_data_uri: BulkDataURI) -> Metadata:
    """Model a stored object without its bulk data (PS3.18 10.4.1.1.2).

    Parameters
    ----------
    path : path-like
        A stored object.
    bulk_data_uri : callable
        Makes the BulkDataURI of a value from where it lies: '7FE00010', or '54000100/0/54001010' for the
        first item of a sequence. `bulk_data` takes the same text.

    Notes
    -----
    Elements that stand after the pixels (signatures, padding) are left out. Texts are in UTF-8, so Specific
    Character Set says ISO_IR 192 wherever it stands (PS3.18 F.2).

    Raises
    ------
    DatasetError
        The dataset as a whole can't be read; a single broken value is kept as text or left out.
    """
    part10 = open_part10(path)
    result = Metadata({})
    with map_dataset(part10) as (buffer, start):
        walked = walk_mapped(buffer, start, part10)
        if walked.header_end - start > _LARGEST_HEADER:
            raise DatasetError("header too large", start)
        dataset = parse(buffer, start, part10.transfer_syntax, defer=_DEFERRED)
        context = _Context(bulk_data_uri, "", 0)
        with guarded("header not readable", start):
            result.model = _model(Attributes(dataset, [], result.problems), context)
        result.model |= _pixel_elements(walked, bulk_data_uri)
    return result


def to_bytes(models: Json | Iterable[Json]) -> bytes:
    """Write a model, or an array of them, as JSON in UTF-8 (PS3.18 F.2)."""
    return orjson.dumps(models if isinstance(models, dict) else list(models))


def bulk_data(path: str | PathLike[str], where: str) -> bytes:
    """Read the value that a BulkDataURI names, as little endian; encapsulated pixels are had by frames.

    Raises
    ------
    DatasetError
        There is no such value.
    """
    if len(where) > 18 * _DEEPEST or not _WHERE.fullmatch(where):
        raise DatasetError("no such value")
    steps = where.split("/")
    part10 = open_part10(path)
    if len(steps) == 1 and int(where, 16) in PIXELS:
        return _pixel_value(part10, int(where, 16))
    return _value(part10, steps)


def _pixel_value(part10: Part10, tag: int) -> bytes:
    with open_image(part10.path) as image:
        if image.tag != tag or image.walked.encapsulated:
            raise DatasetError("no such value")
        return native_bytes(image, 0, image.span.length)


def _value(part10: Part10, steps: list[str]) -> bytes:
    with map_dataset(part10) as (buffer, start):
        first = int(steps[0], 16)
        tags: list[Any] = [first, first & 0xFFFF0000 | (first & 0xFFFF) >> 8]  # with its private creator
        attributes = Attributes(parse(buffer, start, part10.transfer_syntax, tags), [], [])
        for sequence, index in zip(steps[:-1:2], steps[1:-1:2], strict=True):
            items = attributes.items(int(sequence, 16))
            if int(index) >= len(items):
                raise DatasetError("no such value")
            attributes = items[int(index)]
        tag = int(steps[-1], 16)
        raw = attributes.raw(tag)
        vr = vr_of(attributes, tag) if raw else ""
        if vr in ("", "SQ"):
            raise DatasetError("no such value")
        return _ordered(raw, vr, attributes)


# Elements


def _pixel_elements(walked: Walked, uri: BulkDataURI) -> Json:
    """Say where the pixels are to be had; they themselves never go into the model."""
    elements: Json = {}
    for tag in sorted(PIXELS & walked.spans.keys()):
        span = walked.spans[tag]
        vr = span.vr.decode() or "OW"
        name = f"{tag:08X}"
        elements[name] = {"vr": vr, "BulkDataURI": uri(name)} if span.length else {"vr": vr}
    return elements


def _model(attributes: Attributes, context: _Context) -> Json:
    """Model a dataset or an item; group lengths are left out (PS3.18 F.2.2)."""
    model: Json = {}
    for tag in sorted(attributes.elements):
        if tag & 0xFFFF == 0 or tag >> 16 in _NOT_MODELLED or (tag in PIXELS and not context.depth):
            continue
        try:
            model[f"{tag:08X}"] = _element(attributes, tag, context)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            attributes.problem(tag)  # one broken value must not take the other thousand with it
    return model


def _element(attributes: Attributes, tag: int, context: _Context) -> Json:
    vr = vr_of(attributes, tag)
    if tag == _CHARACTER_SET:
        return {"vr": "CS", "Value": ["ISO_IR 192"]}
    if vr == "SQ":
        return _sequence(attributes, tag, context)
    name = context.where + f"{tag:08X}"
    element = attributes.elements[tag]
    if element.value is None and getattr(element, "length", None):
        return {"vr": vr, "BulkDataURI": context.uri(name)}
    raw = attributes.raw(tag)
    if not raw:
        return {"vr": vr}
    if vr not in _VALUES:
        return _binary(attributes, raw, vr, context.uri, name)
    values = values_of(attributes, tag, raw, vr)
    return {"vr": vr, "Value": values} if values else {"vr": vr}


def _sequence(attributes: Attributes, tag: int, context: _Context) -> Json:
    if context.depth >= _DEEPEST:
        attributes.problem(tag)
        return {"vr": "SQ"}
    items = [
        _model(item, _Context(context.uri, f"{context.where}{tag:08X}/{index}/", context.depth + 1))
        for index, item in enumerate(attributes.items(tag))
    ]
    return {"vr": "SQ", "Value": items} if items else {"vr": "SQ"}


def _binary(attributes: Attributes, raw: bytes, vr: str, uri: BulkDataURI, name: str) -> Json:
    if len(raw) > INLINE:
        return {"vr": vr, "BulkDataURI": uri(name)}
    return {"vr": vr, "InlineBinary": base64.b64encode(_ordered(raw, vr, attributes)).decode()}


def _ordered(raw: bytes, vr: str, attributes: Attributes) -> bytes:
    """Bulk data are always little endian (PS3.18 F.2.7)."""
    return raw if _is_little(attributes.dataset) else little_endian(raw, vr)


def _is_little(dataset: Dataset) -> bool:
    return dataset.original_encoding[1] is not False


# Values


def values_of(attributes: Attributes, tag: int, raw: bytes, vr: str) -> list[Any]:
    """Convert a value by PS3.18 table F.2.3-1; [] if it is empty."""
    if vr in _NUMBERS:
        return _numbers(attributes, tag, raw, vr)
    if vr == "AT":
        order = "<" if _is_little(attributes.dataset) else ">"
        return [f"{group:04X}{number:04X}" for group, number in iter_unpack(order + "HH", _whole(raw, 4))]
    text = decode_text(raw, attributes.terms) if vr in _LOCALISED else raw.decode("latin-1")
    text = text.rstrip(" \0")
    if vr in _SINGLE_TEXT:
        return [text] if text else []
    convert = {"PN": _person_name, "IS": _integer, "DS": _decimal}.get(vr, _plain)
    values = [convert(part.strip(" \0")) for part in text.split("\\")]
    return values if any(value is not None for value in values) else []


def _plain(text: str) -> str | None:
    return text or None


def _person_name(text: str) -> Json | None:
    """PS3.18 F.2.2: component groups by name, empty ones left out."""
    name = name_of(text)
    groups = {
        "Alphabetic": name["alphabetic"],
        "Ideographic": name["ideographic"],
        "Phonetic": name["phonetic"],
    }
    return {key: value for key, value in groups.items() if value} or None


def _integer(text: str) -> int | str | None:
    """An IS is a number where it is one; what isn't stays text."""
    if not _IS.fullmatch(text):
        return text or None
    return _exact(int(text))


def _decimal(text: str) -> float | str | None:
    number = float(text) if _DS.fullmatch(text) else math.nan
    return number if math.isfinite(number) else text or None


def _exact(number: int) -> int | str:
    return number if abs(number) <= _EXACT else str(number)


def _numbers(attributes: Attributes, tag: int, raw: bytes, vr: str) -> list[Any]:
    """Unpack numbers; a partial one at the end is dropped and noted."""
    order = "<" if _is_little(attributes.dataset) else ">"
    code = _NUMBERS[vr]
    size = {"h": 2, "H": 2, "l": 4, "L": 4, "f": 4}.get(code, 8)
    if len(raw) % size:
        attributes.problem(tag)
    return [_json_number(number) for (number,) in iter_unpack(order + code, _whole(raw, size))]


def _json_number(number: float) -> int | float | str:
    """JSON has neither NaN nor infinity, nor exact 64-bit integers: these become strings (PS3.18 F.2.3)."""
    if isinstance(number, int):
        return _exact(number)
    if math.isnan(number):
        return "NaN"
    return number if math.isfinite(number) else ("Infinity" if number > 0 else "-Infinity")


def _whole(raw: bytes, size: int) -> bytes:
    return raw[: len(raw) - len(raw) % size]


# VRs


def vr_of(attributes: Attributes, tag: int) -> str:
    """Find the VR: as written, or from the dictionary in implicit VR and for UN (PS3.5 6.2.2)."""
    element = attributes.elements[tag]
    vr = element.VR
    if vr not in (None, "UN"):
        return str(vr)
    return _unambiguous(_dictionary_vr(attributes, tag), attributes, element)


def _dictionary_vr(attributes: Attributes, tag: int) -> str:
    group, number = tag >> 16, tag & 0xFFFF
    try:
        if group % 2 == 0:
            return dictionary_VR(tag)
        if 0x10 <= number <= 0xFF:
            return "LO"  # private creator, PS3.5 7.8.1
        creator = attributes.raw(group << 16 | number >> 8).decode("latin-1").strip(" \0")
        return private_dictionary_VR(tag, creator)
    except KeyError:
        return "UN"


def _unambiguous(vr: str, attributes: Attributes, element: DataElement | RawDataElement) -> str:
    """Choose among 'US or SS', 'OB or OW' and the like as PS3.5 A.1 and Pixel Representation say."""
    if " or " not in vr:
        return vr
    choices = vr.split(" or ")
    length = getattr(element, "length", 0)
    if "OW" in choices and ("US" not in choices or length > INLINE):
        return "OW"
    signed = attributes.number(0x00280103) == 1
    return "SS" if signed and "SS" in choices else "US"
