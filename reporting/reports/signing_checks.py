"""What stands between a text and its signature."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import QuerySet

from archive.models import ExceptionKind, ExceptionStatus, Outcome, Study, StudyException
from reporting.errors import Block
from reporting.models import SECTIONS, ReadingItem, ReportHeading, ReportTemplate, VersionKind
from reporting.reading_worklist import priors, reading_items
from reporting.rendering import signed_identity
from reporting.reports import frozen_identity, order_check, outside_check, report_versions
from reporting.reports.frozen_identity import Whose
from worklist.models import OrderStatus

_OPEN_FIELD: Final = re.compile(r"\[\s*\]|\[\?|_{3,}|\{[^{}\n]{0,80}\}")
"""`[ ]`, the beginning of a transcription's `[? 01:23]`, `___` and `{choose}` of a template."""
_BRACKETED: Final = re.compile(r"\[[^\[\]?\n]{1,40}\]")
"""`[side]` of a template, and perhaps something that is meant so: it is asked about."""
_NO_COMPARISON: Final = re.compile(
    r"(none|no (relevant )?priors?|no comparison)( (available|exams?|studies))?[ .]*", re.I
)
_MOST_NAMED: Final = 5


@dataclass(frozen=True)
class Shown:
    """What was on the signer's screen; a part that is None was not told and is not compared."""

    patient: str | None = None
    studies: Sequence[str] | None = None
    images: int | None = None
    viewer_studies: Sequence[str] | None = None
    text_sha256: str | None = None
    outside_reports: Sequence[str] | None = None


NOTHING_TOLD: Final = Shown()


def open_fields(text: str) -> list[str]:
    """The places of a text that are still to be filled in; many that begin and don't end cost nothing."""
    found, place, last = [], 0, text.rfind("]")
    while match := _OPEN_FIELD.search(text, place):
        place = match.end()
        if match[0] != "[?":
            found.append(match[0])
        elif place <= last:
            place = text.index("]", place) + 1
            found.append(text[match.start() : place])
    return found


def bracketed(text: str) -> list[str]:
    """Words in brackets, such as `[side]`, that may be fields of a template or meant as they stand."""
    return [match for match in _BRACKETED.findall(text) if match[1:-1].strip()]


def unanswered(text: str, template: str) -> list[str]:
    """The labels of a template (`Liver:`) after which nothing was written, neither beside nor below."""
    labels = {line.strip() for line in template.splitlines() if line.rstrip().endswith(":")}
    lines = [line.strip() for line in text.splitlines()]
    below = [*lines, ""][1:]
    starts = tuple(labels)
    return [
        line
        for line, after in zip(lines, below, strict=True)
        if line in labels and (not after or after.startswith(starts))
    ]


def of_text(sections: Mapping[str, str], template: ReportTemplate | None = None) -> list[Block]:
    """What the text itself lacks, and what looks as if it were left from the template."""
    found = [block for name in SECTIONS for block in _of_section(name, sections.get(name, ""))]
    if not sections.get(ReportHeading.IMPRESSION, "").strip():
        text = "the impression is empty"
        found.append(Block("empty_impression", text, section=ReportHeading.IMPRESSION.value))
    for name, text in (template.sections if template else {}).items():
        if labels := unanswered(sections.get(name, ""), text):
            text = f"nothing is written after {', '.join(labels[:_MOST_NAMED])}"
            found.append(Block(f"unanswered_{name}", text, asks=True, section=name))
    return found


def of_comparison(item: ReadingItem, sections: Mapping[str, str]) -> list[Block]:
    """A text that says that there is nothing to compare with, while there is."""
    text = sections.get(ReportHeading.COMPARISON, "").strip()
    if not _NO_COMPARISON.fullmatch(text) or not (number := priors.count(item)):
        return []
    there = "is a prior study" if number == 1 else f"are {number} prior studies"
    words = f"the comparison says “{text}”, but there {there}"
    return [Block("comparison_none", words, asks=True, section=ReportHeading.COMPARISON.value)]


def _of_section(name: str, text: str) -> list[Block]:
    title, found = ReportHeading(name).label, []
    if marks := open_fields(text):
        words = f"fields are still open in {title}: {', '.join(marks[:_MOST_NAMED])}"
        found.append(Block("open_fields", words, section=name))
    if words_left := bracketed(text):
        words = f"is this still to be filled in? {title}: {', '.join(words_left[:_MOST_NAMED])}"
        found.append(Block(f"brackets_{name}", words, asks=True, section=name))
    return found


def of_item(item: ReadingItem, shown: Shown) -> list[Block]:
    """What speaks against signing for this patient and these images now."""
    found = []
    current = item.patient.current.public_id if item.patient else ""
    if item.patient_question:
        found.append(Block("patient_question", item.patient_question, overridable=True))
    if shown.patient is not None and shown.patient != current:
        found.append(Block("patient_changed", "the item is another patient's than the one on the screen"))
    uids = set(item.studies.values_list("study_instance_uid", flat=True))
    if shown.studies is not None and set(shown.studies) != uids:
        found.append(Block("studies_changed", "the item has other studies than those on the screen"))
    if shown.images is not None and shown.images != (count := reading_items.image_count(item)):
        found.append(Block("new_images", f"there are {count} images now, {shown.images} were shown"))
    if shown.viewer_studies and not _is_of_patient(shown.viewer_studies, item, uids):
        found.append(
            Block("viewer_other_patient", "the viewer shows no study of this patient", overridable=True)
        )
    found += outside_check.of_outside(item, shown.outside_reports)
    return found + _of_exceptions(item) + _of_cancelled(item) + order_check.of_order(item)


def of_amendment(item: ReadingItem, kind: str) -> list[Block]:
    """What speaks against giving the words of a signed version out again, under the name that counts now."""
    version = report_versions.newest(item)
    if version is None:
        return []
    found, named = [], frozen_identity.of_version(version)
    whose = frozen_identity.to_item(named, item)
    if whose is not Whose.SAME:
        then, now = signed_identity.words(named), signed_identity.words(report_versions.patient_of(item))
        words = f"version {version.number} was signed for {then}; the patient is now {now}"
        stays = kind != VersionKind.CORRECTION and whose is Whose.OTHER
        words += ". An addendum leaves its text standing: correct or retract it" if stays else ""
        found.append(Block("other_identity", words, overridable=not stays))
    undecided = _open_exceptions(item).filter(kind=ExceptionKind.VERDICT)
    if kind == VersionKind.CORRECTION and undecided.exclude(study__verdict=Outcome.MISMATCH).exists():
        words = "whose exam this is has not been decided: its exception is open"
        found.append(Block("open_exception", words, overridable=True))
    return found


def _open_exceptions(item: ReadingItem) -> QuerySet[StudyException]:
    return StudyException.objects.filter(study__reading_items=item, status=ExceptionStatus.OPEN)


def _of_exceptions(item: ReadingItem) -> list[Block]:
    """A doubt about the patient, and what changed under a link; a cancelled order speaks for itself."""
    rows = _open_exceptions(item)
    if rows.filter(study__verdict=Outcome.MISMATCH).exists():
        words = "the images may be another patient's: the mismatch is open"
        return [Block("open_mismatch", words, overridable=True)]
    changed = rows.exclude(kind__in=(ExceptionKind.VERDICT, ExceptionKind.CANCELLED_AFTER_IMAGES))
    kinds = sorted(set(changed.values_list("kind", flat=True)))
    if not kinds:
        return []
    words = "the exception is open: " + ", ".join(str(ExceptionKind(kind).label) for kind in kinds)
    return [Block("open_exception", words, overridable=True)]


def _of_cancelled(item: ReadingItem) -> list[Block]:
    rows = item.procedures.filter(order__status=OrderStatus.CANCELLED).select_related("order").order_by("pk")
    numbers = dict.fromkeys(one.order.accession_number or "without a number" for one in rows)
    if not numbers:
        return []
    words = f"order {', '.join(numbers)} was cancelled; the report goes out for it all the same"
    return [Block("order_cancelled", words, asks=True)]


def of_addendum(text: str) -> list[Block]:
    """What an addition or retraction lacks."""
    marks = open_fields(text)
    return [Block("open_fields", f"fields are still open: {', '.join(marks[:_MOST_NAMED])}")] if marks else []


def left(found: Sequence[Block], overrides: Mapping[str, Any]) -> list[Block]:
    """Those of `found` that no written reason, or yes, overrides."""
    return [
        block
        for block in found
        if not ((block.overridable or block.asks) and str(overrides.get(block.code, "")).strip())
    ]


def _is_of_patient(viewer_studies: Sequence[str], item: ReadingItem, uids: set[str]) -> bool:
    """Whether the viewer shows at least one study of the item or of its patient."""
    if uids & set(viewer_studies):
        return True
    if item.patient is None:
        return False
    rows = Study.objects.filter(study_instance_uid__in=list(viewer_studies)[:100], patient__isnull=False)
    current = item.patient.current.pk
    return any(
        row.patient.current.pk == current for row in rows.select_related("patient__survivor") if row.patient
    )
