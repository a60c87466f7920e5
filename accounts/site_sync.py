"""Bring rows in line with a section of the site file; say first what would change."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db import models, transaction

from accounts.models import SiteSection
from accounts.site_sections import Section

FILE: Final = "site file"
"""The name of the row that says which file was applied last."""


@dataclass(frozen=True)
class Change:
    """One difference between the site file and what is in force."""

    what: str
    kind: str
    details: str = ""

    def __str__(self) -> str:
        return f"{self.kind:9} {self.what}" + (f": {self.details}" if self.details else "")


@dataclass(frozen=True)
class FileState:
    """The site file as it is now: what is wrong in it, and how it differs from what is in force."""

    path: str
    problems: Sequence[str] = ()
    changes: Sequence[Change] = ()


_file_readers: list[Callable[[], FileState]] = []


def register_file(read: Callable[[], FileState]) -> None:
    """Say how the site file is read; called from `AppConfig.ready()` by whoever knows all its sections."""
    _file_readers[:] = [read]


def file_state() -> FileState | None:
    """The state of the site file; None where nobody reads one."""
    return _file_readers[0]() if _file_readers else None


def sync_rows(
    model: type[models.Model],
    key: Sequence[str],
    wanted: Iterable[Mapping[str, Any]],
    *,
    dry_run: bool,
    overwrite: bool,
    remove: bool = False,
) -> list[Change]:
    """Add and change rows of `model`, named by the fields `key`, until they are as `wanted`.

    Rows edited in the pages (`edited_at`) are left alone and listed, unless `overwrite`. With `remove`, rows
    that came from the file and are no longer in it are deleted.
    """
    changes = []
    name = str(model._meta.verbose_name)
    rows = {tuple(getattr(row, part) for part in key): row for row in model._default_manager.all()}
    seen = set()
    for values in wanted:
        row_key = tuple(values[part] for part in key)
        seen.add(row_key)
        change = _sync_row(
            model, f"{name} {' '.join(map(str, row_key))}", rows.get(row_key), values, dry_run, overwrite
        )
        if change:
            changes.append(change)
    for row_key, row in rows.items():
        if remove and row_key not in seen and getattr(row, "from_site_file", False):
            changes.append(Change(f"{name} {' '.join(map(str, row_key))}", "remove"))
            if not dry_run:
                row.delete()
    return changes


def _sync_row(
    model: type[models.Model],
    what: str,
    row: models.Model | None,
    values: Mapping[str, Any],
    dry_run: bool,
    overwrite: bool,
) -> Change | None:
    if row is None:
        if not dry_run:
            model._default_manager.create(**values, from_site_file=True)
        return Change(what, "add")
    differing = {name: value for name, value in values.items() if getattr(row, name) != value}
    if not differing:
        return None
    if getattr(row, "edited_at", None) and not overwrite:
        return Change(what, "edited", "edited in the pages and left alone: " + ", ".join(differing))
    if not dry_run:
        for name, value in differing.items():
            setattr(row, name, value)
        row.from_site_file = True  # type: ignore[attr-defined]
        if hasattr(row, "edited_at"):
            row.edited_at = None
        row.save()
    return Change(what, "change", ", ".join(differing))


def sync_section(kept: type[Section], section: Section, *, dry_run: bool) -> list[Change]:
    """Keep what is read at run time of a file's section: what the class `kept` has of it."""
    content = section.model_dump(mode="json", include=set(kept.model_fields))
    if SiteSection.read(kept.row) == content:
        return []
    if not dry_run:
        with transaction.atomic():
            SiteSection.objects.update_or_create(name=kept.row, defaults={"content": content})
    return [Change(f"policies of {kept.row}", "change")]
