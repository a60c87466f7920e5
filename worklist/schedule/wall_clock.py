"""When a step is due by the clock on the department's wall: what C-FIND matches (PS3.4 K.6.1.2.2)."""

from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from accounts.models import Facility
from worklist.models import ScheduledProcedureStep

BATCH: Final = 500


def of(moment: datetime, zone: ZoneInfo) -> tuple[str, str]:
    """The date and the time of a moment, as DICOM writes them (DA, TM)."""
    local = moment.astimezone(zone)
    return local.strftime("%Y%m%d"), local.strftime("%H%M%S")


def follow_time_zone(sender: Any, facility: Facility, **_: Any) -> None:
    """Write the dates and times of a facility's steps anew, whose clock turned out to be another."""
    zone = ZoneInfo(facility.time_zone)
    steps = ScheduledProcedureStep.objects.filter(procedure__order__facility=facility).order_by("pk")
    last = 0
    while batch := list(steps.filter(pk__gt=last).only("due")[:BATCH]):
        for step in batch:
            step.local_date, step.local_time = of(step.due, zone)
        ScheduledProcedureStep.objects.bulk_update(batch, ["local_date", "local_time"])
        last = batch[-1].pk
