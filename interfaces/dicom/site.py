"""The site file's section `dicom`: whom the DICOM port lets in."""

from typing import ClassVar

from accounts.site_sections import Section
from accounts.site_sync import Change, sync_section


class DicomSection(Section):
    """`accept_unknown`: calling AE titles that are no station are let in, from this machine only."""

    row: ClassVar = "dicom"

    accept_unknown: bool = False


def apply(section: DicomSection, *, dry_run: bool) -> list[Change]:
    """Keep the policies."""
    return sync_section(DicomSection, section, dry_run=dry_run)
