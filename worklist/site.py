"""The site file's sections on authorities, stations, the procedure catalogue and worklist policies."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from accounts.site_sync import Change, sync_rows, sync_section
from worklist.models import AssigningAuthority, ProcedureCode, Station
from worklist.schedule import station_services
from worklist.value_limits import LONG, SHORT
from worklist.worklist_policy import WorklistPolicy


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AuthorityEntry(_Strict):
    """An assigning authority."""

    namespace: str = Field(max_length=64)
    universal_id: str = ""
    universal_id_type: str = ""
    kind: Literal["facility", "national", "payer"] = "facility"
    trusted: bool = True


class StationEntry(_Strict):
    """A modality."""

    ae_title: str = Field(min_length=1, max_length=16)
    name: str = Field("", max_length=16)
    modalities: list[str]
    group: str = ""
    location: str = ""
    selection: Literal["all", "own", "modality", "group"] = "all"
    window_days: int = Field(0, ge=0)
    show_started: bool = True
    character_set: str = ""
    services: list[Annotated[str, AfterValidator(station_services.known)]] = ["worklist", "store"]
    hosts: list[str] = []


class ProtocolEntry(_Strict):
    """A protocol code."""

    code: str = Field(max_length=16)
    scheme: str = Field(max_length=16)
    meaning: str = Field(max_length=64)


class ProcedureEntry(_Strict):
    """What a procedure code means for scheduling."""

    code: str = Field(max_length=SHORT)
    scheme: str = Field("", max_length=SHORT)
    description: str = Field(max_length=LONG)
    modality: str = Field(max_length=16)
    body_part: str = ""
    laterality: Literal["", "L", "R", "B"] = ""
    duration_minutes: int = Field(15, gt=0)
    station_group: str = ""
    station_ae_title: str = ""
    protocols: list[ProtocolEntry] = []


class WorklistSection(_Strict):
    """All of the worklist's part of the site file."""

    policies: WorklistPolicy = WorklistPolicy()
    authorities: list[AuthorityEntry] = []
    stations: list[StationEntry] = []
    procedures: list[ProcedureEntry] = []


def apply(section: WorklistSection, *, dry_run: bool, overwrite: bool) -> list[Change]:
    """Bring authorities, stations, catalogue and policies in line with the file."""
    options: dict[str, Any] = {"dry_run": dry_run, "overwrite": overwrite}
    return [
        *sync_section(WorklistPolicy, section.policies, dry_run=dry_run),
        *sync_rows(AssigningAuthority, ["namespace"], _rows(section.authorities), **options),
        *sync_rows(Station, ["ae_title"], _rows(section.stations), remove=True, **options),
        *sync_rows(ProcedureCode, ["code", "scheme"], _rows(section.procedures), remove=True, **options),
    ]


def _rows(entries: list[Any]) -> list[dict[str, Any]]:
    return [entry.model_dump() for entry in entries]
