"""Place the order that a study lacks."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from django.db.models import QuerySet
from django.utils import timezone

from accounts.actor import Actor
from archive.decisions.decision_frame import link_to, revision
from archive.decisions.decision_type import DecisionType, Links, Parameters, register
from archive.decisions.effects import Effect
from archive.decisions.needs import PATIENT, ChosenFrom, Need
from archive.models import Decision, Study
from archive.reconcile import apply_verdict, patient_number, verdict_record
from ledger.errors import Conflict, Invalid
from worklist.models import Order, Patient, ProcedureCode, RequestedProcedure, StatusEvent
from worklist.schedule import image_acts, order_choices, order_entry, step_actions
from worklist.schedule.order_choices import Choice
from worklist.schedule.order_entry import ExamRequest, NewPerson, OrderNumbers

_UNKNOWN: Final = "temporary"


def _people(study: Study) -> Sequence[Choice]:
    return [Choice(_UNKNOWN, "Register the patient of the images", "under a temporary identifier")]


PROCEDURE_CODE: Final = Need(
    name="procedure_code",
    meaning="of the site's catalogue",
    prompt="Choose the procedure that was done.",
    example="71260",
    chosen_from=ChosenFrom.MANY,
    label="Procedure",
    choices=lambda study: order_choices.procedures(study.modalities),
    if_missing="the order needs a procedure code",
)
PRIORITY: Final = Need(
    name="priority",
    meaning="STAT, HIGH or ROUTINE",
    prompt="Choose the priority.",
    example="STAT",
    chosen_from=ChosenFrom.MANY,
    label="Priority",
    if_open="routine",
    choices=lambda study: order_choices.priorities(),
)
ROOM: Final = Need(
    name="station_ae_title",
    meaning="the AE title of the room where it was done",
    prompt="Choose the room.",
    example="CT1",
    chosen_from=ChosenFrom.MANY,
    label="Room",
    if_open="As the catalogue says",
    choices=lambda study: order_choices.rooms(study.modalities),
)
NEW_PATIENT: Final = Need(
    name="new_patient",
    meaning="`temporary`: the patient is registered as the images say, under a temporary identifier",
    prompt="Choose whether the patient is to be registered.",
    example=_UNKNOWN,
    chosen_from=ChosenFrom.MANY,
    label="Patient not registered?",
    if_open="Chosen above, or named in the images",
    choices=_people,
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

    The order is for `patient`, else for the one that the study is linked to or that its patient ID names, or
    for one who is registered as the images say, under a temporary identifier.
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
    priority: str | None = field(default=None, metadata={"need": PRIORITY})
    station_ae_title: str | None = field(default=None, metadata={"need": ROOM})
    new_patient: str | None = field(default=None, metadata={"need": NEW_PATIENT})

    def check(self, study: Study) -> None:
        """The code is in the catalogue, the priority and the room are some that there are."""
        for need, value in ((PRIORITY, self.priority), (NEW_PATIENT, self.new_patient)):
            if value and value not in {one.value for one in need.choices(study)}:
                raise Invalid(f"{need.name} is {need.meaning}", need.name)
        if self.new_patient and self.patient is not None:
            raise Invalid("a patient is chosen; then none is registered", NEW_PATIENT.name)
        if not ProcedureCode.objects.filter(code=self.procedure_code).exists():
            raise Invalid(
                f"the procedure code {self.procedure_code!r} is not in the catalogue", PROCEDURE_CODE.name
            )
        order_entry.check(self._request())

    def act(self, study: Study, by: Actor) -> CreateOrderParameters:
        """Place the order and link the study to it."""
        known = self.patient or study.patient
        patient = _named_in(study) if self.new_patient else known or _identified(study)
        label = study.accession_number
        is_free = 0 < len(label) <= 16 and not Order.objects.filter(accession_number=label).exists()
        start = verdict_record.acquired_at(apply_verdict.newest(study))
        order = order_entry.place(
            by=by,
            facility=study.facility,
            patient=patient,
            request=replace(self._request(), start=start),
            numbers=OrderNumbers(
                placer=f"{study.public_id}.{revision(study)}",
                accession_number=label if is_free else "",
                study_instance_uid=study.study_instance_uid,
            ),
        )
        assert order.patient is not None
        link_to(study, order.patient, list(RequestedProcedure.objects.filter(order=order)))
        return CreateOrderParameters(order.public_id, self.procedure_code)

    def _request(self) -> ExamRequest:
        return ExamRequest(self.procedure_code, self.priority, self.station_ae_title)

    @classmethod
    def take_back(cls, decision: Decision, study: Study, *, reason: str, by: Actor) -> None:
        """Cancel the order; refused once it has ended otherwise."""
        order = Order.objects.filter(public_id=CreateOrderParameters.of(decision).order).first()
        if order is None:
            return
        origin = f"decision:{decision.public_id}"
        image_acts.withdrawn(
            order=order.pk,
            facility=study.facility,
            study=study.public_id,
            origin=origin,
            at=timezone.now(),
        )
        try:
            step_actions.cancel(by=by, order=order, reason=reason, source=origin)
        except Conflict as error:
            raise Conflict(f"the order that it placed stands in the way: {error.text}", "order") from error

    @classmethod
    def effects(cls, decision: Decision) -> list[Effect]:
        """The order that comes, or goes."""
        if decision.undone_at is not None:
            return [Effect("order", "The order that the decision placed is cancelled")]
        code = CreateOrderParameters.of(decision).procedure_code
        return [Effect("order", f"An order for {code} is placed here, planned under this study's UID")]


def cancel_unused(study: Study, decision: Decision, by: Actor) -> None:
    """Cancel what was created for a study that a decision has linked to others, and no study is of any more.

    What has ended otherwise, by a person or by the HIS, stays as it is.
    """
    origin = f"decision:{decision.public_id}"
    made = apply_verdict.live_decisions(study).filter(kind=CreateOrder.kind, pk__lt=decision.pk)
    for one in made:
        order = Order.objects.filter(public_id=CreateOrderParameters.of(one).order).first()
        if order is None or Study.objects.filter(procedures__order=order).exists():
            continue
        image_acts.withdrawn(
            order=order.pk, facility=study.facility, study=study.public_id, origin=origin, at=timezone.now()
        )
        order.refresh_from_db()
        if step_actions.can_cancel(order.status):
            step_actions.cancel(by=by, order=order, reason=decision.reason, source=origin)


def cancelled_by(decision: Decision) -> QuerySet[StatusEvent]:
    """The cancels of orders that a decision has made needless."""
    rows = StatusEvent.objects.filter(source=f"decision:{decision.public_id}", kind=StatusEvent.Kind.CANCEL)
    return rows.select_related("order", "step").order_by("pk")


def give_back(decision: Decision, by: Actor) -> None:
    """Take back what `cancel_unused` did; raises `Conflict` where somebody has acted on the order since."""
    for act in cancelled_by(decision).filter(undone_by=""):
        step_actions.undo(by=by, act=act)


def _identified(study: Study) -> Patient:
    """The one patient of the facility whom the header's ID and issuer name."""
    named = patient_number.holder_of(study)
    if named is None:
        raise Conflict("the header's patient ID names no single patient here; name one", PATIENT.name)
    return named


def _named_in(study: Study) -> NewPerson:
    """Whom the header names, as far as it does."""
    said = {"name": study.patient_name, "birth_date": study.birth_date, "sex": study.sex}
    return NewPerson(demographics=said)
