"""What a person must look at because messages disagree on who somebody is."""

from django.db import models
from django.utils import timezone

from accounts.models import Facility
from ledger.public_id import PublicModel
from worklist.models.order import Order
from worklist.models.patient import Patient


class IdentityExceptionKind(models.TextChoices):
    """In what messages disagree."""

    OTHER_PATIENT = "other_patient", "an order names another patient"
    REPORT_OF_ANOTHER = "report_of_another", "a report names another patient"
    SHARED_NUMBER = "shared_number", "one number for two patients"
    CONTRADICTING_NUMBERS = "contradicting_numbers", "order numbers contradict each other"
    LINKED_BY_MESSAGE = "linked_by_message", "two numbers of one authority in one message"
    MERGES_CONFLICT = "merges_conflict", "merges contradict each other"
    MERGE_REFUSED = "merge_refused", "a merge was refused"
    VISIT_OF_ANOTHER = "visit_of_another", "a visit or account of another patient"


class IdentityException(PublicModel):
    """A doubt about who somebody is; the same doubt again is counted and opens it again.

    `said` is what the message says of the patient, who may be nobody here.
    """

    class Status(models.TextChoices):
        OPEN = "open"
        RESOLVED = "resolved"
        CLOSED = "closed", "went away by itself"

    facility = models.ForeignKey(Facility, on_delete=models.PROTECT, db_index=False, related_name="+")
    kind = models.CharField(max_length=24, choices=IdentityExceptionKind)
    key = models.CharField(max_length=200, help_text="what makes it the same doubt")
    text = models.CharField(max_length=500)
    patient = models.ForeignKey(
        Patient, on_delete=models.PROTECT, null=True, related_name="identity_exceptions"
    )
    other = models.ForeignKey(Patient, on_delete=models.PROTECT, null=True, related_name="+")
    order = models.ForeignKey(Order, on_delete=models.SET_NULL, null=True, related_name="+")
    said = models.JSONField(default=dict, help_text="{name, birth_date, sex, identifiers: [text]}")
    source = models.CharField(max_length=200, help_text="of the newest message")
    times = models.PositiveIntegerField(default=1)
    status = models.CharField(max_length=8, choices=Status, default=Status.OPEN)
    opened_at = models.DateTimeField(default=timezone.now)
    last_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.CharField(max_length=200, blank=True)
    end_reason = models.CharField(max_length=500, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "key"], name="identity_exception_natural_key")]
        indexes = [models.Index(fields=["status", "opened_at"], name="identity_exception_by_status")]
