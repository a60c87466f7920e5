"""Reports that others made and sent here: all their versions, and what names the studies that they are of."""

from django.db import models

from accounts.models import Facility
from ledger.public_id import PublicModel
from worklist.models import Patient


class OutsideStatus(models.TextChoices):
    """How far a version of an outside report has come, as its sender says (HL7 Tables 0123, 0085)."""

    PRELIMINARY = "preliminary"
    FINAL = "final"
    CORRECTED = "corrected"
    WITHDRAWN = "withdrawn"


class OutsideReport(PublicModel):
    """A report of another system, named by its sender and its number there."""

    facility = models.ForeignKey(Facility, on_delete=models.PROTECT, db_index=False, related_name="+")
    sender = models.CharField(max_length=200, help_text="its application and its facility")
    number = models.CharField(max_length=250)
    namespace = models.CharField(max_length=64, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["sender", "number", "namespace"], name="outside_report_natural_key"
            ),
            models.CheckConstraint(condition=~models.Q(number=""), name="outside_report_has_number"),
        ]


class OutsideReportVersion(PublicModel):
    """What one message said of an outside report. Only ever added; the one of the newest stamp is current."""

    report = models.ForeignKey(
        OutsideReport, on_delete=models.PROTECT, db_index=False, related_name="versions"
    )
    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="outside_reports")
    stamp = models.CharField(max_length=400)
    status = models.CharField(max_length=11, choices=OutsideStatus)
    title = models.TextField(blank=True)
    text = models.TextField(blank=True)
    author = models.TextField(blank=True, help_text="DICOM PN")
    reported_at = models.DateTimeField(null=True, blank=True)
    received_at = models.DateTimeField()
    source = models.CharField(max_length=200, blank=True, help_text="the message that brought it")
    marks_read = models.BooleanField(
        default=False, help_text="its source's reports, once final, are all that its studies need"
    )
    is_current = models.BooleanField(default=True, help_text="derived: whether none is newer")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["report", "stamp"], name="outside_version_natural_key"),
            models.UniqueConstraint(
                fields=["report"], condition=models.Q(is_current=True), name="outside_version_one_current"
            ),
        ]


class OutsideReportReference(models.Model):
    """What a version names its studies by: a Study Instance UID, or a number of their orders."""

    class Kind(models.TextChoices):
        STUDY = "study"
        ACCESSION = "accession"
        PLACER = "placer"
        FILLER = "filler"

    version = models.ForeignKey(OutsideReportVersion, on_delete=models.CASCADE, related_name="references")
    kind = models.CharField(max_length=9, choices=Kind)
    value = models.CharField(max_length=250)
    namespace = models.CharField(max_length=64, blank=True)

    class Meta:
        indexes = [models.Index(fields=["kind", "value"], name="outside_report_by_study")]


class OutsideDocument(PublicModel):
    """A document that came with a version, such as its PDF, as its sender made it."""

    version = models.ForeignKey(OutsideReportVersion, on_delete=models.CASCADE, related_name="documents")
    title = models.TextField(blank=True)
    media_type = models.CharField(max_length=100)
    content = models.BinaryField()
