"""Place the order that a study lacks."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from django.utils import timezone

from accounts.actor import Actor
from archive.decisions.decision_frame import link_to, revision
from archive.decisions.decision_type import DecisionType, Links, Parameters, register
from archive.decisions.effects import Effect
from archive.decisions.needs import PATIENT, Choice, ChosenFrom, Need
from archive.models import Decision, Study
from archive.reconcile import apply_verdict, verdict_record
from ledger.errors import Conflict, Invalid
from worklist.models import Order, Patient, ProcedureCode, RequestedProcedure
from worklist.orders import generated_ids, order_application
from worklist.orders.order_content import OrderContent, ProcedureContent, StepContent
from worklist.orders.order_update import Number, OrderUpdate, ProcedureUpdate, StepUpdate
from worklist.provenance import Provenance
from worklist.schedule import image_acts, step_actions

_MOST_CODES: Final = 500


def _catalogue(study: Study) -> Sequence[Choice]:
    """The catalogue, what is of the images' modalities first."""
    codes = list(ProcedureCode.objects.order_by("code", "scheme")[:_MOST_CODES])
    codes.sort(key=lambda code: code.modality not in study.modalities)
    return [Choice(code.code, f"{code.code} {code.description}", f"({code.modality})") for code in codes]


PROCEDURE_CODE: Final = Need(
    name="procedure_code",
    meaning="of the site's catalogue",
    prompt="Choose the procedure that was done.",
    example="71260",
    chosen_from=ChosenFrom.MANY,
    label="Procedure",
    choices=_catalogue,
    if_missing="the order needs a procedure code",
)


@dataclass(frozen=True)
class CreateOrderParameters(Parameters):
    """The order, by its public id, and the code of its procedure."""

    order: str
    procedure_code: str


@register
@dataclass(frozen=True)
class CreateOrder(DecisionType):
    """The study is of a new order, planned under the study's own UID.

    The order is for `patient`, else for the one that the study is linked to or that its patient ID names.
    """

    kind = "create_order"
    key = "3"
    title = "Create order"
    does = "Create the missing order, for the chosen patient or the one named in the images."
    done = "given an order of its own"
    restores = "the order cancelled"
    links = Links.ORDER
    example_reason = "emergency"

    procedure_code: str = field(metadata={"need": PROCEDURE_CODE})
    patient: Patient | None = field(default=None, metadata={"need": PATIENT})

    def check(self, study: Study) -> None:
        """The code is in the catalogue."""
        if not ProcedureCode.objects.filter(code=self.procedure_code).exists():
            raise Invalid(
                f"the procedure code {self.procedure_code!r} is not in the catalogue", PROCEDURE_CODE.name
            )

    def act(self, study: Study, by: Actor) -> CreateOrderParameters:
        """Place the order and link the study to it."""
        patient = self.patient or study.patient or _identified(study)
        order = _place(study, patient, self.procedure_code, by)
        link_to(study, patient, list(RequestedProcedure.objects.filter(order=order)))
        return CreateOrderParameters(order.public_id, self.procedure_code)

    @classmethod
    def take_back(cls, decision: Decision, study: Study, *, reason: str, by: Actor) -> None:
        """Cancel the order; refused once it has ended otherwise."""
        order = Order.objects.filter(public_id=CreateOrderParameters.of(decision).order).first()
        if order is None:
            return
        image_acts.withdrawn(
            order=order.pk,
            facility=study.facility,
            study=study.public_id,
            origin=f"decision:{decision.public_id}",
            at=timezone.now(),
        )
        try:
            step_actions.cancel(by=by, order=order, reason=reason)
        except Conflict as error:
            raise Conflict(f"the order that it placed stands in the way: {error.text}", "order") from error

    @classmethod
    def effects(cls, decision: Decision) -> list[Effect]:
        """The order that comes, or goes."""
        if decision.undone_at is not None:
            return [Effect("order", "The order that the decision placed is cancelled")]
        code = CreateOrderParameters.of(decision).procedure_code
        return [Effect("order", f"An order for {code} is placed here, planned under this study's UID")]


def _identified(study: Study) -> Patient:
    """The one patient of the facility whom the header's ID and issuer name."""
    rows = Patient.objects.filter(facility=study.facility, value=study.header_patient_id)
    if study.issuer_of_patient_id:
        rows = rows.filter(authority__namespace=study.issuer_of_patient_id)
    people = {row.current.pk: row for row in rows.select_related("survivor")[:20]}
    if not study.header_patient_id or len(people) != 1:
        raise Conflict("the header's patient ID names no single patient here; name one", PATIENT.name)
    return next(iter(people.values()))


def _place(study: Study, patient: Patient, procedure_code: str, by: Actor) -> Order:
    label = study.accession_number
    is_free = 0 < len(label) <= 16 and not Order.objects.filter(accession_number=label).exists()
    start = verdict_record.acquired_at(apply_verdict.newest(study))
    update = OrderUpdate(
        placer=Number(f"{study.public_id}.{revision(study)}", generated_ids.NAMESPACE),
        content=OrderContent(patient_id=patient.pk, accession_number=label if is_free else None),
        procedures=[
            ProcedureUpdate(
                content=ProcedureContent(study.study_instance_uid, code=procedure_code),
                steps=[StepUpdate(content=StepContent(start=start))],
            )
        ],
    )
    return order_application.apply(update=update, provenance=Provenance.of_person(by, study.facility))
