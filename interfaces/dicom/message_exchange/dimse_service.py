"""What a DIMSE service is to the acceptor: a plain callable that knows no transport.

A service is registered for a command field and its abstract syntaxes, and has one of three shapes:

- `Store`: `(StoreRequest) -> StoreOutcome`, once the whole object lies in its spool file;
- `Query`: `(QueryRequest) -> Iterator[QueryResult]`, for C-FIND and C-MOVE; C-CANCEL-RQ is honoured between
  results;
- `Operation`: `(OperationRequest) -> OperationAnswer`, for C-ECHO and the DIMSE-N services.

>>> services = Services()
>>> services.add_echo()
>>> services.add_find([ModalityWorklistInformationFind], find)
>>> services.add_store(store, private=True)
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from pydicom import Dataset
from pydicom._uid_dict import UID_dictionary
from pydicom.uid import (
    AllTransferSyntaxes,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPIPHTJ2KReferenced,
    JPIPHTJ2KReferencedDeflate,
    SMPTEST211020UncompressedInterlacedActiveVideo,
    SMPTEST211020UncompressedProgressiveActiveVideo,
    SMPTEST211030PCMDigitalAudio,
)
from pynetdicom import AllStoragePresentationContexts

from interfaces.dicom.message_exchange import identifier
from interfaces.dicom.message_exchange.command_set import CommandField, CommandSet, Element, Status
from interfaces.dicom.services.spool import SpoolFile

VERIFICATION = "1.2.840.10008.1.1"

NATIVE_SYNTAXES = tuple(map(str, (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian)))
"""For everything except storage, in our order of preference."""

_NOT_IN_FILES = {
    JPIPHTJ2KReferenced,
    JPIPHTJ2KReferencedDeflate,
    SMPTEST211020UncompressedInterlacedActiveVideo,
    SMPTEST211020UncompressedProgressiveActiveVideo,
    SMPTEST211030PCMDigitalAudio,
}
_JPEG_XL = tuple(f"1.2.840.10008.1.2.4.{number}" for number in (110, 111, 112))
_RETIRED_JPEG = tuple(f"1.2.840.10008.1.2.4.{number}" for number in (*range(52, 57), *range(58, 67)))
_ENCAPSULATED_UNCOMPRESSED = "1.2.840.10008.1.2.1.98"
_DEFLATED_IMAGE_FRAME = "1.2.840.10008.1.2.8.1"

STORAGE_SYNTAXES = (
    *(str(uid) for uid in AllTransferSyntaxes if uid not in _NOT_IN_FILES),
    *_JPEG_XL,
    _ENCAPSULATED_UNCOMPRESSED,
    _DEFLATED_IMAGE_FRAME,
    *_RETIRED_JPEG,
)
"""Every transfer syntax that can lie in a file as received: not JPIP (pixels are elsewhere), not ST 2110."""


def _storage_classes() -> tuple[str, ...]:
    current = {str(context.abstract_syntax) for context in AllStoragePresentationContexts}
    # Retired ones too: an archive migrates what others kept.
    retired = {
        uid
        for uid, (name, kind, *_) in UID_dictionary.items()
        if kind == "SOP Class" and "Storage" in name and uid.startswith("1.2.840.10008.5.1.")
    }
    return tuple(sorted(current | retired))


STORAGE_CLASSES = _storage_classes()


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of an association."""

    calling_ae: str
    called_ae: str
    address: str
    port: int
    implementation_class_uid: str
    implementation_version: str
    certificate: bytes | None  # DER, if the peer gave one in TLS


@dataclass(frozen=True, slots=True)
class StoreRequest:
    """A C-STORE-RQ (PS3.7 9.1.1) whose data set has arrived whole.

    UIDs are as sent, without their NUL or space padding: they may be no UIDs at all, so check before use.
    """

    affected_sop_class_uid: str
    affected_sop_instance_uid: str
    transfer_syntax: str
    peer: Peer
    message_id: int
    move_originator_ae: str
    move_originator_message_id: int | None
    spool: SpoolFile

    @property
    def calling_ae(self) -> str:
        return self.peer.calling_ae

    @property
    def called_ae(self) -> str:
        return self.peer.called_ae

    @property
    def address(self) -> str:
        return self.peer.address


@dataclass(frozen=True, slots=True)
class StoreOutcome:
    status: int
    comment: str = ""


@dataclass(frozen=True, slots=True)
class QueryRequest:
    """A C-FIND-RQ or C-MOVE-RQ (PS3.7 9.1.2, 9.1.4)."""

    abstract_syntax: str
    transfer_syntax: str
    peer: Peer
    command: CommandSet
    dataset: bytes

    @property
    def identifier(self) -> Dataset:
        """The identifier, decoded. The acceptor answers an `IdentifierError` that is let through."""
        return identifier.decode(self.dataset, self.transfer_syntax)

    @property
    def move_destination(self) -> str:
        return self.command.text(Element.MOVE_DESTINATION)


@dataclass(frozen=True, slots=True)
class QueryResult:
    """One response. A status that is not pending (FF00H, FF01H) ends the query; without one it is success."""

    status: int
    identifier: Dataset | bytes | None = None
    comment: str = ""
    remaining: int | None = None
    completed: int | None = None
    failed: int | None = None
    warnings: int | None = None


@dataclass(frozen=True, slots=True)
class OperationRequest:
    """A C-ECHO-RQ or DIMSE-N request (PS3.7 9.1.5, 10.1)."""

    abstract_syntax: str
    transfer_syntax: str
    peer: Peer
    command: CommandSet
    dataset: bytes | None

    @property
    def sop_instance_uid(self) -> str:
        command = self.command
        return command.text(Element.REQUESTED_SOP_INSTANCE_UID) or command.text(
            Element.AFFECTED_SOP_INSTANCE_UID
        )

    @property
    def attributes(self) -> Dataset:
        """The data set, decoded. The acceptor answers an `IdentifierError` that is let through."""
        return identifier.decode(self.dataset or b"", self.transfer_syntax)


@dataclass(frozen=True, slots=True)
class OperationAnswer:
    """`elements` adds to the response's command set, such as Error ID (a US) or Action Type ID."""

    status: int
    dataset: Dataset | bytes | None = None
    sop_instance_uid: str = ""
    comment: str = ""
    elements: dict[int, bytes | int | str | None] = field(default_factory=dict)


Store = Callable[[StoreRequest], StoreOutcome]
Query = Callable[[QueryRequest], Iterator[QueryResult]]
Operation = Callable[[OperationRequest], OperationAnswer]

# The names under which C-FIND users know the query's types.
FindRequest = QueryRequest
FindResult = QueryResult


@dataclass(frozen=True, slots=True)
class StoreService:
    call: Store


@dataclass(frozen=True, slots=True)
class QueryService:
    call: Query


@dataclass(frozen=True, slots=True)
class OperationService:
    call: Operation


Service = StoreService | QueryService | OperationService


@dataclass(frozen=True, slots=True)
class Support:
    """What is offered for an abstract syntax.

    Attributes
    ----------
    requestors_order : bool
        Accept the first proposed transfer syntax that we know, instead of the first of ours that is proposed.
    scp, scu : bool
        Our roles (PS3.7 D.3.3.4).
    """

    transfer_syntaxes: tuple[str, ...]
    requestors_order: bool = False
    scp: bool = True
    scu: bool = False

    def choose(self, proposed: tuple[str, ...]) -> str | None:
        candidates, known = (
            (proposed, self.transfer_syntaxes)
            if self.requestors_order
            else (self.transfer_syntaxes, proposed)
        )
        return next((syntax for syntax in candidates if syntax in known), None)


class Services:
    """The registry: fill it before the acceptor is made, since negotiation results are kept."""

    def __init__(self) -> None:
        self._support: dict[str, Support] = {}
        self._services: dict[tuple[int, str], Service] = {}
        self._private: tuple[Support, Service] | None = None
        self._fields: set[int] = set()

    def add_echo(self, call: Operation | None = None) -> None:
        """Verification (PS3.4 annex A)."""
        service = OperationService(call or (lambda _: OperationAnswer(Status.SUCCESS)))
        self._add(CommandField.C_ECHO_RQ, [VERIFICATION], Support(NATIVE_SYNTAXES), service)

    def add_find(self, abstract_syntaxes: Iterable[str], call: Query) -> None:
        self.add_query(CommandField.C_FIND_RQ, abstract_syntaxes, call)

    def add_query(self, command_field: CommandField, abstract_syntaxes: Iterable[str], call: Query) -> None:
        """C-FIND or C-MOVE."""
        self._add(command_field, abstract_syntaxes, Support(NATIVE_SYNTAXES), QueryService(call))

    def add_operation(
        self, command_field: CommandField, abstract_syntaxes: Iterable[str], call: Operation
    ) -> None:
        """A DIMSE-N service."""
        self._add(command_field, abstract_syntaxes, Support(NATIVE_SYNTAXES), OperationService(call))

    def add_store(
        self, call: Store, *, abstract_syntaxes: Iterable[str] = STORAGE_CLASSES, private: bool = False
    ) -> None:
        """Storage (PS3.4 annex B); with `private`, also of any class outside DICOM's own root."""
        support, service = Support(STORAGE_SYNTAXES, requestors_order=True), StoreService(call)
        self._add(CommandField.C_STORE_RQ, abstract_syntaxes, support, service)
        if private:
            self._private = support, service

    def support(self, abstract_syntax: str) -> Support | None:
        support = self._support.get(abstract_syntax)
        if support is None and self._private and not abstract_syntax.startswith("1.2.840.10008."):
            support = self._private[0]
        return support

    def knows(self, command_field: int) -> bool:
        return command_field in self._fields

    def find(self, command_field: int, abstract_syntax: str) -> Service | None:
        service = self._services.get((command_field, abstract_syntax))
        if service is None and self._private and abstract_syntax not in self._support:
            service = self._private[1] if command_field == CommandField.C_STORE_RQ else None
        return service

    def _add(
        self,
        command_field: CommandField,
        abstract_syntaxes: Iterable[str],
        support: Support,
        service: Service,
    ) -> None:
        self._fields.add(command_field)
        for uid in map(str, abstract_syntaxes):
            self._support.setdefault(uid, support)
            self._services[command_field, uid] = service
