"""Appointments and arrivals: what a scheduling system says of when a patient comes, and that one is here."""

from django.db import models

from accounts.models import Facility
from ledger.public_id import PublicModel
from worklist.models.patient import Patient


class AppointmentStatus(models.TextChoices):
    """Where an appointment stands, as its scheduling system last said."""

    BOOKED = "booked"
    CANCELLED = "cancelled"
    DELETED = "deleted"
    NO_SHOW = "no-show"


class Appointment(PublicModel):
    """An appointment of a scheduling system, named by its number; kept before its order comes, and after.

    `services` are `[{code, scheme, start}]`: what is to be done, and when where it is not at `start`.
    """

    facility = models.ForeignKey(Facility, on_delete=models.PROTECT, db_index=False, related_name="+")
    number = models.CharField(max_length=250)
    namespace = models.CharField(max_length=64, blank=True)
    patient = models.ForeignKey(
        Patient, on_delete=models.PROTECT, null=True, blank=True, related_name="appointments"
    )
    status = models.CharField(max_length=9, choices=AppointmentStatus, default=AppointmentStatus.BOOKED)
    start = models.DateTimeField(null=True, blank=True)
    location = models.CharField(max_length=16, blank=True)
    station_ae_title = models.CharField(max_length=16, blank=True)
    reason = models.CharField(max_length=500, blank=True)
    services = models.JSONField(default=list, blank=True)
    stamps = models.JSONField(default=dict, blank=True)
    said = models.JSONField(default=list, blank=True, help_text="each message's stamp and what it said")
    conflict = models.CharField(
        max_length=64, blank=True, help_text="derived: the order of another patient that it names"
    )
    received_at = models.DateTimeField(help_text="when its newest message came")
    looked_again = models.BooleanField(
        default=False, help_text="whether an order was looked for that was written at the same moment"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["number", "namespace"], name="appointment_natural_key"),
            models.CheckConstraint(condition=~models.Q(number=""), name="appointment_has_number"),
        ]
        indexes = [
            models.Index(
                fields=["received_at"], name="appointment_again", condition=models.Q(looked_again=False)
            )
        ]


class AppointmentReference(models.Model):
    """A number by which an appointment names its orders. One that was not said with the newest has gone."""

    class Kind(models.TextChoices):
        PLACER = "placer"
        FILLER = "filler"
        ACCESSION = "accession"

    appointment = models.ForeignKey(
        Appointment, on_delete=models.CASCADE, db_index=False, related_name="references"
    )
    kind = models.CharField(max_length=9, choices=Kind)
    value = models.CharField(max_length=250)
    namespace = models.CharField(max_length=64, blank=True)
    is_bare = models.BooleanField(default=False, help_text="sent without any namespace")
    stamp = models.CharField(max_length=400, help_text="when it was said last")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["appointment", "kind", "value", "namespace"], name="appointment_reference_once"
            )
        ]
        indexes = [models.Index(fields=["kind", "value"], name="appointment_by_order")]


class PatientArrival(models.Model):
    """A patient arrived at an imaging location on a day, as an ADT message said."""

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, db_index=False, related_name="arrivals")
    local_date = models.CharField(max_length=8, help_text="in the facility's time")
    location = models.CharField(max_length=250, blank=True)
    occurred_at = models.DateTimeField()
    stamp = models.CharField(max_length=400)
    source = models.CharField(max_length=200, blank=True)
    received_at = models.DateTimeField()
    looked_again = models.BooleanField(
        default=False, help_text="whether orders were looked for that were written at the same moment"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["patient", "stamp"], name="patient_arrival_natural_key")
        ]
        indexes = [
            models.Index(fields=["local_date"], name="patient_arrival_by_day"),
            models.Index(
                fields=["received_at"], name="patient_arrival_again", condition=models.Q(looked_again=False)
            ),
        ]
