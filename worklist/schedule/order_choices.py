"""What one chooses from where an order is placed; what fits given modalities comes first."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from worklist.models import Priority, ProcedureCode, Station

_MOST: Final = 500


@dataclass(frozen=True)
class Choice:
    """One of what can be chosen; `note` is read last."""

    value: str
    text: str
    note: str = ""


def procedures(modalities: Collection[str] = ()) -> Sequence[Choice]:
    """The catalogue; without modalities by modality and description."""
    offered = ProcedureCode.objects.filter(is_active=True).exclude(modality="")
    codes = list(offered.order_by("modality", "description", "code", "scheme")[:_MOST])
    codes.sort(key=lambda code: code.modality not in modalities)
    return [Choice(code.code, f"{code.description} {code.code}", f"({code.modality})") for code in codes]


def priorities() -> Sequence[Choice]:
    """How urgent an exam is, the usual first."""
    usual = (Priority.ROUTINE, Priority.HIGH, Priority.STAT)
    return [Choice(one.value, str(one.label)) for one in usual]


def rooms(modalities: Collection[str] = ()) -> Sequence[Choice]:
    """Where exams are done."""
    stations = list(Station.objects.order_by("ae_title")[:_MOST])
    stations.sort(key=lambda room: not set(room.modalities) & set(modalities))
    return [Choice(one.ae_title, _name(one), f"({', '.join(one.modalities)})") for one in stations]


def _name(station: Station) -> str:
    return " · ".join(part for part in (station.name or station.ae_title, station.location) if part)
