"""Studies, series and instances as received: nothing in them is corrected."""

from collections.abc import Iterable
from typing import Final

from django.db import models

from accounts.models import Facility
from ledger.public_id import PublicModel
from worklist.models import Patient, RequestedProcedure


class ReadingStatus(models.TextChoices):
    """Where the reading of a study stands. Only `reporting` writes it once there is something to read."""

    NOT_READY = "not_ready", "not ready"
    READY = "ready", "ready"
    READING = "reading", "reading"
    DICTATED = "dictated", "dictated"
    TRANSCRIBED = "transcribed", "transcribed"
    PRELIMINARY = "preliminary", "preliminary"
    FINAL = "final", "final"
    AMENDED = "amended", "amended"
    WITHDRAWN = "withdrawn", "withdrawn"


HAS_SIGNATURE: Final = (ReadingStatus.PRELIMINARY, ReadingStatus.FINAL, ReadingStatus.AMENDED)
"""A report of the study is signed, be it for the time being; a preliminary one is still open."""


class Hidden(models.TextChoices):
    """Why a study is shown nowhere but among the exceptions; it stays on disk."""

    REJECTED = "rejected", "a person rejected it"
    NOTED = "noted", "all its images are rejected"
    EXPIRED = "expired", "its images are kept no longer"
    JOINED = "joined", "its series are back in the study that they came in"


PATIENT_NAME_KEYS: Final = ("patient_name_key", "patient_ideographic_key", "patient_phonetic_key")
REFERRER_KEYS: Final = ("referrer_key", "referrer_ideographic_key", "referrer_phonetic_key")
"""What the names in a study's header are found by: their component groups, folded."""


_GIVEN: Final = "the UID that a split has given it; empty: that of its header"


def known_as(uid_in_header: str, uids: Iterable[str], through: str = "") -> models.Q:
    """Series or instances by the UIDs under which they are shown and sent.

    `uid_in_header` is the column with the UID of the header, `through` the way to its table.
    """
    uids = list(uids)
    by_header = models.Q((f"{through}{uid_in_header}__in", uids), (f"{through}given_uid", ""))
    return by_header | models.Q((f"{through}given_uid__in", [uid for uid in uids if uid]))


class Study(PublicModel):
    """A study, as its own header tells of it, and what reconcile makes of it.

    `patient` and `procedures` are set only by a verdict or a person's decision; until then the study shows
    the identity in its header, marked as such.
    """

    facility = models.ForeignKey(Facility, on_delete=models.PROTECT, related_name="studies")
    study_instance_uid = models.CharField(max_length=64, unique=True)
    patient = models.ForeignKey(
        Patient, on_delete=models.PROTECT, null=True, blank=True, related_name="studies"
    )
    procedures = models.ManyToManyField(RequestedProcedure, blank=True, related_name="studies")
    hidden = models.CharField(max_length=8, choices=Hidden, blank=True)
    split_from = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="parts"
    )

    patient_name = models.CharField(max_length=320, blank=True)
    patient_name_key = models.CharField(max_length=320, blank=True, db_index=True)
    patient_ideographic_key = models.CharField(max_length=320, blank=True)
    patient_phonetic_key = models.CharField(max_length=320, blank=True)
    header_patient_id = models.CharField(max_length=64, blank=True, db_index=True)
    issuer_of_patient_id = models.CharField(max_length=64, blank=True)
    birth_date = models.CharField(max_length=18, blank=True)
    sex = models.CharField(max_length=16, blank=True)
    accession_number = models.CharField(max_length=64, blank=True, db_index=True)
    study_id = models.CharField(max_length=64, blank=True)
    study_date = models.CharField(max_length=18, blank=True, db_index=True)
    study_time = models.CharField(max_length=28, blank=True)
    description = models.CharField(max_length=255, blank=True)
    referring_physician = models.CharField(max_length=320, blank=True)
    referrer_key = models.CharField(max_length=320, blank=True, help_text="alphabetic, folded")
    referrer_ideographic_key = models.CharField(max_length=320, blank=True)
    referrer_phonetic_key = models.CharField(max_length=320, blank=True)
    modalities = models.JSONField(default=list, blank=True)
    header = models.JSONField(default=dict, blank=True, help_text="what else its headers say of it")
    series_count = models.PositiveIntegerField(default=0)
    instance_count = models.PositiveIntegerField(default=0)

    first_received_at = models.DateTimeField()
    last_received_at = models.DateTimeField()
    first_quiet_at = models.DateTimeField(null=True, blank=True, help_text="when it first had become quiet")
    verdict = models.CharField(max_length=12, default="pending", db_index=True)
    reading_status = models.CharField(
        max_length=12, choices=ReadingStatus, default=ReadingStatus.NOT_READY, db_index=True
    )

    class Meta:
        indexes = [models.Index(fields=["-last_received_at", "-id"], name="study_newest_first")]

    def __str__(self) -> str:
        return self.study_instance_uid


class Series(PublicModel):
    """A series, as received. A split moves it to a study of its own, whatever its headers name."""

    study = models.ForeignKey(Study, on_delete=models.PROTECT, db_index=False, related_name="series")
    moved_from = models.ForeignKey(
        Study,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="moved_series",
        help_text="the study that its headers name, where that is another",
    )
    series_instance_uid = models.CharField(max_length=64, db_index=True)
    given_uid = models.CharField(max_length=64, blank=True, help_text=_GIVEN)
    modality = models.CharField(max_length=16, blank=True)
    number = models.CharField(max_length=16, blank=True)
    description = models.CharField(max_length=255, blank=True)
    body_part = models.CharField(max_length=64, blank=True)
    laterality = models.CharField(max_length=16, blank=True)
    station_name = models.CharField(max_length=64, blank=True)
    station_ae_title = models.CharField(max_length=64, blank=True, help_text="the AE title that sent it")
    header = models.JSONField(default=dict, blank=True, help_text="what else its headers say of it")
    header_values = models.JSONField(
        default=dict, blank=True, help_text="what its objects say of their patient and study"
    )
    instance_count = models.PositiveIntegerField(default=0)

    class Meta:
        # Devices do send one Series Instance UID in two studies; neither may swallow the other's images.
        constraints = [
            models.UniqueConstraint(fields=["study", "series_instance_uid"], name="series_natural_key")
        ]
        indexes = [
            models.Index(fields=["study", "id"], name="series_of_study"),
            models.Index(fields=["given_uid"], name="series_given_uid", condition=~models.Q(given_uid="")),
        ]

    @property
    def uid(self) -> str:
        """The Series Instance UID under which it is shown and sent."""
        return self.given_uid or self.series_instance_uid


class Instance(PublicModel):
    """A stored object. The row is made when it is received; `indexed_at` says that its header was read."""

    sop_instance_uid = models.CharField(max_length=64, unique=True)
    given_uid = models.CharField(max_length=64, blank=True, db_default="", help_text=_GIVEN)
    sop_class_uid = models.CharField(max_length=64)
    study_instance_uid = models.CharField(max_length=64)
    series_instance_uid = models.CharField(max_length=64)
    series = models.ForeignKey(Series, on_delete=models.PROTECT, null=True, related_name="instances")
    number = models.CharField(max_length=16, blank=True)
    rows = models.PositiveIntegerField(null=True, blank=True)
    columns = models.PositiveIntegerField(null=True, blank=True)
    frames = models.PositiveIntegerField(default=1)
    header = models.JSONField(default=dict, blank=True, help_text="what else its header says of it")
    calling_ae_title = models.CharField(max_length=16, blank=True)
    received_at = models.DateTimeField()
    times_received = models.PositiveIntegerField(default=1)
    indexed_at = models.DateTimeField(null=True, blank=True)
    index_error = models.CharField(max_length=500, blank=True)
    rejection = models.ForeignKey(
        "Rejection",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="instances",
        help_text="what hides it; an instance without one is shown",
    )

    class Meta:
        indexes = [
            models.Index(fields=["id"], name="instance_to_index", condition=models.Q(indexed_at=None)),
            models.Index(fields=["study_instance_uid", "series_instance_uid"], name="instance_of_study"),
            models.Index(fields=["given_uid"], name="instance_given_uid", condition=~models.Q(given_uid="")),
        ]

    @property
    def uid(self) -> str:
        """The SOP Instance UID under which it is shown and sent."""
        return self.given_uid or self.sop_instance_uid


class FormerUid(models.Model):
    """A SOP Instance UID that a split had given an instance before another one did, or before its undo."""

    uid = models.CharField(max_length=64, unique=True)
    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, related_name="former_uids")
