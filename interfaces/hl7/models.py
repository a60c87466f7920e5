"""Messages that came and messages that go."""

from django.db import models

from accounts.models import Facility, User
from ledger.public_id import PublicModel


class Source(models.Model):
    """A sender of messages: who it is (MSH-3, MSH-4; `*` for any), and how its messages are read."""

    name = models.CharField(max_length=64, unique=True)
    application = models.CharField(max_length=227, default="*")
    facility_name = models.CharField(max_length=227, default="*")
    facility = models.ForeignKey(Facility, on_delete=models.PROTECT, related_name="+")
    options = models.JSONField(default=dict, blank=True)
    from_site_file = models.BooleanField(default=False)

    def __str__(self) -> str:
        return self.name


class InboundStatus(models.TextChoices):
    """Where a received message stands."""

    RECEIVED = "received"
    APPLIED = "applied"
    FAILED = "failed", "can't be applied (AE)"
    REFUSED = "refused", "is not accepted (AR)"
    SHADOW = "shadow", "kept for comparison, not applied"


class Settled(models.TextChoices):
    """Why a message that could not be applied needs nobody any more."""

    DONE = "done"
    IGNORED = "ignored"
    REPLAYED = "replayed", "replayed with success"


class InboundMessage(PublicModel):
    """A message as received: raw bytes, what was answered, what it did. The bytes are never changed."""

    source = models.CharField(max_length=500, help_text="sending application|facility, as sent")
    control_id = models.CharField(max_length=199, blank=True)
    sha256 = models.CharField(max_length=64)
    raw = models.BinaryField()
    peer = models.CharField(max_length=64, blank=True, help_text="address that it came from")
    certificate = models.CharField(
        max_length=500,
        blank=True,
        db_default="",
        default="",
        help_text="subject of the one that was shown there",
    )
    message_type = models.CharField(max_length=40, blank=True, help_text="as in MSH-9: ADT^A01")
    received_at = models.DateTimeField()
    status = models.CharField(max_length=8, choices=InboundStatus, default=InboundStatus.RECEIVED)
    attempts = models.PositiveIntegerField(default=0)
    groups_applied = models.PositiveIntegerField(
        default=0, help_text="of a message that is applied in portions: the rest is still to be"
    )
    times_received = models.PositiveIntegerField(default=1)
    control_id_reused = models.BooleanField(default=False)
    clock_ahead = models.BooleanField(default=False)
    ack = models.BinaryField(default=b"", help_text="what was answered, as sent")
    is_answered_on_storing = models.BooleanField(
        default=False, db_default=False, help_text="it is applied after it was answered"
    )
    ack_code = models.CharField(max_length=2, blank=True)
    error_code = models.PositiveIntegerField(null=True, blank=True, help_text="HL7 Table 0357")
    error_location = models.CharField(max_length=80, blank=True)
    error_text = models.CharField(max_length=500, blank=True)
    error_reason = models.CharField(
        max_length=120,
        blank=True,
        default="",
        db_default="",
        help_text="what tells errors of one code and place apart whose texts name no values",
    )
    replay_of = models.ForeignKey(
        "self", on_delete=models.PROTECT, db_index=False, null=True, blank=True, related_name="replays"
    )
    replay_number = models.PositiveIntegerField(default=0)
    applied_at = models.DateTimeField(null=True, blank=True)
    settled = models.CharField(max_length=8, choices=Settled, blank=True)
    assignee = models.ForeignKey(
        User, on_delete=models.PROTECT, db_index=False, null=True, blank=True, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["source", "control_id", "sha256", "replay_number"], name="inbound_natural_key"
            )
        ]
        indexes = [
            models.Index(fields=["-received_at", "-id"], name="inbound_newest_first"),
            models.Index(fields=["control_id"], name="inbound_by_control_id"),
            models.Index(fields=["id"], name="inbound_waiting", condition=models.Q(status="received")),
            models.Index(fields=["message_type", "-received_at"], name="inbound_by_type"),
            models.Index(fields=["source", "-received_at"], name="inbound_by_source"),
            models.Index(
                fields=["-received_at", "-id"],
                name="inbound_in_trouble",
                condition=models.Q(status__in=["failed", "refused"]),
            ),
            models.Index(
                # All that the groups of the work list are made of, so that no message is read for them.
                fields=[
                    *("source", "status", "error_code", "error_location", "error_reason"),
                    *("received_at", "assignee"),
                ],
                name="inbound_to_work_off",
                condition=models.Q(status__in=["failed", "refused"], settled="", replay_of=None),
            ),
            models.Index(
                fields=["replay_of"], name="inbound_replays", condition=models.Q(replay_of__isnull=False)
            ),
        ]


class Destination(models.Model):
    """A receiver of our messages."""

    name = models.CharField(max_length=64, unique=True)
    host = models.CharField(max_length=253)
    port = models.PositiveIntegerField()
    version = models.CharField(max_length=8, default="2.5.1")
    application = models.CharField(max_length=227, blank=True)
    facility_name = models.CharField(max_length=227, blank=True)
    options = models.JSONField(default=dict, blank=True)
    is_active = models.BooleanField(default=True)
    from_site_file = models.BooleanField(default=False)
    stalled_since = models.DateTimeField(null=True, blank=True, help_text="when its queue began to stand")
    paused_since = models.DateTimeField(null=True, blank=True, help_text="when a person paused it")
    paused_why = models.CharField(max_length=500, blank=True)

    def __str__(self) -> str:
        return self.name


class OutboundStatus(models.TextChoices):
    """Where a message that goes out stands."""

    WAITING = "waiting"
    ACCEPTED = "accepted", "accepted, not confirmed yet (CA)"
    DELIVERED = "delivered"
    HELD = "held", "the receiver found an error in it (AE)"
    STOPPED = "stopped", "the receiver does not accept it (AR)"
    SKIPPED = "skipped"


class OutboundMessage(PublicModel):
    """A message to a destination: its facts at once, its bytes frozen before the first sending."""

    destination = models.ForeignKey(
        Destination, on_delete=models.PROTECT, db_index=False, related_name="messages"
    )
    key = models.CharField(max_length=200, help_text="what it tells, so that it is told once")
    ordering_key = models.CharField(max_length=64, blank=True, help_text="messages of one arrive in order")
    kind = models.CharField(max_length=32, help_text="the name of its type: order_status, results …")
    message_type = models.CharField(max_length=40, help_text="as in MSH-9: ORM^O01^ORM_O01")
    control_id = models.CharField(max_length=20, unique=True)
    facts = models.JSONField()
    raw = models.BinaryField(null=True, blank=True)
    status = models.CharField(max_length=9, choices=OutboundStatus, default=OutboundStatus.WAITING)
    attempts = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    not_before = models.DateTimeField()
    delivered_at = models.DateTimeField(null=True, blank=True)
    ack = models.BinaryField(default=b"")
    ack_code = models.CharField(max_length=2, blank=True)
    last_error = models.CharField(max_length=500, blank=True)
    assignee = models.ForeignKey(
        User, on_delete=models.PROTECT, db_index=False, null=True, blank=True, related_name="+"
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["destination", "key"], name="outbound_natural_key")]
        indexes = [
            models.Index(
                fields=["destination", "id"], name="outbound_waiting", condition=models.Q(status="waiting")
            ),
            models.Index(
                fields=["destination", "ordering_key", "id"],
                name="outbound_stuck",
                condition=models.Q(status__in=["held", "stopped"]),
            ),
            models.Index(
                fields=["destination", "ordering_key", "id"],
                name="outbound_unconfirmed",
                condition=models.Q(status="accepted"),
            ),
            models.Index(fields=["-created_at", "-id"], name="outbound_newest_first"),
        ]


class MessageKey(models.Model):
    """What a message is found by: a number that it names as received, or a thing that it tells of."""

    inbound = models.ForeignKey(
        InboundMessage, on_delete=models.CASCADE, db_index=False, null=True, related_name="keys"
    )
    outbound = models.ForeignKey(
        OutboundMessage, on_delete=models.CASCADE, db_index=False, null=True, related_name="keys"
    )
    kind = models.CharField(max_length=16, help_text="patient, order, accession; or a type of thing")
    value = models.CharField(max_length=199, help_text="the number, or the thing's id")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(inbound=None) ^ models.Q(outbound=None), name="message_key_of_one"
            )
        ]
        indexes = [
            models.Index(fields=["value"], name="message_key_value"),
            models.Index(
                fields=["inbound"], name="keys_of_inbound", condition=models.Q(inbound__isnull=False)
            ),
            models.Index(
                fields=["outbound"], name="keys_of_outbound", condition=models.Q(outbound__isnull=False)
            ),
        ]


class TrafficKind(models.TextChoices):
    """What is counted of a partner's messages."""

    MESSAGE = "message"
    ERROR = "error", "not applied, or not accepted"
    LEFT_OUT = "left_out", "applied without a value"


class TrafficCount(models.Model):
    """How many messages came from a sender, or were delivered to a destination, in an hour; of what kind.

    `place` is the code and place of an error, or the place of a value that was left out. Kept so that rates
    and errors are read without a look at messages.
    """

    direction = models.CharField(max_length=3)
    partner = models.CharField(max_length=500, help_text="application|facility as sent, or the destination")
    kind = models.CharField(max_length=8, choices=TrafficKind)
    place = models.CharField(max_length=120, blank=True)
    hour = models.DateTimeField()
    number = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["hour", "direction", "partner", "kind", "place"], name="traffic_count_once"
            )
        ]


class TrafficWatermark(models.Model):
    """How far messages and events have been counted."""

    name = models.CharField(max_length=16, unique=True)
    until = models.DateTimeField()
    event_id = models.BigIntegerField(default=0)


class OpenConnections(models.Model):
    """The connections that a listener has open from an address, of one sender as far as that is known."""

    instance = models.CharField(max_length=100, help_text="of the listener, as its heartbeat names it")
    source = models.CharField(max_length=500, blank=True)
    peer = models.CharField(max_length=64)
    number = models.PositiveIntegerField()
    since = models.DateTimeField(help_text="when the oldest of them was opened")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["instance", "source", "peer"], name="open_connections_once")
        ]


class AlarmKind(models.TextChoices):
    """What somebody is told of."""

    SILENT = "silent", "no messages"
    ERRORS = "errors", "many errors"
    STALLED = "stalled", "sending stopped"
    BACKLOG = "backlog", "messages wait too long"
    UNDECIDED = "undecided", "messages need a decision"
    EXPIRES = "expires", "certificate ends soon"


class Alarm(PublicModel):
    """Something that is wrong with a sender or a destination, from when to when."""

    kind = models.CharField(max_length=9, choices=AlarmKind)
    direction = models.CharField(max_length=3)
    partner = models.CharField(max_length=500)
    text = models.CharField(max_length=500)
    raised_at = models.DateTimeField()
    cleared_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "direction", "partner"],
                name="one_open_alarm",
                condition=models.Q(cleared_at=None),
            )
        ]
        indexes = [models.Index(fields=["-raised_at"], name="alarm_newest_first")]


class ReplayState(models.TextChoices):
    """Where a bulk replay, or a message of one, stands."""

    RUNNING = "running"
    STOPPED = "stopped", "stopped at an error"
    ENDED = "ended", "ended by a person"
    DONE = "done"


class BulkReplay(PublicModel):
    """Messages that are applied again one after the other, in the order in which they were received."""

    state = models.CharField(max_length=8, choices=ReplayState, default=ReplayState.RUNNING)
    stop_at_error = models.BooleanField(default=True)
    reason = models.CharField(max_length=500, blank=True)
    by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    begun_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    total = models.PositiveIntegerField()
    applied = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)

    class Meta:
        indexes = [models.Index(fields=["-begun_at"], name="bulk_replay_newest_first")]


class ReplayedState(models.TextChoices):
    """What became of a message of a bulk replay."""

    WAITING = "waiting"
    APPLIED = "applied"
    FAILED = "failed"
    SKIPPED = "skipped", "skipped: a person was quicker"


class ReplayedMessage(models.Model):
    """A message of a bulk replay, and the row that it was applied again as."""

    run = models.ForeignKey(BulkReplay, on_delete=models.CASCADE, db_index=False, related_name="messages")
    position = models.PositiveIntegerField()
    original = models.ForeignKey(
        InboundMessage, on_delete=models.PROTECT, db_index=False, related_name="bulk_replays"
    )
    replay = models.ForeignKey(
        InboundMessage, on_delete=models.PROTECT, db_index=False, null=True, blank=True, related_name="+"
    )
    state = models.CharField(max_length=7, choices=ReplayedState, default=ReplayedState.WAITING)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "position"], name="replayed_message_once")]
        indexes = [
            models.Index(
                fields=["run", "position"], name="replay_waiting", condition=models.Q(state="waiting")
            ),
            models.Index(fields=["original"], name="replay_waits_for", condition=models.Q(state="waiting")),
        ]
