"""What messages tell of patients, orders and their procedures: as facts that JSON holds, and as fields."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from accounts.models import Facility
from archive.models import Study
from interfaces.hl7.outbound.message_writer import Components, Fields, Value
from worklist.models import Order, OrderNumber, Patient, RequestedProcedure
from worklist.orders.generated_ids import NAMESPACE

_DATE: Final = re.compile(r"\d{8}")
_TIME: Final = re.compile(r"\d{2}(\d{2}(\d{2}(?=\.|$))?)?")
_REPRESENTATIONS: Final = ("A", "I", "P")  # HL70465


def of_patient(patient: Patient) -> dict[str, Any]:
    """A patient record, for `pid`."""
    return {
        "identifier": patient.value,
        "type": patient.type,
        "authority": [
            patient.authority.namespace,
            patient.authority.universal_id,
            patient.authority.universal_id_type,
        ],
        "name": patient.name,
        "birth_date": patient.birth_date,
        "sex": patient.sex,
    }


def number(order: Order, kind: OrderNumber.Kind) -> list[str]:
    """The order's number of a kind as it was sent (EI); of several the first, another's before ours."""
    rows = OrderNumber.objects.filter(order=order, kind=kind)
    row = min(rows, key=lambda row: (row.namespace == NAMESPACE, row.namespace, row.value), default=None)
    if row is None:
        return ["", ""]
    if row.is_bare:
        return [row.value, ""]
    namespace = "" if row.namespace == row.universal_id else row.namespace
    return [row.value, namespace, *filter(None, (row.universal_id, row.universal_id_type))]


def of_order(order: Order, procedures: Sequence[RequestedProcedure]) -> dict[str, Any]:
    """An order with its numbers, and all that goes back as its placer sent it, for `pid`, `pv1` and `obr`."""
    return {
        "facility": order.facility.code,
        "placer": number(order, OrderNumber.Kind.PLACER),
        "filler": number(order, OrderNumber.Kind.FILLER),
        "accession_number": order.accession_number or procedures[0].accession_number,
        "account": order.account,
        "requesting_physician": order.requesting_physician,
        "ordering_provider": order.ordering_provider,
        "result_copies_to": order.result_copies_to,
        "visit": of_visit(order),
        "procedures": [of_procedure(procedure, order.facility) for procedure in procedures],
    }


def of_visit(order: Order) -> dict[str, Any] | None:
    """The visit of an order, for `pv1`; without one the location and the providers that its order names."""
    visit = order.current_visit
    if visit is None:
        own = {
            "location": order.patient_location,
            "attending_provider": order.attending_provider,
            "referring_provider": order.referring_provider,
        }
        return own if any(own.values()) else None
    return {
        "class": visit.patient_class,
        "location": order.location,
        "attending": visit.attending,
        "referring": visit.referring,
        "attending_provider": visit.attending_provider or order.attending_provider,
        "referring_provider": visit.referring_provider or order.referring_provider,
        "number": visit.number,
        "authority": visit.authority.namespace,
    }


def of_procedure(procedure: RequestedProcedure, facility: Facility) -> dict[str, Any]:
    """A requested procedure, for `obr`."""
    starts = procedure.steps.exclude(start=None).order_by("start").values_list("start", flat=True)
    start = starts.first()
    named = procedure.steps.filter(id_is_generated=False).order_by("pk").first()
    return {
        "step": named.scheduled_procedure_step_id if named else "",
        "service": procedure.service,
        "interpreter": procedure.interpreter,
        "technician": procedure.technician,
        "study_instance_uid": procedure.study_instance_uid,
        "id": procedure.requested_procedure_id,
        "code": procedure.code,
        "scheme": procedure.scheme,
        "description": procedure.description,
        "start": moment(start, facility) if start else "",
    }


def started(study: Study, facility: Facility) -> str:
    """Study Date and Time with the facility's offset; empty where it is no date."""
    if not _DATE.fullmatch(study.study_date):
        return ""
    time = _TIME.match(study.study_time)
    if not time or len(time[0]) < 4:
        return study.study_date
    try:
        at = datetime.strptime(study.study_date + time[0].ljust(6, "0"), "%Y%m%d%H%M%S")
    except ValueError:
        return study.study_date
    return study.study_date + time[0] + at.replace(tzinfo=ZoneInfo(facility.time_zone)).strftime("%z")


def moment(at: datetime, facility: Facility) -> str:
    """A moment as DTM (2.A.22), as the facility's clock shows it."""
    return at.astimezone(ZoneInfo(facility.time_zone)).strftime("%Y%m%d%H%M%S%z")


def utc(at: datetime) -> str:
    """A moment as DTM, in UTC."""
    return at.astimezone(UTC).strftime("%Y%m%d%H%M%S+0000")


def pid(patient: Mapping[str, Any], account: Sequence[Any] = ()) -> Fields:
    """PID (3.4.2) of the facts of a patient, with the account (PID-18) as it was sent."""
    return {
        18: as_sent(account),
        1: "1",
        3: (patient["identifier"], "", "", tuple(patient["authority"]), patient["type"]),
        5: names(patient["name"]),
        7: patient["birth_date"],
        8: patient["sex"] or "U",
    }


def evn(facts: Mapping[str, Any]) -> Fields:
    """EVN (3.4.1)."""
    return {1: facts["trigger"], 2: facts["when"], 6: facts["when"]}


def mrg(patient: Mapping[str, Any]) -> Fields:
    """MRG (3.4.9) of the facts of a retired record."""
    return {1: pid(patient)[3], 7: names(patient["name"])}


def pv1(visit: Mapping[str, Any]) -> Fields:
    """PV1 (3.4.3) of the facts of a visit."""
    return {
        2: visit.get("class") or "U",
        3: tuple(visit.get("location", "").split("^")),
        7: as_sent(visit.get("attending_provider")) or xcn(visit.get("attending", "")),
        8: as_sent(visit.get("referring_provider")) or xcn(visit.get("referring", "")),
        19: (visit.get("number", ""), "", "", visit.get("authority", "")),
    }


def obr(facts: Mapping[str, Any], procedure: Mapping[str, Any], number: int) -> Fields:
    """OBR (4.5.3), with the numbers of imaging where IHE has them (RAD TF-2 4.4.4.1.2.5)."""
    made = (procedure["code"] or procedure["id"], procedure["description"], procedure["scheme"])
    return {
        1: str(number),
        2: tuple(facts["placer"]),
        3: tuple(facts["filler"]),
        4: as_sent(procedure.get("service")) or made,
        7: facts["study_started"],
        16: ordered_by(facts),
        18: facts["accession_number"],
        19: procedure["id"],
        20: procedure.get("step", ""),
        22: facts["when"],
        27: ("1", "", "", procedure["start"]),
        28: as_sent(facts.get("result_copies_to")),
        32: as_sent(procedure.get("interpreter")),
        34: as_sent(procedure.get("technician")),
        36: procedure["start"],
    }


def ordered_by(facts: Mapping[str, Any]) -> Value:
    """Who ordered it (OBR-16, ORC-12), as it was sent."""
    return as_sent(facts.get("ordering_provider")) or xcn(facts.get("requesting_physician", ""))


def as_sent(field: Sequence[Any] | None) -> Value:
    """A field that was kept whole, as it came; empty where nothing was.

    Older rows have the components of the first repetition alone.
    """
    if not field:
        return ""
    repetitions = field if field[0] and isinstance(field[0][0], list) else [field]
    found: list[Components] = []
    for each in repetitions:
        found.append(tuple(tuple(one) if len(one) > 1 else "".join(one) for one in each))
    return found


def xcn(person_name: str) -> Value:
    """XCN (2.A.86) of the first component group of a PN; empty for no name."""
    if not person_name.strip("^= "):
        return ""
    return ("", *tuple(names(person_name)[0])[:5])


def names(person_name: str) -> list[Components]:
    """XPN (2.A.88) from DICOM PN (PS3.5 6.2.1): a repetition for each component group.

    PN has family^given^middle^prefix^suffix, XPN the suffix before the prefix.
    """
    repetitions: list[Components] = []
    for group, representation in zip(person_name.split("="), _REPRESENTATIONS, strict=False):
        parts = [part.strip() for part in (*group.split("^"), "", "", "", "", "")[:5]]
        if any(parts):
            family, given, middle, prefix, suffix = parts
            repetitions.append((family, given, middle, suffix, prefix, "", "L", representation))
    return repetitions or [("", "", "", "", "", "", "U")]
