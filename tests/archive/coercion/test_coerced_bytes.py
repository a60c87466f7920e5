"""Objects with a coercion, read again by other implementations: nothing but what was coerced differs."""

import shutil
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence

from archive.coercion import coerced_json
from archive.coercion.attribute_coercion import COERCE, CORRECT, Coercion, Request
from archive.coercion.coerced_bytes import coerced
from archive.dataset import dicom_json
from archive.dataset.part10 import build_preamble_and_meta, open_part10
from archive.dataset.transfer_syntax import DEFLATED
from archive.dataset.walk import walk
from tests.archive.dataset.builders import (
    CT,
    EXPLICIT_BIG_ENDIAN,
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
    JPEG,
    element,
    encoded,
    image,
    needs_real_files,
    real_files,
)

SYNTAXES = [IMPLICIT_LITTLE_ENDIAN, EXPLICIT_LITTLE_ENDIAN, EXPLICIT_BIG_ENDIAN, DEFLATED, JPEG]
TAGS = {
    "PatientName": 0x00100010,
    "PatientID": 0x00100020,
    "IssuerOfPatientID": 0x00100021,
    "PatientBirthDate": 0x00100030,
    "PatientSex": 0x00100040,
    "AccessionNumber": 0x00080050,
}
NEW = {
    "PatientName": "BARS^ANNA",
    "PatientID": "P9",
    "IssuerOfPatientID": "GENHOSP",
    "PatientBirthDate": "19700102",
    "PatientSex": "F",
    "AccessionNumber": "A99",
}
SET, ORIGINAL = "SpecificCharacterSet", "OriginalAttributesSequence"
WEST, EAST = "Bärs^Zoé", "Suzuki^Hanako=鈴木^花子"
GREEK, KANJI = "Διονυσιος", "Yamada^Tarou=山田^太郎=やまだ^たろう"
SETS: dict[str, tuple[Any, str]] = {
    "none": (None, "Buc^Jerome"),
    "latin": ("ISO_IR 100", "Buc^Jérôme"),
    "greek": ("ISO_IR 126", GREEK),
    "japanese": (["", "ISO 2022 IR 87"], KANJI),
    "korean": (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
    "chinese": ("GB18030", "Wang^XiaoDong=王^小东="),
    "utf-8": ("ISO_IR 192", "Müller^Jörg=山田^太郎"),
}


def coercion(values: dict[str, str] = NEW, **more: Any) -> Coercion:
    tagged = tuple((TAGS[keyword], text) for keyword, text in values.items())
    return Coercion(
        tagged, **{"reason": CORRECT, "at": "20260401101500.000000+0000", "system": "RISPACS", **more}
    )


def nested(name: str, character_set: Any, *, big: bool) -> Dataset:
    """An image in a character set, with private elements and nested sequences, one item of them in UTF-8."""
    dataset = image(
        SpecificCharacterSet=character_set or "", PatientName=name, InstitutionName=name.split("=")[0]
    )
    dataset.PatientComments = f"{name.split('=')[0]}\r\nsecond line"
    dataset.IssuerOfPatientIDQualifiersSequence = [Dataset()]
    dataset.IssuerOfPatientIDQualifiersSequence[0].UniversalEntityID = "1.2.3"
    inner, own, middle = Dataset(), Dataset(), Dataset()
    inner.PersonName = name
    inner.TextValue = "plain"
    own.SpecificCharacterSet = "ISO_IR 192"
    own.PersonName = KANJI
    middle.ContentSequence = [inner, own]
    middle.CodeMeaning = name.split("=")[0]
    dataset.ContentSequence = [middle, Dataset()]
    block = dataset.private_block(0x0011, "ACME 1.1", create=True)
    block.add_new(0x01, "LO", name.split("=")[0])
    block.add_new(0x02, "OB", bytes(range(256)))
    block.add_new(0x03, "UN", b"\xe9\x00\x01\x02")
    dataset.private_block(0x7FE1, "ACME AFTER", create=True).add_new(0x01, "SH", "after")
    if big:  # of undefined length, at every depth
        for sequence in (dataset["ContentSequence"], middle["ContentSequence"]):
            sequence.is_undefined_length = True
            for item in sequence.value:
                item.is_undefined_length_sequence_item = True
    if character_set is None:
        del dataset.SpecificCharacterSet
    return dataset


def file_of(folder: Path, dataset: Dataset, syntax: str) -> Path:
    if syntax == JPEG:
        dataset.PixelData = encapsulate([b"\xff\xd8" + bytes(98)])
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True
    content = encoded(dataset, syntax)
    if syntax == DEFLATED:
        deflate = zlib.compressobj(wbits=-15)
        content = deflate.compress(content) + deflate.flush()
    path = folder / "object.dcm"
    path.write_bytes(build_preamble_and_meta(CT, "1.2.3.4", syntax, "CT1") + content)
    return path


def sent(path: Path, change: Coercion, folder: Path | None = None) -> Path:
    found = coerced(path, change)
    assert found is not None
    content = b"".join(found.body())
    assert found.length in (None, len(content))
    target = path.with_suffix(".sent")
    target.write_bytes(content)
    part10 = open_part10(target)
    walk(content, part10.transfer_syntax, start=part10.dataset_offset)
    return target


def plain(dataset: Dataset, without: frozenset[str] = frozenset()) -> dict[int, Any]:
    """Every element's VR and value; a character set says only how the others are written."""
    found: dict[int, Any] = {}
    for one in dataset:
        if one.keyword not in without | {SET}:
            has_items = isinstance(one.value, Sequence)
            found[one.tag] = (one.VR, [plain(item) for item in one.value] if has_items else one.value)
    return found


QUALIFIERS = "IssuerOfPatientIDQualifiersSequence"
TOUCHED = frozenset({*NEW, ORIGINAL, QUALIFIERS})


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("of_set", SETS)
@pytest.mark.parametrize("new_name", ["BARS^ANNA", WEST, EAST])
def test_nothing_but_what_is_coerced_differs(tmp_path: Path, syntax: str, of_set: str, new_name: str) -> None:
    character_set, name = SETS[of_set]
    dataset = nested(name, character_set, big=new_name != "BARS^ANNA")
    path = file_of(tmp_path, dataset, syntax)
    before, after = dcmread(path), dcmread(sent(path, coercion({**NEW, "PatientName": new_name})))
    fitting = {"latin": [WEST], "japanese": [EAST], "chinese": [WEST, EAST], "korean": [EAST]}
    if new_name.isascii() or new_name in fitting.get(of_set, []) or of_set == "utf-8":
        assert after.get(SET) == before.get(SET)
    else:
        assert after.get(SET) == "ISO_IR 192"
    assert {keyword: str(after.get(keyword)) for keyword in NEW} == {**NEW, "PatientName": new_name}
    if syntax == IMPLICIT_LITTLE_ENDIAN:  # nobody knows what a private element of unknown VR holds
        assert after[0x00111001].value == before[0x00111001].value
    unknown = {0x00111001} if syntax == IMPLICIT_LITTLE_ENDIAN else set()
    ours, theirs = plain(before, TOUCHED), plain(after, TOUCHED)
    assert {t: v for t, v in ours.items() if t not in unknown} == {
        t: v for t, v in theirs.items() if t not in unknown
    }
    assert after.file_meta == before.file_meta
    original = after.OriginalAttributesSequence[0]
    assert (original.ReasonForTheAttributeModification, original.ModifyingSystem) == (CORRECT, "RISPACS")
    assert original.AttributeModificationDateTime == "20260401101500.000000+0000"
    kept = original.ModifiedAttributesSequence[0]
    for keyword in (*NEW, QUALIFIERS):
        assert keyword in kept and (kept.get(keyword) or "") == before.get(keyword, ""), keyword
    assert list(after.keys()) == sorted(after.keys())


def test_what_says_all_that_already_is_left_alone(tmp_path: Path) -> None:
    path = file_of(tmp_path, image(**NEW), EXPLICIT_LITTLE_ENDIAN)
    assert coerced(path, coercion()) is None
    assert coerced(path, coercion({"PatientName": "BARS^ANNA^^", "PatientBirthDate": "1970"})) is None


def test_a_second_coercion_keeps_the_first(tmp_path: Path) -> None:
    for syntax in (IMPLICIT_LITTLE_ENDIAN, EXPLICIT_LITTLE_ENDIAN, EXPLICIT_BIG_ENDIAN):
        for undefined in (False, True):
            dataset = image(SpecificCharacterSet="ISO_IR 100", PatientName="Buc^Jérôme")
            old = Dataset()
            old.ModifyingSystem = "Höchst"
            old.ReasonForTheAttributeModification = COERCE
            dataset.OriginalAttributesSequence = [old]
            dataset[ORIGINAL].is_undefined_length = undefined
            for name in ("BARS^ANNA", GREEK):
                after = dcmread(sent(file_of(tmp_path, dataset, syntax), coercion({"PatientName": name})))
                first, second = after.OriginalAttributesSequence
                assert first.ModifyingSystem == "Höchst"
                assert second.ModifiedAttributesSequence[0].PatientName == "Buc^Jérôme"


def test_the_requests_are_named_where_none_is(tmp_path: Path) -> None:
    request = Request("1.2.9", "A99", "RP9", "CT chest", "SP9", "PL9", "FI9")
    change = coercion({"AccessionNumber": "A99"}, requests=(request,))
    path = file_of(tmp_path, image(), EXPLICIT_LITTLE_ENDIAN)
    assert dcmread(sent(path, change)).RequestAttributesSequence[0].ScheduledProcedureStepID == "SPS1"
    path = file_of(tmp_path, image(RequestAttributesSequence=[]), EXPLICIT_LITTLE_ENDIAN)
    (item,) = dcmread(sent(path, change)).RequestAttributesSequence
    assert (item.ScheduledProcedureStepID, item.RequestedProcedureID) == ("SP9", "RP9")
    document = image(RequestAttributesSequence=None, SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11")
    (item,) = dcmread(
        sent(file_of(tmp_path, document, IMPLICIT_LITTLE_ENDIAN), change)
    ).ReferencedRequestSequence
    assert (item.PlacerOrderNumberImagingServiceRequest, item.RequestedProcedureDescription) == (
        "PL9",
        "CT chest",
    )


def test_broken_texts_are_sent_as_all_doors_read_them(tmp_path: Path) -> None:
    path = file_of(
        tmp_path, image(SpecificCharacterSet="ISO_IR 100", InstitutionName="Höchst"), EXPLICIT_LITTLE_ENDIAN
    )
    path.write_bytes(path.read_bytes().replace(b"ISO_IR 100", b"ISO_IR 6  "))
    after = dcmread(sent(path, coercion({"PatientName": GREEK})))
    assert (after.SpecificCharacterSet, after.PatientName) == ("ISO_IR 192", GREEK)
    assert after.InstitutionName == dicom_json.metadata(path, str).model["00080080"]["Value"][0]


def test_lengths_of_changed_groups_are_left_out(tmp_path: Path) -> None:
    path = file_of(tmp_path, image(), EXPLICIT_LITTLE_ENDIAN)
    content, offset = path.read_bytes(), open_part10(path).dataset_offset
    patient = content.index(b"\x10\x00\x10\x00PN")
    lengths = [element(tag, "UL", b"\x64\0\0\0") for tag in (0x00080000, 0x00100000)]
    path.write_bytes(content[:offset] + lengths[0] + content[offset:patient] + lengths[1] + content[patient:])
    after = sent(path, coercion({"PatientID": "P9"})).read_bytes()
    assert lengths[0] in after and lengths[1] not in after


def test_values_of_ours_hold_no_delimiter(tmp_path: Path) -> None:
    path = file_of(tmp_path, image(), EXPLICIT_LITTLE_ENDIAN)
    assert dcmread(sent(path, coercion({"PatientID": "P\\9\x1b$B"}))).PatientID == "P 9 $B"


@pytest.mark.parametrize("of_set", SETS)
def test_the_model_in_json_is_that_of_the_bytes(tmp_path: Path, of_set: str) -> None:
    character_set, name = SETS[of_set]
    dataset = nested(name, character_set, big=True)
    dataset.RequestAttributesSequence = []
    dataset.IssuerOfAccessionNumberSequence = [Dataset()]
    path = file_of(tmp_path, dataset, EXPLICIT_LITTLE_ENDIAN)
    request = Request("1.2.9", "A99", "RP9", "CT chest", "", "PL9", "FI9")
    change = coercion({**NEW, "PatientName": KANJI, "PatientSex": ""}, requests=(request,), source="CT1")
    model = coerced_json.coerce(dicom_json.metadata(path, str).model, change)
    of_bytes = dicom_json.metadata(sent(path, change), str).model
    of_bytes["04000561"]["Value"][0]["04000550"]["Value"][0].pop("00080005", None)
    of_bytes.setdefault("00080005", None)
    model.setdefault("00080005", of_bytes["00080005"])
    assert model == of_bytes
    again = coercion({**NEW, "PatientName": KANJI, "PatientSex": ""})
    assert coerced_json.coerce(model, again) is model


def test_pixels_are_never_held(tmp_path: Path) -> None:
    import tracemalloc

    path = file_of(
        tmp_path, image(Rows=4096, Columns=4096, PixelData=bytes(32 << 20)), EXPLICIT_LITTLE_ENDIAN
    )
    tracemalloc.start()
    found = coerced(path, coercion({"PatientName": GREEK}))
    assert found is not None and sum(map(len, found.body())) == found.length
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


@pytest.mark.needs("dcmdump")
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_another_implementation_reads_it(tmp_path: Path, syntax: str) -> None:
    path = file_of(tmp_path, nested(GREEK, "ISO_IR 126", big=True), syntax)
    for name in ("BARS^ANNA", KANJI):
        target = sent(path, coercion({**NEW, "PatientName": name}))
        done = subprocess.run(["dcmdump", "-q", "+P", "0010,0010", target], capture_output=True, check=True)
        assert done.stdout.count(b"(0010,0010)") == 2 and name.encode() in done.stdout and not done.stderr


@needs_real_files
def test_real_files(tmp_path: Path) -> None:
    """Of every kind of real file every tenth: all that isn't coerced stays as it was."""
    done = 0
    for path in _sound(real_files()[::10]):
        copy = Path(shutil.copy(path, tmp_path / "object.dcm"))
        try:
            before = dicom_json.metadata(copy, str).model
        except Exception:  # what can't be shown can't be compared
            continue
        change = coercion({**NEW, "PatientName": KANJI})
        after = dicom_json.metadata(sent(copy, change), str).model
        expected = coerced_json.coerce(before, change)
        for model in (after, expected):
            model.pop("00080005", None)
            model["04000561"]["Value"][-1]["04000550"]["Value"][0].pop("00080005", None)
        assert _comparable(after) == _comparable(expected), path
        done += 1
    assert done > 5


def _sound(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        try:
            part10 = open_part10(path)
            if part10.size < 4 << 20:
                walk(path.read_bytes(), part10.transfer_syntax, start=part10.dataset_offset)
                yield path
        except Exception:  # not one that we would have stored
            continue


def _comparable(model: Any) -> Any:
    """Character sets of items say how their bytes are written, and a model is in UTF-8."""
    if isinstance(model, dict):
        return {key: _comparable(value) for key, value in model.items() if key != "00080005"}
    return [_comparable(one) for one in model] if isinstance(model, list) else model
