"""ORC-1 of Table 0119 by the role of the source; orders without ORC or OBR (HL7 v2.5.1 4.5.1)."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from interfaces.hl7.inbound import sources
from interfaces.hl7.inbound.order_control import CONTROLS, Effect
from interfaces.hl7.models import Source
from ledger.models import Event
from tests.interfaces.hl7.test_orders import PID, obr, orc, send, step
from worklist.models import Order, OrderNumber, Patient, ScheduledProcedureStep

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("site"), pytest.mark.once]
Say = Callable[..., bytes]

PLACER_OR_BOTH = """CA CH DC DE HD LI MC NA NW OP PA PR PY RE RF RL RO RP RR SC SS UN XO AF DF"""
FILLER = """CN CR DR FU HR OC OD OE OF OH OK OR RQ RU SN SR UA UC UD UF UH UM UR UX XR XX"""
"""HL7 Table 0119 of 2.5.1 by who originates what; MC is of 2.6, PY of 2.7."""


def source(**options: Any) -> None:
    Source.objects.update(options={"assigning_authority": "GENHOSP", **options})
    sources._kept.clear()


def test_each_code_of_the_table_has_a_row() -> None:
    assert set(CONTROLS) == set(f"{PLACER_OR_BOTH} {FILLER}".split())
    assert {code for code, row in CONTROLS.items() if row.is_fillers} == set(FILLER.split())
    assert not [code for code, row in CONTROLS.items() if row.effect is Effect.REFUSED and not row.why]


@pytest.mark.parametrize("code", sorted(FILLER.split()))
def test_what_fillers_say_is_taken_from_fillers_alone(say: Say, code: str) -> None:
    send(say("ORM^O01", PID, orc(), obr()))
    answer = send(say("ORM^O01", PID, orc(code), obr(), at=1), "AE")
    assert b"|ORC^1^1|103^" in answer and b"this source is a placer" in answer
    assert step().status == "scheduled"
    source(role="filler")
    refused = CONTROLS[code].effect is Effect.REFUSED
    send(say("ORM^O01", PID, orc(code), obr(), at=2), "AE" if refused else "AA")


@pytest.mark.parametrize("code", sorted(PLACER_OR_BOTH.split()))
def test_what_placers_say_is_taken_from_both(say: Say, code: str) -> None:
    for role in ("placer", "filler"):
        source(role=role)
        refused = CONTROLS[code].effect is Effect.REFUSED
        send(say("ORM^O01", PID, orc(code), obr(), control_id=f"{code}{role}"), "AE" if refused else "AA")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        *((code, "cancelled") for code in ("CA", "OC", "CR", "RP", "RU", "RQ")),
        *((code, "discontinued") for code in ("DC", "OD", "DR")),
        *((code, "held") for code in ("HD", "OH", "HR")),
        *((code, "scheduled") for code in ("RL", "OE", "OR", "NA", "OK", "RR", "PA", "PR", "UA", "UX", "XX")),
    ],
)
def test_a_code_does_to_a_known_order_what_the_table_says(say: Say, code: str, status: str) -> None:
    source(role="filler")
    send(say("ORM^O01", PID, orc(), obr()))
    send(say("ORM^O01", PID, orc(code), obr(), at=1))
    assert step().status == status


def test_a_released_order_is_open_again(say: Say) -> None:
    source(role="filler")
    for minute, code in enumerate(("NW", "OH", "OE")):
        send(say("ORM^O01", PID, orc(code), obr(), at=minute))
    assert step().status == "scheduled"


@pytest.mark.parametrize("status", ["R", "ER", "RP", "SC", ""])
def test_a_status_that_does_nothing_here_is_taken(say: Say, status: str) -> None:
    send(say("ORM^O01", PID, orc("SC", status=status), obr()))
    assert step().status == "scheduled"


@pytest.mark.parametrize(
    ("status", "expected"), [("IP", "started"), ("CM", "completed"), ("DC", "discontinued")]
)
@pytest.mark.parametrize("is_first", [False, True])
def test_a_status_needs_no_obr(say: Say, status: str, expected: str, is_first: bool) -> None:
    order = say("ORM^O01", PID, orc(), obr())
    told = say("ORM^O01", PID, orc("SC", status=status), at=1, control_id="m2")
    for raw in (told, order) if is_first else (order, told):
        send(raw)
    assert (step().status, Order.objects.count()) == (expected, 1)


@pytest.mark.parametrize(
    ("detail", "left_out"), [("OBR|1|PL1^HIS", []), ("OBR|1|PL1^HIS|||||||||||Stable", ["OBR^1"])]
)
def test_a_status_needs_no_procedure_in_its_obr(say: Say, detail: str, left_out: list[str]) -> None:
    send(say("ORM^O01", PID, orc(), obr()))
    send(say("ORM^O01", PID, orc("SC", status="IP"), detail, at=1))
    assert step().status == "started"
    told = Event.objects.filter(kind="hl7.values_left_out").values_list("details", flat=True)
    assert [place for one in told for place in one["locations"]] == left_out


def test_what_is_to_be_done_needs_an_obr(say: Say) -> None:
    assert b"|OBR|100^" in send(say("ORM^O01", PID, orc("XO")), "AE")


def test_the_placers_number_comes_with_na(say: Say) -> None:
    send(say("ORM^O01", PID, "ORC|NW||FL1^RIS", obr()))
    send(say("ORM^O01", "ORC|NA|PL1^HIS|FL1^RIS", at=1))
    assert set(OrderNumber.objects.values_list("value", "order")) == {
        (value, Order.objects.get().pk) for value in ("PL1", "FL1")
    }


def test_earlier_results_make_no_order(say: Say) -> None:
    earlier = "ORC|PR|OLD^HIS"
    send(say("ORM^O01", PID, orc(), obr(), earlier, obr(f2="OLD^HIS")))
    assert list(OrderNumber.objects.values_list("value", flat=True)) == ["PL1"]
    assert Event.objects.get(kind="hl7.values_left_out").details == {"locations": ["ORC^2^1"]}


def test_a_source_may_leave_orc_out(say: Say) -> None:
    without = say("ORM^O01", PID, obr(f2="PL1^HIS"), obr(f2="PL2^HIS", f24="MR"))
    assert b"|ORC|100^" in send(without, "AE")
    source(orders_without_orc=True)
    send(say("ORM^O01", PID, obr(f2="PL1^HIS"), "NTE|1||Port", obr(f2="PL2^HIS", f24="MR")))
    steps = ScheduledProcedureStep.objects.select_related("procedure__order").order_by("pk")
    assert [(one.modality, one.procedure.order.comments) for one in steps] == [("CT", "Port"), ("MR", "")]
    assert {order.patient for order in Order.objects.all()} == {Patient.objects.get()}
    assert b"|OBR^2^2|101^" in send(say("ORM^O01", PID, obr(f2="PL1^HIS"), obr()), "AE")
    assert b"|OBR|100^" in send(say("ORM^O01", PID), "AE")


@pytest.mark.parametrize("first", ["IP", "CM", "CA", "DC"])
@pytest.mark.parametrize("then", ["IP", "CM", "CA", "DC", "HD"])
def test_what_is_told_of_an_order_is_what_it_is(say: Say, first: str, then: str) -> None:
    """Of an order that has ended otherwise than was said, the message and the timeline name the end."""
    messages = [say("ORM^O01", PID, orc(), obr())]
    for at, said in enumerate((first, then), 1):
        control, status = ("SC", said) if said in ("IP", "CM") else (said, "")
        messages.append(say("ORM^O01", orc(control, status=status), at=at))
    for raw in messages:
        send(raw)
    order, told = Order.objects.get(), Event.objects.filter(kind__startswith="order.").order_by("-pk")[0]
    says = told.details.get("now") or told.kind.removeprefix("order.")
    ends = {"complete": "completed", "cancel": "cancelled", "discontinue": "discontinued"}
    assert ends.get(says, says) == order.status or order.status in ("started", "held", "scheduled")
    assert (order.status == "cancelled") == ((first, then) == ("CM", "CA") or first == "CA")


def test_a_completed_order_that_is_cancelled_is_so_in_any_order_of_arrival(say: Say) -> None:
    done, gone = orc("SC", status="CM"), orc("CA")
    for number, arrivals in enumerate(itertools.permutations(["new", "done", "gone"])):
        named = f"PL{number}^HIS"
        raws = {
            "new": say("ORM^O01", PID, orc().replace("PL1^HIS", named), obr()),
            "done": say("ORM^O01", done.replace("PL1^HIS", named), at=1),
            "gone": say("ORM^O01", gone.replace("PL1^HIS", named), at=2),
        }
        for one in arrivals:
            send(raws[one])
    assert set(Order.objects.values_list("status", flat=True)) == {"cancelled"}
    assert set(ScheduledProcedureStep.objects.values_list("status", flat=True)) == {"completed"}


@pytest.mark.parametrize(
    ("of_orc", "of_obr", "places"),
    [
        (("PL1^HIS", ""), ("PL2^HIS", ""), ["OBR^1^2"]),
        (("PL1^HIS", "F1^RIS"), ("PL1^HIS", "F2^RIS"), ["OBR^1^3"]),
        (("PL1^HIS", "F1"), ("PL1^LIS", "F2"), ["OBR^1^2", "OBR^1^3"]),
        (("PL1^HIS", "F1"), ("PL1", "F1^RIS"), []),
        (("PL1^HIS", ""), ("", "F1"), []),
    ],
)
@pytest.mark.parametrize("control", ["NW", "SC", "CA"])
def test_an_order_number_of_obr_that_contradicts_its_orc_is_told_with_its_place(
    say: Say, of_orc: tuple[str, str], of_obr: tuple[str, str], places: list[str], control: str
) -> None:
    named = f"ORC|{control}|{of_orc[0]}|{of_orc[1]}"
    send(say("ORM^O01", PID, named, obr(f2=of_obr[0], f3=of_obr[1])))
    told = Event.objects.filter(kind="hl7.number_contradicted").values_list("details__locations", flat=True)
    assert list(told) == ([places] if places else [])
    placer = OrderNumber.objects.get(kind="placer")
    assert (placer.value, placer.namespace) == ("PL1", "HIS")
