"""Reading of ER7 text: HL7 v2.5.1 2.5 (delimiters, null), 2.7 (escape sequences), 2.15.9 (MSH)."""

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interfaces.hl7.syntax.character_sets import Er7Error
from interfaces.hl7.syntax.er7 import parse, parse_text, read_header
from interfaces.hl7.syntax.escapes import Delimiters, unescape
from interfaces.hl7.syntax.message_parts import NULL, parse_path
from interfaces.hl7.wire.framing import split_messages

REAL = Path(__file__).parents[4] / "shared" / "data" / "hl7"
ORDER = (
    "MSH|^~\\&|HIS|GENHOSP|RIS|RAD|20250102101112||ORM^O01^ORM_O01|42|P|2.5.1|7||AL|NE||UNICODE UTF-8\r"
    'PID|1||P1^^^GENHOSP&1.2.3&ISO^MR~P2^^^OTHER^PI||BARS&van^ANNA||19700102|F|||Main St 1^^Town||""\r'
    "PV1|1|O|RAD^^^GENHOSP||||1^ATT^A|2^REF^R\r"
    "ORC|NW|PL1^HIS|FL1^RIS||SC||^^^20250103^^R||20250102|||1234^SMITH^ANNA\r"
    "OBR|1|PL1^HIS|FL1^RIS|71260^CT CHEST^C4|||20250102|||||danger|info|||1234^SMITH^ANNA||ACC1|RP1|SP1||||CT"
    "|||^^^20250103^^S||||a\\.br\\b\r"
    "ORC|NW|PL2^HIS\rOBR|2|PL2^HIS\rZDS|1.2.3^GENHOSP^Application^DICOM\r"
)


def real_messages():
    if not REAL.is_dir():
        return []
    return [path.read_bytes() for path in sorted(REAL.rglob("*")) if path.is_file()]


def read_everything(message):
    for segment in message.segments:
        for n in range(45):
            field = segment.field(n)
            _ = field.value, field.text, field.is_null, field.is_empty
            for repetition in field.repetitions[:3]:
                for component in range(len(repetition.components) + 2):
                    repetition.component(component)
                    repetition.component(component, 2)


def read_or_refuse(raw):
    try:
        message = parse(raw)
    except Er7Error as error:
        assert isinstance(error.code, int)
        assert error.text
        assert isinstance(error.location, str)
    else:
        read_everything(message)
        assert parse_text(message.encode()).encode() == message.encode()
    try:
        read_header(raw)
    except Er7Error as error:
        assert error.code == 100


def test_values_are_found_by_path():
    message = parse_text(ORDER)
    assert message.get("PID-3") == "P1"
    assert message.get("PID-3[2]") == "P2"
    assert message.get("PID-3.4") == "GENHOSP"
    assert message.get("PID-3.4.2") == "1.2.3"
    assert message.get("PID-3[2].5") == "PI"
    assert message.get("PID-5.1.2") == "van"
    assert message.get("ORC[2]-2.1") == "PL2"
    assert message.get("OBR-24") == "CT"
    assert message.get("ZDS-1.1") == "1.2.3"


@pytest.mark.parametrize(
    "path", ["PID-99", "PID-3[9].1", "PID-3.9", "PID-3.4.9", "PID[2]-3", "AL1-1", "PID-5.2.2"]
)
def test_what_a_message_does_not_have_is_empty(path):
    assert parse_text(ORDER).get(path) == ""


@pytest.mark.parametrize("path", ["", "PID", "PID-0", "PID-x", "pid-3", "PID-3[0]", "PID-3.1.1.1", "PID-3\n"])
def test_a_text_that_is_no_path_is_an_error_of_the_caller(path):
    with pytest.raises(ValueError, match="is not a path"):
        parse_path(path)


def test_msh_is_numbered_from_its_separator():
    message = parse_text(ORDER)
    msh = message.first("MSH")
    assert msh.field(1).value == "|"
    assert msh.field(2).value == "^~\\&"
    assert msh.field(2).repetitions[0].components == ("^~\\&",)
    assert msh.field(3).value == "HIS"
    assert message.get("MSH-9.3") == "ORM_O01"
    assert message.get("MSH-12") == "2.5.1"


def test_empty_and_null_differ():
    pid = parse_text(ORDER).first("PID")
    assert pid.field(13).is_null
    assert not pid.field(13).is_empty
    assert pid.field(13).value == NULL
    assert pid.field(12).is_empty
    assert not pid.field(12).is_null
    assert pid.field(12).value == ""
    assert pid.field(12).repetitions == ()


def test_segments_of_a_name_are_counted_and_located():
    obr = list(parse_text(ORDER).all("OBR"))[1]
    assert obr.index == 2
    assert obr.location() == "OBR^2"
    assert obr.location(4) == "OBR^2^4"
    assert obr.location(4, rep=1) == "OBR^2^4^1"
    assert obr.location(4, component=2) == "OBR^2^4^1^2"


def test_groups_begin_at_each_orc_and_keep_what_follows():
    first, second = parse_text(ORDER).groups()
    assert [segment.name for segment in first.segments] == ["ORC", "OBR"]
    assert [segment.name for segment in second.segments] == ["ORC", "OBR", "ZDS"]
    assert second.get("OBR-1") == "2"
    assert second.first("OBR").location(2) == "OBR^2^2"
    assert [group.get("OBR-1") for group in first.groups("OBR")] == ["1"]
    assert parse_text(ORDER).groups("IPC") == ()


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\r\r\n"])
def test_any_line_end_ends_a_segment(end):
    message = parse_text(ORDER.replace("\r", end))
    assert message.encode() == ORDER


def test_other_line_ends_of_unicode_do_not_end_a_segment():
    message = parse_text("MSH|^~\\&|A\rNTE|1||a\x85b\u2028c\x0bd\x1ce\x0cf\rPID|1")
    assert message.get("NTE-3") == "a\x85b\u2028c\x0bd\x1ce\x0cf"
    assert len(message.segments) == 3


def test_delimiters_are_those_of_the_message():
    message = parse_text("MSH$*%!@$HIS$A!F!B!S!C!R!D!T!E!E!\rPID$$$P1***X@Y~%P2")
    assert message.get("MSH-3") == "HIS"
    assert message.get("MSH-4") == "A$B*C%D@E!"
    assert message.get("PID-3.4.2") == "Y~"
    assert message.get("PID-3[2]") == "P2"


def test_the_truncation_character_of_version_2_7_is_read():
    message = parse_text("MSH|^~\\&#|HIS|\\P\\x\rPID|1")
    assert message.delimiters.truncation == "#"
    assert message.get("MSH-4") == "#x"


def test_a_sender_may_leave_out_the_last_delimiters():
    message = parse_text("MSH|^~|HIS|A&B\\F\\")
    assert message.get("MSH-4") == "A&B\\F\\"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f", "a|b^c&d~e\\f"),
        ("\\H\\loud\\N\\ soft", "loud soft"),
        ("one\\.br\\two", "one\ntwo"),
        ("\\X0D0A\\", "\r\n"),
        ("\\XC3A9\\", "é"),
        ("\\XC3\\\\XA9\\", "é"),
        ("\\XE9\\", "\\XE9\\"),
        ("\\X0\\", "\\X0\\"),
        ("\\.sp\\N\\F\\", "\\.sp\\N|"),
        ("\\.in+4\\x", "\\.in+4\\x"),
        ("\\Zlocal\\F\\F\\", "\\Zlocal\\F|"),
        ("C:\\temp\\F\\x", "C:\\temp|x"),
        ("\\\\server\\share", "\\\\server\\share"),
        ("end\\", "end\\"),
        ("\\E\\P\\E\\", "\\P\\"),
        ("\\M2442\\4A;z\\C2842\\ x", "漢字 x".replace("漢字", "\u6c17\u8cb4")),
        ('\\M242844\\"k', "º"),
        ("\\C2842\\abc", "abc"),
        ("\\C9999\\abc", "\\C9999\\abc"),
    ],
)
def test_escape_sequences_of_2_7(text, value):
    if "\\M2442\\" in text:
        value = b"\x1b$B4A;z\x1b(B x".decode("iso2022_jp")
    assert unescape(text, Delimiters()) == value


def test_single_byte_sets_are_switched_to_by_escape_sequences():
    assert unescape("\\C2D42\\\xb1\\XB1\\", Delimiters(), "iso8859-1") == "ąą"
    assert unescape("\\C2949\\\\XB1\\", Delimiters()) == "ｱ"


def test_hexadecimal_data_is_of_the_messages_set():
    raw = b"MSH|^~\\&|HIS|||||||||||||||8859/1\rPID|1||\\XE9\\"
    assert parse(raw).get("PID-3") == "é"


@pytest.mark.parametrize(
    "raw", [b"", b"PID|1\r", b"MSH", b"MSHX^~\\&|", b"MSH\r", b"\x00\xff", b"msh|^~\\&|"]
)
def test_a_message_without_msh_is_refused(raw):
    for read in (parse, read_header):
        with pytest.raises(Er7Error) as caught:
            read(raw)
        assert (caught.value.code, caught.value.location) == (100, "MSH^1")


@pytest.mark.parametrize(("encoding", "code"), [("", 101), ("^^~\\", 102), ("^~\\&#x", 102), ("abcd", 102)])
def test_delimiters_that_can_not_work_are_refused_but_the_header_is_read(encoding, code):
    raw = f"MSH|{encoding}|HIS||||||ADT^A01|ID7".encode()
    with pytest.raises(Er7Error) as caught:
        parse(raw)
    assert (caught.value.code, caught.value.location) == (code, "MSH^1^2")
    assert read_header(raw).control_id == "ID7"


@pytest.mark.parametrize("start", [b"\r\n", b"\xef\xbb\xbf", b" \t", b"\x0b", b"\0"])
def test_blanks_before_msh_are_tolerated(start):
    assert parse(start + ORDER.encode()).encode() == ORDER
    assert read_header(start + ORDER.encode()).control_id == "42"


def test_nul_and_other_control_characters_are_kept():
    assert parse(ORDER.replace("ANNA", "AN\0\x01NA").encode()).get("PID-5.2") == "AN\0\x01NA"


def test_bytes_that_do_not_decode_are_refused_with_their_place():
    raw = ORDER.encode().replace(b"BARS", b"B\xc4RS")
    with pytest.raises(Er7Error) as caught:
        parse(raw)
    assert caught.value.code == 102
    assert caught.value.location == "PID^1^5"
    assert f"0xC4 at position {raw.index(0xC4)}" in caught.value.text


def test_the_charset_of_the_source_overrides_msh_18():
    raw = ORDER.encode().replace(b"BARS", b"B\xc4RS")
    assert parse(raw, "8859/1").get("PID-5.1") == "BÄRS"


def test_the_header_of_an_order():
    header = read_header(ORDER.encode())
    assert (header.sending_application, header.sending_facility) == ("HIS", "GENHOSP")
    assert (header.receiving_application, header.receiving_facility) == ("RIS", "RAD")
    assert (header.message_code, header.trigger, header.structure) == ("ORM", "O01", "ORM_O01")
    assert (header.control_id, header.processing_id, header.version) == ("42", "P", "2.5.1")
    assert (header.time, header.sequence_number) == ("20250102101112", "7")
    assert (header.accept_ack, header.application_ack) == ("AL", "NE")
    assert (header.charsets, header.charset_handling) == (("UNICODE UTF-8",), "")
    assert header.raw(9) == "ORM^O01^ORM_O01"
    assert header.raw(99) == ""


def test_the_header_is_read_where_the_message_does_not_decode():
    raw = b"MSH|^~\\&|H\xe4S||||||ADT^A01|1|P|2.5||||||NONSENSE~8859/1||ISO 2022-1994\rPID|\xff"
    header = read_header(raw)
    assert header.sending_application == "HäS"
    assert header.charsets == ("NONSENSE", "8859/1")
    assert header.charset_handling == "ISO 2022-1994"


def test_utf_16_is_seen_in_the_first_bytes():
    for codec in ("utf-16", "utf-16-le", "utf-16-be"):
        raw = ORDER.replace("BARS", "BÄRS").replace("UTF-8", "UTF-16").encode(codec)
        assert parse(raw).get("PID-5") == "BÄRS"
        assert read_header(raw).control_id == "42"


@pytest.mark.parametrize(
    ("bomb", "code", "location"),
    [
        ("ZZZ|1\r" * 5_001, 100, ""),
        ("\r" * 20_000_00 + "PID|1", 100, ""),
        ("PID|" + "&" * 200_001, 102, ""),
        ("PID|" + "|" * 200_001, 102, ""),
        ("PID|1\rPID|1||" + "a~" * 2_000, 102, "PID^2^3"),
    ],
)
def test_bombs_are_refused_before_they_are_split(bomb, code, location):
    start = time.perf_counter()
    with pytest.raises(Er7Error) as caught:
        parse_text("MSH|^~\\&|HIS\r" + bomb)
    assert time.perf_counter() - start < 1
    assert (caught.value.code, caught.value.location) == (code, location)


def test_a_message_at_the_limits_is_read():
    assert len(parse_text("MSH|^~\\&|HIS\r" + "ZZZ|1\r" * 4_999).segments) == 5_000
    message = parse_text("MSH|^~\\&|HIS\rPID|1||" + "a~" * 1_999)
    assert len(message.first("PID").field(3).repetitions) == 2_000


@pytest.mark.parametrize(
    "text", ["\\" * 199_000, "\\X" + "AA" * 1_000_000, "\\XAA\\" * 99_000, '\\M2442\\$"' * 99_000]
)
def test_escape_bombs_are_read_in_linear_time(text):
    start = time.perf_counter()
    assert parse_text(f"MSH|^~\\&|HIS\rOBX|1|{text}x").get("OBX-2")
    assert time.perf_counter() - start < 5


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(raw):
    read_or_refuse(raw)


@given(
    st.binary(max_size=300),
    st.sampled_from(["", "ASCII", "8859/7", "UNICODE UTF-8", "~ISO IR87", "BIG-5", "x"]),
)
def test_any_bytes_after_a_header_are_read_or_refused(raw, charset):
    read_or_refuse(f"MSH|^~\\&|HIS||||||ADT^A01|1|P|2.5||||||{charset}\rPID|".encode() + raw)


@given(st.text(alphabet='MSHPID|^~\\&#\r\nXEF0.br"é\0', max_size=300))
def test_any_text_is_read_or_refused(text):
    read_or_refuse(("MSH|^~\\&|" + text).encode())
    read_or_refuse(("MSH" + text).encode())


@given(st.text(alphabet=st.characters(exclude_characters="\r\n"), max_size=50), st.integers(1, 6))
def test_text_with_cr_ends_round_trips_exactly(value, count):
    text = "MSH|^~\\&|HIS\r" + f"ZZZ|{value}\r" * count
    assert parse_text(text).encode() == text


@pytest.mark.skipif(not REAL.is_dir(), reason="the collection of real messages is not here")
def test_real_messages_are_read_or_refused():
    read = 0
    for raw in real_messages():
        read_or_refuse(raw)
        for message in split_messages(raw):
            read_or_refuse(message)
            read += 1
    assert read > 200


@pytest.mark.skipif(not REAL.is_dir(), reason="the collection of real messages is not here")
@settings(deadline=None)
@given(st.data())
def test_mutated_real_messages_are_read_or_refused(data):
    raw = data.draw(st.sampled_from([raw[:3_000] for raw in real_messages()]))
    start = data.draw(st.integers(0, len(raw)))
    end = data.draw(st.integers(start, min(len(raw), start + 40)))
    patch = data.draw(
        st.one_of(st.binary(max_size=20), st.sampled_from([b"|" * 9, b"\\", b"\r", b"~~", b"MSH|"]))
    )
    read_or_refuse(raw[:start] + patch + raw[end:])
