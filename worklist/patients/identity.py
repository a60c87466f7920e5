"""Register, merge and unmerge patients, one at a time; find records and people."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db.models import Q, QuerySet

from worklist import catalogue
from worklist.batches import batch
from worklist.batches.named_rows import Loader
from worklist.change_set import ChangeSet, Group, Merge, Registration, Tie
from worklist.models import Patient, PatientLink
from worklist.patients.identifiers import Identifier
from worklist.provenance import Provenance
from worklist.signals import person_described


def register(
    *, provenance: Provenance, identifiers: Sequence[Identifier], demographics: Mapping[str, Any]
) -> Patient:
    """Register or update the patient that the trusted ones of `identifiers` name; the first record.

    Several trusted identifiers say that their records are one person. Raises `Missing` where no
    identifier names a record, `UnknownCode` for an authority that the site does not accept, `Invalid` for
    what is too long.
    """
    group = Group(Registration(identifiers, demographics))
    patient = _patient(batch.apply_one(ChangeSet(provenance, [group])))
    _tell_described(patient, provenance)
    return patient


def merge(*, provenance: Provenance, survivor: Identifier, retired: Identifier, reason: str = "") -> None:
    """Merge the record `retired` into `survivor` (HL7 v2.5.1 3.3.40); an unknown one is made.

    Raises `Duplicate` for a merge of a record with itself.
    """
    batch.apply_one(ChangeSet(provenance, [Group(merges=[Merge(survivor, retired, reason)])]))


def tie(*, provenance: Provenance, tie: Tie) -> None:
    """Merge, link or part two records."""
    batch.apply_one(ChangeSet(provenance, [Group(merges=[tie])]))


def unmerge(*, provenance: Provenance, link: PatientLink, reason: str = "") -> None:
    """Close a link: each record shows by itself again, with everything that it came with."""

    def work() -> None:
        loader = Loader(catalogue.current())
        people = loader.people([link.retired_id, link.survivor_id])
        people.close(link.pk, provenance, reason)
        batch.Batch(loader.snapshot, people, None).save()

    batch.undisturbed(work)


def find(*, value: str, namespace: str = "") -> QuerySet[Patient]:
    """The records that an identifier names, of one authority or of any."""
    rows = Patient.objects.filter(value=value)
    return rows.filter(authority__namespace=namespace) if namespace else rows


def same_person(patients: Iterable[Patient]) -> QuerySet[Patient]:
    """All records that show under the same survivors as `patients`."""
    roots = {patient.survivor_id or patient.pk for patient in patients}
    return Patient.objects.filter(Q(pk__in=roots) | Q(survivor__in=roots))


def _tell_described(patient: Patient, provenance: Provenance) -> None:
    """Tell those above where this is a person's word, and the record says something by it."""
    is_new = patient.created_at == provenance.received_at
    is_said = any(key == provenance.stamp.key() for key, _ in patient.stamps.values())
    if provenance.source.startswith("user:") and (is_new or is_said):
        person_described.send(sender=None, patient=patient, is_new=is_new, provenance=provenance)


def _patient(applied: Sequence[batch.Applied]) -> Patient:
    record = applied[0].patient
    assert record is not None
    return Patient.objects.select_related("authority", "facility").get(pk=record.id)
