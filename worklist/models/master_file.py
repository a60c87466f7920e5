"""What master files say beside the procedure catalogue: the staff and the locations of a hospital."""

from django.db import models


class StaffMember(models.Model):
    """Somebody who orders or performs, by the number that messages use. None of these can sign in."""

    code = models.CharField(max_length=250, unique=True)
    identifiers = models.JSONField(default=list, blank=True, help_text="other numbers of the same person")
    name = models.CharField(max_length=320, blank=True, help_text="DICOM PN")
    role = models.CharField(max_length=250, blank=True)
    is_active = models.BooleanField(default=True)
    stamps = models.JSONField(default=dict, blank=True)

    def __str__(self) -> str:
        return self.name or self.code


class HospitalLocation(models.Model):
    """A ward, a room or a bed (PL), as messages write it, and what people call it."""

    code = models.CharField(max_length=250, unique=True)
    description = models.CharField(max_length=250, blank=True)
    is_active = models.BooleanField(default=True)
    stamps = models.JSONField(default=dict, blank=True)

    def __str__(self) -> str:
        return self.description or self.code
