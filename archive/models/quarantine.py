"""What we did not accept, kept with the reason, so that it can be looked at and repaired."""

from django.db import models

from ledger.public_id import PublicModel


class QuarantineState(models.TextChoices):
    """What became of a quarantined object."""

    KEPT = "kept", "in quarantine"
    RELEASED = "released", "released into a study"
    DISCARDED = "discarded", "discarded"


class Quarantined(PublicModel):
    """An object that was refused: its bytes, who sent it, and why."""

    class Reason(models.TextChoices):
        BROKEN = "broken", "can't be read as DICOM"
        BAD_IDENTITY = "bad identity", "its UIDs are missing, malformed or not those announced"
        CONFLICT = "conflict", "another object of this SOP Instance UID with other content is here"
        ORPHAN = "orphan", "a file of a volume that no instance owns"

    name = models.CharField(max_length=100, unique=True, help_text="file name below quarantine/")
    reason = models.CharField(max_length=12, choices=Reason)
    text = models.CharField(max_length=500)
    sop_instance_uid = models.CharField(max_length=200, blank=True, help_text="as announced")
    sop_class_uid = models.CharField(max_length=200, blank=True, help_text="as announced")
    study_instance_uid = models.CharField(max_length=200, blank=True)
    transfer_syntax_uid = models.CharField(max_length=64, blank=True)
    calling_ae_title = models.CharField(max_length=16, blank=True)
    address = models.CharField(max_length=64, blank=True)
    size = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    received_at = models.DateTimeField(auto_now_add=True)
    state = models.CharField(max_length=9, choices=QuarantineState, default=QuarantineState.KEPT)
    released_as = models.CharField(max_length=64, blank=True, help_text="its SOP Instance UID in the archive")
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.CharField(max_length=200, blank=True)
    end_reason = models.CharField(max_length=500, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["-received_at"], name="quarantined_newest_first"),
            models.Index(fields=["sha256"], name="quarantined_by_content"),
        ]
