"""Reading items: one for each report to be made, who has it, and who had it when."""

from django.db import models

from accounts.models import Facility, User
from archive.models import ReadingStatus, Study
from ledger.public_id import PublicModel
from worklist.models import Patient, RequestedProcedure


class HoldReason(models.TextChoices):
    """Why an item waits for somebody outside; an exception never holds."""

    NEED_INFORMATION = "need information"
    IMAGES_MISSING = "images missing"


class ReadingItem(PublicModel):
    """One report to be made: n requested procedures, m studies, one patient.

    `key` names what it was made for: `procedure:ID` or, where no order is known, `study:UID`. Status and
    possession are two things: who has it is told by its lease. The times are those of the first occurrence
    of each milestone, for turnaround; `revision` counts the changes of its status, patient and studies.
    """

    key = models.CharField(max_length=80, unique=True)
    facility = models.ForeignKey(Facility, on_delete=models.PROTECT, related_name="reading_items")
    patient = models.ForeignKey(
        Patient, on_delete=models.PROTECT, null=True, blank=True, related_name="reading_items"
    )
    studies = models.ManyToManyField(Study, related_name="reading_items")
    procedures = models.ManyToManyField(RequestedProcedure, blank=True, related_name="reading_items")
    status = models.CharField(max_length=12, choices=ReadingStatus, default=ReadingStatus.READY)
    withdrawn_reason = models.CharField(max_length=200, blank=True)
    revision = models.PositiveIntegerField(default=1)
    priority = models.CharField(max_length=8, default="ROUTINE")
    band = models.PositiveSmallIntegerField(default=1, help_text="0: STAT, 1: the rest")
    modality = models.CharField(max_length=16, blank=True)
    body_part = models.CharField(max_length=64, blank=True)
    description = models.CharField(max_length=255, blank=True)
    reserved_for = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    reserved_until = models.DateTimeField(null=True, blank=True)
    hold_reason = models.CharField(max_length=20, choices=HoldReason, blank=True)
    hold_note = models.CharField(max_length=500, blank=True)
    patient_question = models.CharField(
        max_length=200, blank=True, help_text="what its author must confirm before the text may be signed"
    )
    begun_key = models.CharField(
        max_length=80, blank=True, help_text="its key when its author or signer was asked"
    )
    begun_for = models.ForeignKey(
        Patient,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="whom it was of then",
    )
    retracted = models.BooleanField(
        default=False, help_text="its report was retracted; another took its place"
    )
    seen_images = models.PositiveIntegerField(default=0, help_text="how many its reader was shown")

    ordered_at = models.DateTimeField(null=True, blank=True)
    scheduled_at = models.DateTimeField(null=True, blank=True)
    arrived_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    ready_at = models.DateTimeField()
    due_at = models.DateTimeField()
    opened_at = models.DateTimeField(null=True, blank=True)
    dictated_at = models.DateTimeField(null=True, blank=True)
    typed_at = models.DateTimeField(null=True, blank=True)
    preliminary_at = models.DateTimeField(null=True, blank=True)
    final_at = models.DateTimeField(null=True, blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["band", "due_at", "ready_at", "id"],
                name="item_reading_worklist",
                condition=models.Q(status__in=["ready", "reading", "dictated", "transcribed", "preliminary"]),
            ),
            models.Index(fields=["status", "due_at"], name="item_by_status"),
            models.Index(fields=["completed_at"], name="item_by_completion"),
            models.Index(fields=["ready_at"], name="item_by_readiness"),
            models.Index(fields=["final_at"], name="item_by_signature"),
        ]

    def __str__(self) -> str:
        return self.key


class ReadingLease(models.Model):
    """The right to write on an item, for two minutes at a stretch. `fence` grows with each new holder."""

    item = models.OneToOneField(ReadingItem, on_delete=models.CASCADE, related_name="lease")
    holder = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="reading_leases")
    fence = models.PositiveIntegerField(default=0)
    taken_at = models.DateTimeField()
    until = models.DateTimeField()
    input_at = models.DateTimeField(null=True, blank=True, help_text="the last input of its holder")
    parked = models.BooleanField(default=False)
    taken_from = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    taken_reason = models.CharField(max_length=500, blank=True)

    class Meta:
        indexes = [models.Index(fields=["until"], name="reading_lease_until")]


class Skip(models.Model):
    """A reader passed an item over, and why; it is not handed to that reader again, or not before `until`."""

    item = models.ForeignKey(ReadingItem, on_delete=models.CASCADE, db_index=False, related_name="skips")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="skips")
    reason = models.CharField(max_length=500)
    at = models.DateTimeField()
    until = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["item", "user"], name="skip_once")]


class Owner(models.TextChoices):
    """Whose turn it is: between ready and final each second has one owner."""

    QUEUE = "queue", "in the reading list"
    READER = "reader", "with its reader"
    TYPIST = "typist", "in transcription"
    SIGNER = "signer", "waiting for its signature"
    OUTSIDE = "outside", "on hold"  # for information or images
    NOBODY = "nobody", "done"


class OwnerSpan(models.Model):
    """From `at` on, until the next row, the item was `owner`'s. Rows are only ever added."""

    item = models.ForeignKey(ReadingItem, on_delete=models.CASCADE, db_index=False, related_name="spans")
    at = models.DateTimeField()
    owner = models.CharField(max_length=8, choices=Owner)
    status = models.CharField(max_length=12, choices=ReadingStatus)
    actor = models.CharField(max_length=200, blank=True)

    class Meta:
        indexes = [models.Index(fields=["item", "at", "id"], name="owner_span_of_item")]


class RecheckOutcome(models.TextChoices):
    """What the signer made of a recheck."""

    STILL_VALID = "still valid"
    ADDENDUM = "addendum"
    CORRECTION = "correction"
    RETRACTION = "retraction"
    UNDONE = "undone"  # what gave cause to ask was taken back


class Recheck(PublicModel):
    """Something changed under a signed report; its signer says within 24 h whether the report still holds."""

    item = models.ForeignKey(ReadingItem, on_delete=models.CASCADE, related_name="rechecks")
    signer = models.ForeignKey(User, on_delete=models.PROTECT, related_name="rechecks")
    cause = models.CharField(max_length=200)
    raised_at = models.DateTimeField()
    due_at = models.DateTimeField()
    outcome = models.CharField(max_length=12, choices=RecheckOutcome, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.CharField(max_length=200, blank=True)
    note = models.CharField(max_length=500, blank=True)
    confirmed = models.JSONField(
        default=dict, blank=True, help_text="the identity for which its signer said that the report holds"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["item"], condition=models.Q(closed_at=None), name="one_open_recheck_of_item"
            )
        ]
