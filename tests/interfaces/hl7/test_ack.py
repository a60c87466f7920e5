"""Acknowledgments: HL7 v2.5.1 2.9.2 (original mode), 2.9.3 (enhanced mode), 2.15.5 ERR, 2.15.8 MSA."""

from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from interfaces.hl7.inbound.ack import AckError, acknowledgment, build, codes, escape, status_code_for
from interfaces.hl7.syntax.er7 import parse, read_header
from interfaces.hl7.syntax.escapes import Delimiters, unescape

NOW = datetime(2025, 1, 2, 10, 11, 12, tzinfo=UTC)


def inbound(
    version="2.5.1", *, charset="", delimiters="|^~\\&", control_id="MSG1", modes="|", event="ADT^A01"
):
    text = (
        f"MSH|^~\\&|HIS^1.2^ISO|GEN|RIS|RAD|2025||{event}|{control_id}|P^T|{version}|||{modes}||{charset}\r"
    )
    field, component, repetition, escape_, sub = delimiters
    text = text.translate(str.maketrans("|^~\\&", field + component + repetition + escape_ + sub))
    return read_header(text.encode())


def answer(header, code="AA", error=None, control_id="R1"):
    return build(
        header, code=code, control_id=control_id, now=NOW, error=error, application="OURS", facility="HERE"
    )


def test_sender_and_receiver_are_swapped_and_the_rest_is_copied():
    assert answer(inbound(charset="UNICODE UTF-8")) == (
        b"MSH|^~\\&|RIS|RAD|HIS^1.2^ISO|GEN|20250102101112+0000||ACK^A01^ACK|R1|P^T|2.5.1||||||"
        b"UNICODE UTF-8\r"
        b"MSA|AA|MSG1\r"
    )


def test_our_own_name_stands_in_where_the_sender_names_no_receiver():
    header = read_header(b"MSH|^~\\&|HIS||||2025||ADT^A01")
    assert answer(header, "AR", AckError(101, "MSH^1^10", "MSH-10 is required")) == (
        b"MSH|^~\\&|OURS|HERE|HIS||20250102101112+0000||ACK^A01^ACK|R1|P|2.5.1\r"
        b"MSA|AR|\r"
        b"ERR||MSH^1^10|101^Required field missing^HL70357|E||||MSH-10 is required\r"
    )


@pytest.mark.parametrize("version", ["2.5", "2.5.1", "2.6", "2.7", "2.8", "2.5.1^DEU", "", "x"])
def test_from_2_5_err_has_location_code_severity_and_text(version):
    ack = answer(inbound(version), "AE", AckError(101, "PID^1^3", "PID-3 | is required"))
    assert ack.split(b"\r")[1:] == [
        b"MSA|AE|MSG1",
        b"ERR||PID^1^3|101^Required field missing^HL70357|E||||PID-3 \\F\\ is required",
        b"",
    ]


@pytest.mark.parametrize("version", ["2.1", "2.2", "2.3", "2.3.1", "2.4"])
def test_before_2_5_err_1_has_location_and_code_and_msa_3_the_text(version):
    ack = answer(inbound(version), "AE", AckError(101, "PID^1^3^1^2", "PID-3 is required"))
    assert ack.split(b"\r")[1:] == [b"MSA|AE|MSG1|PID-3 is required", b"ERR|PID^1^3^101", b""]
    ack = answer(inbound(version), "AR", AckError(207, "", "later"))
    assert b"ERR|^^^207" in ack


@pytest.mark.parametrize(
    ("version", "event", "expected"),
    [
        ("2.1", "ADT", "ACK"),
        ("2.1", "ADT^A01", "ACK"),
        ("2.2", "ADT^A01", "ACK^A01"),
        ("2.3", "ADT^A01", "ACK^A01"),
        ("2.3.1", "ADT^A01", "ACK^A01^ACK"),
        ("2.8", "ADT^A01^ADT_A01", "ACK^A01^ACK"),
        ("2.5.1", "ADT", "ACK"),
    ],
)
def test_the_message_type_by_version(version, event, expected):
    assert answer(inbound(version, event=event)).decode().split("|")[8] == expected


def test_the_senders_delimiters_are_used():
    ack = answer(inbound(delimiters="$*%!@"), "AE", AckError(102, "PID^1^3", "a|b^c$d*e"))
    assert ack.startswith(b"MSH$*%!@$RIS$RAD$HIS*1.2*ISO$GEN$")
    assert b"ERR$$PID*1*3$102*Data type error*HL70357$E$$$$a|b^c!F!d!S!e\r" in ack


def test_delimiters_that_can_not_escape_are_replaced():
    header = read_header(b"MSH|*|A*B\\|GEN||||ADT*A01|1\r")
    assert header.raw(3) == "A*B\\"
    ack = answer(header)
    assert ack.startswith(b"MSH|^~\\&|OURS|HERE|")
    header = read_header(b"MSH|*|A*B\\|GEN||||x|ADT*A01|I*1|P|2.5\r")
    assert answer(header).split(b"\r")[0].startswith(b"MSH|^~\\&|OURS|HERE|A^B\\E\\|GEN|")
    assert b"|ACK^A01^ACK|" in answer(header)


@pytest.mark.parametrize(
    ("charset", "encoded"),
    [
        ("UNICODE UTF-8", "Ä".encode()),
        ("8859/1", b"\xc4"),
        ("", "Ä".encode()),
        ("Windows-1252", b"\xc4"),
    ],
)
def test_the_answer_is_in_the_senders_character_set(charset, encoded):
    raw = b"MSH|^~\\&|H" + encoded + f"|||||ADT^A01||1|P|2.5||||||{charset}".encode()
    ack = answer(read_header(raw), "AE", AckError(101, "", "Ä €"))
    assert b"|H" + encoded + b"|" in ack
    assert parse(ack).get("ERR-8").startswith("Ä ")


def test_a_character_that_the_set_has_not_is_spelled():
    assert answer(inbound(charset="8859/1"), "AE", AckError(101, "", "€ Ä")).endswith(b"U20AC \xc4\r")


def test_japanese_is_answered_by_iso_2022():
    raw = b"MSH|^~\\&|\x1b$B;3ED\x1b(B||||||ADT^A01|1|P|2.5||||||~ISO IR87||ISO 2022-1994"
    ack = answer(read_header(raw), "AE", AckError(101, "", "山"))
    assert b"|\x1b$B;3ED\x1b(B|" in ack
    assert b"|~ISO IR87||ISO 2022-1994\r" in ack
    assert parse(ack).get("ERR-8") == "山"


def test_a_header_that_does_not_decode_is_echoed_byte_for_byte():
    raw = b"MSH|^~\\&|H\xffS|||||ADT^A01||\xfe1|P|2.5||||||NONSENSE"
    ack = answer(read_header(raw), "AE", AckError(103, "MSH^1^18", "NONSENSE is not known"))
    assert b"|H\xffS|" in ack
    assert b"MSA|AE|\xfe1\r" in ack


@pytest.mark.parametrize("control_id", ["a^b", "a\\F\\b", "\\X41\\", "1~2&3", " 7 ", '""'])
def test_the_control_id_comes_back_as_it_was_sent(control_id):
    assert f"MSA|AA|{control_id}\r".encode() in answer(inbound(control_id=control_id))


def test_no_control_character_leaves_in_an_answer():
    header = inbound(control_id="a\x0bb\x1cc\0")
    error = AckError(207, "PID^1^3\r", "x\rMSH|evil\n\x1c\r\x0b")
    ack = answer(header, "AR", error, control_id="1\r2")
    assert len(ack.split(b"\r")) == 4
    assert not set(ack) & (set(range(0x20)) - {0x0D})
    assert parse(ack).get("ERR-8") == error.text
    assert parse(ack).get("MSA-2") == "a\x0bb\x1cc\0"


def test_a_long_text_is_shortened_visibly():
    ack = parse(answer(inbound(), "AE", AckError(102, "", "x" * 9_000)))
    assert ack.get("ERR-8") == "x" * 247 + "..."


@pytest.mark.parametrize(
    ("code", "status"),
    [(100, "AE"), (101, "AE"), (102, "AE"), (103, "AE"), (200, "AR"), (204, "AR"), (207, "AR")],
)
def test_wrong_content_is_an_error_and_all_else_a_rejection(code, status):
    assert status_code_for(code) == status


def test_whom_a_message_names_is_content() -> None:
    assert [status_code_for(204, at) for at in ("PID^1^3", "MRG^1^1", "MSH^1^5")] == ["AE", "AR", "AR"]


@pytest.mark.parametrize(
    ("modes", "fine", "wrong", "refused", "unsupported"),
    [
        ("AL|AL", ("CA", "AA"), ("CA", "AE"), ("CE", None), ("CR", None)),
        ("AL|NE", ("CA", None), ("CE", None), ("CE", None), ("CR", None)),
        ("AL|ER", ("CA", None), ("CA", "AE"), ("CE", None), ("CR", None)),
        ("AL|SU", ("CA", "AA"), ("CE", None), ("CE", None), ("CR", None)),
        ("NE|AL", (None, "AA"), (None, "AE"), (None, "AR"), (None, "AR")),
        ("NE|ER", (None, None), (None, "AE"), (None, "AR"), (None, "AR")),
        ("ER|ER", (None, None), (None, "AE"), ("CE", None), ("CR", None)),
        ("ER|AL", (None, "AA"), (None, "AE"), ("CE", None), ("CR", None)),
        ("SU|AL", ("CA", "AA"), ("CA", "AE"), (None, "AR"), (None, "AR")),
        ("SU|SU", ("CA", "AA"), (None, None), (None, None), (None, None)),
        ("NE|NE", (None, None), (None, None), (None, None), (None, None)),
    ],
)
def test_what_is_sent_for_each_pair_of_conditions(modes, fine, wrong, refused, unsupported):
    """2.9.3.1: CR by MSH-9, 11 or 12, CE for what else is refused at once, CA for what is stored."""
    mode = acknowledgment(inbound(modes=modes), enhanced=True)
    found = [
        codes(mode, "AA"),
        codes(mode, "AE", condition=102),
        codes(mode, "AR", condition=204, is_refused_at_once=True),
        codes(mode, "AR", condition=203, is_refused_at_once=True),
    ]
    assert [(one.accept, one.application) for one in found] == [fine, wrong, refused, unsupported]


def test_original_mode_is_the_rule_whatever_msh_15_says():
    mode = acknowledgment(inbound(modes="AL|NE"))
    assert not mode.enhanced
    assert mode.application_wanted(success=True)
    assert mode.application_wanted(success=False)
    assert not mode.accept_wanted(success=True)


def test_original_mode_holds_for_an_enhanced_source_that_fills_neither():
    assert not acknowledgment(inbound(modes="|"), enhanced=True).enhanced


@pytest.mark.parametrize(
    ("modes", "accept", "application"),
    [
        ("AL|NE", (True, True), (False, False)),
        ("NE|AL", (False, False), (True, True)),
        ("ER|SU", (False, True), (True, False)),
        ("AL|", (True, True), (False, False)),
        ("|ER", (False, False), (False, True)),
        ("XX|NE", (True, True), (False, False)),
    ],
)
def test_enhanced_mode_by_table_0155(modes, accept, application):
    mode = acknowledgment(inbound(modes=modes), enhanced=True)
    assert mode.enhanced
    assert (mode.accept_wanted(success=True), mode.accept_wanted(success=False)) == accept
    assert (mode.application_wanted(success=True), mode.application_wanted(success=False)) == application


def test_all_256_characters_of_latin_1_survive_escaping():
    text = "".join(map(chr, range(256)))
    escaped = escape(text)
    assert not set(escaped) & set("\r\n|^~&")
    assert unescape(escaped, Delimiters()) == text


@given(st.text(), st.sampled_from(["|^~\\&", "|^~\\&#", "$*%!@", "\\|^~&", "#^~.&"]))
def test_unescape_undoes_escape_for_all_text(text, characters):
    delimiters = Delimiters(*characters)
    escaped = escape(text, delimiters)
    assert unescape(escaped, delimiters) == text
    assert not set(escaped) & ({*characters, "\r", "\n"} - {delimiters.escape})


@given(st.text(alphabet="\\XFSTREPHNCMZ.br0D&^~|\r", max_size=40))
@example("|C0000&")
@example("^M000000~")
def test_text_that_looks_like_escape_sequences_survives_escaping(text):
    assert unescape(escape(text), Delimiters()) == text


@given(st.binary(max_size=200), st.text(max_size=60))
def test_any_header_can_be_answered(raw, text):
    header = read_header(b"MSH|^~\\&|" + raw)
    ack = answer(header, "AE", AckError(102, "PID^1^3", text))
    assert ack.count(b"\r") == 3 or header.codec.startswith("utf-16")
    assert read_header(ack).message_code == "ACK"


@given(st.text(alphabet="|^~\\&#!@$%abc\x0b\0é", max_size=60))
def test_any_delimiters_can_be_answered(text):
    header = read_header(("MSH|" + text).encode())
    assert read_header(answer(header, "AE", AckError(102, "PID^1^3", text))).message_code == "ACK"
