"""What a DIMSE service is to the acceptor: a declaration with a plain callable that knows no transport.

A service is for a command field and its abstract syntaxes, and has one of three shapes:

- `StoreService`: `(StoreRequest) -> StoreOutcome`, once the whole object lies in its spool file;
- `QueryService`: `(QueryRequest) -> Iterator[QueryResult]`, for C-FIND and C-MOVE; C-CANCEL-RQ is honoured
  between results;
- `OperationService`: `(OperationRequest) -> OperationAnswer`, for C-ECHO and the DIMSE-N services.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar, Generic, Self, TypeVar

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

from archive.storage.spool import SpoolFile
from interfaces.dicom.message_exchange import identifier
from interfaces.dicom.message_exchange.command_set import CommandField, CommandSet, Element, Status

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


def _storage_classes() -> frozenset[str]:
    current = {str(context.abstract_syntax) for context in AllStoragePresentationContexts}
    # Retired ones too: an archive migrates what others kept.
    retired = {
        uid
        for uid, (name, kind, *_) in UID_dictionary.items()
        if kind == "SOP Class" and "Storage" in name and uid.startswith("1.2.840.10008.5.1.")
    }
    return frozenset(current | retired)


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


Request = TypeVar("Request", StoreRequest, QueryRequest, OperationRequest)
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class DimseService(Generic[Request, Answer]):
    """A service that we provide (PS3.4), as its module declares it.

    Attributes
    ----------
    name : str
        What a station's `services` call it; a service of several commands has the same name for all.
    for_all : bool
        Every station may use it, and none lists it.
    """

    ACT: ClassVar = "do this"

    name: str
    abstract_syntaxes: frozenset[str]
    command: CommandField
    call: Callable[[Request], Answer]
    for_all: bool = False

    @property
    def support(self) -> Support:
        return Support(NATIVE_SYNTAXES)

    def takes(self, abstract_syntax: str) -> bool:
        return abstract_syntax in self.abstract_syntaxes

    def refuse(self, status: int, comment: str) -> Answer:
        """The answer to who may not use it."""
        raise NotImplementedError

    def only_for(self, may: Callable[[Peer, str], bool]) -> Self:
        """The same service for peers that may use it; the others are not authorized (PS3.7 C.5.16)."""
        if self.for_all:
            return self

        def call(request: Request) -> Answer:
            if may(request.peer, self.name):
                return self.call(request)
            return self.refuse(Status.NOT_AUTHORIZED, f"This AE title may not {self.ACT} here")

        return replace(self, call=call)


@dataclass(frozen=True, slots=True)
class StoreService(DimseService[StoreRequest, StoreOutcome]):
    """Storage (PS3.4 annex B), also of any class outside DICOM's own root."""

    ACT: ClassVar = "store"

    @property
    def support(self) -> Support:
        return Support(STORAGE_SYNTAXES, requestors_order=True)

    def takes(self, abstract_syntax: str) -> bool:
        return abstract_syntax in self.abstract_syntaxes or is_private(abstract_syntax)

    def refuse(self, status: int, comment: str) -> StoreOutcome:
        return StoreOutcome(status, comment)


@dataclass(frozen=True, slots=True)
class QueryService(DimseService[QueryRequest, Iterator[QueryResult]]):
    """C-FIND or C-MOVE."""

    ACT: ClassVar = "query"

    def refuse(self, status: int, comment: str) -> Iterator[QueryResult]:
        return iter((QueryResult(status, comment=comment),))


@dataclass(frozen=True, slots=True)
class OperationService(DimseService[OperationRequest, OperationAnswer]):
    """C-ECHO or DIMSE-N."""

    def refuse(self, status: int, comment: str) -> OperationAnswer:
        return OperationAnswer(status, comment=comment)


Service = StoreService | QueryService | OperationService


def is_private(abstract_syntax: str) -> bool:
    """Whether a UID is outside DICOM's own root (PS3.5 annex A)."""
    return not abstract_syntax.startswith("1.2.840.10008.")


class Services:
    """The services of an acceptor, by what is proposed and what is commanded."""

    def __init__(self, services: Iterable[Service]) -> None:
        self._support: dict[str, Support] = {}
        self._services: dict[tuple[int, str], Service] = {}
        self._private: StoreService | None = None
        for service in services:
            self._add(service)
        self._commands = {command for command, _ in self._services}

    def support(self, abstract_syntax: str) -> Support | None:
        support = self._support.get(abstract_syntax)
        if support is None and self._private and is_private(abstract_syntax):
            support = self._private.support
        return support

    def knows(self, command_field: int) -> bool:
        return command_field in self._commands

    def find(self, command_field: int, abstract_syntax: str) -> Service | None:
        service = self._services.get((command_field, abstract_syntax))
        if service is None and self._private and abstract_syntax not in self._support:
            service = self._private if command_field == CommandField.C_STORE_RQ else None
        return service

    def _add(self, service: Service) -> None:
        if isinstance(service, StoreService):
            self._private = service
        support = service.support
        for uid in service.abstract_syntaxes:
            self._support.setdefault(uid, support)
            self._services[service.command, uid] = service
