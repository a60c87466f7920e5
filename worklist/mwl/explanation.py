"""Why a modality does not see a scheduled step: each criterion that the step lacks, in words."""

from datetime import datetime

from worklist.models import ScheduledProcedureStep, Station
from worklist.mwl import criteria
from worklist.mwl.criteria import Exclusion
from worklist.mwl.matching_keys import WorklistKeys


def why_not(
    step: ScheduledProcedureStep,
    keys: WorklistKeys,
    station: Station | None = None,
    *,
    now: datetime | None = None,
) -> list[Exclusion]:
    """What keeps `step` out of the answer to `keys`; nothing where it is in it."""
    lacked = (one for one in criteria.of(keys, station, now=now) if not one.holds(step))
    return [exclusion for criterion in lacked for exclusion in criterion.words(step)]
