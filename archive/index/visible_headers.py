"""The job `archive.headers`: what a series says of its patient and study follows the objects that are shown.

A rejection hides objects that were merged into their series when they were indexed, and its end brings them
back. The series is then built anew from the headers of what is shown, in the order in which that came, once
for all that changed; headers are read outside any transaction. One that shows nothing keeps what it said.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from archive.dataset.dataset_error import DatasetError
from archive.dataset.header import Header, read_header
from archive.index import header_mapping, indexer
from archive.index.header_values import IDENTITY as IDENTIFYING
from archive.index.header_values import HeaderValues
from archive.models import Instance, Series, StoredFile, Study
from archive.storage import volumes
from ledger import clock, jobs
from ledger.crashpoint import crashpoint

KIND: Final = "archive.headers"
JUDGE: Final = "archive.reconcile"
IDENTITY: Final = "identity"
"""Where the header of a hidden instance has whom it names, if its series says otherwise."""
_AGAIN: Final = timedelta(seconds=1)
_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Read:
    """An object of the series: whether it is shown, who sent it, and its header, if that can be read."""

    file: int
    instance: int
    is_shown: bool
    calling_ae: str
    header: Header | None = None


def follow(series: Iterable[int]) -> None:
    """Have series built anew of which something was hidden or is shown again, in the caller's transaction."""
    jobs.enqueue_all(KIND, dict.fromkeys(map(str, series)))


def prepare(claim: jobs.Claim) -> list[Read]:
    """Read the headers of the series' objects; of none if it shows none."""
    objects = _objects(claim.key)
    if not any(one.is_shown for one in objects):
        return objects
    headers = {}
    for part in parts([one.file for one in objects]):
        for file in StoredFile.objects.select_related("volume").filter(pk__in=part):
            headers[file.pk] = header_of(file)
        jobs.renew(claim)
    return [replace(one, header=headers.get(one.file)) for one in objects]


def apply(claim: jobs.Claim, prepared: list[Read]) -> None:
    """Build the series and its study anew, unless something came or was hidden meanwhile; judge the study."""
    study = Study.objects.select_for_update(of=("self",)).filter(series=int(claim.key)).first()
    series = Series.objects.select_for_update(of=("self",)).filter(pk=claim.key, study=study).first()
    if study is None or series is None:
        return
    if _objects(claim.key) != [replace(one, header=None) for one in prepared]:
        jobs.enqueue(KIND, claim.key, not_before=clock.now() + _AGAIN)
        return
    shown = [one for one in prepared if one.is_shown and one.header]
    if not shown:
        return
    before = _values(series)
    header_mapping.clear(series)
    for one in shown:
        assert one.header is not None
        header_mapping.add_to_series(series, one.header, one.calling_ae)
    _keep_identities(series, prepared)
    if _values(series) == before:
        return
    series.save()
    indexer.save_indexed([study])
    crashpoint("headers.mid")
    jobs.enqueue(JUDGE, study.study_instance_uid)


def _objects(series: str) -> list[Read]:
    rows = StoredFile.objects.filter(instance__series=int(series), instance__indexed_at__isnull=False)
    columns = ("pk", "instance_id", "instance__rejection_id", "instance__calling_ae_title")
    found = rows.filter(is_current=True).order_by("instance_id").values_list(*columns)
    return [Read(file, key, rejection is None, sender) for file, key, rejection, sender in found]


def _keep_identities(series: Series, objects: Sequence[Read]) -> None:
    """Keep with a hidden object whom it names, where its series says otherwise: a note is judged by that."""
    kept = dict(Instance.objects.filter(series=series, header__has_key=IDENTITY).values_list("pk", "header"))
    for one in objects:
        said = {} if one.is_shown or one.header is None else identity_of(one.header)
        wanted = said if any(series.header_values.get(name, "") != said[name] for name in said) else {}
        if wanted != kept.get(one.instance, {}).get(IDENTITY, {}):
            row = Instance.objects.get(pk=one.instance)
            others = {name: value for name, value in row.header.items() if name != IDENTITY}
            row.header = {**others, IDENTITY: wanted} if wanted else others
            row.save(update_fields=["header"])


def identity_of(header: Header) -> dict[str, str]:
    """Whom an object names, by the names of `HeaderValues`."""
    said = HeaderValues.of_object(header)
    return {name: getattr(said, name) for name in IDENTIFYING}


def _values(series: Series) -> dict[str, Any]:
    return {field.attname: getattr(series, field.attname) for field in Series._meta.concrete_fields}


def header_of(file: StoredFile) -> Header | None:
    """The header of a stored object; None if it can't be read. A volume that is away raises OSError."""
    try:
        return read_header(volumes.path_of(file), file.dataset_offset, file.transfer_syntax_uid)
    except DatasetError:
        return None
    except OSError:
        if not volumes.root_of(file.volume).is_dir():
            raise
        return None


def parts(keys: Sequence[int]) -> Iterator[Sequence[int]]:
    """Keys in parts that one query takes."""
    for start in range(0, len(keys), _AT_ONCE):
        yield keys[start : start + _AT_ONCE]


def register() -> None:
    """Register the job; called from `AppConfig.ready()`."""
    words = "Have a series say what the objects say that it shows"
    jobs.register(KIND, jobs.Handler(apply=apply, prepare=prepare, words=words))
