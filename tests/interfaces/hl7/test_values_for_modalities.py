"""Whatever a message says, each value of a worklist answer is one that DICOM allows (PS3.5 6.2)."""

from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from pydicom import Dataset
from pydicom.config import RAISE
from pydicom.dataelem import DataElement
from pydicom.valuerep import validate_value

from interfaces.dicom.services.worklist_item import CODES, PATIENT_LEVEL, STEP_LEVEL
from interfaces.hl7.inbound import inbox, sources
from interfaces.hl7.models import InboundMessage, Source
from ledger.models import Event
from tests.interfaces.dicom.test_modality_worklist import ask
from tests.interfaces.hl7.test_orders import PID, obr, orc, send
from worklist.models import Order, RequestedProcedure, ScheduledProcedureStep

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("site"), pytest.mark.once]
Say = Callable[..., bytes]

SAID: Final[dict[str, str]] = {
    **{"PID-3": "P1^^^GENHOSP^MR", "PID-5": "BARS^ANNA", "PID-7": "19700102", "PID-8": "F"},
    **{"PV1-2": "I", "PV1-19": "V1^^^GENHOSP", "AL1-3": "^LATEX", "ORC-1": "NW", "ORC-2": "PL1^HIS"},
    **{"OBR-1": "1", "OBR-4": "71260^CT CHEST^C4^PC1^Thorax^L", "OBR-24": "CT", "OBX-2": "NM"},
    **{"OBX-3": "29463-7", "OBX-5": "61.5", "OBX-6": "kg"},
}
SEGMENTS: Final = ("PID", "PV1", "AL1", "ORC", "OBR", "NTE", "OBX")
FIELDS: Final = (
    *("PID-3", "PID-5", "PID-7", "PID-8", "PID-11", "PV1-2", "PV1-3", "PV1-8", "PV1-19", "AL1-3"),
    *("ORC-2", "ORC-17", "ORC-28", "OBR-4.1", "OBR-4.2", "OBR-4.3", "OBR-4.4", "OBR-4.5", "OBR-4.6"),
    *("OBR-12", "OBR-13", "OBR-16.2", "OBR-18", "OBR-19", "OBR-20", "OBR-21", "OBR-22", "OBR-23", "OBR-24"),
    *("OBR-30", "OBR-31", "OBR-34", "OBR-36", "NTE-3", "OBX-5"),
)
NAMES_OR_SHOWS: Final = {
    *("PID-3", "PID-5", "PID-7", "PV1-19", "AL1-3", "ORC-2", "OBR-4.1", "OBR-4.4", "OBR-18", "OBR-19"),
    *("OBR-20", "OBR-24"),
}
"""Identity, numbers, procedure and allergies: these alone may be refused."""
VALUES: Final = (
    *("x" * 17, "x" * 65, "x" * 300, "x" * 12_000, "a\\.br\\b", "a\\X0D0A\\b", "a\\E\\b", "a\\X1B\\b"),
    *("a\x85b", "1970", "inf", "-1", "1e400", "^^^", "&&", '""', "ä=ö"),
)


def message(say: Say, field: str, value: str) -> bytes:
    """An order of which one field, or one component, is `value`."""
    name, _, component = field.partition(".")
    values = dict(SAID)
    if component:
        parts = (values.get(name, "") + "^" * 8).split("^")
        parts[int(component) - 1] = value
        value = "^".join(parts).rstrip("^")
    values[name] = value
    segments = []
    for segment in SEGMENTS:
        said = {int(path.split("-")[1]): text for path, text in values.items() if path.startswith(segment)}
        segments.append(f"{segment}|" + "|".join(said.get(n, "") for n in range(1, 45)).rstrip("|"))
    return say("ORM^O01", *segments)


def everything() -> dict[str, Any]:
    """All that can be asked for."""
    return {"step": dict.fromkeys(STEP_LEVEL, ""), **dict.fromkeys(PATIENT_LEVEL, "")} | {
        name: [] for name in CODES
    }


def elements(answer: Dataset) -> Iterator[DataElement]:
    yield from answer.iterall()


def check(answer: Dataset) -> None:
    """Each value is one of its VR; one that is of several values is so on purpose."""
    for element in elements(answer):
        if element.VR in ("SQ", "US"):
            continue
        assert element.VM <= 1 or element.keyword == "ScheduledStationAETitle", element
        validate_value(element.VR, str(element.value or ""), RAISE)
        if element.VR in ("SH", "LO"):
            assert not any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in str(element.value))


@pytest.mark.parametrize("field", FIELDS)
def test_a_value_is_refused_left_out_or_fits(say: Say, field: str) -> None:
    mapping = {"station_ae_title": ["OBR-21"], "station_name": ["OBR-22"], "location": ["OBR-23"]}
    Source.objects.update(options={"assigning_authority": "GENHOSP", "mapping": mapping})
    sources._kept.clear()
    for value in VALUES:
        before = ScheduledProcedureStep.objects.count()
        answer = inbox.receive(message(say, field, value), peer="")
        row = InboundMessage.objects.latest("id")
        assert answer is not None and b"|AR|" not in answer, (value[:20], answer)
        if row.ack_code == "AE":
            assert field in NAMES_OR_SHOWS, (value[:20], answer)
            places = {field.split(".")[0].replace("-", "^1^"), *(("OBR^1^4",) if field == "OBR-24" else ())}
            assert row.error_location in places, (value[:20], answer)
            assert ScheduledProcedureStep.objects.count() == before
            continue
        answers = ask(**everything())
        assert answers
        for one in answers:
            check(one)


READ: Final = (
    *(one for one in FIELDS if one not in ("OBR-21", "OBR-22", "OBR-23")),
    *("PID-18", "PV1-7", "OBR-3", "ORC-3", "OBR-16", "OBR-28", "OBR-32", "OBR-44", "ORC-12"),
)


@pytest.mark.parametrize("field", READ)
def test_what_is_refused_is_named_by_its_field(say: Say, field: str) -> None:
    """A NUL can't be kept anywhere, so it is refused wherever it is read."""
    inbox.receive(message(say, field, "a\\X00\\b"), peer="")
    row, place = InboundMessage.objects.latest("id"), field.split(".")[0].replace("-", "^1^")
    if row.ack_code == "AE":
        assert row.error_location.startswith(place)
        return
    told = Event.objects.filter(kind__in=["hl7.values_left_out", "hl7.characters_replaced"])
    assert told.get().details == {"locations": [place]}


def test_of_several_orders_and_procedures_the_one_that_is_refused_is_named(say: Say) -> None:
    orders = [orc(), obr(), orc(placer="PL2^HIS"), obr(), obr(f18="A" * 17, f19="RP2")]
    answer = send(say("ORM^O01", PID, *orders), "AE")
    assert b"|OBR^3^18|102^" in answer


@pytest.mark.parametrize(
    ("field", "value", "location"),
    [
        ("OBR-12", "x" * 65, "OBR^1^12"),
        ("OBR-30", "x" * 65, "OBR^1^30"),
        ("OBR-31", "x" * 1001, "OBR^1^31"),
        ("OBR-13", "x" * 1001, "OBR^1^13"),
        ("ORC-17", "^" + "x" * 65, "ORC^1^17"),
        ("PV1-3", "x" * 300, "PV1^1^3"),
        ("PV1-2", "x" * 21, "PV1^1^2"),
        ("PV1-8", "1^" + "x" * 65, "PV1^1^8"),
        ("PID-11", "x" * 501, "PID^1^11"),
        ("OBR-4.3", "A scheme of many words", "OBR^1^4^1^3"),
        ("OBX-5", "inf", "OBX^1^5"),
        ("NTE-3", "x" * 10_001, "NTE^1^3"),
    ],
)
def test_a_side_value_that_does_not_fit_is_left_out_and_told(
    say: Say, field: str, value: str, location: str
) -> None:
    send(message(say, field, value))
    assert Event.objects.get(kind="hl7.values_left_out").details == {"locations": [location]}


def test_what_is_shortened_shows_that_something_is_missing(say: Say) -> None:
    send(message(say, "OBR-4.2", "MR brain " + "with a long name " * 5))
    assert RequestedProcedure.objects.get().description.endswith("...")
    assert Event.objects.get(kind="hl7.descriptions_shortened").details == {"locations": ["OBR^1^4"]}
    send(message(say, "OBR-31", "^" + "Chest pain " * 9))
    (answer,) = ask(ReasonForTheRequestedProcedure="", RequestedProcedureDescription="")
    assert answer.ReasonForTheRequestedProcedure == ("Chest pain " * 9)[:61] + "..."
    assert len(Order.objects.get().reason) == 98, "here it is whole"


def test_a_birth_date_without_its_day_is_kept_and_not_sent(say: Say) -> None:
    send(message(say, "PID-7", "1970"))
    (answer,) = ask(PatientBirthDate="")
    order = Order.objects.get()
    assert order.patient is not None
    assert (order.patient.birth_date, answer.PatientBirthDate) == ("1970", "")
