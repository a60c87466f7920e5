"""What peers did at the DICOM port lately, for those who find out why something does not work."""

from django.db import models


class StationContact(models.Model):
    """An association or a worklist query of a peer. Only the newest of each are kept."""

    class Kind(models.TextChoices):
        ASSOCIATION = "association"
        QUERY = "query"

    kind = models.CharField(max_length=11, choices=Kind)
    calling_ae_title = models.CharField(max_length=16, blank=True, help_text="empty: it never said")
    address = models.CharField(max_length=64)
    at = models.DateTimeField(help_text="when it began")
    outcome = models.CharField(max_length=64)
    is_trouble = models.BooleanField(default=False)
    details = models.JSONField(default=dict)
    identifier = models.BinaryField(null=True, help_text="of a query, as sent")
    transfer_syntax = models.CharField(max_length=64, blank=True)

    class Meta:
        indexes = [models.Index(fields=["calling_ae_title", "kind", "-id"], name="contact_of_station")]

    def __str__(self) -> str:
        return f"{self.calling_ae_title} {self.kind} {self.outcome}"
