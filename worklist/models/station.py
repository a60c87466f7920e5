"""Stations (modalities) and the procedure catalogue, from the site file and editable."""

from django.db import models


class Station(models.Model):
    """A modality, named by its AE title (PS3.8 9.3.2; DICOM Scheduled Station AE Title)."""

    ae_title = models.CharField(max_length=16, unique=True)
    name = models.CharField(max_length=16, blank=True)
    modalities = models.JSONField(default=list)
    group = models.CharField(max_length=64, blank=True)
    location = models.CharField(max_length=64, blank=True)
    selection = models.CharField(max_length=8, default="all", help_text="all, own, modality or group")
    window_days = models.PositiveIntegerField(default=0, help_text="0: no limit")
    show_started = models.BooleanField(default=True)
    character_set = models.CharField(
        max_length=64, blank=True, help_text="what it can take; empty: each answer as its name came in"
    )
    services = models.JSONField(default=list, blank=True)
    hosts = models.JSONField(default=list, blank=True)
    from_site_file = models.BooleanField(default=False)
    edited_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.ae_title


class ProcedureCode(models.Model):
    """An entry of the catalogue: what a procedure code means for scheduling."""

    code = models.CharField(max_length=64)
    scheme = models.CharField(max_length=64, blank=True)
    description = models.CharField(max_length=64)
    modality = models.CharField(max_length=16)
    body_part = models.CharField(max_length=64, blank=True)
    laterality = models.CharField(max_length=1, blank=True)
    duration_minutes = models.PositiveIntegerField(default=15)
    station_group = models.CharField(max_length=64, blank=True)
    station_ae_title = models.CharField(max_length=16, blank=True)
    protocols = models.JSONField(
        default=list, blank=True, help_text="[{code, scheme, meaning}] of the protocol codes"
    )
    is_active = models.BooleanField(
        default=True, db_default=True, help_text="whether it can be ordered here from now on"
    )
    stamps = models.JSONField(default=dict, blank=True, db_default=models.Value({}, models.JSONField()))
    from_site_file = models.BooleanField(default=False)
    edited_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["code", "scheme"], name="procedure_code_natural_key")]

    def __str__(self) -> str:
        return f"{self.code} {self.description}"
