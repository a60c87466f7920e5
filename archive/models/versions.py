"""Versions of stored objects: what was sent again under the same SOP Instance UID with another header."""

from django.db import models

from archive.models.storage import StoredFile
from archive.models.study import Instance
from archive.models.verdict import Decision
from ledger.public_id import PublicModel


class VersionState(models.TextChoices):
    """What became of a version."""

    WAITING = "waiting", "taken once the study is quiet"
    HELD = "held", "waits for a decision"
    TAKEN = "taken", "taken"
    DECLINED = "declined", "not taken"
    SUPERSEDED = "superseded", "a newer one came first"


class HeldBecause(models.TextChoices):
    """Why a version isn't taken by itself."""

    POLICY = "policy", "the site asks for a decision on what this source sends again"
    CONTENT = "content", "what it says or measures is another, not only whose it is"
    STUDY = "study", "its header names another study"
    SIGNED = "signed", "a report of the study is signed"
    REJECTED = "rejected", "the study or the image is rejected"
    PERSON = "person", "it names another patient than the one to whom the images belong"
    OLD = "old", "it is a header from before, and the images belong to a patient by a later one"


class ObjectVersion(PublicModel):
    """A version of an object after the first one, which is its instance itself. Its file never changes."""

    instance = models.ForeignKey(Instance, on_delete=models.PROTECT, db_index=False, related_name="versions")
    number = models.PositiveSmallIntegerField(help_text="from 2 on, in the order in which they came")
    file = models.OneToOneField(StoredFile, on_delete=models.PROTECT, related_name="version")
    state = models.CharField(max_length=10, choices=VersionState, default=VersionState.WAITING)
    held_because = models.CharField(max_length=8, choices=HeldBecause, blank=True)
    decision = models.ForeignKey(
        Decision, on_delete=models.SET_NULL, null=True, blank=True, related_name="versions"
    )
    received_at = models.DateTimeField()
    calling_ae_title = models.CharField(max_length=16, blank=True)
    address = models.CharField(max_length=64, blank=True)
    study_instance_uid = models.CharField(max_length=64, help_text="as its header says")
    differences = models.JSONField(
        default=list, help_text="[{where, name, before, after}] against the version before it"
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["instance", "number"], name="version_natural_key")]
        indexes = [
            models.Index(
                fields=["instance"],
                name="version_undecided",
                condition=models.Q(state__in=("waiting", "held")),
            )
        ]
