"""UIDs of what a split has moved: one SOP Instance UID never names objects in two studies (PS3.5 B).

Headers, and whoever sends, names or rejects by them, go on with the old UIDs; what is shown and sent has the
new ones. They follow from the old UID and the study that the object lies in, so what comes later gets them.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from archive.models import FormerUid, Instance, Series
from ledger.row_sets import Table
from worklist.orders import generated_ids


@dataclass(slots=True)
class _Given:
    id: int
    given_uid: str


_INSTANCES = Table(Instance, _Given)


def given(study_instance_uid: str, uid: str) -> str:
    """The UID of a series or an instance in a study that a split has moved it to."""
    return generated_ids.study_instance_uid("moved", study_instance_uid, uid)


def of_instance(series: Series, sop_instance_uid: str) -> str:
    """What an instance of a series is given, by the UID of its header; empty in the study that it came in."""
    return given(series.study.study_instance_uid, sop_instance_uid) if series.moved_from_id else ""


def of_series(series: Series) -> str:
    """What a series is given."""
    return given(series.study.study_instance_uid, series.series_instance_uid) if series.moved_from_id else ""


def give(rows: Iterable[Series]) -> None:
    """Bring series that were moved, and their instances, in line with the study that they lie in.

    UIDs that they had go on naming them to whoever sends these: copies may be anywhere.
    """
    series = {row.pk: row for row in rows}
    for row in series.values():
        row.given_uid = of_series(row)
        row.save(update_fields=["given_uid"])
    columns = ("pk", "series_id", "sop_instance_uid", "given_uid")
    found = Instance.objects.filter(series__in=series).order_by("pk").values_list(*columns)
    new, gone = [], []
    for key, of, uid, before in found.iterator(chunk_size=2000):
        new.append(_Given(key, of_instance(series[of], uid)))
        if before not in ("", new[-1].given_uid):
            gone.append(FormerUid(uid=before, instance_id=key))
    FormerUid.objects.bulk_create(gone, batch_size=500, ignore_conflicts=True)
    _INSTANCES.update(new, ["given_uid"])
