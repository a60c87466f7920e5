"""Hold a study against any step, whether or not reconcile thought of it: what a verdict would say of it."""

from archive.archive_section import ArchiveSection
from archive.models import Study
from archive.reconcile import candidates, scored_candidate, study_evidence
from archive.reconcile.verdict_record import CandidateRecord
from worklist.models import ScheduledProcedureStep


def compare(study: Study, step: ScheduledProcedureStep) -> CandidateRecord:
    """The step as a verdict keeps a candidate, with its findings and its score."""
    rules = ArchiveSection.current().reconcile
    seen = study_evidence.gather(study, study.first_quiet_at)
    since = candidates.described_since(seen, rules)
    (candidate,) = candidates.described(ScheduledProcedureStep.objects.filter(pk=step.pk), since)
    return CandidateRecord.of(scored_candidate.score(seen, candidate, rules), is_chosen=False)
