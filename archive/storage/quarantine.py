"""Quarantine: what was refused is kept, with the reason, so that it can be looked at and repaired."""

import secrets
from pathlib import Path
from typing import Any, cast

from django.conf import settings
from django.db import transaction
from django.db.models import Field, Q, QuerySet

from archive import archive_events
from archive.models import Quarantined, QuarantineState
from archive.storage import volumes
from ledger import events


def folder() -> Path:
    """Where the files lie."""
    return Path(settings.HOME) / "quarantine"


def path_of(row: Quarantined) -> Path:
    """Where the file of a row lies."""
    return folder() / row.name


def find(*, reason: str = "", text: str = "", state: str = QuarantineState.KEPT) -> QuerySet[Quarantined]:
    """Rows of a state, the newest first; `text` is a whole UID, an AE title or an address."""
    rows = Quarantined.objects.filter(state=state).order_by("-received_at", "-id")
    if reason:
        rows = rows.filter(reason=reason)
    if text:
        uids = Q(sop_instance_uid=text) | Q(study_instance_uid=text)
        rows = rows.filter(uids | Q(calling_ae_title=text) | Q(address=text))
    return rows


def keep(source: Path, row: Quarantined) -> Quarantined:
    """Link a file, already synced, into quarantine and save its row; the same refusal twice is kept once.

    A sender that tries again for ever must not fill the disk.
    """
    _clean(row)
    known = Quarantined.objects.filter(
        sha256=row.sha256, reason=row.reason, sop_instance_uid=row.sop_instance_uid
    ).first()
    if known is not None:
        return known
    folder().mkdir(mode=0o750, parents=True, exist_ok=True)
    row.name = secrets.token_hex(16) + volumes.SUFFIX
    volumes.link(source, path_of(row))
    try:
        with transaction.atomic():
            row.save()
            events.record(
                archive_events.OBJECT_QUARANTINED,
                about=[("quarantined", row.public_id)],
                source=row.calling_ae_title,
                reason=str(row.reason),
                text=row.text,
            )
    except BaseException:
        volumes.remove(path_of(row))
        raise
    return row


def _clean(row: Quarantined) -> None:
    """Make what a stranger said fit the columns: no NUL, which PostgreSQL refuses, and not too long."""
    for name in (
        "text",
        "sop_instance_uid",
        "sop_class_uid",
        "study_instance_uid",
        "transfer_syntax_uid",
        "calling_ae_title",
        "address",
    ):
        field = cast("Field[Any, Any]", Quarantined._meta.get_field(name))
        text = str(getattr(row, name)).replace("\0", "\N{REPLACEMENT CHARACTER}")
        setattr(row, name, text[: field.max_length])
