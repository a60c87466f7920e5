"""Whose a signed version is: the identity that was frozen in it against that of a record, or of images.

What is not known never passes for the same: a version that was signed on what the images told is a record's
only where they describe that record as a verdict wants it that needs no person.
"""

from collections.abc import Mapping
from enum import Enum

from archive.archive_section import ArchiveSection
from archive.reconcile import identity_evidence, identity_match
from archive.reconcile.candidates import Person
from archive.reconcile.finding import Finding
from archive.reconcile.name_agreement import fits_name
from archive.reconcile.study_evidence import Identity
from reporting.models import ReadingItem, Recheck, RecheckOutcome, ReportVersion
from reporting.reports import report_versions
from worklist.models import Patient
from worklist.patients import person_names

Named = Mapping[str, str]


class Whose(Enum):
    """What an identity is to a person."""

    SAME = "the same"
    UNSURE = "nothing contradicts, but a person has to say so"
    OTHER = "another"


def of_version(version: ReportVersion) -> Named:
    """The identity that was signed."""
    named: Named = report_versions.content_of(version)["header"]["patient"]
    return named


def to_item(named: Named, item: ReadingItem) -> Whose:
    """Whether an identity is that of an item's patient; of an unlinked one, that of its images."""
    if item.patient is not None:
        return to_patient(named, item.patient)
    images = report_versions.patient_of(item)
    return _compared(named, Person(records=(_identity(images),)))


def to_patient(named: Named, patient: Patient) -> Whose:
    """Whether an identity is a person's: by the record that it was taken from, else as it describes one."""
    shown, record = patient.current, report_versions.record_of(named)
    if record is None:
        return _described(named, shown)
    if record.current.pk != shown.pk:
        return Whose.OTHER
    if record.pk == shown.pk:
        return _of_record(named, shown)
    return Whose.SAME if describes(named, shown) else Whose.UNSURE


def is_for(version: ReportVersion, patient: Patient) -> bool:
    """Whether a version may go out under a person's name: it is hers, or its signer has said so since."""
    named = of_version(version)
    whose = to_patient(named, patient)
    if whose is not Whose.UNSURE:
        return whose is Whose.SAME
    answered = Recheck.objects.filter(
        item=version.report.item_id, outcome=RecheckOutcome.STILL_VALID, closed_at__gte=version.signed_at
    )
    said = [row for row in answered.values_list("confirmed", flat=True) if row]
    return any(to_patient(one, patient) is Whose.SAME for one in said)


def may_become(version: ReportVersion, patient: Patient) -> bool:
    """Whether a version that is not a person's may be yet: nothing contradicts, or her record was changed."""
    named = of_version(version)
    record = report_versions.record_of(named)
    is_changed = record is not None and record.current.pk == patient.current.pk
    return is_changed or to_patient(named, patient) is not Whose.OTHER


def describes(named: Named, patient: Patient) -> bool:
    """Whether an identity names a patient as a record does: by name and birth date."""
    record = patient.current
    same_day = not named["birth_date"] or not record.birth_date or named["birth_date"] == record.birth_date
    return same_day and person_names.keys(named["name"])[0] == record.name_key


def _described(named: Named, shown: Patient) -> Whose:
    """What images that no record was known for said; they may have named one that shows under another now."""
    whose = _compared(named, _person(shown))
    if whose is Whose.SAME:
        return whose
    others = Patient.objects.filter(survivor=shown).select_related("authority")
    if any(_compared(named, _person(one)) is Whose.SAME for one in others):
        return Whose.SAME if describes(named, shown) else Whose.UNSURE
    return whose


def _of_record(named: Named, shown: Patient) -> Whose:
    """A record may correct its name or its birth date; where both are others, it tells of somebody else."""
    policy = ArchiveSection.current().reconcile
    if any(fits_name(one, named["name"]) for one in policy.placeholder_names):
        return Whose.SAME
    found = _by_field(identity_evidence.demographics(_identity(named), _person(shown), policy))
    name, born = found["patient_name"], found["birth_date"]
    if name.contradicts and born.contradicts:
        return Whose.OTHER
    silent = name.agreement is None or born.agreement is None
    return Whose.UNSURE if silent and (name.contradicts or born.contradicts) else Whose.SAME


def _compared(named: Named, person: Person) -> Whose:
    policy = ArchiveSection.current().reconcile
    found = _by_field(identity_evidence.identity([_identity(named)], person, policy))
    if any(map(_differs, found.values())):
        return Whose.OTHER
    return Whose.SAME if identity_match.of(found, policy) in identity_match.SURE else Whose.UNSURE


def _differs(finding: Finding) -> bool:
    if finding.field == "sex":
        return finding.contradicts
    return finding.agreement is not None and not finding.agrees


def _by_field(found: list[Finding]) -> dict[str, Finding]:
    return {one.field: one for one in found}


def _identity(named: Named) -> Identity:
    return Identity(named["identifier"], named["authority"], named["name"], named["birth_date"], named["sex"])


def _person(record: Patient) -> Person:
    authority = record.authority
    issuers = ((authority.namespace, authority.universal_id),) if authority.universal_id else ()
    return Person(records=(_identity(report_versions.patient_as_named(record)),), universal_issuers=issuers)
