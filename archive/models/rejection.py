"""Rejected objects: by a person's decision here, or by a note that came (IHE RAD TF-2, RAD-66; IOCM)."""

from django.db import models

from archive.models.study import Instance
from archive.models.verdict import Decision
from ledger.public_id import PublicModel


class RejectionState(models.TextChoices):
    """Where a rejection stands."""

    NEW = "new", "not applied yet"
    IN_FORCE = "in_force", "hides what it names"
    HELD = "held", "waits for a person: it hides nothing"
    IGNORED = "ignored", "hides nothing, by the site's policy"
    TAKEN_BACK = "taken_back", "taken back"


class Rejection(PublicModel):
    """What one note, or one decision, rejects of one study; a note on several studies makes one for each.

    Order does not matter: the study, and what is rejected of it, may come later.
    """

    study_instance_uid = models.CharField(max_length=64, db_index=True, help_text="as its headers name it")
    code = models.CharField(max_length=6, help_text="the title of the note (PS3.16 CID 7011)")
    cause = models.CharField(max_length=60, blank=True, help_text="what was wrong, as a person said it")
    decision = models.OneToOneField(Decision, on_delete=models.PROTECT, null=True, related_name="rejection")
    note = models.ForeignKey(
        Instance, on_delete=models.PROTECT, null=True, related_name="rejections", help_text="the Key Object"
    )
    source = models.CharField(max_length=16, blank=True, help_text="the AE title that sent the note")
    identity = models.JSONField(default=dict, help_text="whose objects the note says that it names")
    is_whole = models.BooleanField(default=False, help_text="it names the study as a whole")
    state = models.CharField(max_length=10, choices=RejectionState, default=RejectionState.NEW)
    text = models.CharField(max_length=300, blank=True, help_text="why it is held")
    made_at = models.DateTimeField(auto_now_add=True)


class RejectedObject(models.Model):
    """An object that a rejection names, or a whole series; UIDs as they are in headers."""

    rejection = models.ForeignKey(Rejection, on_delete=models.CASCADE, related_name="objects_named")
    series_instance_uid = models.CharField(max_length=64, blank=True)
    sop_instance_uid = models.CharField(max_length=64, blank=True, help_text="empty: all of the series")

    class Meta:
        indexes = [models.Index(fields=["sop_instance_uid"], name="rejected_object_by_uid")]
