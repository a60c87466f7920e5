"""The site file's section `archive`: the policies, and the volumes."""

from pydantic import BaseModel, ConfigDict, Field

from accounts.site_sync import Change, sync_rows, sync_section
from archive.archive_section import ArchiveSection
from archive.models import Volume
from archive.reconcile import affected_studies


class VolumeEntry(BaseModel):
    """A folder for objects; a relative path lies below the home."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=32)
    path: str
    is_open: bool = True


class ArchiveInFile(ArchiveSection):
    """All of the archive's part of the site file."""

    volumes: list[VolumeEntry] = [VolumeEntry(name="main", path="volumes/main")]


def apply(section: ArchiveInFile, *, dry_run: bool, overwrite: bool) -> list[Change]:
    """Bring the volumes and policies in line with the file."""
    before = ArchiveSection.current().phantoms
    if not dry_run:
        affected_studies.on_phantoms_changed(before, section.phantoms)
    rows = [entry.model_dump() for entry in section.volumes]
    return [
        *sync_section(ArchiveSection, section, dry_run=dry_run),
        *sync_rows(Volume, ["name"], rows, dry_run=dry_run, overwrite=overwrite),
    ]
