"""multipart/related and Accept as WADO-RS has them (PS3.18 8.7; RFC 2046, 2387, 9110)."""

from email import message_from_bytes
from email.policy import HTTP
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interfaces.dicomweb.multipart import (
    Part,
    Representation,
    content_type,
    file_range,
    negotiate,
    new_boundary,
    parse_accept,
    write,
)

EXPLICIT = "1.2.840.10008.1.2.1"
JPEG = "1.2.840.10008.1.2.4.50"
STORED = Representation("application/dicom", multipart=True, transfer_syntax=JPEG)
PLAIN = Representation("application/dicom", multipart=True, transfer_syntax=EXPLICIT)
SINGLE = Representation("application/dicom", transfer_syntax=JPEG)
METADATA = Representation("application/dicom+json")
FRAME = Representation("image/jpeg", multipart=True, transfer_syntax=JPEG)
PIXELS = Representation("application/octet-stream", multipart=True, transfer_syntax=EXPLICIT)


# Writing


def test_another_parser_reads_what_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"\r\n--not the boundary\r\n" + bytes(300_000))
    boundary = new_boundary()
    parts = [
        Part(f"application/dicom; transfer-syntax={EXPLICIT}", file_range(path)),
        Part("application/dicom", [b"head", *file_range(path, 2, 3)], "/studies/1/instances/2"),
    ]
    body = b"".join(write(parts, boundary))
    head = f"Content-Type: {content_type(parts[0].content_type, boundary)}\r\n\r\n".encode()
    message = message_from_bytes(head + body, policy=HTTP)
    assert message.get_content_type() == "multipart/related"
    assert message.get_param("type") == "application/dicom"
    first, second = message.iter_parts()
    assert first.get_payload(decode=True) == path.read_bytes()
    assert second.get_payload(decode=True) == b"head--n"
    assert second["Content-Location"] == "/studies/1/instances/2"
    assert not message.defects


def test_no_chunk_is_large(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(1 << 20))
    assert max(len(chunk) for chunk in write([Part("a/b", file_range(path))], "x")) <= 256 << 10


def test_an_answer_without_parts_is_still_closed() -> None:
    assert b"".join(write([], "x")) == b"--x--\r\n"


def test_boundaries_differ() -> None:
    assert len({new_boundary() for _ in range(100)}) == 100


def test_a_file_shorter_than_promised_breaks_the_answer(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"short")
    stream = write([Part("a/b", file_range(path, 0, 10))], "x")
    with pytest.raises(OSError, match="shorter"):
        list(stream)
    assert list(file_range(path, 1, 0)) == []
    assert b"".join(file_range(path, 1)) == b"hort"


def test_a_part_header_holds_no_line_break() -> None:
    with pytest.raises(ValueError, match="line break"):
        list(write([Part("a/b", [], "/x\r\nSet-Cookie: y")], "x"))


# Choosing


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, STORED),
        ("", STORED),
        ("*/*", STORED),
        ('multipart/related; type="application/dicom"; transfer-syntax=*', STORED),
        ("multipart/related; type=application/dicom; transfer-syntax=*", STORED),
        ('Multipart/Related;TYPE="Application/DICOM"', PLAIN),
        (f'multipart/related; type="application/dicom"; transfer-syntax={JPEG}', STORED),
        (f'multipart/related; type="application/dicom"; transfer-syntax="{EXPLICIT}"', PLAIN),
        ('multipart/related; type="application/dicom"; transfer-syntax=1.2.3', None),
        ("multipart/related", STORED),
        ("multipart/*; q=0.1, text/html", STORED),
        ("application/dicom", SINGLE),
        ("application/dicom; transfer-syntax=*", SINGLE),
        ("application/dicom+json", METADATA),
        ("application/json", METADATA),
        ("application/dicom+json, */*", METADATA),
        ("application/dicom+json;q=0.5, application/dicom;q=0.4", METADATA),
        ("application/dicom+json;q=0.5, application/dicom;q=0.6", SINGLE),
        ("application/dicom+xml", None),
        ("text/html", None),
        ("*/*;q=0", None),
        ('multipart/related; type="application/dicom";q=0, application/dicom;q=0, */*', METADATA),
        ("text/html;level=1, application/dicom+json; charset=utf-8", METADATA),
        (", ,application/dicom+json,,", METADATA),
        ('nonsense, "application/dicom", application/dicom+json', METADATA),
        ("application/dicom+json;q=2, application/dicom;q=x", None),
    ],
)
def test_what_is_answered(accept: str | None, chosen: Representation | None) -> None:
    assert negotiate(accept, [STORED, PLAIN, SINGLE, METADATA]) == chosen


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (f'multipart/related; type="image/jpeg"; transfer-syntax={JPEG}', FRAME),
        ('multipart/related; type="image/jpeg"', FRAME),  # stored so: better than nothing
        ('multipart/related; type="image/*"', FRAME),
        ("multipart/related; type=application/octet-stream; transfer-syntax=*", PIXELS),
        ("multipart/related; type=*/*", FRAME),
        ('multipart/related;type="image/jls", multipart/related;type="application/octet-stream"', PIXELS),
        ("multipart/related;type=image/jpeg, multipart/related;type=application/octet-stream", FRAME),
        ("multipart/related;type=application/octet-stream, multipart/related;type=image/jpeg", PIXELS),
        ("image/jpeg", None),
    ],
)
def test_frames_are_answered_in_the_clients_order(accept: str, chosen: Representation | None) -> None:
    assert negotiate(accept, [FRAME, PIXELS]) == chosen


def test_quoted_strings_may_hold_anything() -> None:
    [found] = parse_accept(r'multipart/related; type="a, \"b\"; c=d"; transfer-syntax=1.2;q=0.25')
    assert found.parameters["type"] == 'a, "b"; c=d'
    assert (found.transfer_syntax, found.quality) == ("1.2", 0.25)


@pytest.mark.timeout(5)
@pytest.mark.parametrize(
    "accept",
    [
        "," * 100_000,
        " " * 100_000,
        ";" * 100_000,
        "a/b," * 100_000,
        "a/b" + " ;" * 50_000,
        '"' + '\\"' * 50_000,
        'a/b;c="' + "\\" * 100_000,
    ],
)
def test_a_hostile_header_takes_no_time(accept: str) -> None:
    assert negotiate(accept, [METADATA]) in (None, METADATA)


@given(st.text(alphabet='adm/+;,="\\*q.01 \t-', max_size=80))
def test_noise_raises_nothing(accept: str) -> None:
    assert negotiate(accept, [STORED, METADATA]) in (STORED, METADATA, None)
