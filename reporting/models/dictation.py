"""Dictations: sound as it was spoken, in immutable segments, and what became of it."""

from typing import Final

from django.db import models

from accounts.models import User
from ledger.public_id import PublicModel
from reporting.models.item import ReadingItem


class DictationState(models.TextChoices):
    """How far a dictation has come; before `recording` ends, parts of it may lie on the device only."""

    RECORDING = "recording"
    QUEUED = "queued"
    IN_TYPING = "in_typing"
    TYPED = "typed"
    CLOSED = "closed"
    RETURNED = "returned"
    DISCARDED = "discarded"


WAITING: Final = (DictationState.QUEUED, DictationState.IN_TYPING)
"""What a transcriptionist types or is to type."""
UNTYPED: Final = (DictationState.RECORDING, *WAITING, DictationState.RETURNED)
"""What is nowhere but in the sound."""


class ReturnReason(models.TextChoices):
    """Why a transcriptionist gives a dictation back to its author."""

    NO_AUDIO = "no audio"
    POOR_AUDIO = "poor audio"
    INCOMPLETE = "incomplete"
    MISSING_WORDS = "missing words"
    WRONG_PATIENT = "wrong patient suspected"


class Dictation(PublicModel):
    """What somebody said about a reading item: PCM, 16 bit, mono, little endian.

    `uuid` is made by the client, so that sending again makes nothing new. It is bound to its item and patient
    from the first sample on.
    """

    uuid = models.CharField(max_length=36, unique=True)
    item = models.ForeignKey(ReadingItem, on_delete=models.PROTECT, related_name="dictations")
    author = models.ForeignKey(User, on_delete=models.PROTECT, related_name="dictations")
    patient_public_id = models.CharField(max_length=32, blank=True, help_text="whom it was spoken of")
    state = models.CharField(max_length=9, choices=DictationState, default=DictationState.RECORDING)
    sample_rate = models.PositiveIntegerField(default=16000)
    sample_count = models.PositiveBigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True, help_text="of all samples, once it is complete")
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    sections = models.JSONField(default=dict, blank=True, help_text="what was typed from it")
    revision = models.PositiveIntegerField(default=1)
    typist = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="typing")
    typing_until = models.DateTimeField(null=True, blank=True)
    typing_fence = models.PositiveIntegerField(default=0)
    typing_began_at = models.DateTimeField(null=True, blank=True)
    typed_at = models.DateTimeField(null=True, blank=True)
    return_reason = models.CharField(max_length=24, choices=ReturnReason, blank=True)
    note = models.CharField(max_length=500, blank=True, help_text="of a return or a discard")

    class Meta:
        indexes = [models.Index(fields=["state", "id"], name="dictation_by_state")]

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.sample_count / self.sample_rate


class Segment(models.Model):
    """A stretch of a dictation, in a file of its own. Never changed; kept until retention ends."""

    dictation = models.ForeignKey(
        Dictation, on_delete=models.PROTECT, db_index=False, related_name="segments"
    )
    seq = models.PositiveIntegerField()
    name = models.CharField(max_length=100, help_text="below dictations/")
    size = models.PositiveIntegerField(help_text="bytes")
    sha256 = models.CharField(max_length=64)
    received_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["dictation", "seq"], name="segment_natural_key")]
