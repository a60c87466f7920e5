"""The job `archive.first_images`: start the exam that a study's first images are of, before it is quiet.

The judgement is kept nowhere: the verdict that counts is made when all has come, and takes the start back
where the images turn out to be of another exam.
"""

from typing import Final

from archive.archive_section import ArchiveSection
from archive.models import Outcome, Study
from archive.reconcile import reconcile_job, scanned_exams
from archive.reconcile.apply_verdict import MATCHES
from archive.reconcile.verdict import Judgement
from ledger import jobs
from worklist.models import RequestedProcedure
from worklist.schedule import image_acts

KIND: Final = "archive.first_images"


def prepare(claim: jobs.Claim) -> Judgement | None:
    """Judge what has come so far, if nobody has judged the study yet."""
    study = Study.objects.select_related("facility").filter(study_instance_uid=claim.key).first()
    if study is None or not _waits(study) or not scanned_exams.has_images(study):
        return None
    section = ArchiveSection.current()
    inputs = reconcile_job.gather(study, study.last_received_at, section.reconcile, section.phantoms)
    return inputs.judge()


def apply(claim: jobs.Claim, judgement: Judgement | None) -> None:
    """Start the steps that the images are judged to be of."""
    if judgement is None or judgement.outcome not in MATCHES:
        return
    rows = Study.objects.select_for_update(of=("self",)).select_related("facility")
    study = rows.filter(study_instance_uid=claim.key).first()
    if study is None or not _waits(study):
        return
    procedures = RequestedProcedure.objects.filter(
        public_id__in=[one.procedure for one in judgement.chosen]
    ).values_list("pk", flat=True)
    scanned_exams.begun(study, frozenset(procedures), ArchiveSection.current().reconcile)


def _waits(study: Study) -> bool:
    return study.verdict == Outcome.PENDING and not study.hidden and image_acts.are_followed()
