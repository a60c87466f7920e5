"""The site file: one declarative description of the department.

Each package owns the schema and the meaning of its section; this module reads the file, says what is wrong
with line numbers, and applies the sections in order. At run time only rows are read.
"""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import yaml
from django.conf import settings
from django.db import transaction
from pydantic import BaseModel, ConfigDict, ValidationError

from accounts import site as facility_part
from accounts.actor import Actor
from accounts.models import SiteSection
from accounts.site_sections import Section
from accounts.site_sync import FILE, Change, FileState
from archive import site as archive_part
from interfaces.dicom import site as dicom_part
from interfaces.hl7 import site as hl7_part
from ledger import audit
from reporting import site as reporting_part
from worklist import site as worklist_part

_VARIABLE = re.compile(r"\$\{([A-Z_][A-Z0-9_]*)\}")


class Site(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid")

    facility: facility_part.FacilitySection
    worklist: worklist_part.WorklistSection = worklist_part.WorklistSection()
    archive: archive_part.ArchiveInFile = archive_part.ArchiveInFile()
    reporting: reporting_part.ReportingInFile = reporting_part.ReportingInFile()
    hl7: hl7_part.HL7InFile = hl7_part.HL7InFile()
    dicom: dicom_part.DicomSection = dicom_part.DicomSection()


class AppliedFile(Section):
    """The file that was applied last, by its digest."""

    row: ClassVar = FILE

    sha256: str = ""


@dataclass(frozen=True)
class Problem:
    """Something wrong in the file, and where."""

    line: int
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}"


class SiteFileError(Exception):
    """The site file can't be used; `problems` says why."""

    def __init__(self, path: Path, problems: list[Problem]) -> None:
        super().__init__("\n".join(f"{path}: {problem}" for problem in problems))
        self.problems = problems


def read(path: Path) -> tuple[Site, str]:
    """Read and check a site file; return it and its digest. Raises `SiteFileError`."""
    try:
        text = _expand(path.read_text(encoding="utf-8"))
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError) as error:
        raise SiteFileError(path, [Problem(0, f"can't be read: {error}")]) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 0
        raise SiteFileError(path, [Problem(line, getattr(error, "problem", "") or "is not YAML")]) from error
    try:
        site = Site.model_validate(content if content is not None else {})
    except ValidationError as error:
        problems = [
            Problem(_line(node, found["loc"]), f"{'.'.join(map(str, found['loc']))}: {found['msg']}")
            for found in error.errors()
        ]
        raise SiteFileError(path, sorted(problems, key=lambda problem: problem.line)) from error
    # The machine's time zone may change while the text stays.
    return site, hashlib.sha256(f"{text}\0{settings.SYSTEM_TIME_ZONE}".encode()).hexdigest()


def apply(path: Path, *, by: Actor, overwrite: bool = False) -> list[Change]:
    """Bring the rows in line with the file; return the differences. Applying it again changes nothing."""
    by.require("site.change")
    site, digest = read(path)
    with transaction.atomic():
        changes = _sync(site, dry_run=False, overwrite=overwrite)
        defaults = {"content": AppliedFile(sha256=digest).model_dump()}
        SiteSection.objects.update_or_create(name=AppliedFile.row, defaults=defaults)
        if changes:
            audit.note(
                by,
                audit.SECURITY_ALERT,
                audit.UPDATE,
                ("site file", digest),
                ("act", "site.applied"),
                act="Site file applied",
            )
    return changes


def differences(path: Path, *, overwrite: bool = False) -> list[Change]:
    """What `apply` would change."""
    site, _ = read(path)
    with transaction.atomic():
        return _sync(site, dry_run=True, overwrite=overwrite)


def _sync(site: Site, *, dry_run: bool, overwrite: bool) -> list[Change]:
    return [
        *facility_part.apply(site.facility, dry_run=dry_run),
        *worklist_part.apply(site.worklist, dry_run=dry_run, overwrite=overwrite),
        *archive_part.apply(site.archive, dry_run=dry_run, overwrite=overwrite),
        *reporting_part.apply(site.reporting, facility_code=site.facility.code, dry_run=dry_run),
        *hl7_part.apply(site.hl7, facility_code=site.facility.code, dry_run=dry_run, overwrite=overwrite),
        *dicom_part.apply(site.dicom, dry_run=dry_run),
    ]


def apply_if_changed() -> list[Change]:
    """Apply the site file of this installation, if it is new or changed since it was last applied."""
    _, digest = read(settings.SITE_FILE)
    if AppliedFile.current().sha256 == digest:
        return []
    return apply(settings.SITE_FILE, by=Actor.system())


def state() -> FileState:
    """The site file of this installation as it is now, compared with what is in force."""
    path = settings.SITE_FILE
    try:
        return FileState(str(path), changes=differences(path))
    except SiteFileError as error:
        return FileState(str(path), problems=[str(problem) for problem in error.problems])


def _expand(text: str) -> str:
    """Put environment variables, or their defaults from the settings, in place of `${NAME}`."""
    host, port = settings.HL7_DESTINATION
    known = {"RIS_PACS_HL7_DESTINATION": f"{host}:{port}", **os.environ}
    return _VARIABLE.sub(lambda found: known.get(found[1], found[0]), text)


def _line(node: Any, location: tuple[int | str, ...]) -> int:
    """The line of the deepest node on the way to `location`."""
    for part in location:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == part), None)
            if found is None:
                break
            node = found[1] if found[1].value != "" else found[0]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
        else:
            break
    return node.start_mark.line + 1 if node is not None else 1
