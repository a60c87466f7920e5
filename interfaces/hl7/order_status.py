"""Tell the placer that its order is in process, once a study is known to be the order's (ORM^O01, 4.4.1)."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from archive.models import Study
from archive.signals import study_reconciled
from interfaces.hl7 import outbox
from worklist.models import Order, OrderNumber, Patient, RequestedProcedure

MESSAGE_TYPE: Final = "ORM^O01^ORM_O01"
STATUS_CHANGED: Final = "SC"  # HL70119
IN_PROCESS: Final = "IP"  # HL70038

_DATE: Final = re.compile(r"\d{8}")
_TIME: Final = re.compile(r"\d{2}(\d{2}(\d{2}(?=\.|$))?)?")
_REPRESENTATIONS: Final = ("A", "I", "P")  # HL70465


def register() -> None:
    """Listen to the archive, and write these messages; called from `AppConfig.ready()`."""
    study_reconciled.connect(tell_in_process, dispatch_uid="hl7.order_status")
    outbox.register(MESSAGE_TYPE, segments)


def tell_in_process(
    sender: object, *, study: Study, outcome: str = "", origin_text: str = "", **others: Any
) -> None:
    """Enqueue one message for each order that the study was made for; asking again adds none."""
    rows = study.procedures.select_related(
        "order__facility",
        "order__patient__authority",
        "order__patient__survivor__authority",
    )
    by_order: dict[Order, list[RequestedProcedure]] = defaultdict(list)
    for procedure in rows.order_by("order_id", "pk"):
        by_order[procedure.order].append(procedure)
    for order, procedures in by_order.items():
        patient = order.patient or study.patient
        if patient is None:
            continue
        outbox.enqueue(
            key=f"study:{study.study_instance_uid}:order:{order.public_id}:{IN_PROCESS}",
            message_type=MESSAGE_TYPE,
            facts=_facts(study, order, patient.current, procedures),
            lane=patient.current.public_id,
        )


def _facts(
    study: Study, order: Order, patient: Patient, procedures: Sequence[RequestedProcedure]
) -> dict[str, Any]:
    return {
        "about": [("order", order.public_id), ("study", study.public_id), ("patient", patient.public_id)],
        "facility": order.facility.code,
        "control": STATUS_CHANGED,
        "status": IN_PROCESS,
        "placer": _number(order, OrderNumber.Kind.PLACER),
        "filler": _number(order, OrderNumber.Kind.FILLER),
        "accession_number": order.accession_number or procedures[0].accession_number,
        "patient": {
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
        },
        "procedures": [_procedure(procedure) for procedure in procedures],
        "study_instance_uid": study.study_instance_uid,
        "study_started": _started(study),
        "when": _utc(study.last_received_at),
    }


def _number(order: Order, kind: OrderNumber.Kind) -> list[str]:
    """The order's number of a kind and its namespace; of several the first, as the made-up numbers do."""
    rows = OrderNumber.objects.filter(order=order, kind=kind).values_list("namespace", "value")
    namespace, value = min(rows, default=("", ""))
    return [value, namespace]


def _procedure(procedure: RequestedProcedure) -> dict[str, str]:
    starts = procedure.steps.exclude(start=None).order_by("start").values_list("start", flat=True)
    start = starts.first()
    return {
        "id": procedure.requested_procedure_id,
        "code": procedure.code,
        "scheme": procedure.scheme,
        "description": procedure.description,
        "start": _utc(start) if start else "",
    }


def _started(study: Study) -> str:
    """Study Date and Time, without a zone as the modality gives none; empty where it is no date."""
    if not _DATE.fullmatch(study.study_date):
        return ""
    time = _TIME.match(study.study_time)
    return study.study_date + (time[0] if time and len(time[0]) >= 4 else "")


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y%m%d%H%M%S+0000")


def segments(facts: Mapping[str, Any]) -> Iterator[outbox.Segment]:
    """PID, then ORC and OBR for each requested procedure, then ZDS (IHE RAD TF-2 4.4.4.1.2) with the UID."""
    yield "PID", _pid(facts["patient"])
    for number, procedure in enumerate(facts["procedures"], start=1):
        yield (
            "ORC",
            {
                1: facts["control"],
                2: tuple(facts["placer"]),
                3: tuple(facts["filler"]),
                5: facts["status"],
                7: ("1", "", "", procedure["start"]),
                9: facts["when"],
            },
        )
        yield "OBR", _obr(facts, procedure, number)
    yield "ZDS", {1: (facts["study_instance_uid"], outbox.APPLICATION, "Application", "DICOM")}


def _pid(patient: Mapping[str, Any]) -> outbox.Fields:
    return {
        1: "1",
        3: (patient["identifier"], "", "", tuple(patient["authority"]), patient["type"]),
        5: names(patient["name"]),
        7: patient["birth_date"],
        8: patient["sex"] or "U",
    }


def _obr(facts: Mapping[str, Any], procedure: Mapping[str, str], number: int) -> outbox.Fields:
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


def names(person_name: str) -> list[outbox.Components]:
    """XPN (2.A.88) from DICOM PN (PS3.5 6.2.1): a repetition for each component group.

    PN has family^given^middle^prefix^suffix, XPN the suffix before the prefix.
    """
    repetitions: list[outbox.Components] = []
    for group, representation in zip(person_name.split("="), _REPRESENTATIONS, strict=False):
        parts = [part.strip() for part in (*group.split("^"), "", "", "", "", "")[:5]]
        if any(parts):
            family, given, middle, prefix, suffix = parts
            repetitions.append((family, given, middle, suffix, prefix, "", "L", representation))
    return repetitions or [("", "", "", "", "", "", "U")]
