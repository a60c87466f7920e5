"""The site file's section `facility`."""

from typing import Annotated, Final
from zoneinfo import ZoneInfo

from django.conf import settings
from pydantic import AfterValidator, BaseModel, ConfigDict

from accounts.models import Facility
from accounts.signals import time_zone_changed
from accounts.site_sync import Change

SYSTEM: Final = "system"
"""What stands in the site file for the time zone of this machine."""


def _known(value: str) -> str:
    if value == SYSTEM and not settings.SYSTEM_TIME_ZONE:
        raise ValueError(
            "this machine has no time zone of the IANA list in TZ or /etc/localtime;"
            " name the department's here, such as Europe/Berlin"
        )
    name = str(settings.SYSTEM_TIME_ZONE) if value == SYSTEM else value
    try:
        ZoneInfo(name)
    except Exception as error:
        raise ValueError(f"{value!r} is not a time zone of the IANA list, such as Europe/Berlin") from error
    return name


TimeZone = Annotated[str, AfterValidator(_known)]
"""A time zone's name in the IANA list, or `system`."""


class FacilitySection(BaseModel):
    """The institution and its time zone; `system` is the zone of this machine."""

    model_config = ConfigDict(extra="forbid", validate_default=True)

    code: str
    name: str
    time_zone: TimeZone = SYSTEM


def apply(section: FacilitySection, *, dry_run: bool) -> list[Change]:
    """Make the facility, or change its name and time zone."""
    row = Facility.objects.filter(code=section.code).first()
    if row and (row.name, row.time_zone) == (section.name, section.time_zone):
        return []
    if not dry_run:
        facility, _ = Facility.objects.update_or_create(
            code=section.code, defaults={"name": section.name, "time_zone": section.time_zone}
        )
        if row and row.time_zone != section.time_zone:
            time_zone_changed.send(Facility, facility=facility)
    return [Change(f"facility {section.code}", "change" if row else "add")]
