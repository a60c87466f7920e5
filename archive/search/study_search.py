"""Search for studies, series and instances: once for QIDO-RS, REST and pages.

All of it sees only what a user's facilities own. A study is found by the identity in its header and by every
identifier of the patient whom it was matched to, retired ones included. A peer that asks for a patient's
studies does not want those that a person took from that patient: it searches `as_decided`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce

from accounts import access
from archive.coercion import patient_coercion
from archive.index.header_values import SeriesValues
from archive.models import ExceptionStatus, Instance, Series, Study, StudyException, known_as
from archive.models.study import PATIENT_NAME_KEYS, REFERRER_KEYS
from ledger.wildcards import fits, fits_all, fits_any, matches
from worklist.models import Patient
from worklist.patients import person_names
from worklist.patients.person_names import PATIENT_KEYS

ORDER = ("-last_received_at", "-id")


@dataclass(frozen=True, slots=True)
class Range:
    """A range of dates or times as DICOM writes them; an empty end is open."""

    start: str = ""
    end: str = ""

    def condition(self, column: str) -> Q:
        """What a column of such texts must fulfil."""
        condition = Q()
        if self.start:
            condition &= Q(**{f"{column}__gte": self.start})
        if self.end:
            condition &= Q(**{f"{column}__lte": self._last})
        return condition if not condition else condition & ~Q(**{column: ""})

    def includes(self, value: str) -> bool:
        """Whether a value lies in the range; none lies in an open one only."""
        if not value:
            return not self.start and not self.end
        return self.start <= value <= (self._last or value)

    @property
    def _last(self) -> str:
        """A value of more precision than the end lies within it: 1015 includes 101559."""
        return self.end and self.end + 10 * "9"


def shown(user: Any) -> QuerySet[Study]:
    """The studies that a user may see, but for those that are hidden: rejected, or joined to another."""
    return access.visible(Study.objects.filter(hidden=""), user)


def under_investigation(studies: Iterable[Study]) -> set[int]:
    """The keys of those studies whose patient or order is in doubt: their exception is open."""
    rows = StudyException.objects.filter(study__in=[study.pk for study in studies])
    return set(rows.filter(status=ExceptionStatus.OPEN).values_list("study_id", flat=True))


def studies(
    *,
    user: Any,
    as_decided: bool = False,
    study_instance_uids: Sequence[str] = (),
    accession_number: str = "",
    patient_id: str = "",
    issuer_of_patient_id: str = "",
    patient_name: str = "",
    patient_birth_date: str = "",
    patient_sex: str = "",
    study_date: Range | None = None,
    study_time: Range | None = None,
    study_id: str = "",
    study_description: str = "",
    referring_physician: str = "",
    modalities_in_study: Sequence[str] = (),
    verdicts: Sequence[str] = (),
    reading_statuses: Sequence[str] = (),
) -> QuerySet[Study]:
    """The studies that fit every key, those that last received something first; an empty key fits all.

    Texts may hold the wildcards `*` and `?` (PS3.4 C.2.2.2.4); a name matches in any component group,
    whatever its case. With `as_decided` the header's identity counts only where no person gave the study
    another.
    """
    rows = shown(user)
    undecided = Q(~Exists(patient_coercion.given().filter(study=OuterRef("pk")))) if as_decided else Q()
    rows = rows.filter(
        fits_any("study_instance_uid", study_instance_uids),
        fits_any("verdict", verdicts),
        fits_any("reading_status", reading_statuses),
        fits("study_id", study_id),
        fits("description", study_description, ignore_case=True),
        person_names.fits(REFERRER_KEYS, referring_physician),
        (study_date or Range()).condition("study_date"),
        (study_time or Range()).condition("study_time"),
        _by_patient(patient_id, issuer_of_patient_id, undecided),
        _by_name(patient_name, undecided),
        _own_or_patients("birth_date", patient_birth_date, undecided),
        _own_or_patients("sex", patient_sex, undecided),
        _by_accession(accession_number),
    )
    if modalities_in_study:
        of_modality = Series.objects.filter(fits_any("modality", modalities_in_study), study=OuterRef("pk"))
        rows = rows.filter(Exists(of_modality))
    return rows.select_related("patient__authority", "patient__survivor__authority").order_by(*ORDER)


def series(
    *,
    of: QuerySet[Study],
    series_instance_uids: Sequence[str] = (),
    modalities: Sequence[str] = (),
    number: str = "",
    description: str = "",
    body_part: str = "",
    performed_start_date: Range | None = None,
    performed_start_time: Range | None = None,
    scheduled_step_id: str = "",
    requested_procedure_id: str = "",
) -> QuerySet[Series]:
    """The series of studies that fit every key, in the order of their studies."""
    rows = Series.objects.filter(
        _known_as("series_instance_uid", series_instance_uids),
        fits_any("modality", modalities),
        fits("number", number),
        fits("description", description, ignore_case=True),
        fits("body_part", body_part),
        study__in=of.order_by().values("pk"),
        instance_count__gt=0,
    )
    wanted = _Performed(
        performed_start_date or Range(),
        performed_start_time or Range(),
        scheduled_step_id,
        requested_procedure_id,
    )
    if wanted != _Performed(Range(), Range(), "", ""):
        headers = rows.order_by().values_list("pk", "header")
        rows = rows.filter(
            pk__in=[pk for pk, header in headers if wanted.fits(SeriesValues.from_json(header))]
        )
    related = ("study__patient__authority", "study__patient__survivor__authority")
    return rows.select_related(*related).order_by("-study__last_received_at", "-study_id", "id")


def instances(
    *,
    of: QuerySet[Series],
    sop_instance_uids: Sequence[str] = (),
    sop_class_uids: Sequence[str] = (),
    number: str = "",
) -> QuerySet[Instance]:
    """The instances of series that fit every key, in the order of their studies and series."""
    rows = Instance.objects.filter(
        _known_as("sop_instance_uid", sop_instance_uids),
        fits_any("sop_class_uid", sop_class_uids),
        fits("number", number),
        series__in=of.order_by().values("pk"),
        rejection=None,
    )
    related = ("series__study__patient__authority", "series__study__patient__survivor__authority")
    return rows.select_related(*related).order_by(
        "-series__study__last_received_at", "-series__study_id", "series_id", "id"
    )


# Keys


def _known_as(column: str, uids: Sequence[str]) -> Q:
    return known_as(column, uids) if uids else Q()


def _by_patient(patient_id: str, issuer: str, undecided: Q) -> Q:
    if not patient_id.strip("*"):
        own = Q(issuer_of_patient_id=issuer) & undecided
        return own | _patients(Q(authority__namespace=issuer)) if issuer else Q()
    own, record = fits("header_patient_id", patient_id), fits("value", patient_id)
    if issuer:
        own &= Q(issuer_of_patient_id__in=["", issuer])
        record &= Q(authority__namespace=issuer)
    return own & undecided | _patients(record)


def _patients(condition: Q) -> Q:
    """Studies of all records that show under the same survivors as those that fit."""
    roots = Patient.objects.filter(condition).annotate(root=Coalesce("survivor_id", "pk")).values("root")
    return Q(patient__in=roots) | Q(patient__survivor__in=roots)


def _by_name(pattern: str, undecided: Q) -> Q:
    """Any component group of the key in any group of the name (PS3.4 C.2.2.2.1)."""
    own = person_names.fits(PATIENT_NAME_KEYS, pattern)
    return own & undecided | _patients(person_names.fits(PATIENT_KEYS, pattern)) if own else own


def _own_or_patients(column: str, value: str, undecided: Q) -> Q:
    if not value.strip("*"):
        return Q()
    records = fits(f"patient__{column}", value) | fits(f"patient__survivor__{column}", value)
    return fits(column, value) & undecided | records


def _by_accession(pattern: str) -> Q:
    """The accession number in the header, or of a procedure that the study was matched to."""
    if not pattern.strip("*"):
        return Q()
    linked = Study.procedures.through.objects.filter(study=OuterRef("pk")).filter(
        fits("requestedprocedure__accession_number", pattern)
        | fits("requestedprocedure__order__accession_number", pattern)
    )
    return fits("accession_number", pattern) | Q(Exists(linked))


@dataclass(frozen=True, slots=True)
class _Performed:
    """Keys on what a series' header holds beside its columns."""

    start_date: Range
    start_time: Range
    scheduled_step_id: str
    requested_procedure_id: str

    def fits(self, values: SeriesValues) -> bool:
        step_ids = [request.get("scheduled_step_id", "") for request in values.requests]
        procedure_ids = [request.get("requested_procedure_id", "") for request in values.requests]
        return (
            self.start_date.includes(values.performed_start_date)
            and self.start_time.includes(values.performed_start_time)
            and _any_fits(step_ids, self.scheduled_step_id)
            and _any_fits(procedure_ids, self.requested_procedure_id)
        )


def _any_fits(texts: Sequence[str], pattern: str) -> bool:
    return fits_all(pattern) or any(matches(pattern, text) for text in texts)
