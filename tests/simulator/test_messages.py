"""What the HIS sends is HL7 v2.5.1, in the character set that it says, with what the plan says."""

import itertools
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from simulator import plan
from simulator.messages import CODECS, Message, Writer, escape
from simulator.plan import Case, Fate

NINE = datetime(2026, 3, 2, 9, 0, tzinfo=timezone(timedelta(hours=1)))
CASES = plan.day(seed=1, run="1234567", orders=150)


@pytest.fixture
def writer() -> Writer:
    numbers = itertools.count(1)
    return Writer("SIM", lambda: next(numbers), lambda minute: NINE + timedelta(minutes=minute))


def segments(message: Message) -> dict[str, list[str]]:
    """The segments by name, each with its name at 0; MSH with its separator at 1, so that n is field n."""
    header = message.raw.split(b"\r")[0].split(b"|")
    text = message.raw.decode(CODECS[header[17].decode()])
    assert text.endswith("\r")
    assert "\n" not in text
    found = {}
    for line in text.split("\r")[:-1]:
        fields = line.split("|")
        found[fields[0]] = ["MSH", "|", *fields[1:]] if fields[0] == "MSH" else fields
    return found


@pytest.mark.parametrize("case", CASES[::7], ids=lambda case: case.person.charset)
def test_an_order_says_what_the_plan_says(case: Case, writer: Writer) -> None:
    found = segments(writer.order(case))

    assert list(found)[:3] == ["MSH", "PID", "PV1"]
    assert found["MSH"][2] == "^~\\&"
    assert found["MSH"][9] == "ORM^O01^ORM_O01"
    assert found["MSH"][12] == "2.5.1"
    assert found["PID"][3] == f"{case.person.patient_id}^^^GENHOSP^MR"
    assert found["PID"][7:9] == [case.person.birth_date, case.person.sex]
    assert found["ORC"][1] == "NW"
    assert found["ORC"][2] == found["OBR"][2] == f"PL{case.key}^HIS"
    assert found["OBR"][4].split("^")[0] == case.procedure.code
    assert found["OBR"][18] == case.accession_number
    assert found["OBR"][24] == case.procedure.modality
    assert found["OBR"][27].split("^")[5] == case.priority
    assert ("ZDS" in found) == case.sends_uid


def test_every_patient_can_be_written_in_the_set_of_the_message(writer: Writer) -> None:
    sets = set()
    for case in CASES:
        names = segments(writer.order(case))["PID"][5].split("~")
        sets.add(case.person.charset)
        assert len(names) == len(case.person.names)
        for name, group in zip(names, case.person.names, strict=True):
            assert name.split("^")[:2] == [escape(part) for part in group[:2]]
        codes = [name.split("^")[7] for name in names]
        assert codes == ["A", "I", "P"][: len(names)]
    assert {"UNICODE UTF-8", "8859/1", "~ISO IR87"} <= sets


def test_names_have_their_suffix_before_their_prefix_other_than_in_dicom(writer: Writer) -> None:
    person = replace(CASES[0].person, charset="UNICODE UTF-8", names=(("Leyden", "M", "E", "Dr.", "Jr."),))

    assert segments(writer.update(person))["PID"][5] == "Leyden^M^E^Jr.^Dr.^^L^A"


def test_a_start_is_the_moment_of_its_minute_with_its_offset(writer: Writer) -> None:
    case = replace(CASES[0], due=90.0, moved_to=120.0, fate=Fate.DONE)

    assert segments(writer.order(case))["OBR"][36] == "20260302103000+0100"
    assert segments(writer.order(case, "XO"))["OBR"][36] == "20260302110000+0100"


def test_a_prior_was_completed_long_ago(writer: Writer) -> None:
    prior = next(case for case in CASES if case.fate is Fate.PRIOR)
    found = segments(writer.order(prior))

    assert found["ORC"][5] == "CM"
    start = datetime.strptime(found["OBR"][36], "%Y%m%d%H%M%S%z")
    assert NINE - start >= timedelta(days=30)
    said = datetime.strptime(found["MSH"][7], "%Y%m%d%H%M%S.%f%z")
    assert said - start == timedelta(minutes=prior.procedure.minutes)


def test_a_cancel_names_the_order_and_why(writer: Writer) -> None:
    found = segments(writer.order(CASES[0], "CA"))

    assert found["ORC"][1] == found["ORC"][5] == "CA"
    assert found["ORC"][16] == "^Patient declined"


def test_a_merge_names_the_survivor_and_the_retired(writer: Writer) -> None:
    person = CASES[0].person
    found = segments(writer.merge(person, "4711"))

    assert found["MSH"][9] == "ADT^A40^ADT_A39"
    assert found["PID"][3] == "4711^^^GENHOSP^MR"
    assert found["MRG"][1] == f"{person.patient_id}^^^GENHOSP^MR"


def test_no_two_messages_have_one_control_id(writer: Writer) -> None:
    ids = [writer.order(case).control_id for case in CASES]

    assert len(set(ids)) == len(ids)
    assert all(len(control_id) <= 20 for control_id in ids)


def test_delimiters_in_a_text_are_escaped() -> None:
    assert escape("a|b^c&d~e\\f") == "a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f"
