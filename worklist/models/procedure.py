"""Requested procedures and scheduled procedure steps (PS3.3 7.3.1, C.4.10, C.4.11)."""

from django.db import models

from ledger.public_id import PublicModel
from worklist.models.order import Order
from worklist.models.sent_field import as_sent


class RequestedProcedure(PublicModel):
    """What one report is asked for. Several may share a planned Study Instance UID."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, db_index=False, related_name="procedures")
    issuer = models.CharField(max_length=64, blank=True)
    requested_procedure_id = models.CharField(max_length=16)
    place = models.PositiveIntegerField(
        null=True, blank=True, help_text="its place in the order, where the sender gave no number"
    )
    study_instance_uid = models.CharField(max_length=64, db_index=True)
    accession_number = models.CharField(max_length=16, blank=True, db_index=True)
    code = models.CharField(max_length=64, blank=True)
    scheme = models.CharField(max_length=64, blank=True)
    description = models.CharField(max_length=64, blank=True)
    body_part = models.CharField(max_length=64, blank=True)
    laterality = models.CharField(max_length=1, blank=True)
    service = as_sent()
    interpreter = as_sent()
    technician = as_sent()
    stamps = models.JSONField(default=dict, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["order", "issuer", "requested_procedure_id"], name="procedure_natural_key"
            ),
            models.UniqueConstraint(fields=["order", "place"], name="procedure_place_once"),
        ]
        indexes = [models.Index(fields=["requested_procedure_id"], name="procedure_by_id")]


class StepStatus(models.TextChoices):
    """Where a step stands. Only SCHEDULED, ARRIVED and STARTED are DICOM's terms (PS3.3 C.4.10)."""

    SCHEDULED = "scheduled"
    ARRIVED = "arrived"
    HELD = "held"
    STARTED = "started"
    COMPLETED = "completed"
    DISCONTINUED = "discontinued"
    CANCELLED = "cancelled"
    NO_SHOW = "no-show"


class ScheduledProcedureStep(PublicModel):
    """What a modality is to do, and when. Keyed by its requested procedure and its own ID."""

    procedure = models.ForeignKey(
        RequestedProcedure, on_delete=models.CASCADE, db_index=False, related_name="steps"
    )
    scheduled_procedure_step_id = models.CharField(max_length=16)
    id_is_generated = models.BooleanField(default=False, help_text="the sender gave no number")
    status = models.CharField(max_length=12, choices=StepStatus, default=StepStatus.SCHEDULED)
    modality = models.CharField(max_length=16, blank=True)
    station_ae_title = models.CharField(max_length=16, blank=True)
    station_name = models.CharField(max_length=16, blank=True)
    station_group = models.CharField(max_length=64, blank=True)
    location = models.CharField(max_length=16, blank=True)
    description = models.CharField(max_length=64, blank=True)
    protocol_codes = models.JSONField(default=list, blank=True)
    performing_physician = models.CharField(max_length=320, blank=True)
    start = models.DateTimeField(null=True, blank=True, help_text="as its order says")
    booking = models.JSONField(
        default=dict,
        blank=True,
        db_default=models.Value({}, models.JSONField()),
        help_text="derived: what its appointments come to",
    )
    modality_for = models.JSONField(
        default=list,
        blank=True,
        db_default=models.Value([], models.JSONField()),
        help_text="the modality that was said, and the code that it was said with",
    )
    stamps = models.JSONField(default=dict, blank=True)

    # Derived, for the worklist: what C-FIND matches, in one row.
    due = models.DateTimeField(help_text="as booked or ordered, or when the order came")
    local_date = models.CharField(max_length=8, help_text="of `due`, in the facility's time")
    local_time = models.CharField(max_length=6)
    on_worklist = models.BooleanField(default=True, help_text="open, of an order with a patient")
    is_timed = models.BooleanField(
        default=True, db_default=True, help_text="of `due`: whether an order or an appointment says it"
    )
    awaits_time = models.BooleanField(
        default=False,
        db_default=False,
        help_text="its appointment was given up, and nobody said another time: it is on no day's list",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["procedure", "scheduled_procedure_step_id"], name="step_natural_key"
            ),
            models.CheckConstraint(condition=~models.Q(scheduled_procedure_step_id=""), name="step_has_id"),
        ]
        indexes = [
            models.Index(
                fields=["local_date", "local_time", "id"],
                name="step_worklist",
                condition=models.Q(on_worklist=True),
            ),
            models.Index(fields=["local_date", "local_time", "id"], name="step_of_day"),
            models.Index(fields=["scheduled_procedure_step_id"], name="step_by_id"),
            models.Index(
                fields=["local_date", "local_time", "id"],
                name="step_to_schedule",
                condition=models.Q(awaits_time=True),
            ),
        ]
