"""Master files: catalogue, staff and locations (HL7 v2.5.1 chapter 8), answered with MFK."""

import itertools
from collections.abc import Callable

import pytest

from interfaces.hl7.inbound import inbox, sources
from interfaces.hl7.inspect import dry_run
from interfaces.hl7.models import InboundMessage, Source
from worklist import catalogue, master_files
from worklist.models import HospitalLocation, Order, ProcedureCode, ScheduledProcedureStep, StaffMember
from worklist.schedule import order_choices

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("site"), pytest.mark.once]
Say = Callable[..., bytes]
MFI = "MFI|OMA^Observations^HL70175||UPD|||AL"


def send(raw: bytes, expected: str = "AA") -> list[list[str]]:
    answer = inbox.receive(raw, peer="")
    assert answer is not None and f"MSA|{expected}|".encode() in answer, answer
    return [segment.split("|") for segment in answer.decode().split("\r") if segment]


def mfe(event: str, key: str, number: str = "1") -> str:
    return f"MFE|{event}|{number}||{key}|CE"


def om1(code: str, modality: str = "CT") -> str:
    return f"OM1|1|{code}{'|' * 47}{modality}"


@pytest.mark.parametrize("event", ["M08", "M09", "M10", "M11", "M12"])
def test_a_procedure_is_added_and_known_to_orders(say: Say, event: str) -> None:
    answer = send(say(f"MFN^{event}", MFI, mfe("MAD", "NEW1^New^L"), om1("NEW1^CT new^L")))
    assert answer[0][8] == f"MFK^{event}^MFK_M01"
    assert answer[2][0] == "MFI" and answer[3] == ["MFA", "MAD", "1", "", "S", "NEW1^New^L"]
    row = ProcedureCode.objects.get()
    assert (row.code, row.scheme, row.description, row.modality) == ("NEW1", "L", "CT new", "CT")
    pid = "PID|1||P1^^^GENHOSP^MR||BARS^ANNA"
    send(say("ORM^O01", pid, "ORC|NW|A^HIS", "OBR|1|||NEW1^^L"))
    assert ScheduledProcedureStep.objects.get().modality == "CT"


def test_charges_are_procedures_where_the_source_says_their_modality(say: Say) -> None:
    source = Source.objects.get()
    source.options["mapping"] = {"catalogue_modality": ["ZCD-1"]}
    source.save()
    sources._kept.clear()
    send(
        say(
            "MFN^M04",
            MFI,
            mfe("MAD", "C1"),
            "CDM|C1^^L||MR head",
            "ZCD|MR",
            mfe("MAD", "C2"),
            "CDM|C2||Aspirin",
        )
    )
    row = ProcedureCode.objects.get()
    assert (row.code, row.description, row.modality) == ("C1", "MR head", "MR"), (
        "what has none is none of ours"
    )


def test_every_order_of_arrival_ends_in_the_newest_state(say: Say) -> None:
    messages = [
        say("MFN^M08", MFI, mfe("MAD", "X^^L"), om1("X^One^L"), at=0),
        say("MFN^M08", MFI, mfe("MUP", "X^^L"), om1("X^Two^L", "MR"), at=1),
        say("MFN^M08", MFI, mfe("MDC", "X^^L"), om1("X^^L", ""), at=2),
    ]
    for arrivals in itertools.permutations(messages):
        for raw in arrivals:
            send(raw)
        row = ProcedureCode.objects.get()
        assert (row.description, row.modality, row.is_active) == ("Two", "MR", False)
        ProcedureCode.objects.all().delete()
        InboundMessage.objects.all().delete()


@pytest.mark.parametrize("event", ["MDC", "MDL"])
def test_what_is_deactivated_is_offered_no_more_and_orders_stay(say: Say, event: str) -> None:
    send(say("MFN^M08", MFI, mfe("MAD", "X^^L"), om1("X^One^L")))
    send(say("ORM^O01", "PID|1||P1^^^GENHOSP^MR||BARS^ANNA", "ORC|NW|A^HIS", "OBR|1|||X^^L", at=1))
    assert [one.value for one in order_choices.procedures()] == ["X"]
    send(say("MFN^M08", MFI, mfe(event, "X^^L"), at=2))
    assert order_choices.procedures() == []
    send(say("ORM^O01", "PID|1||P1^^^GENHOSP^MR||BARS^ANNA", "ORC|NW|B^HIS", "OBR|1|||X^^L", at=3))
    assert {step.modality for step in ScheduledProcedureStep.objects.all()} == {"CT"}
    send(say("MFN^M08", MFI, mfe("MAC", "X^^L"), at=4))
    assert [one.value for one in order_choices.procedures()] == ["X"]


def test_staff_give_their_names_to_orders_that_say_only_their_numbers(say: Say) -> None:
    stf = "STF|77|4711^^^GENHOSP~L9|HOUSE^GREGORY^^JR^DR|P^Physician"
    send(say("MFN^M02", "MFI|STF||UPD|||AL", mfe("MAD", "77"), stf))
    row = StaffMember.objects.get()
    assert (row.code, row.name, row.role, row.identifiers) == (
        "77",
        "HOUSE^GREGORY^^DR^JR",
        "Physician",
        ["4711", "L9"],
    )
    obr = f"OBR|1|||71260^CT^C4{'|' * 12}4711{'|' * 8}CT"
    send(say("ORM^O01", "PID|1||P1^^^GENHOSP^MR||BARS^ANNA", "ORC|NW|A^HIS", obr))
    assert Order.objects.get().requesting_physician == "HOUSE^GREGORY^^DR^JR"


def test_locations_are_called_by_their_names(say: Say) -> None:
    send(
        say(
            "MFN^M05",
            "MFI|LOC||UPD|||AL",
            mfe("MAD", "W1^12"),
            "LOC|W1^12|Room 12",
            mfe("MAD", "W1"),
            "LOC|W1|Ward 1",
        )
    )
    assert HospitalLocation.objects.count() == 2
    assert master_files.location_name("W1^12^A^GENHOSP") == "Room 12"
    assert master_files.location_name("W1^13") == "Ward 1"
    assert master_files.location_name("W2") == ""


@pytest.mark.parametrize(
    ("segments", "place"),
    [
        (["MFI|OMA||REP|||AL", mfe("MAD", "X"), om1("X^One^L")], "MFI^1^3"),
        ([MFI], "MFE"),
        ([mfe("MAD", "X"), om1("X^One^L")], "MFI"),
        ([MFI, mfe("XXX", "X"), om1("X^One^L")], "MFE^1^1"),
        ([MFI, mfe("MAD", ""), om1("")], "MFE^1^4"),
        ([MFI, mfe("MAD", "X"), om1("X^One^L"), mfe("MAD", "Y"), om1(f"Y^{'y' * 65}^L")], "MFE^2^4"),
    ],
)
def test_all_entries_of_a_message_are_taken_or_none(say: Say, segments: list[str], place: str) -> None:
    answer = send(say("MFN^M08", *segments), "AE")
    assert answer[2][2] == place
    assert {one[4] for one in answer if one[0] == "MFA"} <= {"U"}
    assert not ProcedureCode.objects.exists()


@pytest.mark.parametrize(("level", "told"), [("NE", 0), ("ER", 0), ("SU", 1), ("AL", 1)])
def test_entries_are_answered_as_the_sender_wants(say: Say, level: str, told: int) -> None:
    answer = send(say("MFN^M08", MFI[:-2] + level, mfe("MAD", "X"), om1("X^One^L")))
    assert [one[0] for one in answer].count("MFA") == told


def test_the_catalogue_in_memory_follows(say: Say) -> None:
    assert catalogue.current().procedure("X", "L") is None
    send(say("MFN^M08", MFI, mfe("MAD", "X"), om1("X^One^L")))
    assert catalogue.current().procedure("X", "L") is not None


def test_what_it_would_do_can_be_tried_out(say: Say) -> None:
    found = dry_run.dry_run(say("MFN^M08", MFI, mfe("MAD", "X"), om1("X^One^L")))
    told = {(one.thing, one.field): one.after for one in found.trial.changes}
    assert told == {("X", "in use"): "yes", ("X", "description"): "One", ("X", "modality"): "CT"}
    assert not ProcedureCode.objects.exists()
