"""The site file's section `facility`."""

from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, field_validator

from accounts.models import Facility
from accounts.site_sync import Change


class FacilitySection(BaseModel):
    """The institution and its time zone; `system` is the zone of this machine."""

    model_config = ConfigDict(extra="forbid")

    code: str
    name: str
    time_zone: str = "system"

    @field_validator("time_zone")
    @classmethod
    def _known(cls, value: str) -> str:
        if value == "system":
            from tzlocal import get_localzone_name

            return get_localzone_name() or "UTC"
        try:
            ZoneInfo(value)
        except Exception as error:
            raise ValueError(
                f"{value!r} is not a time zone of the IANA list, such as Europe/Berlin"
            ) from error
        return value


def apply(section: FacilitySection, *, dry_run: bool) -> list[Change]:
    """Make the facility, or change its name and time zone."""
    row = Facility.objects.filter(code=section.code).first()
    if row and (row.name, row.time_zone) == (section.name, section.time_zone):
        return []
    if not dry_run:
        Facility.objects.update_or_create(
            code=section.code, defaults={"name": section.name, "time_zone": section.time_zone}
        )
    return [Change(f"facility {section.code}", "change" if row else "add")]
