"""What messages tell of patients, orders and their procedures: as facts that JSON holds, and as fields."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from archive.models import Study
from interfaces.hl7.outbound.message_writer import Components, Fields
from worklist.models import Order, OrderNumber, Patient, RequestedProcedure

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
    """The order's number of a kind as it was sent (EI); of several the first, as the made-up numbers do."""
    rows = OrderNumber.objects.filter(order=order, kind=kind)
    row = min(rows, key=lambda row: (row.namespace, row.value), default=None)
    if row is None:
        return ["", ""]
    if row.is_bare:
        return [row.value, ""]
    namespace = "" if row.namespace == row.universal_id else row.namespace
    return [row.value, namespace, *filter(None, (row.universal_id, row.universal_id_type))]


def of_procedure(procedure: RequestedProcedure) -> dict[str, str]:
    """A requested procedure, for `obr`."""
    starts = procedure.steps.exclude(start=None).order_by("start").values_list("start", flat=True)
    start = starts.first()
    return {
        "id": procedure.requested_procedure_id,
        "code": procedure.code,
        "scheme": procedure.scheme,
        "description": procedure.description,
        "start": utc(start) if start else "",
    }


def started(study: Study) -> str:
    """Study Date and Time, without a zone as the modality gives none; empty where it is no date."""
    if not _DATE.fullmatch(study.study_date):
        return ""
    time = _TIME.match(study.study_time)
    return study.study_date + (time[0] if time and len(time[0]) >= 4 else "")


def utc(moment: datetime) -> str:
    """A moment as DTM, in UTC."""
    return moment.astimezone(UTC).strftime("%Y%m%d%H%M%S+0000")


def pid(patient: Mapping[str, Any]) -> Fields:
    """PID (3.4.2) of the facts of a patient."""
    return {
        1: "1",
        3: (patient["identifier"], "", "", tuple(patient["authority"]), patient["type"]),
        5: names(patient["name"]),
        7: patient["birth_date"],
        8: patient["sex"] or "U",
    }


def obr(facts: Mapping[str, Any], procedure: Mapping[str, str], number: int) -> Fields:
    """OBR (4.5.3), with the numbers of imaging where IHE has them (RAD TF-2 4.4.4.1.2.5)."""
    return {
        1: str(number),
        2: tuple(facts["placer"]),
        3: tuple(facts["filler"]),
        4: (procedure["code"] or procedure["id"], procedure["description"], procedure["scheme"]),
        7: facts["study_started"],
        18: facts["accession_number"],
        19: procedure["id"],
        22: facts["when"],
        27: ("1", "", "", procedure["start"]),
        36: procedure["start"],
    }


def as_sent(components: Sequence[Sequence[str]] | None) -> Components:
    """A field that was kept whole, as it came; empty where nothing was."""
    return tuple(tuple(one) if len(one) > 1 else "".join(one) for one in components or ())


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
