"""What a modality asks for: the matching keys of the Modality Worklist (PS3.4 K.6.1.2.2)."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Period:
    """A combined range of date and time in the facility's time; an empty end is open.

    Dates are YYYYMMDD, times HHMMSS. Without any date the times are times of any day.
    """

    from_date: str = ""
    from_time: str = ""
    to_date: str = ""
    to_time: str = ""

    def __str__(self) -> str:
        """As people write it; empty for any time."""
        first = f"{self.from_date} {self.from_time}".strip()
        last = f"{self.to_date} {self.to_time}".strip()
        if first == last or not last:
            return first and (first if first == last else f"from {first}")
        return f"{first} to {last}" if first else f"until {last}"


@dataclass(frozen=True)
class WorklistKeys:
    """The keys of a query; an empty one matches everything. Texts may hold `*` and `?` (PS3.4 C.2.2.2.4)."""

    station_ae_titles: Sequence[str] = ()
    modalities: Sequence[str] = ()
    period: Period = Period()
    patient_name: str = ""
    patient_id: str = ""
    issuer_of_patient_id: str = ""
    accession_number: str = ""
    requested_procedure_id: str = ""
    step_id: str = ""
    study_instance_uids: Sequence[str] = ()
