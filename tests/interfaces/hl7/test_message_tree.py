"""Messages taken apart: names of fields (HL7 v2.5.1 appendix A), the place of an error, bounds."""

import pytest

from interfaces.hl7.inspect import message_tree
from interfaces.hl7.inspect.message_tree import LINE, LINES, VALUE, Part, Place
from interfaces.hl7.syntax import dictionary

MSH = "MSH|^~\\&|HIS|GENHOSP|RIS|RAD|20260302||ADT^A08^ADT_A01|M1|P|2.5.1"
PID = 'PID|1||P1^^^GENHOSP&1.2&ISO^MR~N2^^^NAT||O\\T\\NEIL^ANNA||1970-1-2|""'


def taken(*segments: str, location: str = "") -> message_tree.Anatomy:
    return message_tree.of("\r".join([MSH, *segments]).encode(), location=location)


def parts_of(found: message_tree.Anatomy, number: int) -> dict[str, Part]:
    branch = found.branch(number)
    assert branch
    every: dict[str, Part] = {}

    def add(part: Part) -> None:
        every[part.path] = part
        for inner in part.parts:
            add(inner)

    for part in branch.fields:
        add(part)
    return every


def test_fields_components_and_subcomponents_have_names_and_values() -> None:
    parts = parts_of(taken(PID), 2)
    for path, name, value in (
        ("PID-3", "Patient identifier list", "2 repetitions"),
        ("PID-3[1].1", "ID number", "P1"),
        ("PID-3[1].4.2", "Universal ID", "1.2"),
        ("PID-3[2].4", "Assigning authority", "NAT"),
        ("PID-5.1", "Family name", "O&NEIL"),
        ("PID-7", "Date time of birth", "1970-1-2"),
    ):
        assert (parts[path].named.name, parts[path].value) == (name, value), path
    assert parts["PID-8"].is_null and parts["PID-8"].named.table == "HL70001"
    assert "PID-4" not in parts


@pytest.mark.parametrize(
    "version", ["2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.6", "2.7", "2.8", "", "9"]
)
def test_every_version_has_names_for_what_is_read(version: str) -> None:
    for segment, count in {"MSH": 12, "PID": 8, "PV1": 19, "ORC": 12, "OBR": 36, "MRG": 1, "IPC": 9}.items():
        assert dictionary.segment(segment)
        assert all(dictionary.field(segment, n, version).name for n in range(1, count + 1)), segment


def test_what_no_version_knows_has_no_name_and_does_no_harm() -> None:
    assert dictionary.field("ZZZ", 1, "2.5.1").name == ""
    assert dictionary.field("../x", 1, "2.5.1").name == ""
    assert dictionary.field("PID", 200, "2.5.1").name == ""
    assert dictionary.field("ZDS", 1, "2.5.1").part(1).name == "UID"


@pytest.mark.parametrize(
    ("location", "shown", "marked"),
    [
        ("PID^1^7", "PID-7", "1970-1-2"),
        ("PID^1^2", "PID-2", "||"),
        ("PID^1", "PID", PID),
        ("PID^1^40", "PID-40", ""),
        ("MSH^1^3", "MSH-3", "HIS"),
        ("MSH^1^1", "MSH-1", "|"),
        ("MSH^1^9^1^2", "MSH-9.2", "ADT^A08^ADT_A01"),
        ("PID^1^3^2^1", "PID-3[2].1", "P1^^^GENHOSP&1.2&ISO^MR~N2^^^NAT"),
    ],
)
def test_the_place_of_an_error_is_marked(location: str, shown: str, marked: str) -> None:
    found = taken(PID, location=location)
    assert str(found.place) == shown
    (line,) = [line for line in found.lines() if line.is_wrong]
    assert line.number == found.error_line() and line.wrong == marked
    assert line.before + line.wrong + line.after in (MSH, PID)
    if found.place.field:
        branch = found.branch(line.number)
        assert branch and any(part.is_wrong for part in branch.fields)


@pytest.mark.parametrize("location", ["", "PID^2^3", "MRG", "nonsense", "^^^", "PID^x"])
def test_a_place_that_is_not_in_the_message_marks_nothing(location: str) -> None:
    found = taken(PID, location=location)
    assert location == "PID^x" or found.error_line() == 0
    assert Place.of("<script>") == Place()


def test_a_huge_message_is_shown_in_parts() -> None:
    notes = [f"NTE|{n}||words" for n in range(1, 1000)]
    found = taken(*notes)
    assert found.count == 1000 and len(found.lines()) == len(found.branches()) == LINES
    assert next(line.number for line in found.lines(LINES)) == LINES + 1
    long = taken("OBX|1|ED|PDF||^^PDF^Base64^" + "A" * 1_000_000)
    line = long.lines()[1]
    assert len(line.before) == LINE and line.cut > 990_000
    document = parts_of(long, 2)["OBX-5.5"]
    assert len(document.value) == VALUE and document.cut == 1_000_000 - VALUE


@pytest.mark.parametrize(
    "raw",
    [b"", b"\x00\xff\x80\x1b[2J", b"MSH", b"MSH|", b"PID|1|\rMSH|^~\\&|", b"\xff\xfeM\x00S\x00H\x00|\x00"],
)
def test_rubbish_is_shown_as_lines_that_do_nothing(raw: bytes) -> None:
    found = message_tree.of(raw)
    text = "".join(line.before for line in found.lines())
    assert text.isprintable()
    assert found.message is None or found.branches()


def test_control_and_direction_characters_are_visible() -> None:
    (_, line) = taken("NTE|1||a\x00\x0b\u202eb").lines()
    assert line.before.endswith("a␀␋<U+202E>b")
