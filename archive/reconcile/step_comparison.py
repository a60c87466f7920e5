"""Hold a study against any step, whether or not reconcile thought of it: what a verdict would say of it."""

from typing import Any

from archive.archive_section import ArchiveSection
from archive.models import Outcome, Study
from archive.reconcile import candidates, study_evidence, verdict
from archive.reconcile.verdict import Judgement
from worklist.models import ScheduledProcedureStep


def compare(study: Study, step: ScheduledProcedureStep) -> dict[str, Any]:
    """The step as a verdict keeps a candidate, with its findings and its score."""
    rules = ArchiveSection.current().reconcile
    seen = study_evidence.gather(study, study.first_quiet_at)
    (candidate,) = candidates.described(ScheduledProcedureStep.objects.filter(pk=step.pk))
    scored = verdict.score(seen, candidate, rules)
    (kept,) = verdict.as_json(Judgement(Outcome.PENDING, "", ranked=(scored,)))
    return kept
