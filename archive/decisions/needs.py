"""What a decision needs: what bodies and forms call it, how it is found, how a person chooses it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypeVar

from django.db.models import Model, QuerySet

from accounts import access
from accounts.models import User
from archive.models import Study
from ledger.errors import Missing, Unknown
from worklist.models import Order, Patient, ScheduledProcedureStep
from worklist.schedule.order_choices import Choice

MOST_STEPS: Final = 20
"""Steps that one decision links a study to."""

_Row = TypeVar("_Row", bound=Model)


class ChosenFrom(Enum):
    """What a person chooses a need from, on the page of an exception."""

    STEPS = "the candidates"
    MORE_STEPS = "several of the candidates"
    PATIENTS = "the candidates' patients"
    SERIES = "the study's series"
    IMAGES = "the study's images"
    FEW = "a few choices, all of which are seen"
    MANY = "a list"


def _as_named(name: Any, user: User) -> Any:
    return name


@dataclass(frozen=True)
class Need:
    """One thing that a decision needs."""

    name: str
    """Of the member of a body, of the field of a form and of the decision's own field."""
    meaning: str
    """What it is, for who writes a body."""
    prompt: str
    """What a person is asked to do where it is missing."""
    example: str | Sequence[str]
    chosen_from: ChosenFrom
    label: str = ""
    choices: Callable[[Study], Sequence[Choice]] = lambda study: ()
    find: Callable[[Any, User], Any] = _as_named
    """From a name to the thing, among what a user may see; raises `Unknown`."""
    most: int | None = None
    """How many can be named; None where it is one."""
    field: str = ""
    """What errors call it, if not by its name."""
    if_missing: str = ""
    if_open: str = "Not chosen"
    """What a list shows where it is left open."""

    def missing(self) -> Missing:
        """What is raised where it is not named."""
        return Missing(self.if_missing or f"{self.name} is missing", self.field or self.name)


def _step(public_id: str, user: User) -> ScheduledProcedureStep:
    steps = ScheduledProcedureStep.objects.select_related("procedure__order__patient__survivor")
    return _named(
        steps.filter(procedure__order__in=access.visible(Order.objects.all(), user)),
        public_id,
        "scheduled_procedure_step",
    )


def _steps(public_ids: Sequence[str], user: User) -> tuple[ScheduledProcedureStep, ...]:
    return tuple(_step(public_id, user) for public_id in dict.fromkeys(public_ids))


def _patient(public_id: str, user: User) -> Patient:
    rows = access.visible(Patient.objects.select_related("survivor"), user)
    return _named(rows, public_id, "patient")


def _named(rows: "QuerySet[_Row]", public_id: str, field: str) -> _Row:
    row = rows.filter(public_id=public_id).first()
    if row is None:
        raise Unknown(f"{field} names nothing here", field)
    return row


STEP: Final = Need(
    name="scheduled_procedure_step",
    meaning="the step's id",
    prompt="No exam is chosen.",
    example="0d9a4f7be1234b6a9d1c2e3f4a5b6c7d",
    chosen_from=ChosenFrom.STEPS,
    find=_step,
)
STEPS: Final = Need(
    name="scheduled_procedure_steps",
    meaning="the ids of several steps, where the study is of all of them",
    prompt="Choose the exams that these images are of, all of one patient.",
    example=["0d9a4f7be1234b6a9d1c2e3f4a5b6c7d", "1e0b5a8cf2345c7bae2d3f4a5b6c7d8e"],
    chosen_from=ChosenFrom.MORE_STEPS,
    find=_steps,
    most=MOST_STEPS,
)
PATIENT: Final = Need(
    name="patient",
    meaning="the patient's id",
    prompt="No patient is chosen.",
    example="5b6c7d8e9f0a4b1c8d2e3f4a5b6c7d8e",
    chosen_from=ChosenFrom.PATIENTS,
    find=_patient,
)
