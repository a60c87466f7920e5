"""Verdicts on studies, the exceptions that they open, and people's decisions."""

from datetime import datetime, timedelta
from typing import Final

from django.db import models
from django.utils import timezone

from accounts.models import User
from archive.models.study import Study
from ledger.public_id import PublicModel


class Outcome(models.TextChoices):
    """What reconcile thinks of a study."""

    MATCHED = "matched", "matched"
    CORRECTED = "corrected", "corrected"
    PROBABLE = "probable", "probable"
    AMBIGUOUS = "ambiguous", "ambiguous"
    UNSCHEDULED = "unscheduled", "unscheduled"
    MISMATCH = "mismatch", "mismatch"
    LATE_ORDER = "late_order", "late order"
    PHANTOM = "phantom", "phantom"
    PENDING = "pending", "pending"


class Verdict(PublicModel):
    """One verdict with its evidence. Rows are only ever added; the newest counts."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, db_index=False, related_name="verdicts")
    number = models.PositiveIntegerField()
    outcome = models.CharField(max_length=12, choices=Outcome)
    reason = models.CharField(
        max_length=500, blank=True, db_default="", help_text="in a sentence; of older ones the event has it"
    )
    study_evidence = models.JSONField(help_text="what was seen of the study")
    candidates = models.JSONField(
        default=list,
        help_text="[{scheduled_procedure_step_id, accession_number, patient, score, findings}], best first",
    )
    findings = models.JSONField(
        default=list,
        help_text="[{field, seen, expected, normaliser, agreement, weight}] of the best candidate",
    )
    policy_version = models.CharField(max_length=64)
    inputs_digest = models.CharField(max_length=64, help_text="SHA-256 of all that it was computed from")
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["study", "number"], name="verdict_natural_key")]


class ExceptionStatus(models.TextChoices):
    """Where an exception stands."""

    OPEN = "open"
    RESOLVED = "resolved"
    CLOSED = "closed", "went away by itself"
    NONE = "none", "never in doubt"


class ExceptionKind(models.TextChoices):
    """Why a person has to look at a study: its verdict, or what changed under a link that holds."""

    VERDICT = "verdict", "verdict"
    CANCELLED_AFTER_IMAGES = "cancelled_after_images", "order cancelled after the images"
    NOTE_HELD = "note_held", "rejection note needs review"
    IDENTITY_REPLACED = "identity_replaced", "patient details replaced"
    RESENT = "resent", "sent again with another header"
    IMAGES_AFTER_REJECTION = "images_after_rejection", "images came after the rejection"
    SPLIT_OFF = "split_off", "split off, and of the same order by its headers"


TARGET: Final = timedelta(hours=4)
"""Within what time a person should have decided."""
TARGET_STAT: Final = timedelta(minutes=15)
"""The same where an order that the study could be of is STAT."""


def _due() -> datetime:
    return timezone.now() + TARGET


class StudyException(PublicModel):
    """A study that a person must look at: every verdict but matched, corrected, phantom and
    pending opens one.

    So does what changes under a match: see `ExceptionKind`.
    """

    study = models.OneToOneField(Study, on_delete=models.CASCADE, related_name="exception")
    status = models.CharField(max_length=8, choices=ExceptionStatus, default=ExceptionStatus.OPEN)
    kind = models.CharField(max_length=24, choices=ExceptionKind, default=ExceptionKind.VERDICT)
    resolution = models.CharField(max_length=16, blank=True)
    opened_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField(default=_due)

    class Meta:
        indexes = [
            models.Index(fields=["status", "opened_at"], name="exception_by_status"),
            models.Index(fields=["status", "due_at"], name="exception_by_due"),
        ]


class Decision(PublicModel):
    """A person's act on a study: kind, reason, before, after, and what undid it.

    What kinds there are is said by `archive.decisions`.
    """

    study = models.ForeignKey(Study, on_delete=models.CASCADE, db_index=False, related_name="decisions")
    kind = models.CharField(max_length=16)
    reason = models.CharField(max_length=500)
    by = models.CharField(max_length=200)
    at = models.DateTimeField(auto_now_add=True)
    parameters = models.JSONField(default=dict, help_text="what was decided on")
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    undone_at = models.DateTimeField(null=True, blank=True)
    undone_by = models.CharField(max_length=200, blank=True)
    undo_reason = models.CharField(max_length=500, blank=True)

    class Meta:
        indexes = [models.Index(fields=["study", "id"], name="decision_of_study")]


class RequestState(models.TextChoices):
    """What became of a decision that takes a second person."""

    WAITING = "waiting", "waits for a second person"
    CONFIRMED = "confirmed", "confirmed"
    DECLINED = "declined", "declined"


class DecisionRequest(PublicModel):
    """A decision, or the undo of one, that waits for a second person: a report of the study is signed.

    `names` are what the decision needs, as a body names it; `revision` is that of the study when it was asked
    for, so that nothing is confirmed that somebody has decided on since.
    """

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="decision_requests")
    kind = models.CharField(max_length=16, help_text="of the decision, or `undo`")
    names = models.JSONField(default=dict)
    reason = models.CharField(max_length=500)
    revision = models.PositiveIntegerField()
    effects = models.JSONField(default=list, help_text="in words, as whoever asked saw them")
    exception_before = models.JSONField(null=True, help_text="where the exception stood")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    by = models.CharField(max_length=200)
    at = models.DateTimeField(auto_now_add=True)
    state = models.CharField(max_length=9, choices=RequestState, default=RequestState.WAITING)
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.CharField(max_length=200, blank=True)
    end_reason = models.CharField(max_length=500, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["study"], condition=models.Q(state="waiting"), name="one_waiting_decision_of_study"
            )
        ]
