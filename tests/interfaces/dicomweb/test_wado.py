"""WADO-RS (PS3.18 10.4): what was stored comes back with the same bytes."""

import json
import tracemalloc
from collections.abc import Callable
from email.parser import BytesParser
from typing import Any

import pytest

from accounts.models import User
from archive.dataset.part10 import open_part10
from archive.models import StoredFile
from archive.storage.volumes import path_of
from tests.archive.dataset.builders import (
    EXPLICIT_BIG_ENDIAN,
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
    JPEG,
    REAL_FILES,
    encoded,
    image,
    needs_real_files,
)
from tests.archive.objects import files_in, indexed, received, take

pytestmark = pytest.mark.django_db(transaction=True)
Get = Callable[..., Any]

STUDY = "studies/1.2.3"
INSTANCE = f"{STUDY}/series/1.2.3.1/instances/1.2.3.4"
ANY_DICOM = 'multipart/related; type="application/dicom"; transfer-syntax=*'


@pytest.fixture(autouse=True)
def stored(home: None, user: User) -> None:
    received(SOPInstanceUID="1.2.3.4", NumberOfFrames=1)
    received(SOPInstanceUID="1.2.3.5", SeriesInstanceUID="1.2.3.2", PatientComments="x" * 2000)
    take(
        encoded(image(SOPInstanceUID="1.2.3.6", NumberOfFrames=2, Rows=2), EXPLICIT_BIG_ENDIAN),
        instance="1.2.3.6",
        transfer_syntax=EXPLICIT_BIG_ENDIAN,
    )
    indexed()


def parts(answer: Any) -> list[tuple[str, bytes]]:
    """Type and body of each part, read by the standard library."""
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    head = f"Content-Type: {answer['Content-Type']}\r\nMIME-Version: 1.0\r\n\r\n".encode()
    boundary = answer["Content-Type"].partition("boundary=")[2].encode()
    assert body.endswith(b"--" + boundary + b"--\r\n")
    message = BytesParser().parsebytes(head)
    assert message.get_content_type() == "multipart/related"
    found = []
    for part in body.split(b"--" + boundary + b"\r\n")[1:]:
        headers, _, content = part.partition(b"\r\n\r\n")
        content_type = BytesParser().parsebytes(headers + b"\r\n\r\n")["Content-Type"]
        found.append((content_type, content.removesuffix(b"--" + boundary + b"--\r\n").removesuffix(b"\r\n")))
    return found


def dataset_of(part10: bytes, tmp_path: Any) -> bytes:
    (tmp_path / "part").write_bytes(part10)
    opened = open_part10(tmp_path / "part")
    assert part10[:132] == bytes(128) + b"DICM"
    return part10[opened.dataset_offset :]


def test_another_implementation_retrieves_everything(peer: Any) -> None:
    assert sorted(dataset.SOPInstanceUID for dataset in peer.retrieve_study("1.2.3")) == [
        "1.2.3.4",
        "1.2.3.5",
        "1.2.3.6",
    ]
    (dataset,) = peer.retrieve_series("1.2.3", "1.2.3.2")
    assert dataset.SOPInstanceUID == "1.2.3.5"
    dataset = peer.retrieve_instance("1.2.3", "1.2.3.1", "1.2.3.4")
    assert dataset.PixelData == bytes(range(32))
    assert str(dataset.PatientName).startswith("Müller^Jörg")
    (frame,) = peer.retrieve_instance_frames("1.2.3", "1.2.3.1", "1.2.3.4", [1])
    assert frame == bytes(range(32))
    metadata = peer.retrieve_study_metadata("1.2.3")
    assert len(metadata) == 3
    assert peer.retrieve_instance_metadata("1.2.3", "1.2.3.1", "1.2.3.4")["00100020"]["Value"] == ["P1"]
    # This client leaves the port out of its Host header, from which our URIs are made.
    uri = metadata[0]["7FE00010"]["BulkDataURI"].partition("/dicom-web")[2]
    (value,) = peer.retrieve_bulkdata(f"{peer.base_url}{uri}")
    assert value == bytes(range(32))


@pytest.mark.parametrize("path", [STUDY, f"{STUDY}/series/1.2.3.1", INSTANCE])
def test_objects_come_back_with_the_bytes_received(get: Get, path: str, tmp_path: Any) -> None:
    found = parts(get(path, accept=ANY_DICOM))
    original = encoded(image(SOPInstanceUID="1.2.3.4", NumberOfFrames=1))
    assert original in [dataset_of(body, tmp_path) for _, body in found]
    assert f"application/dicom; transfer-syntax={EXPLICIT_LITTLE_ENDIAN}" in [kind for kind, _ in found]


def test_one_instance_comes_as_a_file_too(get: Get, tmp_path: Any) -> None:
    answer = get(INSTANCE, accept="application/dicom")
    assert answer["Content-Type"] == f"application/dicom; transfer-syntax={EXPLICIT_LITTLE_ENDIAN}"
    assert answer["Content-Disposition"].startswith("attachment")
    body = b"".join(answer.streaming_content)
    assert int(answer["Content-Length"]) == len(body)
    assert dataset_of(body, tmp_path) == encoded(image(SOPInstanceUID="1.2.3.4", NumberOfFrames=1))


@pytest.mark.parametrize(
    ("path", "accept", "status"),
    [
        (STUDY, "", 200),
        (STUDY, "*/*", 200),
        (STUDY, "multipart/related; type=application/dicom", 200),
        (STUDY, f'multipart/related; type="application/dicom"; transfer-syntax={JPEG}', 406),
        (STUDY, "application/dicom", 406),
        (STUDY, "text/html", 406),
        (INSTANCE, f"application/dicom; transfer-syntax={EXPLICIT_LITTLE_ENDIAN}", 200),
        (INSTANCE, f"application/dicom; transfer-syntax={IMPLICIT_LITTLE_ENDIAN}", 406),
        (f"{INSTANCE}/metadata", "application/json", 200),
        (f"{INSTANCE}/metadata", 'multipart/related; type="application/dicom+xml"', 406),
        (f"{INSTANCE}/frames/1", "application/octet-stream", 200),
        (f"{INSTANCE}/frames/1", 'multipart/related; type="image/jpeg"', 406),
    ],
)
def test_what_is_accepted_decides_what_is_sent(get: Get, path: str, accept: str, status: int) -> None:
    assert get(path, accept=accept).status_code == status


def test_frames_are_little_endian_and_counted_from_one(get: Get) -> None:
    path = f"{STUDY}/series/1.2.3.1/instances/1.2.3.6/frames"
    found = parts(get(f"{path}/2,1"))
    assert {kind for kind, _ in found} == {
        f"application/octet-stream; transfer-syntax={EXPLICIT_LITTLE_ENDIAN}"
    }
    whole = parts(get(f"{STUDY}/series/1.2.3.1/instances/1.2.3.6/bulkdata/7FE00010"))[0][1]
    assert found[1][1] + found[0][1] == whole
    assert len(whole) == 32
    assert get(f"{path}/1", accept="application/octet-stream").content == whole[:16]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"{INSTANCE}/frames/2", 404),
        (f"{INSTANCE}/frames/0", 400),
        (f"{INSTANCE}/frames/1,x", 400),
        (f"{INSTANCE}/frames/-1", 400),
        (f"{INSTANCE}/bulkdata/00100010/0/00100010", 404),
        (f"{INSTANCE}/bulkdata/../../../x", 404),
        ("studies/1.2.99", 404),
        (f"{STUDY}/series/1.2.99", 404),
        (f"{STUDY}/series/1.2.3.2/instances/1.2.3.4", 404),
        ("studies/1.2.99/metadata", 404),
        ("studies/x", 400),
        ("studies/..%2F..%2Fetc/metadata", 404),
    ],
)
def test_what_is_not_there_is_a_problem(get: Get, path: str, status: int) -> None:
    answer = get(path)
    assert answer.status_code == status


def test_metadata_say_where_bulk_data_are(get: Get) -> None:
    answer = get(f"{STUDY}/metadata")
    assert answer["Content-Type"] == "application/dicom+json; charset=utf-8"
    models = json.loads(b"".join(answer.streaming_content))
    pixels = models[0]["7FE00010"]["BulkDataURI"]
    assert pixels == f"http://testserver/dicom-web/{INSTANCE}/bulkdata/7FE00010"
    assert models[1]["00080018"]["Value"] == ["1.2.3.6"]  # by series, then as received


def test_caches_are_told_what_they_hold(get: Get) -> None:
    for path in (STUDY, INSTANCE, f"{INSTANCE}/metadata", f"{INSTANCE}/frames/1"):
        answer = get(path)
        assert answer["Cache-Control"] == "private, no-cache"
        assert answer["X-Content-Type-Options"] == "nosniff"
        again = get(path, **{"If-None-Match": answer["ETag"]})
        assert again.status_code == 304
    assert get(INSTANCE, **{"If-None-Match": '"other"'}).status_code == 200


def test_a_lost_file_is_partial_content_and_alone_it_is_gone(get: Get) -> None:
    path_of(StoredFile.objects.select_related("volume").get(instance__sop_instance_uid="1.2.3.4")).unlink()
    answer = get(STUDY)
    assert answer.status_code == 206
    assert len(parts(answer)) == 2
    assert get(INSTANCE).status_code == 410


def test_a_preamble_never_comes_back(get: Get) -> None:
    """A sender's preamble may hold a program (F51); over DIMSE there is none, and ours are zeros."""
    for path in files_in("volumes"):
        assert path.read_bytes()[:132] == bytes(128) + b"DICM"


def test_studies_of_other_facilities_do_not_exist(get: Get, user: User) -> None:
    user.facilities.clear()
    for path in (STUDY, f"{STUDY}/metadata", f"{INSTANCE}/frames/1"):
        assert get(path).status_code == 404
    user.roles = []
    user.save()
    assert get(STUDY).status_code == 403


def test_memory_stays_flat(get: Get) -> None:
    pixels = bytes(24 << 20)
    large = image(
        SOPInstanceUID="1.2.3.7", SeriesInstanceUID="1.2.3.7", Rows=4096, Columns=3072, PixelData=pixels
    )
    take(encoded(large), instance="1.2.3.7")
    indexed()
    tracemalloc.start()
    size = sum(len(chunk) for chunk in get(f"{STUDY}/series/1.2.3.7").streaming_content)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > len(pixels)
    assert peak < 8 << 20


@needs_real_files
def test_compressed_frames_come_as_stored(get: Get) -> None:
    path = REAL_FILES / "pydicom__pydicom"
    real = next(iter(sorted(path.glob("*JPEG2000.dcm"))), None)
    if real is None:
        pytest.skip("no such real file")
    part10 = open_part10(real)
    dataset = real.read_bytes()[part10.dataset_offset :]
    meta = part10.meta
    take(
        dataset,
        instance=meta["MediaStorageSOPInstanceUID"],
        sop_class=meta["MediaStorageSOPClassUID"],
        transfer_syntax=part10.transfer_syntax,
    )
    indexed()
    (instance,) = get(f"instances?SOPInstanceUID={meta['MediaStorageSOPInstanceUID']}").json()
    url = instance["00081190"]["Value"][0].partition("/dicom-web/")[2]
    ((kind, body),) = parts(
        get(f"{url}/frames/1", accept='multipart/related; type="image/jp2"; transfer-syntax=*')
    )
    assert kind == f"image/jp2; transfer-syntax={part10.transfer_syntax}"
    assert body[:4] == b"\xff\x4f\xff\x51"
    everything = parts(get(f"{url}/bulkdata/7FE00010"))
    assert [content for _, content in everything] == [body]
