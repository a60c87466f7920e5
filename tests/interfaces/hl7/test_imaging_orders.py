"""OMI^O23 with its imaging procedure segments, and the answers that name orders (HL7 v2.5.1 4.4.8, 4.5.6)."""

from collections.abc import Callable

import pytest

from interfaces.hl7.inbound import inbox, sources
from interfaces.hl7.models import InboundMessage, Source
from worklist.models import Order, RequestedProcedure, ScheduledProcedureStep

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("site"), pytest.mark.once]
Say = Callable[..., bytes]
PID = "PID|1||P1^^^GENHOSP^MR||BARS^ANNA||19700102|F"
ORC = "ORC|NW|A^HIS"
OBR = "OBR|1|A^HIS||71260^CT CHEST^C4"


def ipc(step: str, *, procedure: str = "RP1", uid: str = "1.2.3", protocol: str = "P1^Chest^L") -> str:
    return f"IPC|ACC1^RIS|{procedure}^RIS|{uid}^RIS|{step}^RIS|CT|{protocol}|CT1|ROOM 1|CT_AE"


def send(raw: bytes, expected: str = "AA") -> list[list[str]]:
    answer = inbox.receive(raw, peer="")
    assert answer is not None and f"MSA|{expected}|".encode() in answer, answer
    return [segment.split("|") for segment in answer.decode().split("\r") if segment]


def test_each_ipc_is_a_step_with_its_own_station_and_protocols(say: Say) -> None:
    more = ipc("S2", protocol="P2^Abdomen^L~P3^Pelvis^L")
    send(say("OMI^O23", PID, ORC, "TQ1|1||||||202603030900||S", OBR, ipc("S1"), more))
    order, procedure = Order.objects.get(), RequestedProcedure.objects.get()
    assert (order.accession_number, order.priority) == ("ACC1", "STAT")
    assert (procedure.requested_procedure_id, procedure.study_instance_uid) == ("RP1", "1.2.3")
    assert procedure.code == "71260"
    first, second = ScheduledProcedureStep.objects.order_by("scheduled_procedure_step_id")
    assert [code["code"] for code in first.protocol_codes] == ["P1"]
    assert [code["code"] for code in second.protocol_codes] == ["P2", "P3"]
    for step in (first, second):
        found = (step.modality, step.station_name, step.location, step.station_ae_title)
        assert found == ("CT", "CT1", "ROOM 1", "CT_AE") and step.local_date == "20260303"


def test_several_procedures_of_one_order_each_have_their_own_ids(say: Say) -> None:
    more = ipc("S2", procedure="RP2", uid="1.2.4")
    send(say("OMI^O23", PID, ORC, OBR, ipc("S1"), more))
    found = RequestedProcedure.objects.values_list("requested_procedure_id", "study_instance_uid")
    assert set(found) == {("RP1", "1.2.3"), ("RP2", "1.2.4")}
    assert ScheduledProcedureStep.objects.count() == 2


def test_an_ipc_that_repeats_its_step_adds_a_protocol(say: Say) -> None:
    send(say("OMI^O23", PID, ORC, OBR, ipc("S1"), ipc("S1", protocol="P2^Abdomen^L")))
    step = ScheduledProcedureStep.objects.get()
    assert [code["code"] for code in step.protocol_codes] == ["P1", "P2"]


def test_it_is_the_same_order_as_that_of_an_orm_in_any_order_of_arrival(say: Say) -> None:
    messages = [
        say("ORM^O01", PID, ORC, f"OBR|1|||71260^CT CHEST^C4{'|' * 20}CT", at=0),
        say("OMI^O23", PID, ORC.replace("NW", "XO"), OBR, ipc("S1"), at=1),
    ]
    found = []
    for arrivals in (messages, messages[::-1]):
        for raw in arrivals:
            send(raw)
        step = ScheduledProcedureStep.objects.select_related("procedure__order").get()
        procedure = step.procedure
        found.append((step.scheduled_procedure_step_id, procedure.requested_procedure_id, step.modality))
        found.append((procedure.order.accession_number, procedure.study_instance_uid, step.location))
        Order.objects.all().delete()
        InboundMessage.objects.all().delete()
    assert found[:2] == found[2:] == [("S1", "RP1", "CT"), ("ACC1", "1.2.3", "ROOM 1")]


def test_what_a_worklist_can_not_hold_is_refused_at_its_ipc(say: Say) -> None:
    answer = send(say("OMI^O23", PID, ORC, OBR, ipc("S1", uid="1.2.x")), "AE")
    assert answer[2][2] == "IPC^1^3"
    answer = send(say("OMI^O23", PID, ORC, OBR, ipc("S" * 17)), "AE")
    assert answer[2][2] == "IPC^1^4"


@pytest.mark.parametrize(
    ("kind", "answered"),
    [("ORM^O01", "ORR^O02^ORR_O02"), ("OMG^O19", "ORG^O20^ORG_O20"), ("OMI^O23", "ORI^O24^ORI_O24")],
)
def test_a_source_that_wants_so_is_told_of_each_order(say: Say, kind: str, answered: str) -> None:
    obr = f"OBR|1|||71260^CT CHEST^C4{'|' * 20}CT"
    assert send(say(kind, PID, ORC, obr))[0][8].startswith("ACK^")
    source = Source.objects.get()
    source.options["order_responses"] = True
    source.save()
    sources._kept.clear()
    accepted = send(say(kind, PID, "ORC|NW|B^HIS|F^RIS", obr, "ORC|CA|A^HIS"))
    assert accepted[0][8] == answered
    assert accepted[2:] == [["ORC", "OK", "B^HIS", "F^RIS"], ["ORC", "CR", "A^HIS", ""]]
    unknown = obr.replace("71260^CT CHEST^C4", "")
    refused = send(say(kind, PID, "ORC|NW|C^HIS", f"{unknown}"[:-2], "ORC|CA|A^HIS", "ORC|XO|D^HIS"), "AE")
    assert refused[2][0] == "ERR"
    assert [orc[:3] for orc in refused[3:]] == [
        ["ORC", "UA", "C^HIS"],
        ["ORC", "UC", "A^HIS"],
        ["ORC", "UX", "D^HIS"],
    ]


def test_a_version_that_has_no_such_answer_gets_an_acknowledgment(say: Say) -> None:
    source = Source.objects.get()
    source.options["order_responses"] = True
    source.save()
    sources._kept.clear()
    raw = say("OMG^O19", PID, ORC, f"OBR|1|||71260^CT^C4{'|' * 20}CT").replace(b"|2.5.1", b"|2.3.1")
    assert send(raw)[0][8] == "ACK^O19^ACK"
