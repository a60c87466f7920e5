"""Whether a report answers an order: one of images that were accepted without theirs goes to nobody."""

from typing import Final

from archive.models import ExceptionStatus, Outcome, Study, Verdict
from archive.reconcile import verdict_record
from reporting.errors import Block
from reporting.models import ReadingItem
from worklist.patients import person_names

_ACCEPTED: Final = "accept"
_IN_DOUBT: Final = (Outcome.MISMATCH, Outcome.AMBIGUOUS, Outcome.PROBABLE, Outcome.LATE_ORDER)
"""Verdicts that know of an order: where it was not linked, somebody may still wait for the report."""


def of_order(item: ReadingItem) -> list[Block]:
    """That nobody will get the report, where images were accepted without the order that they may be of."""
    if item.procedures.exists():
        return []
    accepted = item.studies.filter(
        exception__status=ExceptionStatus.RESOLVED, exception__resolution=_ACCEPTED, verdict__in=_IN_DOUBT
    )
    study = accepted.order_by("pk").first()
    if study is None:
        return []
    words = (
        f"no order, so nobody gets this report: the images were accepted as {Outcome(study.verdict).label}"
    )
    return [Block("accepted_without_order", f"{words}. {_possible(study)}", overridable=True)]


def _possible(study: Study) -> str:
    """The order that was thought of, and the one that the headers name, as far as there are any."""
    verdict = Verdict.objects.filter(study=study).order_by("-number").first()
    candidate = verdict_record.compared(verdict)
    if candidate is not None:
        number = candidate.accession_number or "without a number"
        whose = person_names.readable(candidate.patient.name)
        return f"It may be of order {number} ({whose}): link the images to it before you sign"
    if study.accession_number:
        return f"The images name order {study.accession_number}, which is not known here"
    return "No order that fits is known"
