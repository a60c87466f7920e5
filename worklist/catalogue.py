"""What the site says of authorities, stations and procedures: small tables, read once and kept in memory."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final
from zoneinfo import ZoneInfo

from accounts import site_version
from accounts.models import Facility
from worklist.models import AssigningAuthority, ProcedureCode, Station
from worklist.patients.identifiers import Authority

WATCHED: Final = (AssigningAuthority, Facility, ProcedureCode, Station)


@dataclass(frozen=True)
class Catalogue:
    """Authorities, stations, procedure codes and time zones, as they were when they were read."""

    authorities: Sequence[AssigningAuthority] = ()
    stations: Mapping[str, Station] = field(default_factory=dict)
    procedures: Mapping[str, Sequence[ProcedureCode]] = field(default_factory=dict)
    zones: Mapping[int, ZoneInfo] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        authorities: Iterable[AssigningAuthority] = (),
        stations: Iterable[Station] = (),
        procedures: Iterable[ProcedureCode] = (),
        facilities: Iterable[Facility] = (),
    ) -> "Catalogue":
        """A catalogue of these entries."""
        by_code: dict[str, list[ProcedureCode]] = {}
        for entry in sorted(procedures, key=lambda entry: entry.scheme):
            if not entry.modality:  # nobody has said yet what it is
                continue
            by_code.setdefault(entry.code, []).append(entry)
        return cls(
            authorities=list(authorities),
            stations={one.ae_title: one for one in stations},
            procedures=by_code,
            zones={one.pk: ZoneInfo(one.time_zone) for one in facilities},
        )

    def authority(self, named: Authority) -> AssigningAuthority | None:
        """The authority of a namespace, else that of a universal ID."""
        if named.namespace:
            for one in self.authorities:
                if one.namespace == named.namespace:
                    return one
        if named.universal_id:
            oid = (named.universal_id, named.universal_id_type)
            for one in self.authorities:
                if (one.universal_id, one.universal_id_type) == oid:
                    return one
        return None

    def with_authorities(self, added: Iterable[AssigningAuthority]) -> "Catalogue":
        """The same with authorities that a message has named for the first time."""
        return replace(self, authorities=[*self.authorities, *added])

    def procedure(self, code: str, scheme: str) -> ProcedureCode | None:
        """The entry of a code: that of the same scheme, else the first."""
        entries = self.procedures.get(code, ())
        return next((entry for entry in entries if entry.scheme == scheme), next(iter(entries), None))


def current() -> Catalogue:
    """The catalogue in force; a change made by another process shows within a second."""
    return _kept.current()


def read() -> Catalogue:
    """The catalogue, read anew."""
    return Catalogue.of(
        AssigningAuthority.objects.order_by("pk"),
        Station.objects.all(),
        ProcedureCode.objects.all(),
        Facility.objects.all(),
    )


_kept: Final = site_version.Kept(read)
