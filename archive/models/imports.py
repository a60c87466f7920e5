"""What people bring: discs, folders, scanned film. Who brought it, where it came from, what became of it."""

from django.db import models

from accounts.models import Facility, User
from ledger import clock
from ledger.public_id import PublicModel


class ImportKind(models.TextChoices):
    """What is brought."""

    IMAGES = "images", "disc or folder"
    SCANS = "scans", "scanned film or paper"


class ImportState(models.TextChoices):
    """Where an import stands."""

    RECEIVING = "receiving", "uploading"
    RUNNING = "running", "in progress"
    DONE = "done", "done"
    STOPPED = "stopped", "stopped"


class Import(PublicModel):
    """What somebody brought at one time. Its files lie in a folder of the spool until it has ended.

    `position` is where the next portion begins in the list of its files; `portion_at` when the one began
    that runs, so that one that was broken off is counted as if it had not been.
    """

    facility = models.ForeignKey(Facility, on_delete=models.PROTECT, db_index=False, related_name="+")
    kind = models.CharField(max_length=6, choices=ImportKind)
    state = models.CharField(max_length=9, choices=ImportState, default=ImportState.RECEIVING)
    origin = models.CharField(max_length=200, blank=True, help_text="the institution that it comes from")
    source = models.CharField(max_length=500, blank=True, help_text="the names of what was brought")
    comparison_only = models.BooleanField(default=False, help_text="its studies are priors, not to be read")
    claims = models.JSONField(default=dict, blank=True, help_text="what was typed of scans")
    user = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    by = models.CharField(max_length=200)
    actor = models.CharField(max_length=200, help_text="as the audit trail names whoever brought it")
    address = models.CharField(max_length=64, blank=True)
    interface = models.CharField(max_length=16)
    begun_at = models.DateTimeField(default=clock.now)
    changed_at = models.DateTimeField(default=clock.now, help_text="last sign of life")
    finished_at = models.DateTimeField(null=True, blank=True)
    end_reason = models.CharField(max_length=500, blank=True, help_text="why it was stopped")
    uploaded_files = models.PositiveIntegerField(default=0)
    uploaded_bytes = models.PositiveBigIntegerField(default=0)
    files = models.PositiveIntegerField(default=0, help_text="how many there are to look at, once listed")
    files_done = models.PositiveIntegerField(default=0)
    position = models.PositiveBigIntegerField(default=0)
    portion_at = models.DateTimeField(null=True, blank=True)
    taken = models.PositiveIntegerField(default=0, help_text="objects that are new here")
    repeated = models.PositiveIntegerField(default=0, help_text="objects that were here already")
    refused = models.PositiveIntegerField(default=0)
    passed_over = models.PositiveIntegerField(default=0, help_text="files of a disc that are no images")

    class Meta:
        indexes = [
            models.Index(fields=["facility", "-begun_at"], name="import_newest_first"),
            models.Index(
                fields=["changed_at"],
                name="import_open",
                condition=models.Q(state__in=["receiving", "running"]),
            ),
        ]


class ImportRefusal(models.Model):
    """A file that was not taken, and why; only so many of an import are kept."""

    of = models.ForeignKey(Import, on_delete=models.CASCADE, db_index=False, related_name="refusals")
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=300)
    reason = models.CharField(max_length=500)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["of", "number"], name="import_refusal_natural_key")]


class ImportedStudy(models.Model):
    """A study that an import brought something of; its row is made once it is indexed."""

    of = models.ForeignKey(Import, on_delete=models.CASCADE, db_index=False, related_name="studies")
    study_instance_uid = models.CharField(max_length=64, db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["of", "study_instance_uid"], name="imported_study_natural_key")
        ]
