"""What indexing gets of an object, and how two objects of one UID are told apart (F43)."""

import inspect
import re
import time
from pathlib import Path
from random import Random

import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate

from archive.dataset import header
from archive.dataset.dataset_error import DatasetError
from archive.dataset.header import Header, read_header
from archive.dataset.likeness import Likeness, same_content
from archive.dataset.part10 import build_preamble_and_meta, open_part10
from archive.dataset.text_value import decode_text
from archive.dataset.transfer_syntax import (
    DEFLATED,
    EXPLICIT_BIG_ENDIAN,
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
)
from tests.archive.dataset.builders import (
    CT,
    JPEG,
    REAL_FILES,
    element,
    encoded,
    image,
    item,
    needs_real_files,
    nested,
    real_files,
    stored,
)
from tests.archive.dataset.test_walk import mutated

ALL = (IMPLICIT_LITTLE_ENDIAN, EXPLICIT_LITTLE_ENDIAN, EXPLICIT_BIG_ENDIAN, DEFLATED)


def test_all_that_is_asked_for_is_read() -> None:
    """A tag that isn't listed is stepped over, and what asks for it would find it empty for ever."""
    asked = re.findall(r"\btop\.\w+\((0x[0-9A-F]{8})|\(top, (0x[0-9A-F]{8})", inspect.getsource(header))
    assert {int(one or other, 16) for one, other in asked} <= set(header._TAGS)


def header_of(tmp_path: Path, data: bytes) -> Header:
    path = tmp_path / "a.dcm"
    path.write_bytes(build_preamble_and_meta(CT, "1.2.3.4", EXPLICIT_LITTLE_ENDIAN, "") + data)
    return read_header(path)


@pytest.mark.parametrize("transfer_syntax", ALL)
def test_it_reads_what_is_indexed(tmp_path: Path, transfer_syntax: str) -> None:
    header = read_header(stored(tmp_path / "a.dcm", image(NumberOfFrames=1), transfer_syntax))
    assert header["problems"] == []
    assert header["transfer_syntax"] == transfer_syntax
    patient, study, series, instance = (header[k] for k in ("patient", "study", "series", "instance"))  # type: ignore[literal-required]
    assert patient["name"] == {
        "raw": "Müller^Jörg=山田^太郎=やまだ^たろう",
        "alphabetic": "Müller^Jörg",
        "ideographic": "山田^太郎",
        "phonetic": "やまだ^たろう",
    }
    assert (patient["id"], patient["issuer"]) == ("P1", "HOSP")
    assert patient["other_ids"] == [{"id": "P0", "issuer": "OLD", "type": ""}]
    assert (study["uid"], study["date"], study["accession_number"]) == ("1.2.3", "20260401", "A17")
    assert (series["uid"], series["modality"], series["number"]) == ("1.2.3.1", "CT", "2")
    [request] = series["requests"]
    assert (request["scheduled_step_id"], request["requested_procedure_id"]) == ("SPS1", "RP1")
    assert request["accession_issuer"]["local"] == "RIS"
    assert (instance["uid"], instance["sop_class_uid"]) == ("1.2.3.4", CT)
    assert (instance["rows"], instance["columns"], instance["frames"]) == (4, 4, "1")
    assert instance["image_type"] == ["ORIGINAL", "PRIMARY", "AXIAL"]


def test_it_can_be_told_where_the_dataset_begins(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    path.write_bytes(encoded(image()))
    assert read_header(path, 0, EXPLICIT_LITTLE_ENDIAN)["patient"]["id"] == "P1"


def test_values_are_kept_as_received(tmp_path: Path) -> None:
    data = b"".join(
        (
            element(0x00080020, "DA", b"2026.4.1"),
            element(0x00100010, "PN", b"doe^ JOHN \0"),
            element(0x00100030, "DA", b"unknown "),
            element(0x00200011, "IS", b"+007"),
        )
    )
    header = header_of(tmp_path, data)
    assert (header["study"]["date"], header["patient"]["birth_date"]) == ("2026.4.1", "unknown")
    assert (header["patient"]["name"]["raw"], header["series"]["number"]) == ("doe^ JOHN", "+007")


@pytest.mark.parametrize(
    ("raw", "terms", "text"),
    [
        (b"M\xfcller", ["ISO_IR 100"], "Müller"),
        ("Müller".encode(), ["ISO_IR 192"], "Müller"),
        ("Müller".encode(), [], "Müller"),  # undeclared
        (b"M\xfcller", [], "Müller"),
        (b"M\xfcller", ["ISO_IR 192"], "M\ufffdller"),
        (b"M\xfcller", ["KLINGON"], "Müller"),
        (
            b"\xd4\xcf\xc0\xdb^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J",
            ["ISO 2022 IR 13", "ISO 2022 IR 87"],
            "ﾔﾏﾀﾛ^ﾀﾛｳ=山田^太郎",
        ),
        (b"Hong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7", ["", "ISO 2022 IR 149"], "Hong=洪^吉洞"),
        (b"\x1b", ["ISO 2022 IR 6", "ISO 2022 IR 87"], "\x1b"),
    ],
)  # fmt: skip
def test_text_is_decoded_and_never_raises(raw: bytes, terms: list[str], text: str) -> None:
    """PS3.5 6.1.2, annexes H and I"""
    assert decode_text(raw, terms) == text


@pytest.mark.parametrize(
    "data",
    [
        nested(5_000),
        element(0x00400275, "SQ", b"\xfe\xff\x00\xe0" + bytes(2)),
        element(0x00400275, "LO", b"no items"),
        element(0x00100020, "SQ", item(b"")),
        element(0x00280010, "US", b"\1"),
        element(0x00080005, "CS", b"\xff\\\\\\ "),
        element(0x00100010, "UN", bytes(range(256))),
    ],
)
def test_hostile_elements_raise_nothing_else(tmp_path: Path, data: bytes) -> None:
    try:
        header_of(tmp_path, element(0x00080018, "UI", b"1.2.3.4\0") + data)
    except DatasetError:
        pass


def test_a_name_without_end_is_left_unread(tmp_path: Path) -> None:
    data = element(0x00100010, "UT", b"A" * 100_000) + element(0x00100020, "LO", b"P1")
    header = header_of(tmp_path, data)
    assert (header["patient"]["name"]["raw"], header["patient"]["id"]) == ("", "P1")
    assert header["problems"] == ["(0010,0010) not readable"]


# Two objects of one UID


def compare(tmp_path: Path, *objects: tuple[Dataset, str]) -> Likeness:
    paths = [stored(tmp_path / f"{n}.dcm", *entry) for n, entry in enumerate(objects)]
    return same_content(paths[0], paths[1])


def compressed(frame: bytes, fragments: int = 1, **attributes: str) -> Dataset:
    dataset = image(PixelData=encapsulate([frame], fragments_per_frame=fragments), **attributes)
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    return dataset


def test_equal_bytes_are_the_same(tmp_path: Path) -> None:
    one = (image(), EXPLICIT_LITTLE_ENDIAN)
    assert compare(tmp_path, one, one) is Likeness.SAME_BYTES


@pytest.mark.parametrize("transfer_syntax", ALL)
def test_equal_pixels_are_known_in_any_native_encoding(tmp_path: Path, transfer_syntax: str) -> None:
    coerced = image(PatientID="P2")
    others = (image(), EXPLICIT_LITTLE_ENDIAN)
    assert compare(tmp_path, (coerced, transfer_syntax), others) is Likeness.SAME_PIXELS
    changed = image(PatientID="P2", PixelData=bytes(31) + b"\1")
    assert compare(tmp_path, (changed, transfer_syntax), others) is Likeness.DIFFERENT
    wider = image(Rows=2, Columns=8)
    assert compare(tmp_path, (wider, transfer_syntax), others) is Likeness.DIFFERENT


def test_compressed_pixels_are_compared_without_their_fragmentation(tmp_path: Path) -> None:
    one, other = compressed(b"abcdefgh"), compressed(b"abcdefgh", 2, PatientID="P2")
    assert compare(tmp_path, (one, JPEG), (other, JPEG)) is Likeness.SAME_PIXELS
    assert compare(tmp_path, (one, JPEG), (compressed(b"abcdefgX"), JPEG)) is Likeness.UNDECIDED
    assert compare(tmp_path, (one, JPEG), (image(), EXPLICIT_LITTLE_ENDIAN)) is Likeness.UNDECIDED


def test_objects_without_pixels_are_compared_by_their_elements(tmp_path: Path) -> None:
    report = image(**dict.fromkeys(("PixelData", "Rows", "Columns")))
    other = image(PatientID="P2", **dict.fromkeys(("PixelData", "Rows", "Columns")))
    one = (report, EXPLICIT_LITTLE_ENDIAN)
    assert compare(tmp_path, one, (report, IMPLICIT_LITTLE_ENDIAN)) is Likeness.SAME_DATASET
    assert compare(tmp_path, one, (other, IMPLICIT_LITTLE_ENDIAN)) is Likeness.NO_PIXELS
    assert compare(tmp_path, one, (report, EXPLICIT_BIG_ENDIAN)) is Likeness.NO_PIXELS


# Real files


@needs_real_files
def test_real_files_are_read_without_problems() -> None:
    for path in real_files():
        assert read_header(path)["problems"] == [], path.name


@needs_real_files
def test_real_objects_in_two_encodings_are_the_same() -> None:
    folder = REAL_FILES / "cornerstonejs__dicomParser"
    names = [f"testImages_CT1_UNC.{c}.dcm" for c in ("implicit_little_endian", "explicit_big_endian")]
    assert same_content(*(folder / name for name in names)) is Likeness.SAME_PIXELS


@needs_real_files
@pytest.mark.timeout(180)
def test_changed_real_files_raise_nothing_else(tmp_path: Path) -> None:
    random = Random(20260402)
    for path in real_files()[::3]:
        data, start = path.read_bytes(), open_part10(path).dataset_offset
        for _ in range(3):
            changed = tmp_path / "changed.dcm"
            changed.write_bytes(mutated(data, start, random))
            began = time.perf_counter()
            try:
                read_header(changed)
            except DatasetError:
                pass
            assert time.perf_counter() - began < 3, path.name
