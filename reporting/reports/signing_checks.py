"""What stands between a text and its signature."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from archive.models import ExceptionStatus, Outcome, Study, StudyException
from reporting.errors import Block
from reporting.models import ReadingItem
from reporting.reading_worklist import reading_items

_OPEN_FIELD: Final = re.compile(r"\[\s*\]|\[\?|_{3,}|\{[^{}\n]{0,80}\}")
"""`[ ]`, the beginning of a transcription's `[? 01:23]`, `___` and `{choose}` of a template."""


@dataclass(frozen=True)
class Shown:
    """What was on the signer's screen; a part that is None was not told and is not compared."""

    patient: str | None = None
    studies: Sequence[str] | None = None
    images: int | None = None
    viewer_studies: Sequence[str] | None = None
    text_sha256: str | None = None


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


def of_text(sections: Mapping[str, str]) -> list[Block]:
    """What the text itself lacks."""
    found = []
    marks = [mark for text in sections.values() for mark in open_fields(text)]
    if marks:
        found.append(Block("open_fields", f"fields are still open: {', '.join(marks[:5])}"))
    if not sections.get("impression", "").strip():
        found.append(Block("empty_impression", "the impression is empty"))
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
    open_mismatch = StudyException.objects.filter(
        study__reading_items=item, status=ExceptionStatus.OPEN, study__verdict=Outcome.MISMATCH
    )
    if open_mismatch.exists():
        found.append(
            Block(
                "open_mismatch", "the images may be another patient's: the mismatch is open", overridable=True
            )
        )
    return found


def of_addendum(text: str) -> list[Block]:
    """What an addition or retraction lacks."""
    marks = open_fields(text)
    return [Block("open_fields", f"fields are still open: {', '.join(marks[:5])}")] if marks else []


def left(found: Sequence[Block], overrides: Mapping[str, Any]) -> list[Block]:
    """Those of `found` that no written reason overrides."""
    return [
        block for block in found if not (block.overridable and str(overrides.get(block.code, "")).strip())
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
