"""Side, pregnancy and location, wherever a message says them (IHE RAD TF-2 4.1, 4.2)."""

from collections.abc import Callable

import pytest

from interfaces.dicom.services.worklist_item import PATIENT_LEVEL, Item
from interfaces.hl7.outbound import segment_data
from ledger.models import Event
from tests.interfaces.hl7.test_orders import PID, obr, orc, send, step
from worklist.models import Order, Patient, ProcedureCode, RequestedProcedure, Visit

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("site"), pytest.mark.once]
Say = Callable[..., bytes]


@pytest.mark.parametrize(
    ("fields", "side"),
    [
        ({"f15": "^^^^L"}, "L"),
        ({"f15": "^^^Knee^R&Right&HL70495"}, "R"),
        ({"f15": "^^^^X&Left"}, "L"),
        ({"f15": "^^^^Upper"}, ""),
        ({"f45": "LT^Left side^HL70340"}, "L"),
        ({"f45": "26^Professional component~RT"}, "R"),
        ({"f45": "LT~RT"}, "B"),
        ({"f45": "50"}, "B"),
        ({"f44": "71260^CT CHEST^C4~RT^Right"}, "R"),
        ({"f44": "LT^Left side table^L"}, ""),
        ({}, ""),
    ],
)
def test_a_modifier_says_the_side(say: Say, fields: dict[str, str], side: str) -> None:
    obr_45 = fields.pop("f45", "")
    send(say("ORM^O01", PID, orc(), f"{obr(**fields)}|{obr_45}"))
    assert RequestedProcedure.objects.get().laterality == side


def test_a_modifier_comes_before_the_catalogue(say: Say) -> None:
    ProcedureCode.objects.create(code="71260", scheme="C4", description="x", modality="CT", laterality="B")
    send(say("ORM^O01", PID, orc(), obr()))
    assert RequestedProcedure.objects.get().laterality == "B"
    send(say("ORM^O01", PID, orc("XO"), obr(f15="^^^^L"), at=1))
    assert RequestedProcedure.objects.get().laterality == "L"


PV1_B6 = "PV1|1|O" + "|" * 13 + "B6"
PV1_A0 = "PV1|1|O" + "|" * 13 + "A0"
BY_CODE = "OBX|1|CE|82810-3^Whatever^LN||"
BY_TEXT = "OBX|1|ST|^Pregnancy status||"


@pytest.mark.parametrize(
    ("segments", "status"),
    [
        ([PV1_B6], "3"),
        ([PV1_A0], ""),
        ([BY_CODE + "LA15173-0^Pregnant^LN"], "3"),
        ([BY_CODE + "LA26683-5^Not pregnant^LN"], "1"),
        ([BY_TEXT + "Y"], "3"),
        ([BY_TEXT + "no"], "1"),
        ([BY_TEXT + "X9^possibly pregnant"], "2"),
        ([BY_TEXT + "unknown"], "4"),
        ([PV1_B6, BY_TEXT + "N"], "3"),
        ([PV1_A0, BY_TEXT + "Y"], "3"),
        ([PV1_A0, BY_TEXT + "N"], "1"),
        ([BY_TEXT], ""),
        ([BY_TEXT + '""'], ""),
    ],
)
def test_pregnancy_is_read_where_it_is_said(say: Say, segments: list[str], status: str) -> None:
    send(say("ADT^A08", PID, *segments))
    assert Patient.objects.get().pregnancy == status


def test_a_pregnancy_that_nobody_understands_is_left_out(say: Say) -> None:
    send(say("ADT^A08", PID, PV1_B6))
    send(say("ADT^A08", PID, BY_TEXT + "35 weeks", at=1))
    assert Patient.objects.get().pregnancy == "3"
    assert Event.objects.get(kind="hl7.values_left_out").details == {"locations": ["OBX^1^5"]}


def test_a_location_without_a_visit_stays_with_the_order(say: Say) -> None:
    send(say("ORM^O01", PID, "PV1|1|I|W1^101^A", orc(), obr()))
    location = PATIENT_LEVEL["CurrentPatientLocation"]
    assert location(Item.of(step(), {}, numbers=False)) == "W1^101^A" and not Visit.objects.exists()
    told = segment_data.of_visit(Order.objects.get())
    assert told is not None and dict(segment_data.pv1(told))[3] == ("W1", "101", "A")
    send(say("ORM^O01", PID, "PV1|1|I|W2", orc("XO"), obr(), at=1))
    assert Order.objects.get().location == "W2"
    # A visit that is named knows better, wherever the patient was when nobody named one.
    send(say("ORM^O01", PID, "PV1|1|I|W3" + "|" * 16 + "V1", orc("XO"), obr(), at=2))
    send(say("ADT^A02", PID, "PV1|1|I|W4" + "|" * 16 + "V1", at=3))
    assert (Order.objects.get().location, Order.objects.get().patient_location) == ("W4", "W2")
