"""Reports: the draft that is written on, and the versions that were signed."""

from typing import Any, Final

from django.db import models

from accounts.models import Facility, User
from ledger.public_id import PublicModel
from reporting.models.item import ReadingItem


class ReportHeading(models.TextChoices):
    """The headings of a report's sections, in the order in which they are printed."""

    INDICATION = "indication"
    TECHNIQUE = "technique"
    COMPARISON = "comparison"
    FINDINGS = "findings"
    IMPRESSION = "impression"


SECTIONS: Final = tuple(ReportHeading.values)


class ReportTemplate(PublicModel):
    """Text that a report begins with. A change makes a new version; a report keeps that which it used."""

    facility = models.ForeignKey(
        Facility, on_delete=models.CASCADE, db_index=False, related_name="report_templates"
    )
    name = models.CharField(max_length=100)
    version = models.PositiveIntegerField(default=1)
    modality = models.CharField(max_length=16, blank=True)
    body_part = models.CharField(max_length=64, blank=True)
    procedure_code = models.CharField(max_length=64, blank=True)
    sections = models.JSONField(default=dict)
    is_current = models.BooleanField(default=True)
    from_site_file = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["facility", "name", "version"], name="report_template_natural_key"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} (version {self.version})"


class ReportStatus(models.TextChoices):
    """How far a report has come."""

    DRAFT = "draft"
    PRELIMINARY = "preliminary"
    FINAL = "final"
    AMENDED = "amended"
    RETRACTED = "retracted"


class Report(PublicModel):
    """The report of a reading item: its draft, and how far it is signed. `revision` counts all changes."""

    item = models.OneToOneField(ReadingItem, on_delete=models.PROTECT, related_name="report")
    author = models.ForeignKey(User, on_delete=models.PROTECT, db_index=False, related_name="reports")
    status = models.CharField(max_length=11, choices=ReportStatus, default=ReportStatus.DRAFT)
    sections = models.JSONField(default=dict)
    revision = models.PositiveIntegerField(default=1)
    template = models.ForeignKey(ReportTemplate, on_delete=models.PROTECT, null=True, blank=True)
    changed_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    changed_at = models.DateTimeField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["author", "status"], name="report_by_author")]

    @property
    def is_signed(self) -> bool:
        """Whether its text stands: it is added to from now on, and changed by a correction only."""
        return self.status in (ReportStatus.FINAL, ReportStatus.AMENDED)


class KeptText(PublicModel):
    """Text that somebody had typed when another person's act came between. Nothing typed is ever lost."""

    report = models.ForeignKey(Report, on_delete=models.CASCADE, related_name="kept_texts")
    author = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    sections = models.JSONField()
    revision = models.PositiveIntegerField(help_text="of the report that it was typed on")
    reason = models.CharField(max_length=200)
    kept_at = models.DateTimeField(auto_now_add=True)


class VersionKind(models.TextChoices):
    """What a signature made."""

    PRELIMINARY = "preliminary"
    FINAL = "final"
    ADDENDUM = "addendum"
    CORRECTION = "correction"
    RETRACTION = "retraction"


class ClassOfChange(models.TextChoices):
    """Why something was added to, corrected in or withdrawn from a signed report."""

    MISSED = "missed"
    MISREAD = "misread"
    WRONG_SIDE = "wrong side"
    WRONG_PATIENT = "wrong patient"
    TYPING = "typing"
    NEW_INFORMATION = "new information"
    COMMUNICATION = "communication note"
    BILLING = "billing"


class AddendumDraft(PublicModel):
    """What one author is about to add to, correct in or retract from a signed report; several may draft."""

    report = models.ForeignKey(Report, on_delete=models.CASCADE, related_name="addenda")
    author = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=11, choices=VersionKind, default=VersionKind.ADDENDUM)
    text = models.TextField(blank=True)
    sections = models.JSONField(default=dict, blank=True, help_text="of a correction: the whole new text")
    class_of_change = models.CharField(max_length=20, choices=ClassOfChange, blank=True)
    changes_care = models.BooleanField(default=False)
    revision = models.PositiveIntegerField(default=1)
    changed_at = models.DateTimeField(auto_now=True)
    is_open = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["report", "author"], condition=models.Q(is_open=True), name="one_open_addendum_each"
            )
        ]


class ReportVersion(PublicModel):
    """What was signed, for ever: `content` is canonical JSON, `sha256` is that of the hash before and of it.

    `released_at` is when it went out; one that was undone before that stays in the chain, never released.
    """

    report = models.ForeignKey(Report, on_delete=models.PROTECT, db_index=False, related_name="versions")
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=11, choices=VersionKind)
    content = models.TextField(help_text="canonical JSON: sections, text, header, signer, time")
    previous_sha256 = models.CharField(max_length=64, blank=True)
    sha256 = models.CharField(max_length=64)
    signed_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    signed_at = models.DateTimeField()
    idempotency_key = models.CharField(max_length=100, blank=True)
    before = models.JSONField(default=dict, help_text="status of report and item, for an undo")
    release_at = models.DateTimeField(help_text="until then it can be undone")
    released_at = models.DateTimeField(null=True, blank=True)
    undone_at = models.DateTimeField(null=True, blank=True)
    undone_by = models.CharField(max_length=200, blank=True)
    stored_at = models.DateTimeField(null=True, blank=True, help_text="its PDF and SR lie in the study")
    delivered_at = models.DateTimeField(null=True, blank=True, help_text="all destinations accepted it")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["report", "number"], name="report_version_natural_key"),
            models.UniqueConstraint(
                fields=["report", "idempotency_key"],
                condition=~models.Q(idempotency_key=""),
                name="report_version_once_per_request",
            ),
        ]

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Refuse to change what was signed."""
        fields = kwargs.get("update_fields")
        frozen = {
            "report",
            "number",
            "kind",
            "content",
            "previous_sha256",
            "sha256",
            "signed_by",
            "signed_at",
        }
        if self.pk and (fields is None or frozen & set(fields)):
            raise TypeError("a signed version is never changed")
        super().save(*args, **kwargs)
