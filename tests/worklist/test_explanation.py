"""Why a modality does not see a step: each condition by itself, and as the selection has it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from worklist.models import ScheduledProcedureStep, Station, StatusEvent
from worklist.mwl.criteria import By
from worklist.mwl.explanation import why_not
from worklist.mwl.matching_keys import Period, WorklistKeys
from worklist.mwl.query import select
from worklist.orders import order_application
from worklist.orders.order_content import OrderContent, ProcedureContent, StepContent
from worklist.orders.order_update import Number, OrderUpdate, ProcedureUpdate, StepUpdate
from worklist.patients import identity
from worklist.patients.identifiers import Authority, Identifier
from worklist.provenance import Provenance

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


@pytest.fixture
def place(provenance: Callable[..., Provenance]) -> Callable[..., ScheduledProcedureStep]:
    """Place an order for a CT of Anna Bars at 9:30 (10:30 in Berlin), with some values changed."""

    def make(act: str | None = None, patient: bool = True, **values: Any) -> ScheduledProcedureStep:
        said = provenance()
        with transaction.atomic():
            record = identity.register(
                provenance=said,
                identifiers=[Identifier("P1", Authority("GENHOSP"), "MR")],
                demographics={"name": "BARS^ANNA=山田^花子", "sex": "F", "birth_date": "19700102"},
            )
            step = StepUpdate("SP1", StepContent(**{"modality": "CT", "start": NOW, **values}))
            procedure = ProcedureUpdate("RP1", content=ProcedureContent("2.25.1"), steps=[step])
            said_of_it = OrderContent(accession_number="A1", patient_id=record.pk if patient else None)
            order_application.apply(
                provenance=said,
                update=OrderUpdate(placer=Number("PL1"), act=act, content=said_of_it, procedures=[procedure]),
            )
        return ScheduledProcedureStep.objects.get()

    return make


KEYS: list[tuple[WorklistKeys, str]] = [
    (WorklistKeys(), ""),
    (WorklistKeys(modalities=["CT"]), ""),
    (WorklistKeys(modalities=["MR"]), "modality"),
    (WorklistKeys(modalities=["MR", "C?"]), ""),
    (WorklistKeys(modalities=["*"]), ""),
    (WorklistKeys(station_ae_titles=["CT1"]), ""),
    (WorklistKeys(station_ae_titles=["CT2"]), "station AE title"),
    (WorklistKeys(accession_number="A1"), ""),
    (WorklistKeys(accession_number="A*"), ""),
    (WorklistKeys(accession_number="a1"), "accession number"),
    (WorklistKeys(requested_procedure_id="RP2"), "requested procedure ID"),
    (WorklistKeys(step_id="SP2"), "scheduled procedure step ID"),
    (WorklistKeys(step_id="SP?"), ""),
    (WorklistKeys(study_instance_uids=["2.25.1", "2.25.2"]), ""),
    (WorklistKeys(study_instance_uids=["2.25.2"]), "Study Instance UID"),
    (WorklistKeys(patient_id="P1"), ""),
    (WorklistKeys(patient_id="P2"), "patient ID"),
    (WorklistKeys(patient_id="P*", issuer_of_patient_id="GENHOSP"), ""),
    (WorklistKeys(patient_id="P1", issuer_of_patient_id="OTHER"), "issuer of the patient ID"),
    (WorklistKeys(patient_name="bars^a*"), ""),
    (WorklistKeys(patient_name="*=山田*"), ""),
    (WorklistKeys(patient_name="山田*"), ""),
    (WorklistKeys(patient_name="BARS"), "patient's name"),
    (WorklistKeys(patient_name="*"), ""),
    (WorklistKeys(period=Period("20260302", "", "20260302", "")), ""),
    (WorklistKeys(period=Period("20260303")), "start"),
    (WorklistKeys(period=Period(to_date="20260301")), "start"),
    (WorklistKeys(period=Period("20260302", "103000", "20260302", "103000")), ""),
    (WorklistKeys(period=Period("20260302", "103001")), "start"),
    (WorklistKeys(period=Period("20260301", "120000", "20260303", "080000")), ""),
    (WorklistKeys(period=Period(from_time="110000")), "start"),
    (WorklistKeys(period=Period(from_time="100000", to_time="110000")), ""),
]


@pytest.mark.parametrize(("keys", "about"), KEYS)
def test_a_key_that_does_not_fit_is_named(
    place: Callable[..., ScheduledProcedureStep], keys: WorklistKeys, about: str
) -> None:
    step = place(station_ae_title="CT1")
    reasons = why_not(step, keys)
    assert [reason.about for reason in reasons] == ([about] if about else [])
    assert all(reason.by is By.KEY and reason.wanted for reason in reasons)
    assert bool(reasons) is (step not in select(keys))


POLICIES: list[tuple[dict[str, Any], str]] = [
    ({}, ""),
    ({"selection": "own"}, "only its own steps"),
    ({"selection": "modality", "modalities": ["MR"]}, "only steps of its modalities"),
    ({"selection": "modality", "modalities": ["CT"]}, ""),
    ({"selection": "group", "group": "MR"}, "only its own steps and its group's"),
    ({"selection": "group", "group": "CT"}, ""),
    ({"window_days": 2}, "window"),
]


@pytest.mark.parametrize(("policy", "about"), POLICIES)
def test_a_policy_that_keeps_it_out_is_named(
    place: Callable[..., ScheduledProcedureStep], policy: dict[str, Any], about: str
) -> None:
    step = place(start=timezone.now() + timedelta(days=3))
    ScheduledProcedureStep.objects.update(station_group="CT")
    step.refresh_from_db()
    station = Station(ae_title="CT1", modalities=policy.pop("modalities", ["CT"]), **policy)
    reasons = why_not(step, WorklistKeys(), station)
    assert [reason.about for reason in reasons] == ([about] if about else [])
    assert all(reason.by is By.POLICY for reason in reasons)
    assert bool(reasons) is (step not in select(WorklistKeys(), station=station))


def test_a_station_of_a_group_sees_its_steps(place: Callable[..., ScheduledProcedureStep]) -> None:
    Station.objects.create(ae_title="CT1", group="CT")
    step = place()
    ScheduledProcedureStep.objects.update(station_group="CT")
    step.refresh_from_db()
    assert not why_not(step, WorklistKeys(station_ae_titles=["CT1"]))
    (reason,) = why_not(step, WorklistKeys(station_ae_titles=["MR1"]))
    assert reason.has == "CT1 of group CT"


@pytest.mark.parametrize(
    ("values", "about"),
    [
        ({"act": StatusEvent.Kind.CANCEL}, "status"),
        ({"act": StatusEvent.Kind.HOLD}, "status"),
        ({"patient": False}, "patient"),
    ],
)
def test_a_step_that_is_on_no_worklist_says_why(
    place: Callable[..., ScheduledProcedureStep], values: dict[str, Any], about: str
) -> None:
    step = place(**values)
    (reason,) = why_not(step, WorklistKeys())
    assert (reason.by, reason.about) == (By.STEP, about)
    assert step not in select(WorklistKeys())


def test_started_steps_are_hidden_by_policy(place: Callable[..., ScheduledProcedureStep]) -> None:
    step = place(act=StatusEvent.Kind.START)
    station = Station(ae_title="CT1", show_started=False)
    assert [one.about for one in why_not(step, WorklistKeys(), station)] == ["no steps that were started"]
    assert step not in select(WorklistKeys(), station=station)


def test_several_reasons_are_all_named(place: Callable[..., ScheduledProcedureStep]) -> None:
    step = place()
    reasons = why_not(step, WorklistKeys(modalities=["MR"], patient_id="P2", accession_number="A2"))
    assert {reason.about for reason in reasons} == {"modality", "patient ID", "accession number"}
