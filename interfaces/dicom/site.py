"""The site file's section `dicom`: whom the DICOM door lets in."""

from pydantic import BaseModel, ConfigDict

from accounts.site_sync import Change, sync_section


class DicomSection(BaseModel):
    """`accept_unknown`: calling AE titles that are no station are let in, from this machine only."""

    model_config = ConfigDict(extra="forbid")

    accept_unknown: bool = False


def apply(section: DicomSection, *, dry_run: bool) -> list[Change]:
    """Keep the policies."""
    return sync_section("dicom", section.model_dump(), dry_run=dry_run)
