"""Each criterion of the worklist means the same to the database, to one step and in words."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import Facility
from worklist.models import (
    AssigningAuthority,
    Order,
    Patient,
    RequestedProcedure,
    ScheduledProcedureStep,
    Station,
    StepStatus,
)
from worklist.mwl import criteria
from worklist.mwl.explanation import why_not
from worklist.mwl.matching_keys import Period, WorklistKeys
from worklist.mwl.query import select
from worklist.patients import person_names

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
DATES, TIMES = ("20260301", "20260302", "20260303"), ("000000", "093000", "120000", "235959")
TITLES, GROUPS = ("CT1", "CT2", "MR1", "C*1"), ("", "CT", "MR")
NAMES = ("BARS^ANNA", "BARS^ANNA=山田^花子", "Müller^Jörg", "DOE", "")
NUMBERS, AUTHORITIES = ("P1", "P2", "p1", "P?1"), ("GENHOSP", "OTHER")
ACCESSIONS, MODALITIES = ("", "A1", "A2", "A*1"), ("CT", "MR", "")
UIDS = ("2.25.1", "2.25.2")


@pytest.fixture(params=[1, 2])
def steps(request: pytest.FixtureRequest, facility: Facility) -> Sequence[ScheduledProcedureStep]:
    """Some sixty steps, of patients with and without retired records, in every state."""
    dice = random.Random(request.param)
    for title in TITLES[:3]:
        Station.objects.create(ae_title=title, group=dice.choice(GROUPS))
    patients: list[Patient | None] = [None]
    for authority in AUTHORITIES:
        row = AssigningAuthority.objects.create(namespace=authority)
        for value in NUMBERS:
            name = dice.choice(NAMES)
            keys = dict(zip(person_names.PATIENT_KEYS, person_names.keys(name), strict=True))
            survivors = [one for one in patients if one and one.survivor is None]
            survivor = dice.choice([None, *survivors])
            patients.append(
                Patient.objects.create(
                    facility=facility, authority=row, value=value, name=name, survivor=survivor, **keys
                )
            )
    for number in range(30):
        order = Order.objects.create(
            facility=facility,
            patient=dice.choice(patients),
            accession_number=dice.choice(ACCESSIONS),
            first_received_at=NOW,
        )
        procedure = RequestedProcedure.objects.create(
            order=order,
            requested_procedure_id=f"R{number % 3}",
            study_instance_uid=dice.choice(UIDS),
            accession_number=dice.choice(ACCESSIONS),
        )
        for part in range(2):
            _make_step(dice, procedure, part)
    rows = ScheduledProcedureStep.objects.order_by("pk").select_related(
        "procedure__order__patient__authority", "procedure__order__patient__survivor__authority"
    )
    others = ("absorbed__authority", "survivor__absorbed__authority")
    return list(rows.prefetch_related(*(f"procedure__order__patient__{name}" for name in others)))


def _make_step(dice: random.Random, procedure: RequestedProcedure, part: int) -> None:
    ScheduledProcedureStep.objects.create(
        procedure=procedure,
        scheduled_procedure_step_id=f"S{part}",
        status=dice.choice(StepStatus.values),
        modality=dice.choice(MODALITIES),
        station_ae_title=dice.choice(("", *TITLES)),
        station_group=dice.choice(GROUPS),
        due=NOW + timedelta(days=dice.choice((-3, -1, 0, 1, 3)), hours=dice.choice((0, 1))),
        local_date=dice.choice(DATES),
        local_time=dice.choice(TIMES),
        on_worklist=dice.random() < 0.7,
        awaits_time=dice.random() < 0.2,
    )


def asked(*values: str) -> st.SearchStrategy[str]:
    """Most often nothing, else a value that there is or a pattern of it."""
    patterns = [value[:1] + "*" for value in values] + ["*", "?*", "*1", "?1", "nothing", "*=山*"]
    return st.one_of(st.just(""), st.sampled_from([*values, *patterns]))


def lists(*values: str) -> st.SearchStrategy[list[str]]:
    return st.lists(asked(*values), max_size=2).map(lambda found: [value for value in found if value])


KEYS = st.builds(
    WorklistKeys,
    station_ae_titles=lists(*TITLES),
    modalities=lists(*MODALITIES),
    period=st.builds(
        Period,
        from_date=st.sampled_from(("", *DATES)),
        from_time=st.sampled_from(("", *TIMES)),
        to_date=st.sampled_from(("", *DATES)),
        to_time=st.sampled_from(("", *TIMES)),
    ),
    patient_name=asked(*NAMES, "bars^*", "*^*", "=山田^花子", "müller*"),
    patient_id=asked(*NUMBERS),
    issuer_of_patient_id=st.sampled_from(("", *AUTHORITIES)),
    accession_number=asked(*ACCESSIONS),
    requested_procedure_id=asked("R0", "R1"),
    step_id=asked("S0", "S1"),
    study_instance_uids=lists(*UIDS),
)
STATIONS = st.builds(
    lambda **values: Station(**values) if values["ae_title"] else None,
    ae_title=st.sampled_from(("", *TITLES)),
    selection=st.sampled_from(("all", "own", "modality", "group")),
    group=st.sampled_from(GROUPS),
    modalities=st.sampled_from(([], ["CT"], ["CT", "MR"])),
    show_started=st.booleans(),
    window_days=st.sampled_from((0, 1, 2)),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(keys=KEYS, station=STATIONS)
def test_the_database_a_step_and_the_words_agree(
    steps: Sequence[ScheduledProcedureStep], keys: WorklistKeys, station: Any
) -> None:
    wanted = criteria.of(keys, station, now=NOW)
    left = {step.pk for step in steps}
    for criterion in wanted:
        by_database = set(
            ScheduledProcedureStep.objects.filter(criterion.condition).values_list("pk", flat=True)
        )
        assert by_database == {step.pk for step in steps if criterion.holds(step)}
        assert all(list(criterion.words(step)) for step in steps if step.pk not in by_database)
        left &= by_database
    assert {step.pk for step in select(keys, station=station, now=NOW)} == left
    for step in steps[::7]:
        assert bool(why_not(step, keys, station, now=NOW)) is (step.pk not in left)
