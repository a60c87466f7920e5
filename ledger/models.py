"""Events, audit events, jobs, leases and heartbeats.

The ledger names the things that it tells of by type and id in text, so it knows nobody above it.
"""

from django.db import models

from ledger.public_id import PublicModel


class Event(PublicModel):
    """Something that happened: what, when, when we knew, who or which message, about which things."""

    kind = models.CharField(max_length=64)
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField(auto_now_add=True)
    actor = models.CharField(max_length=200, blank=True)
    source = models.CharField(max_length=200, blank=True)
    details = models.JSONField(default=dict, blank=True)

    class Meta:
        indexes = [models.Index(fields=["source"], name="event_by_source")]


class EventSubject(models.Model):
    """One thing that an event is about."""

    event = models.ForeignKey(Event, on_delete=models.CASCADE, db_index=False, related_name="subjects")
    type = models.CharField(max_length=32)
    key = models.CharField(max_length=100)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["event", "type", "key"], name="event_subject_once")]
        indexes = [models.Index(fields=["type", "key", "event"], name="event_subject_lookup")]


class AuditEvent(PublicModel):
    """A security-relevant act (DICOM PS3.15 A.5). Rows are only ever added."""

    code = models.CharField(max_length=16)
    action = models.CharField(max_length=1)
    outcome = models.IntegerField(default=0)
    at = models.DateTimeField(auto_now_add=True)
    actor = models.CharField(max_length=200)
    address = models.CharField(max_length=64, blank=True)
    interface = models.CharField(max_length=16, blank=True)
    objects_named = models.JSONField(default=list)
    act = models.CharField(max_length=300, blank=True, help_text="what was done, in words")

    class Meta:
        indexes = [
            models.Index(fields=["at"], name="audit_at"),
            models.Index(fields=["actor", "at"], name="audit_by_actor"),
            models.Index(fields=["code", "at"], name="audit_by_code"),
        ]


class AuditedThing(models.Model):
    """One thing that an audit event names, so that all about a patient or a study is found."""

    event = models.ForeignKey(AuditEvent, on_delete=models.CASCADE, related_name="things")
    thing = models.CharField(max_length=200)

    class Meta:
        indexes = [models.Index(fields=["thing", "event"], name="audited_thing")]


class JobState(models.TextChoices):
    """Where a piece of work stands."""

    NEW = "new"
    CLAIMED = "claimed"
    RETRY = "retry"
    HELD = "held"
    DONE = "done"
    ERROR = "error"


class Job(PublicModel):
    """A piece of work to be done, named by its kind and key: asking for it twice makes one row."""

    kind = models.CharField(max_length=64)
    key = models.CharField(max_length=200)
    payload = models.JSONField(default=dict, blank=True)
    state = models.CharField(max_length=8, choices=JobState, default=JobState.NEW)
    wanted = models.PositiveIntegerField(default=1, help_text="how often it was asked for")
    attempts = models.PositiveIntegerField(default=0)
    crashes = models.PositiveIntegerField(default=0)
    errors = models.PositiveIntegerField(default=0)
    not_before = models.DateTimeField()
    claimed_by = models.CharField(max_length=100, blank=True)
    claim_no = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "key"], name="job_natural_key")]
        indexes = [
            models.Index(
                fields=["not_before"],
                name="job_open",
                condition=models.Q(state__in=["new", "retry", "claimed"]),
            ),
            models.Index(
                fields=["kind", "-id"], name="job_stuck", condition=models.Q(state__in=["error", "held"])
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


class Lease(models.Model):
    """The right to be the only one who does a recurring piece of work, for a while."""

    name = models.CharField(max_length=64, unique=True)
    holder = models.CharField(max_length=100, blank=True)
    claim_no = models.PositiveIntegerField(default=0)
    until = models.DateTimeField()


class Heartbeat(models.Model):
    """A sign of life that each process writes every few seconds."""

    process = models.CharField(max_length=32)
    instance = models.CharField(max_length=100)
    at = models.DateTimeField()
    details = models.JSONField(default=dict, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["process", "instance"], name="heartbeat_once")]
