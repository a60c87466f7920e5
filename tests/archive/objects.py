"""Objects on their way into the archive, as a door leaves them in the spool."""

import hashlib
import os
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings

from archive.dataset.part10 import build_preamble_and_meta
from archive.index import indexer
from archive.storage import intake
from archive.storage.intake import Announcement, Outcome, Spooled
from tests.archive.dataset.builders import CT, EXPLICIT_LITTLE_ENDIAN, encoded, image

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def spooled(
    dataset: bytes, transfer_syntax: str = EXPLICIT_LITTLE_ENDIAN, instance: str = "1.2.3.4"
) -> Spooled:
    """A spool file with these dataset bytes."""
    folder = Path(settings.HOME) / "spool"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"test-{uuid.uuid4().hex}.part"
    head = build_preamble_and_meta(CT, instance, transfer_syntax, "CT1")
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    os.write(fd, head + dataset)
    return Spooled(path, fd, len(head), len(dataset), hashlib.sha256(dataset).hexdigest(), transfer_syntax)


def take(
    dataset: bytes | None = None,
    *,
    transfer_syntax: str = EXPLICIT_LITTLE_ENDIAN,
    instance: str = "1.2.3.4",
    sop_class: str = CT,
    calling_ae: str = "CT1",
    received_at: datetime = NOON,
) -> Outcome:
    """Take an object in, by default a good one, and clear its spool file as a door does."""
    file = spooled(encoded(image()) if dataset is None else dataset, transfer_syntax)
    try:
        return intake.take(
            spool=file,
            announced=Announcement(sop_class, instance, calling_ae, "127.0.0.1"),
            received_at=received_at,
        )
    finally:
        os.close(file.fd)
        file.path.unlink(missing_ok=True)


def received(*, received_at: datetime = NOON, calling_ae: str = "CT1", **attributes: Any) -> None:
    """Take in an image with these attributes."""
    dataset = image(**attributes)
    instance = str(dataset.SOPInstanceUID)
    outcome = take(encoded(dataset), instance=instance, received_at=received_at, calling_ae=calling_ae)
    assert isinstance(outcome, intake.Accepted), outcome


def indexed() -> None:
    """Index all that waits."""
    while indexer.batch():
        pass


def files_in(name: str) -> list[Path]:
    """The files below a folder of the home."""
    return sorted(path for path in (Path(settings.HOME) / name).rglob("*") if path.is_file())
