"""The site file's section `reporting`: targets, the undo of signatures, report templates, macros."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from accounts.models import Facility
from accounts.site_sync import Change, sync_section
from ledger.errors import Invalid
from reporting.models import ReportTemplate
from reporting.reporting_section import ReportingSection
from reporting.reports import drafts


class TemplateEntry(BaseModel):
    """Text that a report of a modality, body part or procedure code begins with."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=100)
    modality: str = Field("", max_length=16)
    body_part: str = Field("", max_length=64)
    procedure_code: str = Field("", max_length=64)
    sections: dict[str, str]

    @field_validator("sections")
    @classmethod
    def _known(cls, value: dict[str, str]) -> dict[str, str]:
        try:
            return drafts.checked(value)
        except Invalid as error:
            raise ValueError(error.text) from error


class ReportingInFile(ReportingSection):
    """All of reporting's part of the site file."""

    templates: list[TemplateEntry] = []


def apply(section: ReportingInFile, *, facility_code: str, dry_run: bool) -> list[Change]:
    """Keep the policies, and add a version of each template whose text has changed."""
    facility = Facility.objects.filter(code=facility_code).first()
    return [
        *sync_section(ReportingSection, section, dry_run=dry_run),
        *_templates(section, facility, dry_run),
    ]


def _templates(section: ReportingInFile, facility: Facility | None, dry_run: bool) -> list[Change]:
    changes = []
    rows = ReportTemplate.objects.filter(facility=facility, is_current=True) if facility else []
    current = {row.name: row for row in rows}
    for entry in section.templates:
        values = entry.model_dump()
        row = current.get(entry.name)
        if row and all(getattr(row, name) == value for name, value in values.items()):
            continue
        changes.append(Change(f"report template {entry.name}", "change" if row else "add"))
        if not dry_run and facility:
            _add_version(facility, row, values)
    gone = set(current) - {entry.name for entry in section.templates}
    for name in sorted(gone):
        if current[name].from_site_file:
            changes.append(Change(f"report template {name}", "remove"))
            if not dry_run:
                ReportTemplate.objects.filter(pk=current[name].pk).update(is_current=False)
    return changes


def _add_version(facility: Facility, row: ReportTemplate | None, values: dict[str, Any]) -> None:
    newest = (
        ReportTemplate.objects.filter(facility=facility, name=values["name"]).order_by("-version").first()
    )
    if row:
        ReportTemplate.objects.filter(pk=row.pk).update(is_current=False)
    version = newest.version + 1 if newest else 1
    ReportTemplate.objects.create(facility=facility, version=version, from_site_file=True, **values)
