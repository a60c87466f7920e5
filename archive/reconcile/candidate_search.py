"""The steps that a study could belong to, found by index and bounded in number."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from django.db.models import Q

from archive.models import Decision
from archive.reconcile import name_agreement
from archive.reconcile.candidates import Candidate, described, described_since
from archive.reconcile.reconcile_policy import Policy
from archive.reconcile.study_evidence import StudyEvidence
from ledger.row_sets import Condition, any_of
from ledger.set_statements import rows_of
from worklist.models import Order, Patient, RequestedProcedure, ScheduledProcedureStep
from worklist.patients import person_names

_LONGEST_ACCESSION: Final = 16
MOST_NAMESAKES: Final = 10
_PATIENTS: Final = Patient._meta.db_table
_ORDERS: Final = Order._meta.db_table
_PROCEDURES: Final = RequestedProcedure._meta.db_table
_STEPS: Final = (
    f"FROM {ScheduledProcedureStep._meta.db_table} s JOIN {_PROCEDURES} p ON p.id = s.procedure_id"
    f" JOIN {_ORDERS} o ON o.id = p.order_id"
)


def gather(study: StudyEvidence, facility_id: int, policy: Policy) -> list[Candidate]:
    """The candidates for a study of this facility, in the order of their ids.

    Those that its headers name come first in the bound on their number, then its patient's. Only where there
    is none are those of the station, or of the modality, at the time looked at.
    """
    everything = ScheduledProcedureStep.objects.filter(procedure__order__facility=facility_id)
    found = _first(policy, [*_named(study, policy), *_of_patient(study, policy)], facility_id)
    if taken_back := _taken_back(study):
        everything = everything.exclude(procedure__order__public_id__in=taken_back)
        found = dict.fromkeys(everything.filter(pk__in=found).values_list("pk", flat=True))
    for condition in _at_station(study, policy) if not found else ():
        if (room := policy.most_candidates - len(found)) > 0:
            rows = everything.filter(condition).exclude(pk__in=found).order_by("-due", "pk")
            found |= dict.fromkeys(rows.values_list("pk", flat=True)[:room])
    since = described_since(study, policy)
    candidates = described(everything.filter(pk__in=found), since)
    room = min(policy.most_candidates - len(found), MOST_NAMESAKES)
    if room <= 0 or not _is_called_otherwise(study, candidates):
        return candidates
    others = [key for key in _of_namesakes(study, policy, facility_id) if key not in found][:room]
    more = described(everything.filter(pk__in=others), since)
    return sorted([*candidates, *more], key=lambda one: one.id)


def _is_called_otherwise(study: StudyEvidence, candidates: Iterable[Candidate]) -> bool:
    """Whether somebody with the study's number has another name than it says: a slip, or another person."""
    numbers = {known.patient_id for known in study.identities}
    return any(
        (name_agreement.compare(study.identity.name, record.name)[0] or 1) < 1
        for one in candidates
        for record in one.patient.records
        if record.patient_id in numbers
    )


def _of_namesakes(study: StudyEvidence, policy: Policy, facility_id: int) -> dict[int, None]:
    """Open steps around its time of whoever has the name that it says, whatever the birth date: a sister who
    is due as well. They only ever stop a slip from being forgiven.
    """
    called = [text for known in study.identities[:3] for text in name_agreement.spellings(known.name)]
    if not called:
        return {}
    names, keys = among("name_key", called)
    namesakes = f"o.patient_id IN (SELECT id FROM {_PATIENTS} WHERE {names})"
    return _first(
        policy,
        [
            (
                f"{namesakes} AND s.on_worklist AND s.local_date BETWEEN %s AND %s",
                [*keys, _day(start), _day(end)],
            )
            for start, end in _windows(study, timedelta(days=1))
        ],
        facility_id,
    )


def _taken_back(study: StudyEvidence) -> list[str]:
    """The orders that undone decisions on the study had placed: as if they had never been there."""
    rows = Decision.objects.filter(study__study_instance_uid=study.study_instance_uid)
    placed = rows.exclude(undone_at=None).values_list("parameters", flat=True)
    return [kept["order"] for kept in placed if "order" in kept]


def _first(policy: Policy, conditions: Sequence[Condition], facility_id: int) -> dict[int, None]:
    """The newest steps of each condition, those of the first ones first, as many as the policy takes."""
    parts = [
        f"SELECT * FROM (SELECT {rank} AS place, s.id, s.due {_STEPS}"
        f" WHERE o.facility_id = %s AND {condition} ORDER BY s.due DESC, s.id LIMIT %s) part"
        for rank, (condition, _) in enumerate(conditions)
    ]
    parameters = [
        value for _, values in conditions for value in (facility_id, *values, policy.most_candidates)
    ]
    rows = rows_of(" UNION ALL ".join(parts), parameters)
    by_place: dict[int, list[int]] = {}
    for place, key, _ in rows:
        by_place.setdefault(place, []).append(key)
    keys = dict.fromkeys(key for place in sorted(by_place) for key in by_place[place])
    return dict.fromkeys(list(keys)[: policy.most_candidates])


def accession_spellings(accession: str, policy: Policy) -> list[str]:
    """The spellings under which an accession number may be kept, the exact one first: an index finds each."""
    plain = accession.strip()
    if not plain:
        return []
    bodies = [plain, *(plain.removeprefix(prefix) for prefix in policy.accession_prefixes)]
    digits = plain.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_. ")
    bodies += [digits] if len(digits) >= 4 else []
    bodies += [prefix + body for prefix in policy.accession_prefixes for body in (plain, plain.lstrip("0"))]
    found = []
    for body in dict.fromkeys(bodies):
        bare = body.lstrip("0")
        padded = (
            [bare.rjust(width, "0") for width in range(len(bare), _LONGEST_ACCESSION + 1)] if bare else []
        )
        found += [body, body.replace(" ", ""), *padded]
    found += [text.upper() for text in found] + [text.lower() for text in found]
    return list(dict.fromkeys(text for text in found if text))


def _named(study: StudyEvidence, policy: Policy) -> Iterator[Condition]:
    """Steps of a Study Instance UID, an accession number or an ID in the headers."""
    uids = {study.study_instance_uid, *(item.study_instance_uid for item in study.requests)} - {""}
    yield among("p.study_instance_uid", uids)
    accessions = {*study.accession_numbers, *(item.accession_number for item in study.requests)} - {""}
    if accessions:
        yield _by_accession(accessions)
        yield _by_accession({s for text in accessions for s in accession_spellings(text, policy)})
    procedure_ids = {item.requested_procedure_id for item in study.requests} - {""}
    step_ids = {item.scheduled_procedure_step_id for item in study.requests} - {""}
    if procedure_ids:
        yield among("p.requested_procedure_id", procedure_ids)
    if step_ids:
        yield among("s.scheduled_procedure_step_id", step_ids)


def _by_accession(spellings: Iterable[str]) -> Condition:
    """Those with one of these accession numbers; each table's index is asked by itself."""
    spellings = list(spellings)
    own, keys = among("accession_number", spellings)
    orders, same = among("accession_number", spellings)
    return (
        f"p.id IN (SELECT id FROM {_PROCEDURES} WHERE {own} UNION"
        f" SELECT id FROM {_PROCEDURES} WHERE order_id IN (SELECT id FROM {_ORDERS} WHERE {orders}))"
    ), [*keys, *same]


def _of_patient(study: StudyEvidence, policy: Policy) -> Iterator[Condition]:
    """Steps of everybody whom the study's identities name, around its time or still open.

    What was imported is of no exam that became due only after the images had been made.
    """
    still_open = list(_still_open(study))
    for condition, keys in _people_meant(study):
        roots = f"SELECT COALESCE(survivor_id, id) FROM {_PATIENTS} WHERE {condition}"
        everyone = (
            f"o.patient_id IN (SELECT id FROM {_PATIENTS} WHERE id IN ({roots})"
            f" UNION SELECT id FROM {_PATIENTS} WHERE survivor_id IN ({roots}))"
        )
        for start, end in _windows(study, timedelta(days=policy.shown_days)):
            dates = [_day(start), _day(end + timedelta(days=1))]
            yield f"{everyone} AND s.local_date BETWEEN %s AND %s", [*keys, *keys, *dates]
        for is_open, days in still_open:
            yield f"{everyone} AND {is_open}", [*keys, *keys, *days]


def _still_open(study: StudyEvidence) -> Iterator[Condition]:
    if not study.is_imported:
        yield "s.on_worklist", []
    for _, end in study.spans if study.is_imported else ():
        yield "s.on_worklist AND s.local_date <= %s", [_day(end + timedelta(days=1))]


def _people_meant(study: StudyEvidence) -> Iterator[Condition]:
    """The records of any issuer with the study's patient IDs, then those with its name and birth date."""
    values = {known.patient_id for known in study.identities} - {""}
    if values:
        yield among("value", values)
    for known in study.identities[:3]:
        date = known.birth_date.replace(".", "").replace("-", "")
        if not known.name.strip("^ ") or len(date) != 8:
            continue
        born = among("birth_date", {date, date[:4] + date[6:] + date[4:6]})
        _, ideographic, phonetic = person_names.keys(known.name)
        columns = {
            "name_key": set(name_agreement.spellings(known.name)),
            "ideographic_key": {ideographic} - {""},
            "phonetic_key": {phonetic} - {""},
        }
        for column, names in columns.items():
            if names:
                called, keys = among(column, names)
                yield f"{called} AND {born[0]}", [*keys, *born[1]]


def among(column: str, texts: Iterable[str]) -> Condition:
    """Those with one of these texts.

    A column may be empty almost everywhere; PostgreSQL, which plans before it knows the texts, must be told.
    """
    condition, parameters = any_of([column], ["text"], [[text] for text in sorted(set(texts))])
    return f"{condition} AND {column} <> ''", parameters


def _at_station(study: StudyEvidence, policy: Policy) -> Iterator[Q]:
    stations = [*study.station_ae_titles, *study.station_names]
    what = [Q(station_ae_title__in=stations) | Q(station_name__in=stations)] if stations else []
    what += [Q(modality__in=study.modalities)] if study.modalities else []
    for condition in what:
        for start, end in _windows(study, timedelta(hours=policy.window_hours)):
            # The local date leads the index; its zone is within a day of any.
            days = (_day(start - timedelta(days=1)), _day(end + timedelta(days=1)))
            yield Q(on_worklist=True, due__range=(start, end), local_date__range=days) & condition


def _windows(study: StudyEvidence, reach: timedelta) -> Iterator[tuple[datetime, datetime]]:
    """The time around the acquisition, and around the receipt, if that is another and counts."""
    spans = study.spans
    if len(spans) == 2 and abs(spans[0][0] - spans[1][0]) < reach / 4:
        spans = spans[:1]
    for begin, end in spans:
        yield begin - reach, end + reach


def _day(value: datetime) -> str:
    return value.astimezone(ZoneInfo("UTC")).strftime("%Y%m%d")
