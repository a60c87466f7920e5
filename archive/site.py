"""The site file's section `archive`: quiet time, volumes, reconcile policy, what is amended on its way."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from accounts.site_sync import Change, sync_rows, sync_section
from archive.coercion.patient_coercion import Amend
from archive.models import Volume
from archive.reconcile import reconcile_policy


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class VolumeEntry(_Strict):
    """A folder for objects; a relative path lies below the home."""

    name: str = Field(max_length=32)
    path: str
    is_open: bool = True


class ArchiveSection(_Strict):
    """All of the archive's part of the site file; `reconcile` overrides the default policy key by key."""

    quiet_seconds: float = Field(60, ge=0)
    min_free_mib: int = Field(200, ge=0)
    volumes: list[VolumeEntry] = [VolumeEntry(name="main", path="volumes/main")]
    reconcile: dict[str, Any] = {}
    amend: Amend = Amend.ALL

    @field_validator("reconcile")
    @classmethod
    def _known(cls, value: dict[str, Any]) -> dict[str, Any]:
        reconcile_policy.of(value)
        return value


def apply(section: ArchiveSection, *, dry_run: bool, overwrite: bool) -> list[Change]:
    """Bring the volumes and policies in line with the file."""
    policies = section.model_dump(mode="json", exclude={"volumes"})
    rows = [entry.model_dump() for entry in section.volumes]
    return [
        *sync_section("archive", policies, dry_run=dry_run),
        *sync_rows(Volume, ["name"], rows, dry_run=dry_run, overwrite=overwrite),
    ]
