"""Which scheduled steps a modality gets to see: the one place that selects the worklist (PS3.4 annex K)."""

from datetime import datetime

from django.db.models import QuerySet

from worklist.models import ScheduledProcedureStep, Station
from worklist.mwl import criteria
from worklist.mwl.matching_keys import WorklistKeys
from worklist.patients import care_notes


def select(
    keys: WorklistKeys, *, station: Station | None = None, now: datetime | None = None
) -> QuerySet[ScheduledProcedureStep]:
    """The steps that fulfil all criteria of `keys` and of `station`'s policy, by due time."""
    conditions = (criterion.condition for criterion in criteria.of(keys, station, now=now))
    return (
        ScheduledProcedureStep.objects.filter(*conditions)
        .select_related(
            "procedure__order__visit",
            "procedure__order__facility",
            "procedure__order__patient__authority",
            "procedure__order__patient__survivor__authority",
        )
        .prefetch_related(*care_notes.OF_STEPS)
        .order_by("local_date", "local_time", "id")
    )
