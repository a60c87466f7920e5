"""MLLP framing (HL7 v2.5.1 appendix C, C.4) and what is tolerated beside it."""

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interfaces.hl7.wire.framing import Deframer, FrameTooLong, frame, split_messages

M = b"MSH|^~\\&|A\rPID|1\r"
N = b"MSH|^~\\&|B\rPID|2\r"


def payloads(*chunks, max_bytes=1000):
    deframer = Deframer(max_bytes)
    return [payload for chunk in chunks for payload in deframer.feed(chunk)], deframer


@pytest.mark.parametrize(
    ("wire", "expected", "empty", "junk", "broken"),
    [
        (frame(M), [M], 0, 0, 0),
        (frame(M) + frame(N), [M, N], 0, 0, 0),
        (b"junk" + frame(M), [M], 0, 4, 0),
        (M + b"\x1c\r", [], 1, len(M) - M.count(b"\r"), 0),
        (b"\x0b\x0b" + M + b"\x1c\r\x1c\r", [M], 2, 0, 0),
        (b"\x0b\x1c\r" + frame(M), [M], 1, 0, 0),
        (b"\x0b" + M + b"\x1c\x0b" + N + b"\x1c\r", [M, N], 0, 0, 0),
        (b"\x0b" + M + b"\x1c\x1c\r", [M], 0, 0, 0),
        (b"\x0bMSH|a\x1cb\x1c\r", [b"MSH|a\x1cb"], 0, 0, 0),
        (b"\x0bMSH|a\x0bb\x1c\r", [b"MSH|a\x0bb"], 0, 0, 0),
        (b"\x0bMSH|part\x0b" + M + b"\x1c\r", [M], 0, 0, 1),
        (b"\r\n" + frame(M) + b"\n", [M], 0, 0, 0),
        (b"\x0b" + M, [], 0, 0, 0),
    ],
)
def test_the_table_of_tolerances_holds_for_a_whole_and_for_single_bytes(wire, expected, empty, junk, broken):
    for chunks in ([wire], [bytes([byte]) for byte in wire]):
        got, deframer = payloads(*chunks)
        assert got == expected
        assert (deframer.empty_frames, deframer.junk_bytes, deframer.broken_frames) == (empty, junk, broken)


def test_silence_after_fs_ends_a_frame_whose_cr_is_missing():
    got, deframer = payloads(b"\x0b" + M + b"\x1c")
    assert got == []
    assert deframer.awaiting_cr
    assert deframer.end_of_data() == [M]
    assert not deframer.in_frame
    assert deframer.feed(b"\r" + frame(N)) == [N]
    assert deframer.junk_bytes == 0


def test_the_end_of_data_inside_of_a_frame_gives_nothing():
    _, deframer = payloads(b"\x0b" + M)
    assert deframer.end_of_data() == []
    assert deframer.in_frame


def test_a_listener_can_time_each_frame():
    deframer = Deframer()
    assert (deframer.in_frame, deframer.frames_started) == (False, 0)
    deframer.feed(b"\x0bMSH")
    assert (deframer.in_frame, deframer.frames_started) == (True, 1)
    deframer.feed(b"\x1c\r\x0b")
    assert (deframer.in_frame, deframer.frames_started) == (True, 2)


def test_a_peer_that_does_not_start_with_a_frame_is_known():
    assert payloads(b"\r\n" + frame(M))[1].started_at_frame
    assert not payloads(b"GET / HTTP/1.1\r\n")[1].started_at_frame


def test_a_frame_over_the_cap_is_refused_and_the_ones_before_it_are_kept():
    wire = frame(M) + b"\x0b" + b"x" * 101
    with pytest.raises(FrameTooLong) as caught:
        payloads(wire, max_bytes=100)
    assert caught.value.complete == [M]
    assert payloads(frame(b"x" * 100), max_bytes=100)[0] == [b"x" * 100]


def test_a_frame_over_the_cap_is_refused_though_its_end_has_come():
    with pytest.raises(FrameTooLong):
        payloads(frame(b"x" * 101), max_bytes=100)


@pytest.mark.parametrize("byte", [b"x", b"\x1c", b"\x0b"])
def test_a_long_frame_byte_by_byte_takes_linear_time(byte):
    start = time.perf_counter()
    deframer = Deframer()
    deframer.feed(b"\x0b")
    for _ in range(300_000):
        deframer.feed(byte)
    deframer.feed(b"x\x1c\r")
    assert time.perf_counter() - start < 10


def test_many_small_frames_in_one_read_take_linear_time():
    start = time.perf_counter()
    assert len(Deframer().feed(frame(b"x") * 50_000)) == 50_000
    assert time.perf_counter() - start < 5


wires = st.lists(
    st.sampled_from([b"\x0b", b"\x1c", b"\r", b"\n", b"\x1c\r", b"MSH", b"\x0bMSH|", b"x", frame(M)]),
    max_size=30,
).map(b"".join)


@given(wires, st.lists(st.integers(0, 200), max_size=8))
def test_every_split_gives_the_same(wire, cuts):
    places = [0, *sorted(min(cut, len(wire)) for cut in cuts), len(wire)]
    chunks = [wire[a:b] for a, b in pairwise(places)]
    (whole, first), (pieces, second) = payloads(wire), payloads(*chunks)
    assert pieces == whole
    assert vars(first) == vars(second)


@given(wires, st.lists(st.integers(0, 200), max_size=4))
def test_every_split_finds_the_same_frame_too_long(wire, cuts):
    def outcome(chunks):
        deframer, got = Deframer(20), []
        try:
            for chunk in chunks:
                got += deframer.feed(chunk)
        except FrameTooLong as error:
            return got + error.complete, True
        return got, False

    places = [0, *sorted(min(cut, len(wire)) for cut in cuts), len(wire)]
    assert outcome([wire]) == outcome([wire[a:b] for a, b in pairwise(places)])


@given(
    st.lists(
        st.text(alphabet=st.characters(min_codepoint=32, codec="utf-8"), min_size=1).map(str.encode),
        max_size=5,
    )
)
def test_payloads_come_out_as_they_went_in(messages):
    assert Deframer().feed(b"".join(map(frame, messages))) == messages


def test_messages_of_one_frame_are_split_at_msh():
    assert split_messages(M + N) == [M, N]
    assert split_messages((M + N).replace(b"\r", b"\n")) == [M.replace(b"\r", b"\n"), N.replace(b"\r", b"\n")]
    assert split_messages((M + N).replace(b"\r", b"\r\n"))[1] == N.replace(b"\r", b"\r\n")
    assert split_messages(M) == [M]


def test_msh_inside_of_a_line_or_a_word_splits_nothing():
    message = M + b"NTE|1||MSH|x\rMSHX|1\r"
    assert split_messages(message) == [message]


def test_batch_segments_are_dropped():
    batch = b"FHS|^~\\&|A\rBHS|^~\\&|A\r" + M + N + b"BTS|2\rBHS|^~\\&|A\r" + M + b"BTS|1\rFTS|1"
    assert split_messages(batch) == [M, N, M]


@pytest.mark.parametrize("payload", [b"", b"\r", b"PID|1\r", b"FHS|^~\\&|A\rFTS|0\r", b"MSH", b"\0\xff"])
def test_a_payload_without_msh_has_no_messages(payload):
    assert split_messages(payload) == []


@pytest.mark.parametrize("start", [b"\r\n", b"\xef\xbb\xbf", b" ", b"junk\r"])
def test_what_stands_before_msh_is_left_out(start):
    assert split_messages(start + M) == [M]


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_split_too(codec):
    two = (M + N).decode().encode(codec)
    assert split_messages(two) == [M.decode().encode(codec), N.decode().encode(codec)]


@given(st.binary(max_size=200))
def test_any_payload_can_be_split(payload):
    assert all(message[:3] == b"MSH" or b"\0" in message for message in split_messages(payload))
