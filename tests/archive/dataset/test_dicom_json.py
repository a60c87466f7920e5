"""The DICOM JSON Model, PS3.18 Annex F."""

import base64
import json
from pathlib import Path
from random import Random
from struct import pack
from typing import Any

import pytest

from archive.dataset.dataset_error import DatasetError
from archive.dataset.dicom_json import Metadata, bulk_data, metadata, to_bytes
from archive.dataset.part10 import build_preamble_and_meta, open_part10
from archive.dataset.transfer_syntax import (
    DEFLATED,
    EXPLICIT_BIG_ENDIAN,
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
)
from tests.archive.dataset.builders import (
    CT,
    element,
    image,
    item,
    needs_real_files,
    real_files,
    stored,
)
from tests.archive.dataset.test_walk import REFUSED, mutated

ALL = (IMPLICIT_LITTLE_ENDIAN, EXPLICIT_LITTLE_ENDIAN, EXPLICIT_BIG_ENDIAN, DEFLATED)


def uri(where: str) -> str:
    return f"/bulk/{where}"


def model_of(tmp_path: Path, data: bytes) -> Metadata:
    path = tmp_path / "a.dcm"
    path.write_bytes(build_preamble_and_meta(CT, "1.2.3.4", EXPLICIT_LITTLE_ENDIAN, "") + data)
    return metadata(path, uri)


def value_of(tmp_path: Path, vr: str, raw: bytes) -> Any:
    """The model of one element, after a trip through JSON."""
    result = model_of(tmp_path, element(0x00091001, vr, raw))
    return json.loads(to_bytes(result.model))["00091001"]


@pytest.mark.parametrize("transfer_syntax", ALL)
def test_a_dataset_has_one_model_in_any_encoding(tmp_path: Path, transfer_syntax: str) -> None:
    result = metadata(stored(tmp_path / "a.dcm", image(), transfer_syntax), uri)
    assert result.problems == []
    model = result.model
    assert model["00080005"] == {"vr": "CS", "Value": ["ISO_IR 192"]}
    assert model["00100010"] == {
        "vr": "PN",
        "Value": [
            {"Alphabetic": "Müller^Jörg", "Ideographic": "山田^太郎", "Phonetic": "やまだ^たろう"},
        ],
    }
    assert model["00280010"] == {"vr": "US", "Value": [4]}
    assert model["00200011"] == {"vr": "IS", "Value": [2]}
    assert model["7FE00010"] == {"vr": "OW", "BulkDataURI": "/bulk/7FE00010"}
    [request] = model["00400275"]["Value"]
    assert request["00080051"]["Value"] == [{"00400031": {"vr": "UT", "Value": ["RIS"]}}]
    assert "00020010" not in model
    assert json.loads(to_bytes([model])) == [model]


@pytest.mark.parametrize(
    ("vr", "raw", "value"),
    [
        ("IS", b"12\\ 13\\x ", [12, 13, "x"]),
        ("IS", b"99999999999999999999", ["99999999999999999999"]),
        ("DS", b"1.5\\\\1e999\\nan\\-.5 ", [1.5, None, "1e999", "nan", -0.5]),
        ("FD", pack("<3d", 1.5, float("nan"), float("-inf")), [1.5, "NaN", "-Infinity"]),
        ("FL", pack("<f", float("inf")), ["Infinity"]),
        ("SV", pack("<2q", -5, -(1 << 60)), [-5, str(-(1 << 60))]),
        ("UV", pack("<Q", (1 << 64) - 1), [str((1 << 64) - 1)]),
        ("AT", pack("<2H", 0x0010, 0x0020), ["00100020"]),
        ("US", pack("<2H", 1, 65535), [1, 65535]),
        ("LO", b"a\\\\b ", ["a", None, "b"]),
        ("UT", b" a\\b ", [" a\\b"]),
        ("PN", b"A^B\\=C ", [{"Alphabetic": "A^B"}, {"Ideographic": "C"}]),
        ("CS", b"\xff\xfe", ["ÿþ"]),
        ("LO", b"\xff\xfe", ["ÿþ"]),
    ],
)
def test_values_are_converted(tmp_path: Path, vr: str, raw: bytes, value: list[Any]) -> None:
    """PS3.18 table F.2.3-1"""
    assert value_of(tmp_path, vr, raw) == {"vr": vr, "Value": value}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("vr", ["DS", "IS"])
@pytest.mark.parametrize("raw", [b"1" * 60_001 + b"x", b"1" * 30_000 + b"." + b"1" * 30_000 + b"x "])
def test_a_number_that_is_none_keeps_nobody(tmp_path: Path, vr: str, raw: bytes) -> None:
    """An expression that parts digits in every way needs half a minute for these."""
    raw += b" " * (len(raw) % 2)
    assert value_of(tmp_path, vr, raw) == {"vr": vr, "Value": [raw.decode().rstrip()]}


@pytest.mark.parametrize("vr", ["LO", "PN", "IS", "DS", "US", "OB", "UN", "SQ"])
def test_an_empty_value_is_left_out(tmp_path: Path, vr: str) -> None:
    """PS3.18 F.2.5"""
    assert value_of(tmp_path, vr, b"") == {"vr": vr}


def test_short_binary_is_inline_and_long_is_bulk(tmp_path: Path) -> None:
    assert value_of(tmp_path, "OB", b"abcd") == {
        "vr": "OB",
        "InlineBinary": base64.b64encode(b"abcd").decode(),
    }
    assert value_of(tmp_path, "OB", bytes(1026)) == {"vr": "OB", "BulkDataURI": "/bulk/00091001"}
    assert value_of(tmp_path, "OB", bytes(2 << 20)) == {"vr": "OB", "BulkDataURI": "/bulk/00091001"}


def test_a_partial_number_is_left_out_and_noted(tmp_path: Path) -> None:
    result = model_of(tmp_path, element(0x00091001, "US", b"\1\0\2"))
    assert result.model["00091001"] == {"vr": "US", "Value": [1]}
    assert result.problems == ["(0009,1001) not readable"]


@pytest.mark.parametrize("transfer_syntax", ALL)
def test_bulk_data_are_had_by_their_uri(tmp_path: Path, transfer_syntax: str) -> None:
    dataset = image()
    words = bytes(range(256)) * 8
    dataset.RequestAttributesSequence[0].add_new(0x00281201, "OW", words)
    path = stored(tmp_path / "a.dcm", dataset, transfer_syntax)
    asked: list[str] = []
    metadata(path, lambda where: asked.append(where) or where)  # type: ignore[func-returns-value]
    assert asked == ["00400275/0/00281201", "7FE00010"]
    if transfer_syntax != EXPLICIT_BIG_ENDIAN:  # the builder doesn't swap these
        assert bulk_data(path, asked[0]) == words
    assert bulk_data(path, asked[1]) == image().PixelData
    for where in ("00281201", "00400275/1/00281201", "00400275", "../x", "0", "", "00400275/0", "7FE00008"):
        with pytest.raises(DatasetError):
            bulk_data(path, where)


def test_a_sequence_inside_un_is_seen(tmp_path: Path) -> None:
    """PS3.5 6.2.2"""
    inner = item(pack("<HHL", 0x0010, 0x0020, 2) + b"P1")
    result = model_of(tmp_path, element(0x00400275, "UN", inner))
    assert result.model["00400275"]["Value"] == [{"00100020": {"vr": "LO", "Value": ["P1"]}}]


@needs_real_files
def test_real_files_have_models() -> None:
    for path in real_files():
        if path.name not in REFUSED:
            result = metadata(path, uri)
            assert result.problems == [], path.name
            assert json.loads(to_bytes(result.model)) == result.model


@needs_real_files
@pytest.mark.timeout(180)
def test_changed_real_files_raise_nothing_else(tmp_path: Path) -> None:
    random = Random(20260403)
    for path in real_files()[::3]:
        data, start = path.read_bytes(), open_part10(path).dataset_offset
        for _ in range(2):
            changed = tmp_path / "changed.dcm"
            changed.write_bytes(mutated(data, start, random))
            try:
                to_bytes(metadata(changed, uri).model)
            except DatasetError:
                pass
