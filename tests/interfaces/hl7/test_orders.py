"""ORM^O01 field by field (HL7 v2.5.1 4.5; IHE RAD TF-2 4.2), and ADT."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from accounts.models import Facility
from interfaces.dicom.services.worklist_item import PATIENT_LEVEL, Item
from interfaces.hl7.inbound import inbox, sources
from interfaces.hl7.models import InboundMessage, Source
from interfaces.hl7.outbound import segment_data
from ledger import events
from ledger.models import Event
from worklist.models import (
    Order,
    OrderNumber,
    Patient,
    ProcedureCode,
    RequestedProcedure,
    ScheduledProcedureStep,
    Visit,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("site")]
Say = Callable[..., bytes]
PID = "PID|1||P1^^^GENHOSP^MR||BARS^ANNA||19700102|F"


def send(raw: bytes, expected: str = "AA") -> bytes:
    answer = inbox.receive(raw, peer="")
    assert answer is not None and f"MSA|{expected}|".encode() in answer, answer
    return answer


def obr(**fields: str) -> str:
    """An OBR of the fields given by number, such as `f18="A1"`."""
    values = {"1": "1", "4": "71260^CT CHEST^C4", "24": "CT", **{n[1:]: v for n, v in fields.items()}}
    return "OBR|" + "|".join(values.get(str(n), "") for n in range(1, 45))


def orc(control: str = "NW", placer: str = "PL1^HIS", status: str = "", timing: str = "") -> str:
    return f"ORC|{control}|{placer}|||{status}||{timing}"


def step() -> ScheduledProcedureStep:
    return ScheduledProcedureStep.objects.get()


def test_each_field_finds_its_place(say: Say) -> None:
    send(
        say(
            "ORM^O01^ORM_O01",
            PID,
            "PV1|1|I|W1^101^A||||9^HOUSE^GREGORY|8^WILSON^JAMES|||||||B6||||V1^^^GENHOSP",
            "AL1|1||^LATEX",
            "ORC|NW|PL1^HIS|FL1^RIS||SC||^^^202603021130^^S||||||||||^Surgery",
            obr(
                f2="PL1^HIS",
                f3="FL1^RIS",
                f4="71260^CT CHEST^C4^PC1^Thorax low dose^L",
                f12="^Infectious",
                f13="Cough",
                f16="1^SMITH^JOHN^^JR^DR",
                f18="A1",
                f19="RP1",
                f20="SP1",
                f30="WALK",
                f31="^Suspected pneumonia",
                f34="7&ROE&RICHARD",
            ),
            "ZDS|1.2.3.4^HIS^Application^DICOM",
            "OBX|1|NM|29463-7^Weight^LN||61.5|kg",
        )
    )
    order, procedure, found = Order.objects.get(), RequestedProcedure.objects.get(), step()
    assert sorted(order.numbers.values_list("kind", "value", "namespace")) == [
        ("filler", "FL1", "RIS"),
        ("placer", "PL1", "HIS"),
    ]
    assert (order.accession_number, order.priority, order.reason) == ("A1", "STAT", "Suspected pneumonia")
    assert (order.danger, order.transport, order.clinical_information) == ("Infectious", "WALK", "Cough")
    assert order.requesting_physician == "SMITH^JOHN^^DR^JR", "prefix and suffix change places"
    assert order.referring_physician == "WILSON^JAMES" and order.requesting_service == "Surgery"
    assert (procedure.requested_procedure_id, procedure.study_instance_uid) == ("RP1", "1.2.3.4")
    assert (procedure.code, procedure.scheme, procedure.description) == ("71260", "C4", "CT CHEST")
    assert (found.scheduled_procedure_step_id, found.modality) == ("SP1", "CT")
    assert found.protocol_codes == [{"code": "PC1", "scheme": "L", "meaning": "Thorax low dose"}]
    assert found.performing_physician == "ROE^RICHARD"
    assert found.start == datetime(2026, 3, 2, 11, 30, tzinfo=UTC), "MSH-7's offset applies"
    patient, visit = Patient.objects.get(), Visit.objects.get()
    assert (patient.weight_kg, patient.pregnancy, patient.allergies) == (61.5, "3", "LATEX")
    assert (visit.number, visit.location, visit.attending) == ("V1", "W1^101^A", "HOUSE^GREGORY")
    assert order.visit == visit


@pytest.mark.parametrize(
    ("sent", "modality"),
    [
        ("CT", "CT"),
        ("mr", "MR"),
        ("NMR", "MR"),
        ("NMS", "NM"),
        ("RUS", "US"),
        ("CTH", "XA"),
        ("RAD", "US"),
        ("EN", "US"),
    ],
)
def test_a_service_section_is_mapped_and_never_passed_on(say: Say, sent: str, modality: str) -> None:
    ProcedureCode.objects.create(code="71260", scheme="C4", description="x", modality="US")
    send(say("ORM^O01", PID, orc(), obr(f24=sent)))
    assert step().modality == modality


@pytest.mark.parametrize(
    ("control", "status", "expected"),
    [
        ("NW", "", "scheduled"),
        ("NW", "SC", "scheduled"),
        ("NW", "IP", "started"),
        ("XO", "CM", "completed"),
        ("SC", "IP", "started"),
        ("SC", "CM", "completed"),
        ("SC", "DC", "discontinued"),
        ("NW", "HD", "held"),
    ],
)
def test_control_and_status_decide(say: Say, control: str, status: str, expected: str) -> None:
    send(say("ORM^O01", PID, orc(control, status=status), obr()))
    assert step().status == expected


@pytest.mark.parametrize(
    ("control", "expected"),
    [("CA", "cancelled"), ("DC", "discontinued"), ("HD", "held"), ("RL", "scheduled")],
)
def test_an_end_needs_nothing_but_the_number(say: Say, control: str, expected: str) -> None:
    send(say("ORM^O01", PID, orc(), obr()))
    send(say("ORM^O01", PID, orc(control), at=1))
    assert step().status == expected


@pytest.mark.parametrize("procedure_id", ["RP1", ""])
def test_several_obr_with_one_step_id_are_one_step_with_several_protocols(
    say: Say, procedure_id: str
) -> None:
    codes = [obr(f4=f"71260^CT^C4^PC{n}^Protocol {n}^L", f19=procedure_id, f20="SP1") for n in (1, 2)]
    send(say("ORM^O01", PID, orc(), codes[0], orc(), codes[1]))
    assert [code["code"] for code in step().protocol_codes] == ["PC1", "PC2"]


def test_several_orders_in_one_message_are_several_orders(say: Say) -> None:
    send(
        say(
            "ORM^O01",
            PID,
            orc(placer="PL1^HIS"),
            obr(f18="A1"),
            orc(placer="PL2^HIS"),
            obr(f18="A2"),
        )
    )
    assert sorted(Order.objects.values_list("accession_number", flat=True)) == ["A1", "A2"]


@pytest.mark.parametrize(
    ("fields", "accession"),
    [({"f18": "A1", "f3": "FL1"}, "A1"), ({"f3": "FL1"}, "FL1"), ({}, "PL1"), ({"f3": "F" * 17}, None)],
)
def test_the_accession_number_falls_back_to_another_that_fits(
    say: Say, fields: dict[str, str], accession: str | None
) -> None:
    send(say("ORM^O01", PID, orc(), obr(**fields)))
    found = Order.objects.get().accession_number
    assert found == accession if accession else len(found) == 16


@pytest.mark.parametrize(
    ("fields", "code", "location"),
    [
        ({"f18": "A" * 17}, b"102", b"OBR^1^18"),
        ({"f24": "XYZ"}, b"103", b"OBR^1^24"),
        ({"f31": "^Cough\\X00\\"}, b"102", b"OBR^1^31"),
        ({"f19": "RP\\X00\\"}, b"102", b"OBR^1^19"),
        ({"f4": "71260^CT\\X00\\"}, b"102", b"OBR^1^4"),
        ({"f24": ""}, b"103", b"OBR^1^4"),
    ],
)
def test_a_field_that_can_not_be_taken_is_named(
    say: Say, fields: dict[str, str], code: bytes, location: bytes
) -> None:
    answer = send(say("ORM^O01", PID, orc(), obr(**fields)), "AE")
    assert b"|" + code + b"^" in answer and b"|" + location + b"|" in answer
    assert not Order.objects.exists() and not Patient.objects.exists()


@pytest.mark.parametrize(
    ("fields", "location"), [({"f36": "tomorrow"}, "OBR^1^36"), ({"f5": "X"}, "OBR^1^5")]
)
def test_an_order_is_taken_without_a_side_value_that_nobody_understands(
    say: Say, fields: dict[str, str], location: str
) -> None:
    send(say("ORM^O01", PID, orc(), obr(**fields)))
    assert (step().start, Order.objects.get().priority) == (None, "ROUTINE")
    (told,) = Event.objects.filter(kind="hl7.values_left_out")
    assert told.details == {"locations": [location]}


@pytest.mark.parametrize("less", ["202611", "2026", "202611+0100", "2026+0100"])
@pytest.mark.parametrize("field", ["f36", "f27", "timing", "tq1"])
def test_a_start_is_at_least_a_day(say: Say, less: str, field: str) -> None:
    """Nobody is due on the first at midnight by the name of a month."""
    text = less if field in ("f36", "tq1") else f"^^^{less}"
    timed = [orc(timing=text if field == "timing" else "")]
    timed += [f"TQ1|1||||||{text}"] if field == "tq1" else []
    send(say("ORM^O01", PID, *timed, obr(**({field: text} if field in ("f36", "f27") else {}))))
    assert step().start is None
    places = {"f36": "OBR^1^36", "f27": "OBR^1^27", "timing": "ORC^1^7", "tq1": "TQ1^1^7"}
    (told,) = Event.objects.filter(kind="hl7.values_left_out")
    assert told.details == {"locations": [places[field]]}


@pytest.mark.parametrize("bad", ["NOW", "202611", "20261340", "2026112", "x" * 30])
def test_what_can_not_be_read_hides_nothing_that_can(say: Say, bad: str) -> None:
    """Of each side value the first that can be read counts, and what stands before it is told."""
    mapping = {
        "modality": ["OBR-15", "OBR-24"],
        "station_ae_title": ["OBR-21", "OBR-20"],
        "transport": ["OBR-30"],
    }
    Source.objects.update(options={"mapping": mapping})
    sources._kept.clear()
    first = orc(timing=f"^^^{bad}^^?")
    content = obr(f5="S", f15="XYZ", f20="CT2", f21="y" * 40, f27="^^^202603021130^^", f24="MR")
    send(say("ORM^O01", PID, first, content))
    found = step()
    assert (found.start, found.modality) == (datetime(2026, 3, 2, 11, 30, tzinfo=UTC), "MR")
    assert (Order.objects.get().priority, found.station_ae_title) == ("STAT", "CT2")
    (told,) = Event.objects.filter(kind="hl7.values_left_out")
    assert sorted(told.details["locations"]) == ["OBR^1^15", "OBR^1^21", "ORC^1^7"]


def test_a_refusal_points_where_the_source_keeps_the_field(say: Say) -> None:
    Source.objects.update(options={"mapping": {"modality": ["OBR-15"]}})
    sources._kept.clear()
    both = [orc(), obr(f15="CT"), orc(placer="PL2^HIS"), obr(f15="XYZ")]
    answer = send(say("ORM^O01", PID, *both), "AE")
    assert b"|OBR^2^15|" in answer and not Order.objects.exists()


@pytest.mark.parametrize("uid", ["../../x", "1.2.03", "1..2", "1." + "2" * 63, "3.1", "1.2.x"])
def test_a_study_uid_that_is_none_is_refused(say: Say, uid: str) -> None:
    """PS3.5 9.1."""
    answer = send(say("ORM^O01", PID, orc(), obr(), f"ZDS|{uid}"), "AE")
    assert b"|ZDS^1^1|102^" in answer


def test_the_only_zds_at_the_end_is_for_all_orders(say: Say) -> None:
    """IHE RAD TF-2 4.4.4.1.2; and one for each order is its own."""
    both = [orc(placer="PL1^HIS"), obr(), orc(placer="PL2^HIS"), obr()]
    send(say("ORM^O01", PID, *both, "ZDS|1.2.3"))
    assert set(RequestedProcedure.objects.values_list("study_instance_uid", flat=True)) == {"1.2.3"}
    send(say("ORM^O01", PID, *both[:2], "ZDS|1.2.4", *both[2:], "ZDS|1.2.5", at=1))
    assert set(RequestedProcedure.objects.values_list("study_instance_uid", flat=True)) == {"1.2.4", "1.2.5"}


def test_an_order_takes_nothing_from_the_next_orders_timing(say: Say) -> None:
    timed = [orc(placer="PL1^HIS"), "TQ1|1||||||202603021130||S", obr()]
    send(say("ORM^O01", PID, *timed, orc(placer="PL2^HIS"), obr()))
    found = {
        s.procedure.order.numbers.get().value: (s.start is not None, s.procedure.order.priority)
        for s in ScheduledProcedureStep.objects.select_related("procedure__order")
    }
    assert found == {"PL1": (True, "STAT"), "PL2": (False, "ROUTINE")}


def test_a_date_alone_gives_way_to_the_time_of_that_day(say: Say) -> None:
    """ORC-7 and OBR-27 are the same thing (4.5.3.27), and senders fill them unlike."""
    send(say("ORM^O01", PID, orc(timing="^^^20260302"), obr(f27="^^^202603021130")))
    assert step().start == datetime(2026, 3, 2, 11, 30, tzinfo=UTC)
    send(say("ORM^O01", PID, orc(timing="^^^20260303"), obr(f27="^^^202603021130"), at=1))
    assert step().local_date == "20260303", "not of another day"


def test_a_date_alone_is_a_day_of_the_facility(say: Say) -> None:
    Facility.objects.update(time_zone="Europe/Berlin")
    sources._kept.clear()
    send(say("ORM^O01", PID, orc(timing="^^^20261201"), obr()))
    assert (step().local_date, step().local_time) == ("20261201", "000000")


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("^Chest pain & cough", "Chest pain & cough"),
        ("^Fever~^Cough & sputum", "Fever; Cough & sputum"),
        ("R05^Cough^I10", "Cough"),
        ("Cough\\T\\fever", "Cough&fever"),
    ],
)
def test_a_reason_is_whole(say: Say, sent: str, kept: str) -> None:
    send(say("ORM^O01", PID, "AL1|1||^Peanut & tree nuts", orc(), obr(f31=sent)))
    assert Order.objects.get().reason == kept
    assert Patient.objects.get().allergies == "Peanut & tree nuts"


def test_an_omg_says_the_same_as_an_orm(say: Say) -> None:
    send(say("OMG^O19^OMG_O19", PID, orc(), "TQ1|1||||||202603021130+0100||S", obr(**WITH_IDS)))
    assert (of_order()[0][:3], step().start) == (
        ("A7", "RP7", "SP7"),
        datetime(2026, 3, 2, 10, 30, tzinfo=UTC),
    )
    assert Order.objects.get().priority == "STAT"
    assert b"ACK^O19^ACK" in send(say("OMG^O19^OMG_O19", PID, orc("CA"), at=1, control_id="m2"))
    assert step().status == "cancelled"


def test_notes_reach_those_who_see_the_order(say: Say) -> None:
    """NTE under PID, ORC and OBR."""
    send(say("ORM^O01", PID, "NTE|1||Deaf", orc(), "NTE|1||Call ward~R & L", obr(), "NTE|1||Port in place"))
    order = Order.objects.get()
    assert order.comments == "Deaf\nCall ward\nR & L\nPort in place"
    item = Item.of(step(), {}, numbers=False)
    assert PATIENT_LEVEL["RequestedProcedureComments"](item) == order.comments
    send(say("ORM^O01", PID, orc("XO"), obr(f31="Fever"), at=1, control_id="m2"))
    assert Order.objects.get().comments == order.comments
    long = say("ORM^O01", PID, orc("XO"), obr(), "NTE|1||" + "x" * 10_001, at=2, control_id="m3")
    send(long)
    assert Order.objects.get().comments == order.comments
    assert Event.objects.get(kind="hl7.values_left_out").details == {"locations": ["NTE^1^3"]}


def test_an_end_needs_neither_patient_nor_obr(say: Say) -> None:
    send(say("ORM^O01", PID, orc(), obr()))
    send(say("ORM^O01", orc("CA"), at=1))
    assert step().status == "cancelled" and not step().on_worklist
    assert b"|PID|100^" in send(say("ORM^O01", orc(), obr(), at=2), "AE")


def test_a_cancel_before_its_order_stays_a_cancel(say: Say) -> None:
    """F28."""
    send(say("ORM^O01", orc("CA"), at=5))
    send(say("ORM^O01", PID, orc(), obr(), at=1))
    assert (step().status, step().modality) == ("cancelled", "CT")


def test_a_cancel_after_the_start_discontinues(say: Say) -> None:
    send(say("ORM^O01", PID, orc(status="IP"), obr()))
    send(say("ORM^O01", PID, orc("CA"), at=1))
    assert step().status == "discontinued"


def test_a_sender_may_have_words_of_its_own_for_a_status(say: Say) -> None:
    options = {**Source.objects.get().options, "order_status": {"XO/R": "none", "XX/": "cancel"}}
    Source.objects.update(options=options)
    sources._kept.clear()
    send(say("ORM^O01", PID, orc("XO", status="R"), obr()))
    assert step().status == "scheduled"
    send(say("ORM^O01", PID, orc("XX"), at=1))
    assert step().status == "cancelled"


def test_the_place_of_an_error_counts_the_orders(say: Say) -> None:
    good, bad = [orc(placer="PL1"), obr(f18="A1")], [orc(placer="PL2"), obr(f18="A" * 17)]
    assert b"|OBR^2^18|102^" in send(say("ORM^O01", PID, *good, *bad), "AE")
    assert not Order.objects.exists()


def test_numbers_of_several_namespaces_are_several_orders(say: Say) -> None:
    for namespace in ("HIS", "ER"):
        send(say("ORM^O01", PID, orc(placer=f"1^{namespace}"), obr()))
    assert Order.objects.count() == 2
    uids = set(RequestedProcedure.objects.values_list("study_instance_uid", flat=True))
    assert len(uids) == 2 and all(uid.startswith("2.25.") for uid in uids)


def test_a_resent_order_is_an_update(say: Say) -> None:
    send(say("ORM^O01", PID, orc(), obr(f36="202603021130")))
    before = RequestedProcedure.objects.get().study_instance_uid
    send(say("ORM^O01", PID, orc(), obr(f36="202603030900"), at=1))
    assert step().start == datetime(2026, 3, 3, 9, tzinfo=UTC)
    assert RequestedProcedure.objects.get().study_instance_uid == before


def test_an_offset_in_the_start_counts_before_that_of_the_message(say: Say) -> None:
    send(say("ORM^O01", PID, orc(), obr(f36="202603021130-0500")))
    assert step().start == datetime(2026, 3, 2, 16, 30, tzinfo=UTC)


@pytest.mark.parametrize(("zone", "hour"), [("", 10), ("America/New_York", 16)])
def test_without_any_offset_the_sources_zone_counts_else_the_facilitys(
    say: Say, zone: str, hour: int
) -> None:
    Source.objects.update(options={**Source.objects.get().options, "time_zone": zone})
    sources._kept.clear()
    send(say("ORM^O01", PID, orc(), obr(f36="202603021130")).replace(b"+0000", b""))
    assert step().start == datetime(2026, 3, 2, hour, 30, tzinfo=UTC)


def test_empty_never_erases_and_the_null_value_does(say: Say) -> None:
    send(say("ORM^O01", PID, orc(), obr(f13="Cough", f31="^Fever")))
    send(say("ORM^O01", PID, orc("XO"), obr(f13='""', f31=""), at=1))
    order = Order.objects.get()
    assert (order.clinical_information, order.reason) == ("", "Fever")


def test_a_source_may_name_other_fields(say: Say) -> None:
    Source.objects.update(
        options={
            "assigning_authority": "GENHOSP",
            "processing_ids": ["*"],
            "mapping": {"station_ae_title": ["OBR-21"], "accession_number": ["OBR-20"]},
        }
    )
    sources._kept.clear()
    send(say("ORM^O01", PID, orc(), obr(f20="SP1", f21="CT2")))
    assert (step().station_ae_title, Order.objects.get().accession_number) == ("CT2", "SP1")


@pytest.mark.parametrize(
    ("pid5", "name"),
    [
        ("BARS^ANNA^MARIA^JR^DR", "BARS^ANNA^MARIA^DR^JR"),
        (
            "YAMADA^TAROU^^^^^L^A~山田^太郎^^^^^L^I~やまだ^たろう^^^^^L^P",
            "YAMADA^TAROU=山田^太郎=やまだ^たろう",
        ),
        ("ALIAS^A^^^^^A~BARS^ANNA^^^^^L", "BARS^ANNA"),
        ("BA\\S\\RS\\E\\X=Y^ANNA", "BA_RS_X_Y^ANNA"),
        ("von Berg&von&Berg^ANNA", "von Berg^ANNA"),
    ],
)
def test_names_change_their_order_and_keep_their_writings(say: Say, pid5: str, name: str) -> None:
    send(say("ADT^A08", f"PID|1||P1^^^GENHOSP||{pid5}", charset="UNICODE UTF-8"))
    assert Patient.objects.get().name == name


def test_the_character_set_of_a_name_is_kept(say: Say) -> None:
    send(say("ADT^A08", "PID|1||P1^^^GENHOSP||MÜLLER", charset="8859/1"))
    patient = Patient.objects.get()
    assert (patient.name, patient.character_set) == ("MÜLLER", "ISO_IR 100")


@pytest.mark.parametrize("control", ["NW", "XO", "SC", "CA", "DC", "HD"])
def test_an_order_stays_with_its_patient(say: Say, control: str) -> None:
    send(say("ORM^O01", PID, orc(), obr(f31="Cough")))
    other = PID.replace("P1", "P2").replace("ANNA", "RITA")
    later = say("ORM^O01", other, orc(control), obr(f31="Fever"), at=1, control_id="m2")
    assert b"|PID^1^3|204^" in send(later, "AE")
    order = Order.objects.get()
    assert (order.patient, order.status, order.reason) == (Patient.objects.get(), "scheduled", "Cough")
    told = [one.kind for one in events.timeline("order", order.public_id)]
    assert told.count("identity.exception_opened") == 1
    message = InboundMessage.objects.get(control_id="m2")
    assert (message.status, message.applied_at) == ("failed", None)
    # Once both are one person it is the same patient, by either number.
    send(say("ADT^A40", other, "MRG|P1^^^GENHOSP^MR", at=2, control_id="m3"))
    send(say("ORM^O01", other, orc(control), obr(f31="Fever"), at=3, control_id="m4"))
    send(say("ORM^O01", PID, orc(control), obr(f31="Fever"), at=4, control_id="m5"))
    assert Order.objects.get().patient.current.value == "P2"


@pytest.mark.parametrize("first", ["NW", "CA"])
def test_a_number_without_namespace_is_in_its_senders_own(say: Say, first: str) -> None:
    said = {
        "NW": say("ORM^O01", PID, orc(), obr()),
        "CA": say("ORM^O01", orc("CA", "PL1"), at=1, control_id="m2"),
    }
    send(said.pop(first))
    send(*said.values())
    order = Order.objects.get()
    assert order.status == "cancelled"
    number = order.numbers.get()
    assert (number.value, number.namespace, number.is_bare) == ("PL1", "HIS", False)


def test_a_source_may_say_whose_its_numbers_are(say: Say) -> None:
    Source.objects.update(options={"order_namespace": "KIS"})
    sources._kept.clear()
    send(say("ORM^O01", PID, orc(placer="PL1^KIS"), obr()))
    send(say("ORM^O01", PID, orc("CA", "PL1"), at=1, control_id="m2"))
    assert Order.objects.get().status == "cancelled"


def test_a_number_that_was_kept_without_namespace_goes_on_naming_its_order(say: Say) -> None:
    send(say("ORM^O01", PID, orc(placer="PL1"), obr()))
    OrderNumber.objects.update(namespace="", is_bare=False)
    before = Order.objects.get().accession_number
    send(say("ORM^O01", PID, orc("XO", "PL1"), obr(f31="Fever"), at=1, control_id="m2"))
    order = Order.objects.get()
    assert (order.reason, order.accession_number) == ("Fever", before)
    assert segment_data.number(order, OrderNumber.Kind.PLACER) == ["PL1", ""]


@pytest.mark.parametrize(
    "number", ["PL1^HIS", "PL1", "PL1^HIS^2.16.840.1^ISO", "PL1^^2.16.840.1^ISO", "PL1^HIS^his.example^DNS"]
)
def test_an_order_number_goes_back_as_it_came(say: Say, number: str) -> None:
    send(say("ORM^O01", PID, orc(placer=number), obr()))
    found = segment_data.number(Order.objects.get(), OrderNumber.Kind.PLACER)
    assert "^".join(found).rstrip("^") == number


WITH_IDS = {"f18": "A7", "f19": "RP7", "f20": "SP7"}


def of_order() -> list[Any]:
    """All that is there of the orders: accession number, procedure, step and Study Instance UID."""
    steps = ScheduledProcedureStep.objects.select_related("procedure__order").order_by("pk")
    assert RequestedProcedure.objects.count() == len(steps)
    return [
        (
            one.procedure.order.accession_number,
            one.procedure.requested_procedure_id,
            one.scheduled_procedure_step_id,
            one.procedure.study_instance_uid,
            one.procedure.description,
        )
        for one in steps
    ]


@pytest.mark.parametrize("control", ["XO", "SC"])
@pytest.mark.parametrize("is_first", [True, False])
def test_an_obr_without_ids_speaks_of_the_procedure_that_is_there(
    say: Say, control: str, is_first: bool
) -> None:
    whole = say("ORM^O01", PID, orc(), obr(**WITH_IDS), "ZDS|1.2.3.4")
    code_alone = obr(f4="71270^CT CHEST WITH^C4")
    partial = say("ORM^O01", PID, orc(control), code_alone, at=1, control_id="m2")
    for raw in (whole, partial) if is_first else (partial, whole):
        send(raw)
    assert of_order() == [("A7", "RP7", "SP7", "1.2.3.4", "CT CHEST WITH")]
    send(say("ORM^O01", orc("CA"), at=2, control_id="m3"))
    assert step().status == "cancelled" and not step().on_worklist


def test_the_fillers_order_gives_its_ids_to_the_placers(say: Say) -> None:
    send(say("ORM^O01", PID, orc(), obr()))
    ((accession, *_),) = of_order()
    assert accession == "PL1"
    filler = say(
        "ORM^O01", PID, "ORC|SC|PL1^HIS|FL1^RIS", obr(**WITH_IDS), "ZDS|1.2.3.4", at=1, control_id="m2"
    )
    send(filler)
    assert of_order() == [("A7", "RP7", "SP7", "1.2.3.4", "CT CHEST")]
    send(say("ORM^O01", PID, orc("XO"), obr(), at=2, control_id="m3"))
    assert of_order() == [("A7", "RP7", "SP7", "1.2.3.4", "CT CHEST")]


@pytest.mark.parametrize("swapped", [True, False])
def test_of_several_procedures_the_code_tells_which_is_meant(say: Say, swapped: bool) -> None:
    head, chest = "70450^CT HEAD^C4", "71260^CT CHEST^C4"
    ids = [obr(f4=head, f19="RP1", f20="SP1"), obr(f4=chest, f19="RP2", f20="SP2")]
    send(say("ORM^O01", PID, orc(), *ids))
    later = [obr(f4=head, f36="202603041000"), obr(f4=chest, f36="202603041100")]
    later = later[::-1] if swapped else later
    send(say("ORM^O01", PID, orc("XO"), *later, at=1, control_id="m2"))
    starts = ScheduledProcedureStep.objects.values_list("scheduled_procedure_step_id", "start")
    assert {step_id: start.hour for step_id, start in starts} == {"SP1": 10, "SP2": 11}
    one_more = obr(f4="72125^CT SPINE^C4", f19="RP3", f20="SP3")
    send(say("ORM^O01", PID, orc("XO"), one_more, at=2, control_id="m3"))
    assert [one[1:3] for one in of_order()] == [("RP1", "SP1"), ("RP2", "SP2"), ("RP3", "SP3")]


def test_two_orders_of_two_patients_are_not_joined(say: Say) -> None:
    send(say("ORM^O01", PID, "ORC|NW|PL1^HIS", obr()))
    send(say("ORM^O01", PID.replace("P1", "P2"), "ORC|NW||FL1^RIS", obr(), control_id="m2"))
    assert b"204^" in send(say("ORM^O01", PID, "ORC|XO|PL1^HIS|FL1^RIS", obr(), at=1, control_id="m3"), "AE")
    assert Order.objects.count() == 2


def test_a_merge_shows_the_orders_of_the_retired_record_under_the_survivor(say: Say) -> None:
    send(say("ORM^O01", PID, orc(), obr()))
    merge = say("ADT^A40^ADT_A39", "PID|1||P2^^^GENHOSP^MR||NEW^NAME", "MRG|P1^^^GENHOSP^MR", at=1)
    send(merge)
    send(merge)
    order = Order.objects.get()
    assert order.patient is not None
    assert (order.patient.value, order.patient.current.value) == ("P1", "P2")


def test_a_repeating_merge_merges_each(say: Say) -> None:
    pairs: list[Any] = []
    for old, new in (("P1", "P3"), ("P2", "P4")):
        pairs += [f"PID|1||{new}^^^GENHOSP^MR||X", f"MRG|{old}^^^GENHOSP^MR"]
    send(say("ADT^A40", *pairs))
    shown = {p.value: p.current.value for p in Patient.objects.select_related("survivor")}
    assert shown == {"P1": "P3", "P2": "P4", "P3": "P3", "P4": "P4"}
