"""Whose a patient's number is: a value and its issuer in a header, against those of records.

A number without an issuer may be any authority's here; one that a disc of another hospital brought may not
(`UNKNOWN_ISSUER`). Whoever asks whose images these are asks here.
"""

from collections.abc import Collection, Mapping
from typing import Final

from archive.archive_section import ArchiveSection
from archive.imports.import_sources import UNKNOWN_ISSUER
from archive.models import Study
from archive.reconcile import study_evidence
from archive.reconcile.study_evidence import Identity
from worklist.models import Patient

_MOST: Final = 20


def is_issuer(said: str, known: Collection[str], aliases: Mapping[str, str]) -> bool:
    """Whether a number that is `said` to be of this issuer may be of an authority `known` by these names."""
    return is_unsaid(said, known) or aliases.get(said, said) in known


def is_unsaid(said: str, known: Collection[str]) -> bool:
    """Whether header or record leaves open who gave the number."""
    return not said or (not any(known) and said != UNKNOWN_ISSUER)


def holders(said: Identity, facility_id: int) -> dict[int, Patient]:
    """The people whom a number names, each as the record that shows, by its key; there should be one."""
    if not said.patient_id:
        return {}
    aliases = ArchiveSection.current().reconcile.issuer_aliases
    rows = Patient.objects.filter(facility=facility_id, value=said.patient_id)
    rows = rows.select_related("authority", "survivor__authority").order_by("pk")
    found = [
        row.current
        for row in rows[:_MOST]
        if is_issuer(said.issuer, {row.authority.namespace, row.authority.universal_id} - {""}, aliases)
    ]
    return {record.pk: record for record in found}


def holder_of(study: Study) -> Patient | None:
    """The one person of its facility whom a study's headers name by number; None where they name several."""
    if "header_patient_id" in study.header.get("conflicts", {}):
        return None
    people = list(holders(study_evidence.header_identity(study), study.facility_id).values())
    return people[0] if len(people) == 1 else None
