"""What a person signed last, on the page of the next exam: the way back, and to undo it in time."""

from dataclasses import dataclass

from django.urls import reverse

from accounts.models import User
from reporting.models import ReadingItem
from reporting.reading_worklist import reader_inbox
from reporting.reports import report_versions, signatures
from web.kernel import formats


@dataclass(frozen=True)
class LastSignature:
    """For whom it was signed, of which exam, where; `undo_until` is empty once it can't be taken back."""

    whose: str
    what: str
    path: str
    is_undone: bool
    undo: str
    undo_until: str


def of(user: User, here: ReadingItem | None = None) -> LastSignature | None:
    """The last one, unless it is that of the page `here`, which says so itself."""
    version = reader_inbox.last_signed(user)
    if version is None or version.report.item == here:
        return None
    item = version.report.item
    until = signatures.undoable_until(version)
    return LastSignature(
        whose=formats.shown(report_versions.content_of(version)["header"]["patient"]["name"]),
        what=item.description or item.modality,
        path=reverse("reading-item", args=[item.public_id]),
        is_undone=version.undone_at is not None,
        undo=reverse("reading-act", args=[item.public_id, "undo-signature"]) if until else "",
        undo_until=until.isoformat() if until else "",
    )
