"""Visits: a stay or an encounter (HL7 v2.5.1 3.4.3 PV1)."""

from django.db import models

from accounts.models import Facility
from ledger.public_id import PublicModel
from worklist.models.patient import AssigningAuthority, Patient
from worklist.models.sent_field import as_sent


class VisitStatus(models.TextChoices):
    """Where a visit stands, as its sender last said."""

    PLANNED = "planned"
    ACTIVE = "active"
    DISCHARGED = "discharged"
    CANCELLED = "cancelled"
    DELETED = "deleted", "deleted at its sender"


class Visit(PublicModel):
    """One visit of a patient record, named by its visit number (PV1-19)."""

    facility = models.ForeignKey(Facility, on_delete=models.PROTECT, db_index=False, related_name="visits")
    authority = models.ForeignKey(
        AssigningAuthority, on_delete=models.PROTECT, db_index=False, related_name="visits"
    )
    number = models.CharField(max_length=250)
    holder = models.CharField(
        max_length=400,
        blank=True,
        db_default="",
        help_text="the patient as sent, where each patient has visit numbers of its own",
    )
    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="visits")
    patient_stamp = models.CharField(max_length=400, blank=True)
    patient_class = models.CharField(max_length=20, blank=True)
    location = models.CharField(max_length=250, blank=True)
    attending = models.CharField(max_length=320, blank=True)
    referring = models.CharField(max_length=320, blank=True)
    attending_provider = as_sent()
    referring_provider = as_sent()
    status = models.CharField(max_length=10, choices=VisitStatus, blank=True, db_default="")
    account = models.CharField(
        max_length=320, blank=True, db_default="", help_text="that the visit is of (PID-18)"
    )
    into = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        db_index=False,
        null=True,
        blank=True,
        related_name="absorbed",
        help_text="the visit, or account, under which it goes on",
    )
    moved_to = models.ForeignKey(
        Patient,
        on_delete=models.PROTECT,
        db_index=False,
        null=True,
        blank=True,
        related_name="+",
        help_text="to whom it was moved, with its orders",
    )
    moves = models.JSONField(
        default=list,
        blank=True,
        db_default=models.Value([], models.JSONField()),
        help_text="[[stamp, from whom, to whom: public ids]]",
    )
    stamps = models.JSONField(default=dict, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["authority", "number", "holder"], name="visit_natural_key"),
            models.CheckConstraint(condition=~models.Q(number=""), name="visit_has_number"),
        ]
        indexes = [
            models.Index(fields=["account"], name="visit_of_account", condition=~models.Q(account="")),
            models.Index(fields=["into"], name="visit_absorbed", condition=models.Q(into__isnull=False)),
        ]

    @property
    def current(self) -> "Visit":
        """The visit under whose number this one goes on."""
        seen, visit = {self.pk}, self
        while visit.into is not None and visit.into_id not in seen:
            visit = visit.into
            seen.add(visit.pk)
        return visit
