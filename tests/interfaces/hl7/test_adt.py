"""Admissions and patient data (HL7 v2.5.1 3.3, 3.4; IHE RAD-1, RAD-12)."""

import itertools
from collections.abc import Callable

import pytest

from accounts import site_version
from accounts.models import Facility
from interfaces.hl7.inbound import inbox, sources
from interfaces.hl7.models import InboundMessage, Source
from ledger.models import Event
from worklist.models import AssigningAuthority, Patient, PatientLink, Visit

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("site")]
Say = Callable[..., bytes]
PID = "PID|1||P1^^^GENHOSP^MR||BARS^ANNA||19700102|F|||1 Main St^Flat 2^Berlin^^10115^DE"


def send(raw: bytes, expected: str = "AA") -> bytes:
    answer = inbox.receive(raw, peer="")
    assert answer is not None and f"MSA|{expected}|".encode() in answer, answer
    return answer


def shown() -> dict[str, str]:
    """Under which record each record shows."""
    return {p.value: p.current.value for p in Patient.objects.select_related("survivor")}


REGISTERS = (*range(1, 17), *range(23, 24), *range(25, 29), 31, 38)


@pytest.mark.parametrize("trigger", [f"A{number:02}" for number in REGISTERS])
def test_each_registers_the_patient_and_the_visit(say: Say, trigger: str) -> None:
    visit = "PV1|1|E|ER^1^A^GENHOSP||||9^HOUSE^GREGORY^^JR^DR|8^WILSON^JAMES" + "|" * 11 + "V1^^^GENHOSP"
    send(say(f"ADT^{trigger}", "EVN||202603020800", PID, visit))
    patient, found = Patient.objects.get(), Visit.objects.get()
    assert (patient.value, patient.authority.namespace, patient.type) == ("P1", "GENHOSP", "MR")
    assert (patient.name, patient.birth_date, patient.sex) == ("BARS^ANNA", "19700102", "F")
    assert patient.address == "1 Main St, Flat 2, Berlin, 10115, DE"
    assert (found.number, found.patient, found.patient_class) == ("V1", patient, "E")
    assert (found.attending, found.referring) == ("HOUSE^GREGORY^^DR^JR", "WILSON^JAMES")


def test_the_account_names_the_visit_where_no_visit_number_does(say: Say) -> None:
    account = "PID|1||P1^^^GENHOSP^MR||BARS^ANNA" + "|" * 13 + "ACC1^^^GENHOSP"
    send(say("ADT^A01", account, "PV1|1|I|W1"))
    send(say("ADT^A02", account, "PV1|1|I|W2", at=1))
    send(say("ADT^A02", account, "PV1|1|I|W3" + "|" * 16 + "V1^^^GENHOSP", at=2))
    assert set(Visit.objects.values_list("number", "location")) == {("ACC1", "W2"), ("V1", "W3")}


def test_a_transfer_is_where_the_patient_is(say: Say) -> None:
    def visit(ward: str) -> str:
        return f"PV1|1|I|{ward}" + "|" * 16 + "V1^^^GENHOSP"

    send(say("ADT^A01", PID, visit("W1")))
    send(say("ADT^A02", PID, visit("W2"), at=1))
    assert Visit.objects.get().location == "W2"
    send(say("ADT^A12", PID, visit("W1"), at=2))
    assert Visit.objects.get().location == "W1"


@pytest.mark.parametrize("trigger", ["A18", "A34", "A36"])
def test_the_older_merges_merge_too(say: Say, trigger: str) -> None:
    send(say("ADT^A04", PID.replace("P1", "P0")))
    send(say(f"ADT^{trigger}", PID, "MRG|P0^^^GENHOSP^MR", at=1))
    assert shown() == {"P0": "P1", "P1": "P1"}


def test_an_older_update_that_comes_later_changes_nothing(say: Say) -> None:
    """F28."""
    send(say("ADT^A08", PID, at=5))
    send(say("ADT^A08", PID.replace("ANNA", "ANNE"), at=1))
    assert Patient.objects.get().name == "BARS^ANNA"


@pytest.mark.parametrize("control_ids", [("z1", "a2"), ("10", "9"), ("9", "10")])
def test_of_one_time_what_came_later_counts(say: Say, control_ids: tuple[str, str]) -> None:
    """MSH-7 may have no seconds, and control IDs rise with nothing unless their source says so."""
    send(say("ADT^A04", PID, control_id=control_ids[0]))
    send(say("ADT^A08", PID.replace("ANNA", "ANNE"), control_id=control_ids[1]))
    assert Patient.objects.get().name == "BARS^ANNE"


@pytest.mark.parametrize("other", ["P2^^^GENHOSP^MR", "P2^^^GENHOSP^PI", "P2^^^GENHOSP"])
def test_two_patients_of_one_authority_in_one_field_are_refused(say: Say, other: str) -> None:
    send(say("ADT^A04", PID.replace("P1^", "P2^").replace("ANNA", "LENA")))
    pid = PID.replace("P1^^^GENHOSP^MR", f"P1^^^GENHOSP^MR~{other}")
    for trigger in ("ADT^A08", "ADT^A31"):
        assert b"|PID^1^3|204^" in send(say(trigger, pid, at=1), "AE")
    assert [(one.value, one.name) for one in Patient.objects.all()] == [("P2", "BARS^LENA")]
    send(
        say(
            "ADT^A08", PID.replace("P1^^^GENHOSP^MR", "P1^^^GENHOSP^MR~P1^^^GENHOSP^PI~99^^^GENHOSP^SS"), at=1
        )
    )


@pytest.mark.parametrize("count", [51, 5000])
def test_so_many_identifiers_are_refused_at_once(say: Say, count: int) -> None:
    many = "~".join(f"P{n}^^^A{n}^MR" for n in range(count))
    assert b"|PID^1^3|102^" in send(say("ADT^A08", PID.replace("P1^^^GENHOSP^MR", many)), "AE")
    assert not Patient.objects.exists()


def test_a_number_of_another_kind_harms_nobody_by_its_type(say: Say) -> None:
    more = "P1^^^GENHOSP^MR~4711^^^STATE^DriversLicenseNumber"
    send(say("ADT^A08", PID.replace("P1^^^GENHOSP^MR", more)))
    (other,) = Patient.objects.get(value="P1").other_identifiers
    assert other["type"] == "DriversLicenseNumber"


@pytest.mark.parametrize(
    ("segment", "location"),
    [
        ("AL1|1||^" + "x" * 5000, "AL1^1^3"),
        (f"PV1|1|I{'|' * 17}{'V' * 65}^^^GENHOSP", "PV1^1^19"),
        (PID.replace("GENHOSP", "G" * 300), "PID^1^3"),
    ],
)
def test_whatever_is_refused_its_field_is_named(say: Say, segment: str, location: str) -> None:
    segments = [segment] if segment.startswith("PID") else [PID, segment]
    assert f"|{location}|102^".encode() in send(say("ADT^A08", *segments), "AE")


def test_empty_keeps_and_the_null_value_erases(say: Say) -> None:
    send(say("ADT^A01", PID))
    send(say("ADT^A08", 'PID|1||P1^^^GENHOSP^MR||||""|', at=1))
    patient = Patient.objects.get()
    assert (patient.name, patient.birth_date, patient.sex) == ("BARS^ANNA", "", "F")


@pytest.mark.parametrize(
    ("sent", "kept"), [("M", "M"), ("f", "F"), ("O", "O"), ("A", "O"), ("N", "O"), ("U", ""), ("", "")]
)
def test_sex_in_dicoms_terms(say: Say, sent: str, kept: str) -> None:
    """HL7 Table 0001, PS3.3 C.2.3 (0010,0040)."""
    send(say("ADT^A08", f"PID|1||P1^^^GENHOSP^MR||X|||{sent}"))
    assert Patient.objects.get().sex == kept


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        (["OBX|1|NM|29463-7^Body weight^LN||132.3|[lb_av]"], (60.0103, None)),
        (["OBX|1|NM|3141-9^Weight^LN||3200|g", "OBX|2|NM|8302-2^Height^LN||51|cm"], (3.2, 0.51)),
        (["OBX|1|NM|^BODY WEIGHT||83.5|kg", "OBX|2|NM|^Body Height||1.80|m"], (83.5, 1.8)),
        (["OBX|1|NM|8302-2^Height^LN||1.8|furlong"], (None, None)),
        (["OBX|1|NM|29463-7||inf|kg", "OBX|2|NM|8302-2||1e3|m"], (None, None)),
        (["OBX|1|NM|29463-7||0|kg", "OBX|2|NM|8302-2||180|m"], (None, None)),
    ],
)
def test_weight_and_height_with_their_units(
    say: Say, segments: list[str], expected: tuple[float | None, float | None]
) -> None:
    send(say("ADT^A08", PID, *segments))
    patient = Patient.objects.get()
    assert (patient.weight_kg, patient.height_m) == expected


@pytest.mark.parametrize(("later", "kept"), [("A0", ""), ('""', ""), ("", "3"), ("A2~B6", "3")])
def test_who_is_not_pregnant_any_more_is_not_called_so(say: Say, later: str, kept: str) -> None:
    visit = "PV1|1|O" + "|" * 13
    send(say("ADT^A01", PID, visit + "B6"))
    send(say("ADT^A08", PID, visit + later, at=1))
    assert Patient.objects.get().pregnancy == kept


def test_a_patient_is_taken_without_a_side_value_that_nobody_understands(say: Say) -> None:
    send(say("ADT^A08", PID.replace("|F|", "|9|"), "OBX|1|NM|29463-7||heavy|kg"))
    patient = Patient.objects.get()
    assert (patient.name, patient.sex, patient.weight_kg) == ("BARS^ANNA", "", None)
    (told,) = Event.objects.filter(kind="hl7.values_left_out")
    assert told.details == {"locations": ["PID^1^8", "OBX^1^5"]}


def test_allergies_and_pregnancy(say: Say) -> None:
    send(
        say(
            "ADT^A01",
            PID,
            "PV1|1|O" + "|" * 13 + "B6",
            "AL1|1|DA|PEN^Penicillin",
            "AL1|2|FA|^Nuts",
            "AL1|3|FA|^Nuts",
        )
    )
    patient = Patient.objects.get()
    assert (patient.allergies, patient.pregnancy) == ("Penicillin, Nuts", "3")


def test_two_identifiers_in_one_message_are_one_person(say: Say) -> None:
    """Whereas a national number of a type that names nobody is only an attribute."""
    send(say("ADT^A08", "PID|1||P1^^^GENHOSP^MR~E9^^^ENTERPRISE^PI~123^^^SSA^SS||BARS^ANNA"))
    assert shown() == {"P1": "P1", "E9": "P1"}
    assert Patient.objects.get(value="P1").other_identifiers == [
        {"value": "123", "authority": "SSA", "type": "SS"}
    ]


def test_an_authority_may_come_by_its_oid_or_from_the_source(say: Say, site: object) -> None:
    AssigningAuthority.objects.create(namespace="GENHOSP", universal_id="1.2.3", universal_id_type="ISO")
    for at, cx in enumerate(["P1^^^&1.2.3&ISO^MR", "P1", "P1^^^GENHOSP&1.2.3&ISO^MR"]):
        send(say("ADT^A08", f"PID|1||{cx}||BARS^ANNA", at=at))
    assert Patient.objects.count() == 1


def test_what_is_too_long_is_refused_with_its_place(say: Say) -> None:
    answer = send(say("ADT^A08", PID.replace("P1^", "1" * 300 + "^")), "AE")
    assert b"|PID^1^3|102^" in answer
    assert not Patient.objects.exists()


class TestMerge:
    """A40 (3.3.40): MRG-1 into the PID-3 of the same authority and type."""

    def test_an_identical_repeat_has_no_second_effect(self, say: Say) -> None:
        for number in range(2):
            send(say("ADT^A40^ADT_A39", PID, "MRG|P0^^^GENHOSP^MR", control_id=f"m{number}"))
        assert shown() == {"P0": "P1", "P1": "P1"}

    def test_before_either_is_known_it_makes_both(self, say: Say) -> None:
        send(say("ADT^A40", PID, "MRG|P0^^^GENHOSP^MR", at=3))
        send(say("ADT^A01", PID.replace("P1^", "P0^").replace("ANNA", "OLD"), at=1))
        assert shown() == {"P0": "P1", "P1": "P1"}
        assert Patient.objects.get(value="P0").name == "BARS^OLD"

    def test_a_record_into_itself_is_205(self, say: Say) -> None:
        answer = send(say("ADT^A40", PID, "MRG|P1^^^GENHOSP^MR"), "AR")
        assert b"|MRG^1^1|205^" in answer and not Patient.objects.exists()

    def test_another_authority_is_204(self, say: Say) -> None:
        answer = send(say("ADT^A40", PID, "MRG|P0^^^ELSEWHERE^MR"), "AR")
        assert b"|MRG^1^1|204^" in answer and not Patient.objects.exists()

    def test_what_both_have_alike_and_what_names_nobody_is_passed_over(self, say: Say) -> None:
        pid = "PID|1||P1^^^GENHOSP^MR~E1^^^ENTERPRISE^PI~9^^^SSA^SS||BARS^ANNA"
        send(say("ADT^A40", pid, "MRG|P0^^^GENHOSP^MR~E1^^^ENTERPRISE^PI~8^^^SSA^SS"))
        assert shown() == {"P0": "P1", "P1": "P1", "E1": "P1"}
        assert PatientLink.objects.filter(kind="merge").count() == 1

    def test_of_two_identifiers_each_goes_to_its_own(self, say: Say) -> None:
        pid = "PID|1||P1^^^GENHOSP^MR~E1^^^ENTERPRISE^PI||BARS^ANNA"
        send(say("ADT^A40", pid, "MRG|E0^^^ENTERPRISE^PI~P0^^^GENHOSP^MR"))
        links = PatientLink.objects.filter(kind="merge").values_list("retired__value", "survivor__value")
        assert sorted(links) == [("E0", "E1"), ("P0", "P1")]

    def test_without_anything_to_merge(self, say: Say) -> None:
        assert b"|MRG|100^" in send(say("ADT^A40", PID), "AE")
        assert b"|MRG^1^1|101^" in send(say("ADT^A40", PID, "MRG|"), "AE")


@pytest.mark.parametrize(("stamp_from", "name"), [("MSH-7", "BARS^LATER"), ("EVN-2", "BARS^ANNA")])
def test_a_source_may_prefer_when_it_happened(say: Say, stamp_from: str, name: str) -> None:
    Source.objects.update(options={**Source.objects.get().options, "stamp_from": stamp_from})
    sources._kept.clear()
    send(say("ADT^A08", "EVN||20260302075500+0000", PID, at=1))
    send(say("ADT^A08", "EVN||20260302073000+0000", PID.replace("ANNA", "LATER"), at=2))
    assert Patient.objects.get().name == name


@pytest.mark.parametrize("label", ["T23^^^TEMP^PI", "T23^^^TEMP", "T23", "T23^^^GENHOSP^MR", "T23^^^^MR"])
@pytest.mark.parametrize("known", [True, False])
def test_a_temporary_record_is_merged_by_what_stands_on_its_label(say: Say, label: str, known: bool) -> None:
    facility = Facility.objects.get()
    authority = AssigningAuthority.objects.create(namespace="TEMP")
    Patient.objects.create(facility=facility, authority=authority, value="T23", type="PI", name="UNKNOWN^T23")
    site_version.forget()
    if known:
        send(say("ADT^A04", PID))
    send(say("ADT^A40", PID, f"MRG|{label}", at=1))
    assert shown() == {"T23": "P1", "P1": "P1"}
    assert Patient.objects.count() == 2


def visit_of(number: str, location: str) -> str:
    return f"PV1|1|I|{location}" + "|" * 16 + f"{number}^^^GENHOSP"


@pytest.mark.parametrize(
    ("events", "status"),
    [
        (["A05"], "planned"),
        (["A14", "A01"], "active"),
        (["A01", "A03"], "discharged"),
        (["A01", "A03", "A13"], "active"),
        (["A01", "A11"], "cancelled"),
        (["A05", "A38"], "cancelled"),
        (["A14", "A27"], "cancelled"),
        (["A01", "A23"], "deleted"),
        (["A01", "A02", "A08"], "active"),
        (["A38", "A01"], "active"),
    ],
)
def test_a_visit_stands_where_the_newest_event_puts_it(say: Say, events: list[str], status: str) -> None:
    messages = [say(f"ADT^{one}", PID, visit_of("V1", "W1"), at=at) for at, one in enumerate(events)]
    for arrivals in (messages, messages[::-1]):
        for raw in arrivals:
            send(raw)
        assert Visit.objects.get().status == status
        Visit.objects.all().delete()
        InboundMessage.objects.all().delete()


def test_a_swap_gives_each_patient_its_own_location(say: Say) -> None:
    other = PID.replace("P1^", "P2^").replace("ANNA", "BERTA")
    send(say("ADT^A01", PID, visit_of("V1", "W1")))
    send(say("ADT^A01", other, visit_of("V2", "W2")))
    send(say("ADT^A17", PID, visit_of("V1", "W2"), other, visit_of("V2", "W1"), at=1))
    found = Visit.objects.values_list("patient__value", "number", "location")
    assert set(found) == {("P1", "V1", "W2"), ("P2", "V2", "W1")}
    assert b"PID" in send(say("ADT^A17", PID, visit_of("V1", "W2"), at=2), "AE")


def test_a_deleted_person_is_marked_and_nothing_is_lost(say: Say) -> None:
    order = ("ORC|NW|1^HIS", f"OBR|1|||71260^CT^C4{'|' * 20}CT")
    deleted, known = say("ADT^A29", PID, at=1), say("ADT^A28", PID, at=2)
    send(say("ORM^O01", PID, *order))
    send(deleted)
    patient = Patient.objects.get()
    assert patient.deleted_at_sender and patient.name == "BARS^ANNA" and patient.orders.count() == 1
    send(known)
    send(say("ADT^A29", PID, at=1))
    assert not Patient.objects.get().deleted_at_sender


def iam(action: str, code: str, text: str) -> str:
    return f"IAM|1||{code}^{text}^L|||{action}"


def test_single_allergies_are_added_and_deleted_beside_the_list_in_any_order(say: Say) -> None:
    listed = say("ADT^A08", PID, "AL1|1||P^Peanut", "AL1|2||L^Latex", at=1)
    messages = [
        listed,
        say("ADT^A60", PID, iam("A", "I", "Iodine"), at=0),  # older than the list, which tells of all
        say("ADT^A60", PID, iam("A", "N", "Nickel"), iam("D", "P", "Peanut"), at=2),
        say("ADT^A60", PID, iam("D", "N", "Nickel"), iam("A", "G", "Gadolinium & salts"), at=3),
        say("ADT^A60", PID, iam("U", "G", "Gadolinium"), at=4),
    ]
    for arrivals in itertools.permutations(messages):
        for raw in arrivals:
            send(raw)
        assert Patient.objects.get().allergies == "Latex, Gadolinium"
        Patient.objects.all().delete()
        InboundMessage.objects.all().delete()


def test_an_allergy_without_its_name_is_refused(say: Say) -> None:
    assert b"IAM^1^3" in send(say("ADT^A60", PID, iam("A", "", "")), "AE")
    assert b"IAM" in send(say("ADT^A60", PID), "AE")


@pytest.mark.parametrize(
    ("declared", "codec", "read_as"), [("8859/1", "utf-8", "UTF-8"), ("8859/1", "cp1252", "windows-1252")]
)
@pytest.mark.parametrize("policy", ["correct", "refuse", "off"])
def test_bytes_of_another_set_than_is_declared_are_what_the_source_says(
    declared: str, codec: str, read_as: str, policy: str
) -> None:
    Source.objects.update(options={"assigning_authority": "GENHOSP", "charset_detection": policy})
    sources._kept.clear()
    name = "MÜLLER“X”^ANNA"
    message = f"MSH|^~\\&|HIS|GENHOSP|RIS|RAD|20260302||ADT^A08|m1|P|2.5.1||||||{declared}\r{PID}\r"
    raw = message.replace("BARS^ANNA", name).encode(codec)
    if policy == "refuse":
        assert b"|PID^1^5|102^" in send(raw, "AE")
        return
    send(raw)
    found = Patient.objects.get().name
    assert not any(0x80 <= ord(letter) < 0xA0 for letter in found)
    told = Event.objects.filter(kind="hl7.other_character_set")
    if policy == "off":
        assert "_" in found and not told
        return
    assert found == name
    assert told.get().details == {"charset": read_as, "declared": declared}
