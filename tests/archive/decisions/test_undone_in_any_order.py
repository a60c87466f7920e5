"""Decisions, their undoing and arrivals in any order end as in a world without the decisions."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import User
from archive.decisions import second_person
from archive.decisions.accept import Accept
from archive.decisions.create_order import CreateOrder
from archive.decisions.decision_frame import revision
from archive.decisions.decision_type import DecisionType
from archive.decisions.link import Link
from archive.decisions.reassign import Reassign
from archive.decisions.reject import Reject
from archive.models import Decision, Series, Study, StudyException
from ledger.errors import Conflict
from reporting.models import ReadingItem
from tests.actors import acting
from tests.archive.hospital import NOW, Hospital
from worklist.models import Order, Patient, ProcedureCode, ScheduledProcedureStep

pytestmark = pytest.mark.django_db

STEPS = st.sampled_from(
    [
        "link",
        "reassign",
        "create_order",
        "reject",
        "accept",
        "undo",
        "undo",
        "undo",
        "image",
        "merge",
        "order",
    ]
)


class World:
    """One study of Anna's, matched or not, and what may come later."""

    def __init__(self, hospital: Hospital, user: User, accession: str) -> None:
        self.hospital, self.user, self.arrivals = hospital, user, 0
        hospital.order("A1", hospital.patient())
        hospital.order("A2", hospital.patient("P2", "REAL^RITA", birth_date="19350517"))
        self.study = hospital.study(accession)

    def decision(self, name: str) -> DecisionType:
        step = ScheduledProcedureStep.objects.get(procedure__order__accession_number="A2")
        decisions = {
            "link": Link(step),
            "reassign": Reassign(Patient.objects.get(value="P2")),
            "create_order": CreateOrder("71260", Patient.objects.get(value="P1")),
            "reject": Reject("113001"),
            "accept": Accept(),
        }
        return decisions[name]

    def do(self, name: str) -> None:
        if name in ("image", "merge", "order"):
            self.arrive(name)
        elif name == "undo":
            self.undo()
        else:
            self.decide(name)

    def arrive(self, name: str) -> None:
        self.arrivals += 1
        if name == "merge":
            self.hospital.merge("P2", "P1")
        elif name == "order":
            self.hospital.order(f"B{self.arrivals}", Patient.objects.get(value="P1").current)
        else:
            self.image()
        self.hospital.judged(self.study)

    def image(self) -> None:
        at = NOW - timedelta(hours=2) + timedelta(minutes=self.arrivals)
        Series.objects.create(
            study=self.study,
            series_instance_uid=f"1.2.9.{self.arrivals}",
            modality="CT",
            station_ae_title="CT1",
        )
        Study.objects.filter(pk=self.study.pk).update(last_received_at=at)

    def decide(self, name: str) -> None:
        try:
            with transaction.atomic():
                second_person.decide(
                    self.decision(name),
                    study=self.study,
                    reason="why",
                    by=acting(self.user),
                    expected=revision(self.study),
                )
        except Conflict:
            assert Study.objects.get(pk=self.study.pk).hidden, "only what is hidden takes no other decision"

    def undo(self) -> bool:
        if not Decision.objects.filter(study=self.study, undone_at=None).exists():
            return False
        row = StudyException.objects.get(study=self.study)
        with transaction.atomic():
            second_person.undo(exception=row, reason="no", by=acting(self.user))
        return True

    def state(self) -> dict[str, Any]:
        """All that is derived of the study, without the orders that decisions placed and cancelled."""
        study = Study.objects.get(pk=self.study.pk)
        exception = StudyException.objects.filter(study=study).first()
        items = ReadingItem.objects.filter(studies=study).exclude(status="withdrawn")
        return {
            "study": (study.patient_id, study.hidden, study.verdict, study.reading_status),
            "procedures": set(study.procedures.values_list("order__accession_number", flat=True)),
            # One that a decision's order had opened for a while is closed; nobody has to look at either.
            "exception": (exception.status if exception else "none").replace("closed", "none"),
            "items": [(one.patient_id, one.status, one.patient_question) for one in items],
            "orders": dict(
                Order.objects.exclude(status="cancelled").values_list("accession_number", "status")
            ),
        }


@pytest.mark.parametrize("accession", ["A1", "A2", ""])
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)
@given(steps=st.lists(STEPS, min_size=3, max_size=9))
def test_what_is_undone_leaves_nothing(
    hospital: Hospital, user: User, accession: str, steps: Sequence[str]
) -> None:
    ends = []
    for is_decided in (True, False):
        with transaction.atomic():
            ProcedureCode.objects.create(code="71260", scheme="C4", description="CT chest", modality="CT")
            world = World(hospital, user, accession)
            arrivals = {"image", "merge", "order"}
            for step in steps:
                if is_decided or step in arrivals:
                    world.do(step)
            while world.undo():
                pass
            hospital.judged(world.study)
            state = world.state()
            names = {row.pk: row.value for row in Patient.objects.all()}
            ends.append(_named(state, names))
            transaction.set_rollback(True)
    assert ends[0] == ends[1]


def _named(state: dict[str, Any], names: dict[int, str]) -> dict[str, Any]:
    """Rows get other keys in the second world; values tell them apart."""
    patient, *rest = state["study"]
    items = sorted((names.get(one[0], ""), *one[1:]) for one in state["items"])
    return {**state, "study": (names.get(patient, ""), *rest), "items": items}
