"""Whatever a message writes is told: of each trigger, what was written is compared with its events."""

from collections.abc import Callable
from typing import Any, Final

import pytest
from django.apps import apps

from interfaces.hl7.inbound import inbox, sources
from interfaces.hl7.inbound.triggers import TRIGGERS
from interfaces.hl7.models import InboundMessage, MessageKey, Source
from ledger.models import Event
from tests.interfaces.hl7.test_appointments import sch
from tests.interfaces.hl7.test_orders import obr, orc, send
from worklist.models import Order, Patient, ProcedureCode

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("site"), pytest.mark.once]
Say = Callable[..., bytes]

_OF_OURS: Final = {"stamps", "received_at", "looked_again", "said", "edited_at", "stamp", "source"} | {
    "allergy_changes"
}
"""Columns that tell when and by whom something was said, not what."""
_SAYS_NOTHING: Final = {"hl7.changed_nothing", "appointment.exam_has_begun"}


def pid(value: str, name: str = "BARS^ANNA", account: str = "", external: str = "") -> str:
    return f"PID|1|{external}|{value}^^^GENHOSP^MR||{name}||19700102|F{'|' * 10}{account}"


def pv1(location: str, visit: str = "V1^^^GENHOSP") -> str:
    return f"PV1|1|I|{location}{'|' * 16}{visit}"


BASE: Final = [pid("P1", account="ACC1^^^GENHOSP"), pv1("W1^101")]
MRG: Final = "MRG|P2^^^GENHOSP^MR||ACC2^^^GENHOSP||V2^^^GENHOSP"
SEGMENTS: Final[dict[tuple[str, str], list[str]]] = {
    ("ADT", "A17"): [pid("P1"), pv1("W2^7"), pid("P2", "BARS^BERTA"), pv1("W1^101", "V2^^^GENHOSP")],
    ("ADT", "A24"): [pid("P1"), pid("P2", "BARS^BERTA")],
    ("ADT", "A37"): [pid("P1"), pid("P2", "BARS^BERTA")],
    ("ADT", "A43"): [pid("P1", external="PX^^^GENHOSP^MR"), "MRG|P1^^^GENHOSP^MR|||PY^^^GENHOSP^MR"],
    ("ADT", "A60"): [*BASE, "IAM|1||LATEX^Latex|||A|7"],
    ("ORU", "R01"): [*BASE, "OBR|1||R7^LAB|71260^CT^C4" + "|" * 21 + "F", "OBX|1|TX|1^Text||Normal||||||F"],
    **{
        (kind, event): [*BASE, orc("XO"), obr(f31="Fever")]
        for kind, event in (("ORM", "O01"), ("OMG", "O19"), ("OMI", "O23"))
    },
    **{
        ("MFN", event): ["MFI|X", f"MFE|{'MUP' if event == 'M04' else 'MAD'}|||{code}", *more]
        for event, code, more in (
            ("M02", "9", ["STF|9|9|HOUSE^GREGORY"]),
            ("M05", "W2", ["LOC|W2|Ward two"]),
            *(
                (one, "99^Head^C4", ["OM1||99^Head^C4" + "|" * 47 + "CT"])
                for one in ("M08", "M09", "M10", "M11", "M12")
            ),
            ("M04", "98^Head^C4", ["CDM|98^Head^C4||Head"]),
        )
    },
    **{("SIU", event): [sch("202603061000", refs="PL1^HIS"), *BASE] for event in ("S12", "S13", "S14")},
    **{("SIU", event): [sch(refs="PL1^HIS"), *BASE] for event in ("S15", "S16", "S17", "S26")},
}


def segments(kind: str, event: str) -> list[str]:
    """A message of a trigger that changes something of what is there."""
    if (found := SEGMENTS.get((kind, event))) is not None:
        return found
    if event in ("A35", "A41", "A42", "A49", "A50"):
        renamed = pid("P2", "BARS^BERTA", account="ACC3^^^GENHOSP")
        return [renamed, MRG, pv1("W1^101", "V3^^^GENHOSP")]
    if event in ("A18", "A34", "A36", "A39", "A40", "A44", "A45", "A46", "A47"):
        return [pid("P1", account="ACC1^^^GENHOSP"), MRG, pv1("W1^101")]
    return [pid("P1", account="ACC1^^^GENHOSP"), pv1("RAD^CT1" if event == "A10" else "W2^201")]


def _content(value: Any) -> Any:
    is_dict = isinstance(value, dict)
    return {name: one for name, one in value.items() if name not in _OF_OURS} if is_dict else value


def written() -> dict[str, list[dict[str, Any]]]:
    """All that is kept of patients, orders, appointments, master files and outside reports."""
    models = [*apps.get_app_config("worklist").get_models(), apps.get_model("reporting.OutsideReportVersion")]
    models.remove(apps.get_model("worklist.StatusEvent"))  # what they come to stands in the steps
    return {
        model.__name__: [
            {name: _content(value) for name, value in row.items() if name not in _OF_OURS}
            for row in model._default_manager.order_by("pk").values()
        ]
        for model in models
    }


def told(raw: bytes) -> set[str]:
    row = InboundMessage.objects.get(raw=raw)
    return (
        set(Event.objects.filter(source=f"hl7:{row.public_id}").values_list("kind", flat=True))
        - _SAYS_NOTHING
    )


@pytest.mark.parametrize(("kind", "event"), sorted(TRIGGERS))
def test_a_message_that_wrote_something_tells_it_and_one_that_did_not_does_not(
    say: Say, kind: str, event: str
) -> None:
    Source.objects.update(
        options={"assigning_authority": "GENHOSP", "processing_ids": ["*"], "imaging_locations": ["RAD^CT1"]}
    )
    sources._kept.clear()
    ProcedureCode.objects.create(code="98", scheme="C4", description="x", modality="CT")
    send(say("ORM^O01", *BASE, orc(), obr()))
    send(say("ADT^A01", pid("P2", "BARS^BERTA", account="ACC2^^^GENHOSP"), pv1("W1^2", "V2^^^GENHOSP"), at=1))
    send(say("SIU^S12", sch("202603051000", refs="PL1^HIS"), *BASE, at=2))
    if event == "A37":
        send(say("ADT^A24", *segments(kind, event), at=3))
    for at, is_again in ((4, False), (5, True)):
        before = written()
        raw = say(f"{kind}^{event}", *segments(kind, event), at=at)
        answer = inbox.receive(raw, peer="")
        assert b"MSA|AA" in (answer or b""), answer
        after = written()
        changed = {name for name in after if before[name] != after[name]}
        assert not changed or told(raw), f"{changed} changed, and nothing is told"
        assert is_again or changed, "the message of the test changes something"
        if kind in ("SIU", "ADT") and not changed:
            assert not told(raw) - {"patient.merged", "patient.linked", "patient.unlinked"}, told(raw)


@pytest.mark.parametrize(
    ("kind", "event"),
    [("ADT", one) for one in ("A02", "A03", "A08", "A11", "A42", "A45")]
    + [("SIU", one) for one in ("S13", "S14", "S15", "S17", "S26")],
)
def test_the_order_lists_the_messages_that_change_its_visit_and_its_appointment(
    say: Say, kind: str, event: str
) -> None:
    send(say("ORM^O01", *BASE, orc(), obr()))
    send(
        say(
            "ORM^O01",
            pid("P2", "BARS^BERTA"),
            pv1("W1^2", "V2^^^GENHOSP"),
            orc(placer="PL2^HIS"),
            obr(),
            at=1,
        )
    )
    send(say("SIU^S12", sch("202603051000", refs="PL1^HIS"), *BASE, at=2))
    raw = say(f"{kind}^{event}", *segments(kind, event), at=4)
    send(raw)
    number = "PL2" if event in ("A42", "A45") else "PL1"
    order = Order.objects.get(numbers__value=number)
    source = f"hl7:{InboundMessage.objects.get(raw=raw).public_id}"
    assert Event.objects.filter(source=source, subjects__type="order", subjects__key=order.public_id).exists()
    people = Patient.objects.values_list("public_id", flat=True)
    assert Event.objects.filter(source=source, subjects__type="patient", subjects__key__in=people).exists()


def test_messages_are_found_by_the_numbers_of_visits(say: Say) -> None:
    send(say("ADT^A02", *segments("ADT", "A02"), control_id="m1"))
    assert {"V1", "ACC1"} <= set(MessageKey.objects.filter(kind="visit").values_list("value", flat=True))
