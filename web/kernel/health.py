"""The status lights: each listener, process and queue, with its age or what is wrong with it.

Who runs the system sees all of them; who works with patients sees one, in the words of a department.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.db.models import Min
from django.urls import reverse

from accounts import access
from interfaces.hl7.models import Destination, OutboundMessage, OutboundStatus
from interfaces.hl7.outbound import message_status
from ledger import clock, heartbeat, jobs, readiness
from ledger.models import Job, JobState

OK, LATE, DOWN = "ok", "late", "down"
SLOW: Final = timedelta(seconds=60)
"""Without a sign of life, or with work waiting, for longer than this, a part is worse than late."""
STANDS: Final = timedelta(minutes=15)
LOW_BYTES: Final = 1024 * 1024 * 1024

_LABELS: Final = {"out": "outbox", "work": "jobs"}
_WHAT: Final = {
    "web": "Pages, REST and DICOMweb",
    "dicom": "DICOM: worklist, images in and out",
    "hl7": "HL7: orders and patients in",
    "worker": "Work: indexing, checking, sending",
    "sweeper": "Sweeper: sees that all work gets done",
    "storage": "Room for images and messages",
    "out": "The queue of messages to other systems",
    "work": "The queue of work to be done here",
}
_REMEDY: Final = {
    "process": "What was received is kept. On this machine `make run` starts it; its log says why it ended.",
    "storage": "Free room on the disk, or give the archive another volume. Nothing is lost: senders keep it.",
    "out": "The messages wait and go out by themselves. See Messages, and ask whoever runs the receiver.",
    "work": "Failed work is kept and can be run again. An administrator sees it among the queues.",
}
_CLINICAL: Final = {
    "storage": ("Room for new images is running low", "No room for new images"),
    "dicom": (
        "Images and worklists may be delayed",
        "Modalities can't send images or read the worklist",
    ),
    "hl7": ("New orders may be delayed", "No new orders from the HIS"),
    "worker": ("Checks of new images may be delayed", "New images are not checked"),
    "work": ("Some work on images or reports is delayed", "Some work on images or reports has failed"),
    "sweeper": ("Some work may be delayed", "Some work may not be done"),
}
"""What a part that is late, or has failed, means to a person at work; the worst first."""
_CLINICAL_KINDS: Final = {"results": "Reports", "order_status": "Order status"}
_RANK: Final = {DOWN: 0, LATE: 1, OK: 2}


@dataclass(frozen=True)
class Light:
    """The state of one part: `ok`, `late` or `down`; its age or reason in words, empty where it is ok."""

    name: str
    state: str
    text: str = ""
    title: str = ""

    @property
    def label(self) -> str:
        """What it is called on pages."""
        return self.title or _LABELS.get(self.name, self.name)

    @property
    def what(self) -> str:
        """What the part does."""
        return _WHAT.get(self.name, "State of the system")

    @property
    def remedy(self) -> str:
        """What to do about it; empty where it is ok."""
        return "" if self.state == OK else _REMEDY.get(self.name, _REMEDY["process"])

    @property
    def url(self) -> str:
        """Where more is said."""
        return f"{reverse('status')}#{self.name}"


def lights() -> list[Light]:
    """All lights, in a fixed order."""
    processes = [_process(name, age) for name, age in readiness.ages().items()]
    return [Light("web", OK), *processes, _storage(), _out(), _work()]


def shown_to(user: Any) -> list[Light]:
    """All lights for who can do something about each; one light for everybody else."""
    found = lights()
    return found if access.can(user, "queue.view") else [clinical(found)]


def clinical(found: list[Light]) -> Light:
    """The one light: the worst that a person at work would notice, and how much else there is."""
    by_name = {light.name: light for light in found}
    wrong = [
        Light(name, by_name[name].state, title=failed if by_name[name].state == DOWN else late)
        for name, (late, failed) in _CLINICAL.items()
        if by_name[name].state != OK
    ]
    wrong = sorted([*wrong, *_delayed()], key=lambda light: _RANK[light.state])
    if not wrong:
        return Light("state", OK, title="System")
    more = f"and {len(wrong) - 1} more" if len(wrong) > 1 else ""
    return Light(wrong[0].name, wrong[0].state, more, wrong[0].title)


def _delayed() -> list[Light]:
    """What other systems have not been told for too long, whatever keeps it; reports first."""
    now = clock.now()
    status = message_status.OPEN
    rows = OutboundMessage.objects.filter(
        destination__is_active=True, status__in=status, created_at__lt=now - SLOW, kind__in=_CLINICAL_KINDS
    )
    oldest = rows.values("kind", "destination__name").annotate(oldest=Min("created_at"))
    found = oldest.order_by("-kind", "oldest").values_list("kind", "destination__name", "oldest")
    return [_delay(_CLINICAL_KINDS[kind], to, now - since) for kind, to, since in found]


def _delay(what: str, to: str, age: timedelta) -> Light:
    return Light("out", LATE if age < STANDS else DOWN, title=f"{what} to {to} delayed {duration(age)}")


def duration(span: timedelta) -> str:
    """A span in its largest fitting unit: 40 s, 12 min, 3 h, 2 d."""
    seconds = max(0, int(span.total_seconds()))
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size or (unit != "d" and seconds >= size):
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _process(name: str, age: timedelta | None) -> Light:
    if age is None:
        return Light(name, DOWN, "has not started")
    if age < heartbeat.STALE:
        return Light(name, OK)
    return Light(name, LATE if age < SLOW else DOWN, f"no heartbeat for {duration(age)}")


def _storage() -> Light:
    text = readiness.storage()
    if text != "ok":
        return Light("storage", DOWN, text)
    free = readiness.free_bytes()
    return (
        Light("storage", LATE, f"only {free // 2**20} MiB are free")
        if free < LOW_BYTES
        else Light("storage", OK)
    )


def _out() -> Light:
    """Red where a queue stands or a message was refused; amber where the oldest waits for too long."""
    now = clock.now()
    messages = OutboundMessage.objects.filter(destination__is_active=True)
    count = messages.filter(status__in=message_status.STUCK).count()
    if count:
        return Light("out", DOWN, f"{count} refused by the receiver")
    paused = Destination.objects.filter(is_active=True).exclude(paused_since=None).order_by("name").first()
    if paused is not None:
        return Light("out", LATE, f"{paused.name} is paused")
    standing = Destination.objects.filter(is_active=True).aggregate(since=Min("stalled_since"))["since"]
    if standing is not None:
        age = now - standing
        return Light("out", LATE if age < STANDS else DOWN, f"sending stopped {duration(age)} ago")
    oldest = messages.filter(status=OutboundStatus.WAITING).aggregate(oldest=Min("created_at"))["oldest"]
    if oldest is not None and now - oldest > SLOW:
        return Light("out", LATE, f"the oldest waits for {duration(now - oldest)}")
    return Light("out", OK)


def _work() -> Light:
    now = clock.now()
    failed = Job.objects.filter(state=JobState.ERROR).count()
    if failed:
        return Light("work", DOWN, f"{failed} failed for good")
    oldest = jobs.due(now).aggregate(oldest=Min("not_before"))["oldest"]
    if oldest is not None and now - oldest > SLOW:
        return Light("work", LATE, f"the oldest waits for {duration(now - oldest)}")
    return Light("work", OK)
