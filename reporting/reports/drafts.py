"""Drafts: text as it is typed. Nothing that a person typed is discarded by another person's act."""

from collections.abc import Mapping
from typing import Any, Final

from django.db import connection

from accounts.actor import Actor
from accounts.models import User
from ledger import audit, clock, events
from ledger.errors import Invalid
from reporting import reporting_events
from reporting.errors import StateConflict
from reporting.models import (
    SECTIONS,
    AddendumDraft,
    ClassOfChange,
    KeptText,
    ReadingItem,
    Report,
    ReportTemplate,
    VersionKind,
)
from reporting.reading_worklist import assignment, authorship, reading_status

MOST_CHARACTERS: Final = 1_000_000
Sections = dict[str, str]


def checked(sections: Mapping[str, Any]) -> Sections:
    """The sections, if they are known ones and hold text that can be kept; raises `Invalid`."""
    for name, text in sections.items():
        if name not in SECTIONS:
            raise Invalid(f"there is no section {name!r}; there are {', '.join(SECTIONS)}", "sections")
        if not isinstance(text, str):
            raise Invalid(f"{name} is not text", f"sections.{name}")
        if "\0" in text:
            raise Invalid(f"{name} holds a NUL character", f"sections.{name}")
    if sum(map(len, sections.values())) > MOST_CHARACTERS:
        raise Invalid(f"a report holds {MOST_CHARACTERS} characters at most", "sections")
    return {name: sections[name].replace("\r\n", "\n") for name in SECTIONS if name in sections}


def template_for(item: ReadingItem) -> ReportTemplate | None:
    """The template that fits the item best: by procedure code, else modality and body part, else modality."""
    rows = list(ReportTemplate.objects.filter(facility=item.facility, is_current=True).order_by("pk"))
    codes = set(item.procedures.values_list("code", flat=True))
    fitting = (
        [row for row in rows if row.procedure_code and row.procedure_code in codes],
        [row for row in rows if (row.modality, row.body_part) == (item.modality, item.body_part)],
        [row for row in rows if row.modality == item.modality and not row.body_part],
    )
    return next((group[0] for group in fitting if group), None)


def begin(
    *,
    item: ReadingItem,
    by: Actor,
    sections: Mapping[str, Any] | None = None,
    template: ReportTemplate | None = None,
) -> Report:
    """Begin the item's report, and take its lease. A report that is there already is a `StateConflict`."""
    by.require("report.write", item)
    author = by.person
    assignment.lease_to(by, item)
    item = reading_status.lock(item)
    report = Report.objects.filter(item=item).first()
    if report is not None:
        raise StateConflict("it has a report already", "exists", changed={"report": report.public_id})
    now = clock.now()
    text = {**(template.sections if template else {}), **(sections or {})}
    report = Report.objects.create(
        item=item,
        author=author,
        sections=checked(text),
        template=template,
        changed_by=author,
        changed_at=now,
    )
    events.record(
        reporting_events.BEGUN,
        about=[("report", report.public_id), *reading_status.things(item)],
        occurred_at=now,
        actor=by,
        template=str(template) if template else "",
    )
    note(by, report, "Report begun", audit.CREATE)
    return report


def save(*, report: Report, sections: Mapping[str, Any], revision: int, by: Actor) -> Report:
    """Save what was typed over `revision`; sections that are not named stay as they are.

    Raises `StateConflict` "stale_revision", with both texts of each section that differs, where another save
    came between, and "held" where another person writes on it now.
    """
    by.require("report.write", report.item)
    new, writer = checked(sections), by.person
    report = locked(report)
    item = report.item
    if not reading_status.is_open(item, report):
        raise StateConflict(f"the report is {report.status}; add to it with an addendum", "signed")
    if (lease := assignment.held_by_other(item, writer)) is not None:
        raise StateConflict(f"{lease.holder} writes on it now", "held", changed={"holder": str(lease.holder)})
    if revision != report.revision:
        raise StateConflict(
            f"{report.changed_by} saved revision {report.revision} meanwhile",
            "stale_revision",
            changed={
                "revision": report.revision,
                "by": str(report.changed_by),
                "sections": {
                    name: {"yours": text, "theirs": report.sections.get(name, "")}
                    for name, text in new.items()
                    if text != report.sections.get(name, "")
                },
            },
        )
    audit.note_reading(by, audit.PATIENT_RECORD, ("report", report.public_id))
    text = {**report.sections, **new}
    if text == report.sections:
        return report
    if report.changed_by_id != writer.pk and any(map(str.strip, report.sections.values())):
        keep_beside(report, report.changed_by, report.sections, revision, f"{by} went on writing")
    assignment.lease_to(by, item)
    authorship.follow(report, by)
    report.sections, report.revision = checked(text), revision + 1
    report.changed_by, report.changed_at = writer, clock.now()
    report.save()
    return report


def keep(*, report: Report, sections: Mapping[str, Any], revision: int, by: Actor, reason: str) -> KeptText:
    """Keep text that could not be saved, beside the report, for its author and whoever writes on."""
    by.require("report.write", report.item)
    kept = keep_beside(report, by.person, checked(sections), revision, reason)
    note(by, report, "Text kept beside the report")
    return kept


def draft_addendum(
    *,
    report: Report,
    by: Actor,
    text: str = "",
    kind: str = VersionKind.ADDENDUM,
    sections: Mapping[str, Any] | None = None,
    class_of_change: str = "",
    changes_care: bool = False,
) -> AddendumDraft:
    """Draft an addition to, a correction or the retraction of a signed report; one draft for each author."""
    by.require("report.write", report.item)
    author = by.person
    report = locked(report)
    if not report.is_signed:
        raise StateConflict(f"the report is {report.status}; write into the report itself", "not_signed")
    if kind not in (VersionKind.ADDENDUM, VersionKind.CORRECTION, VersionKind.RETRACTION):
        raise Invalid(f"{kind!r} is not addendum, correction or retraction", "kind")
    if class_of_change and class_of_change not in ClassOfChange.values:
        raise Invalid(f"the class is one of: {', '.join(ClassOfChange.values)}", "class_of_change")
    body = checked({"findings": text})["findings"]
    if kind == VersionKind.ADDENDUM and not body.strip():
        raise Invalid("an addendum needs text", "text")
    if kind == VersionKind.RETRACTION and not body.strip():
        raise Invalid("a retraction needs the reason as its text", "text")
    values = {
        "kind": kind,
        "text": body,
        "sections": checked({**report.sections, **(sections or {})})
        if kind == VersionKind.CORRECTION
        else {},
        "class_of_change": class_of_change,
        "changes_care": changes_care,
    }
    note(by, report, f"{VersionKind(kind).label} drafted")
    draft = AddendumDraft.objects.filter(report=report, author=author, is_open=True).first()
    if draft is None:
        return AddendumDraft.objects.create(report=report, author=author, **values)
    for name, value in values.items():
        setattr(draft, name, value)
    draft.revision += 1
    draft.save()
    return draft


def note(by: Actor, report: Report, act: str, action: str = audit.UPDATE) -> None:
    """Write an act on a report, in words, to the audit trail."""
    patient = report.item.patient
    things = [("report", report.public_id), ("reading_item", report.item.public_id)]
    things += [("patient", patient.public_id)] if patient else []
    audit.note(by, audit.PATIENT_RECORD, action, *things, act=act)


def locked(report: Report) -> Report:
    """The report, locked after its item and studies."""
    assert connection.in_atomic_block
    item = reading_status.lock(report.item)
    rows = Report.objects.select_for_update(of=("self",)).select_related("author", "changed_by", "template")
    report = rows.get(pk=report.pk)
    report.item = item
    return report


def keep_beside(
    report: Report, author: User, sections: Mapping[str, Any], revision: int, reason: str
) -> KeptText:
    """Keep a text beside the report under its author's name; the same text again is kept once."""
    newest = KeptText.objects.filter(report=report, author=author).order_by("-pk").first()
    if newest is not None and newest.sections == sections:
        return newest
    return KeptText.objects.create(
        report=report, author=author, sections=dict(sections), revision=revision, reason=reason[:200]
    )
