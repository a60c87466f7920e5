"""What a decision on an exception would do to the reports of a study, in words, for its preview."""

from collections.abc import Callable
from typing import Any

from archive.models import ReadingStatus, Study
from reporting.models import ReadingItem, Recheck
from reporting.reports import order_check
from worklist.patients import person_names

_Item = tuple[str, str, str, str]
"""An item's name, its status, the patient whom it is of, and what its author is asked."""


def effects_on_preview(sender: object, *, study: Study, **others: Any) -> Callable[[], list[str]]:
    """A function that says which reading items have changed since now, what is held and what rechecked."""
    before = _items(study)
    newest = ReadingItem.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    rechecks = set(Recheck.objects.filter(closed_at=None).values_list("pk", flat=True))

    def told() -> list[str]:
        after = _items(study, also=list(before))
        texts = [text for key, now in after.items() for text in _told(before.get(key), now, key > newest)]
        raised = Recheck.objects.filter(closed_at=None, item__in=list(after)).exclude(pk__in=rechecks)
        texts += [f"Asks {row.signer} whether the signed report still holds" for row in raised]
        return texts + _undeliverable(study)

    return told


def _undeliverable(study: Study) -> list[str]:
    """That reports of the study would go to nobody, as their signer will be told."""
    items = ReadingItem.objects.filter(studies=study).exclude(status=ReadingStatus.WITHDRAWN)
    found = {block.text for item in items for block in order_check.of_order(item)}
    return [f"The signer will need a reason: {text}" for text in sorted(found)]


def _told(before: _Item | None, now: _Item, is_new: bool) -> list[str]:
    name, status, patient, question = now
    if before is None:
        return [
            f"{'A report is to be made' if is_new else 'Joins a report to be made'}: {name},"
            f" of {patient or 'a patient whom nobody knows yet'}"
        ]
    texts = []
    if before[1] != status:
        texts.append(f"The reading of {name}: {before[1]} → {status}")
    if before[2] != patient and status != ReadingStatus.WITHDRAWN.label:
        goes = f"goes to {patient}" if patient else "is of no known patient any more"
        texts.append(f"The reading of {name} {goes}")
    if question and before[3] != question:
        texts.append(f"What is begun on {name} is held: its author is asked whether it is about this patient")
    return texts


def _items(study: Study, also: list[int] | None = None) -> dict[int, _Item]:
    rows = ReadingItem.objects.filter(studies=study) | ReadingItem.objects.filter(studies__split_from=study)
    rows |= ReadingItem.objects.filter(pk__in=also or [])
    rows = rows.distinct().select_related("patient__survivor").order_by("pk")
    return {
        row.pk: (
            row.description or "the study",
            ReadingStatus(row.status).label,
            person_names.called(row.patient.current.name, row.patient.current.value) if row.patient else "",
            row.patient_question,
        )
        for row in rows
    }
