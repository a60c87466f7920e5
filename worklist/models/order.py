"""Orders, their numbers, and what was done to them."""

from collections.abc import Iterable
from typing import Final

from django.db import models

from accounts.models import Facility
from ledger.public_id import PublicModel
from worklist.models.patient import Patient
from worklist.models.sent_field import as_sent
from worklist.models.visit import Visit


class OrderStatus(models.TextChoices):
    """Where an order stands; derived from its acts and those of its steps."""

    SCHEDULED = "scheduled"
    HELD = "held"
    STARTED = "started"
    COMPLETED = "completed"
    DISCONTINUED = "discontinued"
    CANCELLED = "cancelled"


class Priority(models.TextChoices):
    """Requested procedure priority (PS3.3 C.4.12), the most urgent first."""

    STAT = "STAT", "STAT"
    HIGH = "HIGH", "urgent"
    ROUTINE = "ROUTINE", "routine"
    MEDIUM = "MEDIUM", "medium"
    LOW = "LOW", "low"

    @classmethod
    def most_urgent(cls, priorities: Iterable[str]) -> "Priority":
        """The most urgent of some; without any it is routine."""
        ranks = list(cls)
        return min(map(cls, priorities), key=ranks.index, default=cls.ROUTINE)


PRESSING: Final = (Priority.STAT, Priority.HIGH)
"""What goes before everything else."""


class Order(PublicModel):
    """A request of a placer for imaging. Its numbers name it; the accession number is only a label."""

    facility = models.ForeignKey(Facility, on_delete=models.PROTECT, db_index=False, related_name="orders")
    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, null=True, related_name="orders")
    visit = models.ForeignKey(
        Visit, on_delete=models.PROTECT, db_index=False, null=True, blank=True, related_name="orders"
    )
    status = models.CharField(max_length=12, choices=OrderStatus, default=OrderStatus.SCHEDULED)
    accession_number = models.CharField(max_length=16, blank=True, db_index=True)
    accession_of_number = models.CharField(
        max_length=16,
        blank=True,
        db_default="",
        help_text="a number of the order that serves while none is given",
    )
    accession_issuer = models.CharField(max_length=64, blank=True)
    priority = models.CharField(max_length=8, choices=Priority, default=Priority.ROUTINE)
    reason = models.CharField(max_length=1000, blank=True)
    clinical_information = models.CharField(max_length=1000, blank=True)
    comments = models.CharField(max_length=10_000, blank=True, db_default="", help_text="notes of its sender")
    danger = models.CharField(max_length=64, blank=True)
    transport = models.CharField(max_length=64, blank=True)
    confidentiality = models.CharField(max_length=64, blank=True)
    requesting_physician = models.CharField(max_length=320, blank=True)
    ordering_provider = as_sent()
    referring_physician = models.CharField(max_length=320, blank=True)
    attending_provider = as_sent()
    referring_provider = as_sent()
    result_copies_to = as_sent()
    account = as_sent()
    requesting_service = models.CharField(max_length=64, blank=True)
    patient_location = models.CharField(
        max_length=250, blank=True, db_default="", help_text="where no visit is named that has it"
    )
    first_received_at = models.DateTimeField(help_text="when its first message came")
    content_received_at = models.DateTimeField(
        null=True, blank=True, help_text="when its first message with a procedure came"
    )
    contributions = models.JSONField(
        default=list,
        blank=True,
        db_default=models.Value([], models.JSONField()),
        help_text="what was said of procedures and steps, where only some of it names IDs",
    )
    stamps = models.JSONField(default=dict, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["status", "id"], name="order_by_status"),
            models.Index(
                fields=["first_received_at"],
                name="order_awaited",
                condition=models.Q(content_received_at__isnull=True),
            ),
            models.Index(fields=["visit"], name="order_of_visit", condition=models.Q(visit__isnull=False)),
        ]

    @property
    def location(self) -> str:
        """Where the patient is: as the visit says, else as the order's own messages say."""
        visits = [visit for visit in (self.current_visit, self.visit) if visit]
        return next((visit.location for visit in visits if visit.location), self.patient_location)

    @property
    def current_visit(self) -> Visit | None:
        """The visit under whose number its own goes on."""
        return self.visit.current if self.visit else None


class OrderNumber(models.Model):
    """A placer or filler order number (HL7 v2.5.1 4.5.1.2, 4.5.1.3) and the order that it names."""

    class Kind(models.TextChoices):
        PLACER = "placer"
        FILLER = "filler"

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="numbers")
    kind = models.CharField(max_length=6, choices=Kind)
    value = models.CharField(max_length=250)
    namespace = models.CharField(max_length=64, blank=True)
    universal_id = models.CharField(max_length=199, blank=True, db_default="")
    universal_id_type = models.CharField(max_length=6, blank=True, db_default="")
    is_bare = models.BooleanField(
        default=False, db_default=False, help_text="sent without any namespace; it is its sender's own"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "value", "namespace"], name="order_number_natural_key"),
            models.CheckConstraint(condition=~models.Q(value=""), name="order_number_not_empty"),
        ]


class StatusEvent(PublicModel):
    """Something done to an order, or to one of its steps, that bears on its status. Only ever added.

    An undo does not delete: it sets `undone_by`. To reopen is an act too, which undoes the ends that stood.
    """

    class Kind(models.TextChoices):
        ARRIVE = "arrive"
        HOLD = "hold"
        RELEASE = "release"
        START = "start"
        COMPLETE = "complete"
        CANCEL = "cancel"
        DISCONTINUE = "discontinue"
        NO_SHOW = "no-show"
        REOPEN = "reopen"

    order = models.ForeignKey(Order, on_delete=models.CASCADE, db_index=False, related_name="acts")
    step = models.ForeignKey(
        "worklist.ScheduledProcedureStep",
        on_delete=models.CASCADE,
        db_index=False,
        null=True,
        blank=True,
        related_name="acts",
    )
    kind = models.CharField(max_length=12, choices=Kind)
    stamp = models.CharField(max_length=400)
    occurred_at = models.DateTimeField()
    reason = models.CharField(max_length=500, blank=True)
    actor = models.CharField(max_length=200, blank=True)
    source = models.CharField(max_length=200, blank=True)
    undone_by = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["order", "step", "kind", "stamp"], name="act_natural_key"),
            models.UniqueConstraint(
                fields=["order", "kind", "stamp"],
                condition=models.Q(step=None),
                name="act_of_order_natural_key",
            ),
        ]
        indexes = [
            models.Index(fields=["step"], name="act_of_step", condition=models.Q(step__isnull=False)),
            # What a person did last, and what a study's images did.
            models.Index(fields=["source", "id"], name="act_by_source", condition=models.Q(undone_by="")),
        ]
