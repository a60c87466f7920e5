"""F41, F42, F44, F45: the structural walk takes whole datasets and refuses all others in bounded time."""

import time
import warnings
import zlib
from io import BytesIO
from pathlib import Path
from random import Random

import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.encaps import encapsulate
from pydicom.filereader import data_element_generator

from archive.dataset.dataset_error import DatasetError
from archive.dataset.frames import walk_mapped
from archive.dataset.limits import Limits
from archive.dataset.part10 import map_dataset, open_part10
from archive.dataset.transfer_syntax import (
    DEFLATED,
    EXPLICIT_BIG_ENDIAN,
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
)
from archive.dataset.uid import valid_uid
from archive.dataset.walk import Walked, walk
from tests.archive.dataset.builders import (
    CT,
    JPEG,
    SEQUENCE_END,
    UNDEFINED,
    element,
    encoded,
    image,
    implicit,
    item,
    needs_real_files,
    nested,
    real_files,
)

UNCOMPRESSED = (IMPLICIT_LITTLE_ENDIAN, EXPLICIT_LITTLE_ENDIAN, EXPLICIT_BIG_ENDIAN)
IDENTITY = element(0x00080016, "UI", CT.encode() + b"\0") + element(0x00080018, "UI", b"1.2.3\0")
OPEN_ITEM = item(b"", UNDEFINED)[:8]


def explicit(data: bytes, **limits: int) -> Walked:
    return walk(data, EXPLICIT_LITTLE_ENDIAN, limits=Limits(**limits))


def refused(data: bytes, transfer_syntax: str = EXPLICIT_LITTLE_ENDIAN) -> str:
    with pytest.raises(DatasetError) as error:
        walk(data, transfer_syntax)
    return error.value.reason


def deflate(data: bytes, wbits: int = -15) -> bytes:
    stream = zlib.compressobj(wbits=wbits)
    return stream.compress(data) + stream.flush()


# Whole datasets


@pytest.mark.parametrize("transfer_syntax", UNCOMPRESSED)
def test_it_finds_identity_and_pixels(transfer_syntax: str) -> None:
    data = encoded(image(), transfer_syntax)
    walked = walk(data, transfer_syntax)
    assert (walked.sop_class_uid, walked.sop_instance_uid) == (CT, "1.2.3.4")
    assert (walked.study_instance_uid, walked.series_instance_uid) == ("1.2.3", "1.2.3.1")
    assert walked.pixel_data_offset == len(data) - 32
    assert data[walked.header_end : walked.header_end + 4] in (b"\xe0\x7f\x10\x00", b"\x7f\xe0\x00\x10")
    assert walked.pixels is not None and walked.pixels.native_length == 32
    assert walked.warnings == ()


@pytest.mark.parametrize("transfer_syntax", UNCOMPRESSED)
def test_a_dataset_cut_at_any_byte_is_refused(transfer_syntax: str) -> None:
    """Only a cut between two elements, before what makes it an image is complete, can't be seen."""
    data = encoded(image(), transfer_syntax)
    boundaries = element_ends(data, transfer_syntax)
    for end in range(len(data)):
        try:
            walk(data[:end], transfer_syntax)
        except DatasetError:
            continue
        assert end in boundaries[:-5]


def element_ends(data: bytes, transfer_syntax: str) -> list[int]:
    """Where the top-level elements end, by another reader."""
    file = BytesIO(data)
    elements = data_element_generator(
        file, transfer_syntax == IMPLICIT_LITTLE_ENDIAN, transfer_syntax != EXPLICIT_BIG_ENDIAN
    )
    return [file.tell() for _ in elements]


def test_an_encapsulated_dataset_cut_anywhere_in_its_pixels_is_refused() -> None:
    dataset = image(PixelData=encapsulate([b"frame one", b"frame two"]), NumberOfFrames=2)
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    data = encoded(dataset)
    walked = walk(data, JPEG)
    assert walked.encapsulated and walked.warnings == ()
    for end in range(walked.header_end, len(data)):
        refused(data[:end], JPEG)


def test_a_uid_is_stripped_of_its_padding() -> None:
    walked = explicit(IDENTITY + element(0x0020000D, "UI", b"1.2 \0"))
    assert walked.study_instance_uid == "1.2"
    assert walked.series_instance_uid == ""


@pytest.mark.parametrize("wbits", [-15, 15])
def test_deflated_data_come_raw_or_with_a_zlib_header(wbits: int) -> None:
    """PS3.5 A.5"""
    walked = walk(b"before" + deflate(encoded(image()), wbits), DEFLATED, start=6)
    assert walked.sop_instance_uid == "1.2.3.4"
    assert walked.transfer_syntax == DEFLATED


def test_deflated_data_may_be_padded_and_must_be_whole() -> None:
    data = deflate(encoded(image()))
    assert walk(data + b"\0", DEFLATED).sop_instance_uid == "1.2.3.4"
    for end in range(len(data)):
        refused(data[:end], DEFLATED)


def test_un_of_undefined_length_holds_implicit_vr() -> None:
    """PS3.5 6.2.2"""
    content = item(implicit(0x00100020, b"P1"), UNDEFINED) + SEQUENCE_END
    assert explicit(IDENTITY + element(0x00091001, "UN", content, UNDEFINED)).elements == 5


def test_items_that_switch_the_vr_coding_are_followed() -> None:
    in_un = item(element(0x00100020, "LO", b"P1")) + SEQUENCE_END
    in_sq = item(implicit(0x00100020, b"P1"))
    data = IDENTITY + element(0x00081140, "SQ", in_sq) + element(0x00091001, "UN", in_un, UNDEFINED)
    assert [warning.split(" at ")[0] for warning in explicit(data).warnings] == [
        "implicit VR item in an explicit VR dataset",
        "explicit VR item in an implicit VR sequence",
    ]


@pytest.mark.parametrize(
    ("data", "warning"),
    [
        (element(0x00020010, "UI", b"1.2\0"), "group 0000 or 0002 in the dataset"),
        (element(0x00100020, "LO", b"P1") + element(0x00100010, "PN", b"A^"), "tags not ascending"),
        (element(0x00100020, "LO", b"P12"), "odd length"),
        (element(0x00100020, "ZZ", b"P1"), "unknown VR"),
        (element(0x00081140, "SQ", item(b"") + SEQUENCE_END), "needless delimiter"),
        (element(0x00081140, "SQ", item(item(b"", UNDEFINED)[8:])), "needless delimiter"),
    ],
)
def test_oddities_that_hide_nothing_are_recorded(data: bytes, warning: str) -> None:
    assert [text.split(" at ")[0] for text in explicit(IDENTITY + data).warnings] == [warning]


def test_trailing_padding_is_no_oddity() -> None:
    """PS3.10 7.2"""
    assert explicit(IDENTITY + element(0xFFFCFFFC, "OB", bytes(100))).warnings == ()


def test_an_implicit_sequence_that_is_none_is_stepped_over() -> None:
    data = implicit(0x0040A170, b"IMAGE ")
    assert "sequence without items" in walk(data, IMPLICIT_LITTLE_ENDIAN).warnings[0]


# Broken datasets


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty dataset"),
        (element(0x00100020, "LO", b"P1", 4), "element reaches past the end"),
        (element(0x7FE00010, "OW", b"", 0xFFFFFFFE), "element reaches past the end"),
        (element(0x00100020, "lo", b"P1"), "invalid VR"),
        (element(0x00100020, "\0\0", b"P1"), "invalid VR"),
        (element(0x00081140, "SQ", item(b"", 8)), "item reaches past the end"),
        (element(0x00081140, "SQ", b"", UNDEFINED), "sequence not closed"),
        (element(0x00081140, "SQ", OPEN_ITEM, UNDEFINED), "item not closed"),
        (element(0x00081140, "SQ", OPEN_ITEM + SEQUENCE_END, UNDEFINED), "item or delimiter out of place"),
        (element(0x00081140, "SQ", IDENTITY), "item expected"),
        (element(0x00081140, "SQ", b"\xfe\xff\x00\xe0"), "item header cut short"),
        (element(0x00400000, "UT", b"", UNDEFINED), "undefined length where none may be"),
        (element(0x7FE00010, "OB", item(b""), UNDEFINED), "fragments not closed"),
        (element(0x7FE00010, "OB", item(b"", 100), UNDEFINED), "fragment reaches past the end"),
        (element(0x7FE00010, "OB", item(b"") + IDENTITY, UNDEFINED), "fragment expected"),
        (element(0x7FE00010, "OB", item(b"") + SEQUENCE_END, UNDEFINED), "missing pixel data"),
        (item(b""), "item or delimiter out of place"),
        (item(b"", UNDEFINED)[8:], "item or delimiter out of place"),
        (element(0x00080018, "UI", b"1.2.4\0"), "two values for one attribute"),
        (b"\x08\x00", "element header cut short"),
        (b"\x08\x00\x20\x00OB\0\0\0", "element header cut short"),
    ],
)  # fmt: skip
def test_broken_structure_is_refused(data: bytes, reason: str) -> None:
    assert refused(IDENTITY + data if data else data) == reason


def test_pixels_shorter_than_the_image_are_refused() -> None:
    """PS3.5 8.1.1: Rows × Columns × Samples × Bits Allocated × Frames"""
    assert refused(encoded(image(PixelData=bytes(30)))) == "truncated pixel data"
    assert refused(encoded(image(NumberOfFrames=2))) == "truncated pixel data"
    assert refused(encoded(image(PixelData=None))) == "missing pixel data"
    assert refused(encoded(image(PixelData=b""))) == "truncated pixel data"
    assert walk(encoded(image(PixelData=bytes(34))), EXPLICIT_LITTLE_ENDIAN).warnings == ()


def test_subsampled_colour_needs_two_samples_a_pixel() -> None:
    """PS3.3 C.7.6.3.1.2"""
    colour = {"SamplesPerPixel": 3, "BitsAllocated": 8, "PhotometricInterpretation": "YBR_FULL_422"}
    assert walk(encoded(image(**colour)), EXPLICIT_LITTLE_ENDIAN).warnings == ()
    assert refused(encoded(image(**colour | {"PhotometricInterpretation": "RGB"}))) == "truncated pixel data"


def test_single_bits_run_on_between_frames() -> None:
    bits = {"BitsAllocated": 1, "Rows": 3, "Columns": 3, "NumberOfFrames": 3}  # 27 bits
    assert walk(encoded(image(PixelData=bytes(4), **bits)), EXPLICIT_LITTLE_ENDIAN).warnings == ()
    assert refused(encoded(image(PixelData=bytes(2), **bits))) == "truncated pixel data"


@pytest.mark.parametrize(
    "transfer_syntax", ["", "1.2/../3", "1.2.840.10008.1.2.4.94", "1.2.840.10008.1.2.7.1"]
)
def test_a_transfer_syntax_that_is_in_no_file_is_refused(transfer_syntax: str) -> None:
    refused(IDENTITY, transfer_syntax)


# Hostile datasets


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    ("depth", "undefined"), [(33, True), (300, True), (5_000, True), (33, False), (300, False)]
)
def test_deep_nesting_is_refused(depth: int, undefined: bool) -> None:
    assert refused(nested(depth, undefined=undefined)) == "sequences nested too deep"
    assert explicit(nested(32, undefined=undefined)).elements == 64


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "data",
    [
        b"".join(element(0x00100000 + n % 60_000, "LO", b"") for n in range(400_000)),
        element(0x00081140, "SQ", item(b"") * 300_000),
        element(0x00081140, "SQ", item(element(0x00100020, "LO", b"")) * 150_000),
    ],
    ids=["elements", "empty items", "items"],
)
def test_too_many_elements_are_refused(data: bytes) -> None:
    assert refused(data) == "too many elements"


@pytest.mark.timeout(20)
def test_a_deflate_bomb_is_refused() -> None:
    bomb = deflate(bytes(256 << 20))
    assert refused(bomb, DEFLATED) == "deflated data expand too far"


def test_inflation_has_a_total_limit() -> None:
    data = deflate(Random(1).randbytes(100_000))
    with pytest.raises(DatasetError, match="expand too far"):
        walk(data, DEFLATED, limits=Limits(inflated=50_000))


@pytest.mark.parametrize("uid", ["1.2.3", "0.0", "1.02.3", "2.25." + "9" * 38, "1." + "1" * 62])
def test_valid_uids(uid: str) -> None:
    """PS3.5 9.1, with leading zeros tolerated"""
    assert valid_uid(uid)


@pytest.mark.parametrize(
    "uid",
    ["", "1", ".1", "1.", "1..2", "../../x", "/etc/x", "1.2\0", "1.2\n", "1.2 ", "1.2\\1.3", "1." + "1" * 63,
     "١.٢"],
)  # fmt: skip
def test_invalid_uids(uid: str) -> None:
    assert not valid_uid(uid)


@settings(max_examples=500, deadline=2000)
@given(st.binary(max_size=400), st.sampled_from([*UNCOMPRESSED, DEFLATED, JPEG]))
def test_noise_raises_nothing_else(data: bytes, transfer_syntax: str) -> None:
    try:
        walk(data, transfer_syntax)
    except DatasetError as error:
        assert 0 <= error.offset <= len(data)


SMALL = [encoded(image(), transfer_syntax) for transfer_syntax in UNCOMPRESSED]


@settings(max_examples=500, deadline=2000, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(range(3)),
    st.lists(st.tuples(st.integers(0, 700), st.binary(min_size=1, max_size=8)), min_size=1, max_size=5),
)
def test_changed_datasets_raise_nothing_else(which: int, changes: list[tuple[int, bytes]]) -> None:
    data = bytearray(SMALL[which])
    for place, change in changes:
        data[place : place + len(change)] = change
    try:
        walk(data, UNCOMPRESSED[which])
    except DatasetError:
        pass


# Real files

# What no reader should take for whole, and why.
REFUSED = {
    "dcm4che-test-data_src_main_resources_3gb-bulk-data-truncated": "element reaches past the end",
    "src_pydicom_data_test_files_MR_truncated.dcm": "element reaches past the end",
    "src_pydicom_data_charset_files_chrJapMulti.dcm": "missing pixel data",
    "src_pydicom_data_charset_files_chrJapMultiExplicitIR6.dcm": "missing pixel data",
    "src_pydicom_data_charset_files_chrKoreanMulti.dcm": "missing pixel data",
    "src_pydicom_data_test_files_SC_rgb_jpeg.dcm": "invalid VR",  # implicit VR under a JPEG transfer syntax
}
# pydicom takes the 'DICM' that stands in its data by chance for a preamble.
MISREAD = "dcm4che-test-data_src_main_resources_no_preamble_dicm_in_data"


def walk_file(path: Path) -> Walked:
    part10 = open_part10(path)
    with map_dataset(part10) as (buffer, start):
        return walk_mapped(buffer, start, part10)


@needs_real_files
def test_real_files_are_taken_unless_broken() -> None:
    reasons = {}
    for path in real_files():
        try:
            walk_file(path)
        except DatasetError as error:
            reasons[path.name] = error.reason
    assert reasons == REFUSED


@needs_real_files
def test_identity_agrees_with_pydicom() -> None:
    compared = 0
    for path in real_files():
        if path.name in REFUSED or path.name == MISREAD:
            continue
        walked = walk_file(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(path, force=True, stop_before_pixels=True)
            theirs = [
                str(dataset.get(keyword) or "")
                for keyword in ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
            ]
        assert theirs == [
            walked.sop_class_uid,
            walked.sop_instance_uid,
            walked.study_instance_uid,
            walked.series_instance_uid,
        ], path.name
        compared += 1
    assert compared > 200


@needs_real_files
@pytest.mark.timeout(120)
def test_changed_real_files_raise_nothing_else_and_take_no_time() -> None:
    random = Random(20260401)
    for path in real_files():
        data, part10 = path.read_bytes(), None
        try:
            part10 = open_part10(path)
        except DatasetError:
            continue
        for _ in range(8):
            changed = mutated(data, part10.dataset_offset, random)
            began = time.perf_counter()
            try:
                walk(changed, part10.transfer_syntax, start=part10.dataset_offset)
            except DatasetError:
                pass
            assert time.perf_counter() - began < 3, path.name


def mutated(data: bytes, start: int, random: Random) -> bytes:
    """Cut the data, or change some bytes, mostly in the header."""
    changed = bytearray(data)
    if random.random() < 0.3:
        return bytes(changed[: random.randrange(start, len(changed))])
    for _ in range(random.randint(1, 6)):
        place = random.randrange(start, min(len(changed), start + 4000))
        changed[place] = random.choice((0, 1, 0x7F, 0xFE, 0xFF, random.randrange(256)))
    return bytes(changed)
