"""The patient page, and the patient header that stands on every page with a patient."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts import access
from accounts.models import User
from archive.models import Study
from archive.search import study_search
from ledger import audit
from web.kernel import authorization, formats, layout, paging
from web.pages import order_fields, timelines
from web.pages.reading import outside_reports
from web.pages.record_columns import IDENTIFIERS, ORDERS, STUDIES
from worklist.models import LinkKind, Order, Patient, PatientLink, Sex
from worklist.patients import (
    care_notes,
    identity,
    link_reasons,
    patient_search,
    person_names,
    record_acts,
    temporary_records,
)
from worklist.patients.care_notes import CareNotes

_PREGNANT: Final = {"1": "not pregnant", "2": "may be pregnant", "3": "pregnant", "4": "pregnancy not known"}
"""DICOM Pregnancy Status (PS3.3 C.2.3) as people say it."""
_MOST_FOUND: Final = 20
_OF_TEMPORARY: Final = "{} was linked to this patient here"
_TAGS: Final = {LinkKind.MERGE: "merged", LinkKind.LINK: "linked"}
_SAME_PERSON: Final = "same person"
_JOINED: Final = {
    LinkKind.MERGE: "{} was merged into this record.",
    LinkKind.LINK: "{} is linked to this record; both numbers are in use.",
}
_NAMED_TOGETHER: Final = "{} came in one message with a number of this person."
_USES: Final = {LinkKind.MERGE: "merged into {}", LinkKind.LINK: "linked to the first"}
_USED_TOGETHER: Final = "came in one message with the first"
_DONE_BY_HAND: Final = {
    LinkKind.MERGE: "{} was merged into {} here",
    LinkKind.LINK: "{} was linked to {} here",
    LinkKind.UNLINK: "{} and {} were parted here",
}


@dataclass(frozen=True)
class Header:
    """A patient as the header shows one; texts are as people write them, empty where not known.

    `joined` says with which other records it shows, and `tag` how these are joined.

    `names` holds the component groups: alphabetic, ideographic, phonetic, as far as there are any.
    """

    names: Sequence[str]
    birth_date: str
    age: str
    sex: str
    identifier: str
    authority: str
    allergies: str = ""
    alerts: Sequence[str] = ()
    joined: str = ""
    tag: str = ""
    url: str = ""
    from_images: bool = False

    @property
    def name(self) -> str:
        """The first component group."""
        return self.names[0] if self.names else "(no name)"

    @property
    def other_names(self) -> Sequence[str]:
        """The other component groups."""
        return self.names[1:]

    @property
    def sex_word(self) -> str:
        """The sex in a word."""
        return str(dict(Sex.choices).get(self.sex, self.sex or "not known"))


def header(patient: Patient | None, *, order: Order | None = None, study: Study | None = None) -> Header:
    """The header of a patient, as the record under which it shows; with the alerts of an order.

    Without a patient it is what the header of the `study` says, marked so.
    """
    if patient is None:
        return of_images(study) if study is not None else short(None)
    current = patient.current
    tag, joined = _joined(patient, current)
    return replace(
        short(patient),
        allergies=(care := care_notes.of(patient)).allergies,
        alerts=alerts(care, order),
        joined=joined,
        tag=tag,
    )


def short(patient: Patient | None) -> Header:
    """The same for a row of a list, of which there are many: what needs no further query."""
    if patient is None:
        return Header((), "", "", "", "", "")
    return of_record(patient.current)


def compared(record: Patient) -> Header:
    """One record beside another: with what is said of it alone, or of all that show under it."""
    care = care_notes.of(record) if record.survivor_id is None else care_notes.of_record(record)
    return replace(of_record(record), allergies=care.allergies, alerts=alerts(care))


def of_record(record: Patient) -> Header:
    """The header of one record, whoever shows for it."""
    return Header(
        names=formats.groups(record.name),
        birth_date=formats.date(record.birth_date),
        age=formats.age(record.birth_date, timezone.localdate()),
        sex=record.sex,
        identifier=record.value,
        authority=record.authority.namespace,
        url=reverse("patient", args=[record.public_id]),
    )


def named(record: Patient) -> str:
    """A record in a sentence: its name, and its number."""
    return f"{person_names.isolated(formats.shown(record.name))} ({record.value})"


def alerts(care: CareNotes, order: Order | None = None) -> list[str]:
    """What whoever handles the patient must know beside the allergies, in words."""
    said = []
    if care.pregnancy in ("2", "3"):
        said.append(_PREGNANT[care.pregnancy])
    if order is not None:
        said += [f"danger: {order.danger}"] if order.danger else []
        said += [f"confidential: {order.confidentiality}"] if order.confidentiality else []
    return said


def of_images(study: Study) -> Header:
    """Whom the header of a study names."""
    return Header(
        names=formats.groups(study.patient_name),
        birth_date=formats.date(study.birth_date),
        age=formats.age(study.birth_date, timezone.localdate()),
        sex=study.sex,
        identifier=study.header_patient_id,
        authority=study.issuer_of_patient_id,
        from_images=True,
    )


def find(request: HttpRequest, public_id: str) -> Patient:
    """A record that the user may see; 404 for others."""
    rows = Patient.objects.select_related("facility", "authority", "survivor__authority")
    return authorization.find(
        rows, access.visible(rows, layout.user_of(request)), request, public_id=public_id
    )


def found(request: HttpRequest, text: str) -> list[Patient]:
    """Whom somebody who types a name, an identifier or a birth date may mean, by name; that is audited."""
    people = patient_search.meant(text, timezone.localdate())
    mine = access.visible(people, layout.user_of(request)).select_related("authority", "survivor__authority")
    rows = list(mine.order_by("name_key", "pk")[:_MOST_FOUND])
    things = [("patient", row.public_id) for row in rows]
    authorization.note_reading(request, audit.PATIENT_RECORD, *things)
    return rows


def _joined(patient: Patient, current: Patient) -> tuple[str, str]:
    """How a record shows under another one, or others under it: in a word, and what to say of it."""
    if patient.pk != current.pk:
        kind = _kinds([patient])[0]
        words = _JOINED.get(kind, _NAMED_TOGETHER) if kind else _NAMED_TOGETHER
        return _tag([kind]), words.format(patient.value)
    others = list(Patient.objects.filter(survivor=current).select_related("authority")[:5])
    if not others:
        return "", ""
    return _tag(_kinds(others)), f"Also this person: {', '.join(str(other) for other in others)}."


def _kinds(records: Sequence[Patient]) -> list[LinkKind | None]:
    links = link_reasons.why(records)
    return [LinkKind(links[one.pk].kind) if one.pk in links else None for one in records]


def _tag(kinds: Iterable[LinkKind | None]) -> str:
    first, *rest = {_TAGS.get(kind, _SAME_PERSON) if kind else _SAME_PERSON for kind in kinds}
    return _SAME_PERSON if rest else first


def _use(record: Patient, link: PatientLink | None) -> str:
    """What a number of a person with several is."""
    if record.survivor_id is None:
        return "main"
    words = _USES.get(LinkKind(link.kind), _USED_TOGETHER) if link else _USED_TOGETHER
    return words.format(link.survivor.value if link else "")


# The page

_TABLES: Final = {
    "identifiers": IDENTIFIERS,
    "orders": ORDERS.without("patient"),
    "studies": STUDIES.without("patient"),
}


@require_safe
@layout.may("patient.view")
def patient(request: HttpRequest, public_id: str) -> HttpResponse:
    """One person: all records, orders and studies. A merged record leads to the one that it shows under."""
    user = layout.user_of(request)
    record = find(request, public_id)
    records = list(access.visible(identity.same_person([record]), user).select_related("authority"))
    things = [("patient", one.public_id) for one in records]
    authorization.note_reading(request, audit.PATIENT_RECORD, *things)
    may_link = access.can(user, "patient.link")
    with timezone.override(layout.zone_of(request)):
        context = {
            "record": record.current,
            "care": care_notes.of(record),
            "patient": header(record),
            "tables": _TABLES,
            "identifiers": _identifiers(records),
            "orders": _orders(request, user, records),
            "studies": _studies(request, user, records),
            "outside_reports": outside_reports.of_people(request, user, [one.pk for one in records]),
            "is_temporary": may_link and temporary_records.is_temporary(record),
            "may_merge": access.can(user, "patient.merge"),
            "is_joined": len(records) > 1,
            "by_hand": _by_hand(user, record),
            "may_import": access.can(user, "study.store"),
            "order_fields": order_fields.fields() if access.can(user, "order.place") else None,
            "timeline": timelines.of_all(things, user),
        }
        return layout.page(request, "web/patient.html", context)


def _by_hand(user: User, record: Patient) -> list[tuple[str, str]]:
    """What was done here to the person's records and the user may take back: its id, and what it was."""
    found = []
    for link in record_acts.by_hand(record):
        is_temporary = link.kind != LinkKind.UNLINK and temporary_records.was_temporary(link.retired)
        if access.can(user, "patient.link" if is_temporary else "patient.merge"):
            words = _OF_TEMPORARY if is_temporary else _DONE_BY_HAND[LinkKind(link.kind)]
            found.append((link.public_id, words.format(link.retired.value, link.survivor.value)))
    return found


def _identifiers(records: Sequence[Patient]) -> list[dict[str, str]]:
    """Every identifier of the person: those that name records, then those that are only known."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    links = link_reasons.why(records) if len(records) > 1 else {}
    for record in sorted(records, key=lambda one: (one.survivor_id is not None, one.pk)):
        key = (record.value, record.authority.namespace)
        use = _use(record, links.get(record.pk))
        found[key] = {"value": key[0], "authority": key[1], "type": record.type, "use": use}
    for record in records:
        for other in record.other_identifiers:
            key = (other["value"], other["authority"])
            found.setdefault(key, {**other, "use": "other"})
    return list(found.values())


def _orders(request: HttpRequest, user: User, records: Sequence[Patient]) -> paging.Cut[Order] | None:
    if not access.can(user, "order.view"):
        return None
    rows = access.visible(Order.objects.filter(patient__in=[one.pk for one in records]), user).order_by("-pk")
    cut = paging.cut(
        request, rows, lambda rows: rows.prefetch_related("procedures__steps"), size=20, name="orders"
    )
    authorization.note_reading(request, audit.ORDER_RECORD, *(("order", row.public_id) for row in cut.rows))
    return cut


def _studies(request: HttpRequest, user: User, records: Sequence[Patient]) -> paging.Cut[Study] | None:
    if not access.can(user, "study.view"):
        return None
    rows = study_search.studies(user=user).filter(patient__in=[one.pk for one in records])
    cut = paging.cut(request, rows, lambda rows: rows.select_related("exception"), size=20, name="studies")
    things = [("study", row.study_instance_uid) for row in cut.rows]
    authorization.note_reading(request, audit.INSTANCES_ACCESSED, *things)
    return cut
