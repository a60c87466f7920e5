"""Facts and candidates of a small world: Anna Bars, born on 2 January 1970, is due for a CT of her chest."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from archive.reconcile.candidates import Candidate, Person
from archive.reconcile.reconcile_policy import Policy
from archive.reconcile.registered_people import RegisteredPeople
from archive.reconcile.study_evidence import Identity, StudyEvidence
from archive.reconcile.verdict import Judgement, decide

DUE = "2026-03-02T08:00:00.000000+00:00"
QUIET = "2026-03-02T08:30:00.000000+00:00"
LATER = "2026-03-02T09:00:00.000000+00:00"
BEFORE = "2026-03-01T08:00:00.000000+00:00"
DEFAULT = Policy()

ANNA = Identity("P1", "GENHOSP", "BARS^ANNA", "19700102", "F")
OTTO = Identity("P2", "GENHOSP", "OTHER^OTTO", "19350517", "M")


def person(*records: Identity, **values: Any) -> Person:
    first = records[0]
    name = first.patient_id if first.issuer in ("GENHOSP", "") else f"{first.issuer}-{first.patient_id}"
    return Person(id=f"person-{name}", record=f"record-{name}", records=records, **values)


def candidate(name: str = "1", patient: Person | Identity = ANNA, **values: Any) -> Candidate:
    whose = person(patient) if isinstance(patient, Identity) else patient
    return replace(
        Candidate(
            id=f"step-{name}",
            procedure=f"procedure-{name}",
            order=f"order-{name}",
            scheduled_procedure_step_id=f"SPS{name:0>5}",
            requested_procedure_id=f"RP{name:0>5}",
            study_instance_uid=f"2.25.{name}",
            patient=whose,
            accession_number=f"A{name:0>6}",
            code="71260",
            description="CT chest with contrast",
            body_part="CHEST",
            modality="CT",
            station_ae_titles=("CT1",),
            due=DUE,
            status="scheduled",
            content_received_at=BEFORE,
        ),
        **values,
    )


def facts(identity: Identity = ANNA, *others: Identity, **values: Any) -> StudyEvidence:
    if isinstance(number := values.pop("accession_number", None), str):
        values["accession_numbers"] = (number,) if number else ()
    return replace(
        StudyEvidence(
            study_instance_uid="1.2.3",
            identities=(identity, *others),
            accession_numbers=("A000001",),
            modalities=("CT",),
            station_ae_titles=("CT1",),
            acquired_at=DUE,
            received_at=DUE,
            quiet_at=QUIET,
        ),
        **values,
    )


def judge(
    seen: StudyEvidence,
    *candidates: Candidate,
    policy: Policy = DEFAULT,
    registered: Sequence[Person | Identity] = (),
) -> Judgement:
    people = [person(one) if isinstance(one, Identity) else one for one in registered]
    return decide(seen, candidates, policy, RegisteredPeople(tuple(people)))
