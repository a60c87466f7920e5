"""What is refused before anything is read or written: it follows from what is said and from the catalogue."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ledger.errors import Duplicate, Missing, Refused, UnknownCode
from worklist import value_limits
from worklist.catalogue import Catalogue
from worklist.change_set import ChangeSet, Group, Registration, Tie, VisitChange, VisitMerge, VisitName
from worklist.models import (
    AppointmentReference,
    AssigningAuthority,
    Order,
    OrderNumber,
    Patient,
    RequestedProcedure,
    ScheduledProcedureStep,
    Visit,
)
from worklist.orders.order_update import OrderUpdate, ProcedureUpdate
from worklist.patients.identifiers import NAMING_TYPES, Authority, Identifier
from worklist.provenance import Provenance, check_lengths
from worklist.schedule.appointment_update import AppointmentUpdate


@dataclass(frozen=True)
class Refusal:
    """Why a change set can't be applied: its group, and the procedure of its order, -1 where it is none's."""

    error: Refused
    group: Group
    procedure: int = -1


def refusal(changes: ChangeSet, catalogue: Catalogue) -> Refusal | None:
    """The first thing for which a change set is refused; None where it can be applied."""
    seen: set[int] = set()
    check = _Check(changes.provenance, catalogue)
    for group in changes.groups:
        check.procedure = -1
        try:
            if group.registration is not None and id(group.registration) not in seen:
                seen.add(id(group.registration))
                check.registration(group.registration)
            for change in group.visit_changes:
                check.visit_change(change)
            for merge in group.merges:
                check.tie(merge)
            if group.order is not None:
                check.order(group.order)
            if group.appointment is not None:
                check_appointment(group.appointment)
        except Refused as error:
            return Refusal(error, group, check.procedure)
    return None


@dataclass
class _Check:
    provenance: Provenance
    catalogue: Catalogue
    procedure: int = -1

    def registration(self, said: Registration) -> None:
        named = list(self._naming(said.identifiers))
        if not named:
            text = "no identifier of a known assigning authority names the patient"
            raise Missing(text, "identifiers")
        check_lengths(Patient, said.demographics)
        value_limits.check_name(said.demographics.get("name"), "name")
        if said.visit is not None:
            check_lengths(
                Visit, {**said.visit.values, "number": said.visit.number, "holder": said.visit.holder}
            )
            value_limits.check(said.visit.number, value_limits.LONG, "number")
            self._authority(said.visit.authority, "number")

    def visit_change(self, said: VisitChange) -> None:
        if isinstance(said, VisitMerge):
            if said.survivor == said.retired:
                raise Duplicate("a number can't be merged into itself", "retired_visit")
            self._visit_name(said.survivor, "number")
            self._visit_name(said.retired, "retired_visit")
            return
        self._visit_name(said.visit, "retired_visit")
        if not list(self._naming(said.held)):
            raise Missing("no identifier of a known assigning authority names the patient", "held")

    def _visit_name(self, name: VisitName, field: str) -> None:
        check_lengths(Visit, {"number": name.number, "holder": name.holder})
        value_limits.check(name.number, value_limits.LONG, field)
        self._authority(name.authority, field)

    def tie(self, said: Tie) -> None:
        named = list(self._naming([said.survivor, said.retired]))
        records = {self._record(one) for one in named}
        if said.survivor[:2] == said.retired[:2] or len(records) < len(named):
            raise Duplicate("a record can't be merged into itself, or parted from itself", "retired")
        if len(named) < 2:
            raise Missing("both records must be named by a known assigning authority", "retired")

    def order(self, said: OrderUpdate) -> None:
        if said.placer is None and said.filler is None:
            raise Missing("the order has neither a placer nor a filler order number", "placer")
        for name, number in (("placer", said.placer), ("filler", said.filler)):
            if number is not None:
                check_lengths(OrderNumber, number._asdict(), name)
                value_limits.check(number.value, value_limits.LONG, name)
                if not number.value:
                    raise Missing(f"the {name} order number is empty", name)
        check_lengths(Order, vars(said.content))
        value_limits.check(said.content.accession_number, value_limits.SHORT, "accession_number")
        for self.procedure, procedure in enumerate(said.procedures):
            named = {"requested_procedure_id": procedure.id}
            check_lengths(RequestedProcedure, {**vars(procedure.content), **named})
            for step in procedure.steps:
                named = {"scheduled_procedure_step_id": step.id}
                check_lengths(ScheduledProcedureStep, {**vars(step.content), **named})
            _check_naming(procedure)
            self._code(procedure)

    def _naming(self, identifiers: Iterable[Identifier]) -> Iterator[Identifier]:
        """The identifiers that name records."""
        for identifier in identifiers:
            if identifier.value:
                check_lengths(Patient, {"value": identifier.value}, "identifiers")
                authority = self._authority(identifier.authority)
                if (authority is None or authority.trusted) and identifier.type in NAMING_TYPES:
                    value_limits.check(identifier.value, value_limits.LONG, "identifiers")
                    yield identifier

    def _record(self, identifier: Identifier) -> tuple[object, str]:
        authority = self.catalogue.authority(identifier.authority)
        return authority.pk if authority else namespace_of(identifier.authority), identifier.value

    def _authority(self, named: Authority, said_of: str = "identifiers") -> AssigningAuthority | None:
        """The authority; None for a new one that the site accepts."""
        check_lengths(AssigningAuthority, named._asdict(), said_of)
        if found := self.catalogue.authority(named):
            return found
        if self.provenance.policy.unknown_authorities != "accept":
            text = f"the assigning authority {named.namespace!r} is not known here"
            raise UnknownCode(text, said_of)
        if not namespace_of(named):
            raise Missing("the identifier names no assigning authority", said_of)
        check_lengths(AssigningAuthority, {"namespace": namespace_of(named)}, said_of)
        return None

    def _code(self, said: ProcedureUpdate) -> None:
        policy = self.provenance.policy.unknown_procedure_codes
        if policy == "accept_with_modality" and all(step.content.modality for step in said.steps):
            return
        code = said.content.code
        if not code or not isinstance(code, str):
            raise Missing("the order names no procedure code and no modality", "code")
        if code not in self.catalogue.procedures:
            raise UnknownCode(f"the procedure code {code!r} is not known and no modality is named", "code")


def check_appointment(said: AppointmentUpdate) -> None:
    """Raise `Invalid` where a number of an appointment is too long to be kept whole."""
    for number in (said.number, *(number for _, number in said.orders)):
        named = {"value": number.value, "namespace": number.namespace}
        check_lengths(AppointmentReference, named, "appointment")


def _check_naming(said: ProcedureUpdate) -> None:
    """What names a procedure and its steps fits into DICOM's SH, and its codes do."""
    content = said.content
    value_limits.check(said.id, value_limits.SHORT, "requested_procedure_id")
    for name in ("accession_number", "code", "scheme"):
        value_limits.check(getattr(content, name), value_limits.SHORT, name)
    for step in said.steps:
        value_limits.check(step.id, value_limits.SHORT, "scheduled_procedure_step_id")
        codes = step.content.protocol_codes
        for one in codes if isinstance(codes, list) else ():
            value_limits.check(one["code"], value_limits.SHORT, "protocol_codes")


def namespace_of(authority: Authority) -> str:
    """By what a new authority is kept."""
    return authority.namespace or authority.universal_id
