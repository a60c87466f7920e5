"""Reading items as rows, without the months that it takes to make them."""

import random
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from accounts.models import Facility
from archive.models import ReadingStatus
from reporting.models import OwnerSpan, ReadingItem
from tests.reporting.turnaround.truth import Study

_STATUS = {"queue": "ready", "reader": "reading", "typist": "dictated", "signer": "transcribed"}


def store(facility: Facility, studies: Iterable[Study], shuffle: int | None = None, **values: Any) -> None:
    """Make the items of studies; with `shuffle`, in another order."""
    studies = list(studies)
    if shuffle is not None:
        random.Random(shuffle).shuffle(studies)
    items = ReadingItem.objects.bulk_create(_item(facility, one, values) for one in studies)
    spans = [
        OwnerSpan(item=item, at=at, owner=owner, status=_STATUS.get(owner, "final"))
        for item, one in zip(items, studies, strict=True)
        for at, owner in one.owners
    ]
    if shuffle is not None:
        random.Random(shuffle).shuffle(spans)
    OwnerSpan.objects.bulk_create(spans)


def _item(facility: Facility, one: Study, values: dict[str, Any]) -> ReadingItem:
    times = {f"{name}_at": at for name, at in one.events.items()}
    ended = "final" in one.events, "withdrawn" in one.events
    status = ReadingStatus.WITHDRAWN if ended[1] else ReadingStatus.FINAL if ended[0] else ReadingStatus.READY
    due = {"due_at": one.events["ready"] + timedelta(hours=4)}
    return ReadingItem(
        facility=facility,
        key=f"study:2.25.{one.number}",
        status=status,
        **{"modality": one.modality, **times, **due, **values},
    )
