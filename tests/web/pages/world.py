"""What the pages show: orders, studies and messages, made in few lines."""

from typing import Any

from django.db import transaction
from django.test import Client
from django.utils import timezone

from accounts.models import Facility, Role, User
from archive.models import Study, StudyException, Verdict
from archive.reconcile import verdict_record
from archive.reconcile.finding import Concordance, Finding
from interfaces.hl7.models import InboundMessage
from worklist.models import Order, Patient, ScheduledProcedureStep
from worklist.orders import order_application
from worklist.orders.order_content import OrderContent, ProcedureContent, StepContent
from worklist.orders.order_update import Number, OrderUpdate, ProcedureUpdate, StepUpdate
from worklist.patients import identity
from worklist.patients.identifiers import Authority, Identifier
from worklist.provenance import Provenance


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def person(facility: Facility, *roles: Role) -> User:
    """A user with just these roles."""
    user = User.objects.create_user(
        "-".join(roles) or "nobody", "correct horse", roles=[r.value for r in roles]
    )
    user.facilities.add(facility)
    return user


def register(provenance: Provenance, number: str, name: str = "BARS^ANNA", **values: Any) -> Patient:
    with transaction.atomic():
        return identity.register(
            provenance=provenance,
            identifiers=[Identifier(number, Authority("GENHOSP"), "MR")],
            demographics={"name": name, "birth_date": "19700102", "sex": "F", **values},
        )


def place_order(provenance: Provenance, number: str, name: str = "BARS^ANNA", **values: Any) -> Order:
    """Order `PL…`, accession `A…`, of patient `P…`; its step takes `start`, `modality`, `station`."""
    step = {"modality": values.pop("modality", "CT"), "start": values.pop("start", timezone.now())}
    step["station_ae_title"] = values.pop("station", None)
    description = values.pop("description", "CT chest")
    demographics = values.pop("demographics", {})
    with transaction.atomic():
        patient = register(provenance, f"P{number}", name, **demographics)
        update = OrderUpdate(
            placer=Number(f"PL{number}", "HIS"),
            content=OrderContent(patient_id=patient.pk, accession_number=f"A{number}", **values),
            procedures=[
                ProcedureUpdate(
                    content=ProcedureContent(code="71260", description=description),
                    steps=[StepUpdate(content=StepContent(**step))],
                )
            ],
        )
        return order_application.apply(update=update, provenance=provenance)


def step_of(order: Order) -> ScheduledProcedureStep:
    return ScheduledProcedureStep.objects.get(procedure__order=order)


def make_study(facility: Facility, number: int, verdict: str = "mismatch", **values: Any) -> Study:
    now = timezone.now()
    study = Study.objects.create(
        **{
            "facility": facility,
            "study_instance_uid": f"2.25.{number}",
            "patient_name": "REAL^RITA",
            "header_patient_id": f"H{number}",
            "accession_number": f"S{number}",
            "modalities": ["CT"],
            "instance_count": 3,
            "first_received_at": now,
            "last_received_at": now,
            "verdict": verdict,
            **values,
        }
    )
    finding = Finding("patient_id", f"H{number}", "P1", "", 0.0, Concordance.CONTRADICTS, 5.0)
    Verdict.objects.create(
        study=study,
        number=1,
        outcome=verdict,
        study_evidence={},
        findings=verdict_record.findings_json([finding]),
        policy_version="1",
        inputs_digest="x",
    )
    if verdict not in ("matched", "corrected", "pending"):
        StudyException.objects.create(study=study)
    return study


def receive(number: int, **values: Any) -> InboundMessage:
    return InboundMessage.objects.create(
        **{
            "source": "HIS|GENHOSP",
            "control_id": f"MSG{number}",
            "sha256": str(number),
            "raw": b"MSH|^~\\&|",
            "message_type": "ORM^O01",
            "received_at": timezone.now(),
            "status": "applied",
            "ack_code": "AA",
            **values,
        }
    )
