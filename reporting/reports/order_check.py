"""Whether a report answers an order: one of images that were accepted without theirs goes to nobody."""

from typing import Final

from archive.models import ExceptionStatus, Outcome, Study, Verdict
from archive.reconcile import verdict_record
from archive.reconcile.verdict_record import CandidateRecord
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
    """The order that fits best of those whose patient the headers don't contradict, and the one they name."""
    verdict = Verdict.objects.filter(study=study).order_by("-number").first()
    of_others = {one.step for one in verdict_record.candidates(verdict) if one.is_contradicted}
    best = next((one for one in verdict_record.by_score(verdict) if one.step not in of_others), None)
    named = verdict_record.compared(verdict)
    words = []
    if named is not None and named.is_named and named.step in of_others:
        words.append(f"The images name order {_called(named)}, but they say another patient")
    if best is not None:
        words.append(f"They may be of order {_called(best)}: link the images to it before you sign")
    if words:
        return ". ".join(words)
    if study.accession_number and named is None:
        return f"The images name order {study.accession_number}, which is not known here"
    return "No order that fits is known"


def _called(candidate: CandidateRecord) -> str:
    number = candidate.accession_number or "without a number"
    return f"{number} ({person_names.readable(candidate.patient.name)})"
