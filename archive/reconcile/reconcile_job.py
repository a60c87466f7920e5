"""The job `archive.reconcile`: judge a study once it is quiet, and again whenever something could change it.

Facts and candidates are read and judged outside any transaction. Whatever could change them asks for this job
in its own transaction; so, if the job was not asked for again since it was claimed, what was prepared holds.
Otherwise the study is judged anew with its row locked.
"""

import hashlib
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson
from django.conf import settings

from archive import archive_events
from archive.archive_section import ArchiveSection
from archive.index import resent_objects
from archive.index.header_values import fitting
from archive.models import Hidden, Instance, Study, Verdict
from archive.reconcile import (
    apply_verdict,
    candidate_search,
    registered_people,
    study_evidence,
    verdict,
    verdict_record,
)
from archive.reconcile.candidates import Candidate
from archive.reconcile.phantom_patterns import NO_PHANTOMS, PhantomPatterns
from archive.reconcile.reconcile_policy import Policy
from archive.reconcile.registered_people import RegisteredPeople
from archive.reconcile.study_evidence import StudyEvidence
from archive.reconcile.verdict import Judgement
from ledger import clock, events, jobs
from ledger.crashpoint import crashpoint
from ledger.models import Job

KIND: Final = "archive.reconcile"
JUDGED: Final[ContextVar[str]] = ContextVar("judged", default="")
"""The study whose verdict takes effect now: the steps that it moves are no reason to judge it once more."""


@dataclass(frozen=True)
class Inputs:
    """All that a verdict is computed from, and the hash of it."""

    study: StudyEvidence
    candidates: list[Candidate]
    registered: RegisteredPeople
    policy: Policy
    phantoms: PhantomPatterns
    digest: str

    def judge(self) -> Judgement:
        """Compute the verdict."""
        return verdict.decide(self.study, self.candidates, self.policy, self.registered, self.phantoms)


def gather(
    study: Study, quiet_at: datetime, rules: Policy, phantoms: PhantomPatterns = NO_PHANTOMS
) -> Inputs:
    """Read the inputs of a study's verdict."""
    seen = study_evidence.gather(study, quiet_at)
    found = candidate_search.gather(seen, study.facility_id, rules)
    others = registered_people.gather(seen, study.facility_id)
    inputs = [seen, found, others, rules.version, phantoms.model_dump()]
    digest = hashlib.sha256(orjson.dumps(inputs)).hexdigest()
    return Inputs(seen, found, others, rules, phantoms, digest)


def prepare(claim: jobs.Claim) -> tuple[Inputs, Judgement] | None:
    """Judge the study, if it is there and quiet."""
    study = Study.objects.select_related("facility").filter(study_instance_uid=claim.key).first()
    section = ArchiveSection.current()
    if study is None or (quiet_at := _quiet_at(study, section)) > clock.now():
        return None
    inputs = gather(study, quiet_at, section.reconcile, section.phantoms)
    return inputs, inputs.judge()


def apply(claim: jobs.Claim, prepared: tuple[Inputs, Judgement] | None) -> None:
    """Store the verdict and let it take effect; a study that isn't quiet yet is left for later."""
    rows = Study.objects.select_for_update(of=("self",)).select_related("facility")
    study = rows.filter(study_instance_uid=claim.key).first()
    if study is None or study.hidden == Hidden.JOINED:
        return
    section = ArchiveSection.current()
    quiet_at = _quiet_at(study, section)
    quiet_now = study.last_received_at + section.quiet_time
    if max(quiet_at, quiet_now) > clock.now():
        jobs.enqueue(KIND, claim.key, not_before=max(quiet_at, quiet_now))
        return
    waiting = Instance.objects.filter(study_instance_uid=claim.key, indexed_at=None)
    if waiting.exclude(calling_ae_title=settings.AE_TITLE).exists():
        return  # indexing asks for this job again when it has read them
    if resent_objects.is_waited_for(study):
        return  # as does whoever takes what was sent again
    if prepared is None or not _still_holds(claim):
        inputs = gather(study, quiet_at, section.reconcile, section.phantoms)
        prepared = inputs, inputs.judge()
    inputs, judgement = prepared
    study.first_quiet_at = quiet_at
    row = _store(study, inputs, judgement)
    crashpoint("reconcile.mid")
    token = JUDGED.set(study.study_instance_uid)
    try:
        apply_verdict.take_effect(study, row or apply_verdict.newest(study), is_new=row is not None)
    finally:
        JUDGED.reset(token)


def judge_now(study: Study) -> None:
    """Judge a locked study at once: a person has changed what it is made of."""
    section = ArchiveSection.current()
    study.first_quiet_at = _quiet_at(study, section)
    inputs = gather(study, study.first_quiet_at, section.reconcile, section.phantoms)
    row = _store(study, inputs, inputs.judge())
    apply_verdict.take_effect(study, row or apply_verdict.newest(study), is_new=row is not None)


def _still_holds(claim: jobs.Claim) -> bool:
    """Whether nothing has asked for the job since it was claimed."""
    return Job.objects.filter(pk=claim.id, wanted=claim.wanted).exists()


def _quiet_at(study: Study, section: ArchiveSection) -> datetime:
    """When the study first was quiet: it follows from what came, not from when this job ran."""
    return study.first_quiet_at or study.last_received_at + section.quiet_time


def _store(study: Study, inputs: Inputs, judgement: Judgement) -> Verdict | None:
    """Add a verdict, unless the newest says the same on the same evidence, or no images are kept."""
    row = Verdict(
        study=study,
        outcome=judgement.outcome,
        reason=fitting(Verdict, "reason", judgement.reason),
        study_evidence=inputs.study.to_json(),
        candidates=[one.to_json() for one in verdict_record.records(judgement)],
        findings=verdict_record.findings_json(judgement.findings),
        policy_version=inputs.policy.version,
        inputs_digest=inputs.digest,
    )
    before = Verdict.objects.filter(study=study).order_by("-number").first()
    if before is not None and (study.hidden == Hidden.EXPIRED or _evidence(before) == _evidence(row)):
        return None
    row.number = before.number + 1 if before else 1
    row.save()
    events.record(
        archive_events.VERDICT,
        about=[("study", study.public_id), *(("order", one.order) for one in judgement.chosen)],
        source=f"verdict:{row.public_id}",
        outcome=judgement.outcome,
        number=row.number,
        reason=judgement.reason,
    )
    return row


def _evidence(row: Verdict) -> tuple[Any, ...]:
    """What makes a verdict another one: not that its own images have moved a step on."""
    candidates = [
        {**one, "status": "", "findings": _without_status(one["findings"])} for one in row.candidates
    ]
    return row.outcome, row.policy_version, _without_status(row.findings), candidates


def _without_status(findings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**one, "expected": ""} if one["field"] == "order_status" else one for one in findings]
