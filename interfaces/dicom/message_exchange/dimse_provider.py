"""The DIMSE messages of one association (PS3.7): fragments in, services called, responses out.

An `Exchange` knows no sockets and no states; the association feeds it the bodies of P-DATA-TF PDUs.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pydicom import Dataset

from archive.dataset.uid import valid_uid
from archive.storage.spool import Spool, SpoolFull, file_meta
from interfaces.dicom.fault_log import log_fault
from interfaces.dicom.message_exchange import identifier
from interfaces.dicom.message_exchange.command_set import (
    NO_DATASET,
    CommandError,
    CommandField,
    CommandSet,
    Element,
    Status,
    decode_command,
    encode_command,
    error_comment,
)
from interfaces.dicom.message_exchange.dimse_service import (
    OperationAnswer,
    OperationRequest,
    OperationService,
    Peer,
    QueryRequest,
    QueryResult,
    QueryService,
    Services,
    StoreOutcome,
    StoreRequest,
    StoreService,
)
from interfaces.dicom.message_exchange.identifier import IdentifierError
from interfaces.dicom.message_exchange.incoming_message import Incoming
from interfaces.dicom.upper_layer import pdu
from interfaces.dicom.upper_layer.acceptor_config import AcceptorConfig, AssociationFacts, Counters
from interfaces.dicom.upper_layer.pdu import AbortReason, AcceptedContext, Pdv, ProtocolError
from interfaces.dicom.upper_layer.transport import Closed, Expired

Elements = dict[int, bytes | int | str | None]

_PENDING = (Status.PENDING, Status.PENDING_WARNING)
_FAILED = (Status.PROCESSING_FAILURE, "Internal error")


@dataclass(frozen=True)
class Provider:
    """What the exchanges of an acceptor have in common."""

    config: AcceptorConfig
    services: Services
    spool: Spool
    counters: Counters


class Exchange:
    """The messages of one association.

    Parameters
    ----------
    provider : Provider
    peer : Peer
    accepted : dict
        Accepted presentation contexts by their ID.
    peer_pdu : int
        Maximum length of the PDUs that the peer takes.
    facts : AssociationFacts
        Counts what is received.
    send : callable
        Sends encoded PDUs; raises `Closed` or `Expired`.
    take_events : callable
        Takes what has arrived, without waiting; returns whether the association still stands.
    """

    def __init__(
        self,
        provider: Provider,
        peer: Peer,
        accepted: dict[int, AcceptedContext],
        peer_pdu: int,
        facts: AssociationFacts,
        send: Callable[[bytes], None],
        take_events: Callable[[], bool],
    ) -> None:
        self._provider = provider
        self._config = provider.config
        self._peer = peer
        self._accepted = accepted
        self._peer_pdu = peer_pdu
        self._facts = facts
        self._send = send
        self._take_events = take_events
        self._incoming: Incoming | None = None
        self._ready: list[Incoming] = []
        self._performing = False
        self._over = False
        self._cancelled: int | None = None

    @property
    def amid_message(self) -> bool:
        return self._incoming is not None

    def discard(self) -> None:
        """Drop what has come in of messages that will not be performed."""
        self._over = True
        for message in (self._incoming, *self._ready):
            if message:
                message.discard()
        self._incoming = None
        self._ready.clear()

    def receive(self, body: memoryview) -> None:
        """Take the body of a P-DATA-TF PDU and perform the messages that it completes.

        Raises
        ------
        ProtocolError, CommandError
            If the peer breaks PS3.8 or PS3.7 in a way that only an A-ABORT answers.
        """
        for pdv in pdu.presentation_data_values(body):
            message = self._receive(pdv)
            if message:
                self._ready.append(message)
        if self._ready and self._performing:
            raise CommandError  # the window of operations is 1 (PS3.7 D.3.3.3)
        while self._ready and not self._over:
            message = self._ready.pop(0)
            self._performing = True
            try:
                self._perform(message)
            finally:
                self._performing = False
                message.discard()
        if not self._performing:
            self._cancelled = None

    def _receive(self, pdv: Pdv) -> Incoming | None:
        """Take a fragment; return the message that it completes (PS3.8 annex E)."""
        message = self._incoming
        if message is None:
            context = self._accepted.get(pdv.context_id)
            if context is None:
                raise ProtocolError
            message = self._incoming = Incoming(context)
        elif pdv.context_id != message.context.context_id:
            raise ProtocolError
        if pdv.is_command == bool(message.command):
            raise ProtocolError(AbortReason.UNEXPECTED_PARAMETER)
        if message.command:
            message.append(pdv.fragment, self._config.max_dataset_bytes)
        else:
            message.head += pdv.fragment
            if len(message.head) > self._config.max_command_bytes:
                raise CommandError
        if not pdv.is_last:
            return None
        if pdv.is_command and self._begin(message).has_dataset:
            return None
        self._incoming = None
        return message if message.service or message.refusal else None

    def _begin(self, message: Incoming) -> CommandSet:
        """Decode the command set and decide where the data set goes."""
        command = message.command = decode_command(message.head)
        if command.field == CommandField.C_CANCEL_RQ:
            if command.has_dataset:
                raise CommandError
            self._cancelled = command.message_id
            return command
        if command.field & 0x8000:
            raise CommandError  # a response, to nothing
        message.refusal = self._refusal(message, command)
        if not message.refusal and isinstance(message.service, StoreService):
            self._open_spool(message, command)
        return command

    def _refusal(self, message: Incoming, command: CommandSet) -> tuple[int, str] | None:
        abstract_syntax = message.context.abstract_syntax
        unrecognized = Status.UNRECOGNIZED_OPERATION, "Operation not supported"
        if not self._provider.services.knows(command.field):
            return unrecognized
        if _sop_class(command) != abstract_syntax:
            return Status.SOP_CLASS_NOT_SUPPORTED, "SOP Class differs from the presentation context"
        message.service = self._provider.services.find(command.field, abstract_syntax)
        if message.service is None:
            return unrecognized
        if isinstance(message.service, StoreService | QueryService) and not command.has_dataset:
            return Status.IDENTIFIER_DOES_NOT_MATCH, "Data set missing"
        return None

    def _open_spool(self, message: Incoming, command: CommandSet) -> None:
        meta = file_meta(
            message.context.abstract_syntax,
            command.text(Element.AFFECTED_SOP_INSTANCE_UID),
            message.context.transfer_syntax,
            self._peer.calling_ae,
        )
        try:
            message.spool = self._provider.spool.create(meta, self._config.max_object_bytes)
        except SpoolFull:
            message.refusal = Status.OUT_OF_RESOURCES, "No space left"

    # Services

    def _perform(self, message: Incoming) -> None:
        if message.refusal:
            status, comment = message.refusal
            self._respond(message, status, comment)
        elif isinstance(message.service, StoreService):
            self._store(message, message.service)
        elif isinstance(message.service, QueryService):
            self._query(message, message.service)
        elif isinstance(message.service, OperationService):
            self._operation(message, message.service)

    def _store(self, message: Incoming, service: StoreService) -> None:
        command, spool = message.command, message.spool
        assert command
        assert spool
        request = StoreRequest(
            command.text(Element.AFFECTED_SOP_CLASS_UID),
            command.text(Element.AFFECTED_SOP_INSTANCE_UID),
            message.context.transfer_syntax,
            self._peer,
            command.message_id,
            spool,
        )
        self._facts.objects += 1
        self._facts.bytes += spool.size
        self._provider.counters.received(spool.size)
        try:
            outcome = service.call(request)
        except Exception as error:  # the service's fault, which the peer has to be told
            log_fault("store service", error)
            outcome = StoreOutcome(*_FAILED)
        self._respond(message, outcome.status, outcome.comment)

    def _operation(self, message: Incoming, service: OperationService) -> None:
        assert message.command
        dataset = bytes(message.dataset) if message.command.has_dataset else None
        context = message.context
        request = OperationRequest(
            context.abstract_syntax, context.transfer_syntax, self._peer, message.command, dataset
        )
        try:
            answer = service.call(request)
            encoded = _encoded(answer.dataset, context)
        except IdentifierError as error:
            answer, encoded = OperationAnswer(Status.PROCESSING_FAILURE, comment=error.comment), None
        except Exception as error:  # the service's fault, which the peer has to be told
            log_fault("operation service", error)
            answer, encoded = OperationAnswer(_FAILED[0], comment=_FAILED[1]), None
        elements = dict(answer.elements)
        if valid_uid(answer.sop_instance_uid):
            elements[Element.AFFECTED_SOP_INSTANCE_UID] = answer.sop_instance_uid
        self._respond(message, answer.status, answer.comment, encoded, elements)

    def _query(self, message: Incoming, service: QueryService) -> None:
        assert message.command
        context = message.context
        request = QueryRequest(
            context.abstract_syntax,
            context.transfer_syntax,
            self._peer,
            message.command,
            bytes(message.dataset),
        )
        final = QueryResult(Status.SUCCESS)
        results: Iterator[QueryResult] = iter(())
        try:
            results = iter(service.call(request))
            for result in results:
                wanted = self._still_wanted(message.command.message_id)
                if self._over:
                    return
                if not wanted or result.status not in _PENDING:
                    final = result if wanted else QueryResult(Status.CANCEL)
                    break
                self._respond_result(message, result)
        except (Closed, Expired):
            raise
        except IdentifierError as error:
            final = QueryResult(error.status, comment=error.comment)
        except Exception as error:  # the service's fault, which the peer has to be told
            log_fault("query service", error)
            final = QueryResult(Status.UNABLE_TO_PROCESS, comment=_FAILED[1])
        finally:
            _finish(results)
        self._respond_result(message, final)

    def _still_wanted(self, message_id: int) -> bool:
        """Take what has arrived; False if it was this operation's C-CANCEL-RQ, or ended the association."""
        return self._take_events() and self._cancelled != message_id

    def _respond_result(self, message: Incoming, result: QueryResult) -> None:
        elements: Elements = {
            Element.NUMBER_OF_REMAINING_SUBOPERATIONS: result.remaining,
            Element.NUMBER_OF_COMPLETED_SUBOPERATIONS: result.completed,
            Element.NUMBER_OF_FAILED_SUBOPERATIONS: result.failed,
            Element.NUMBER_OF_WARNING_SUBOPERATIONS: result.warnings,
        }
        dataset = _encoded(result.identifier, message.context)
        self._respond(message, result.status, result.comment, dataset, elements)

    def _respond(
        self,
        message: Incoming,
        status: int,
        comment: str = "",
        dataset: bytes | None = None,
        elements: Elements | None = None,
    ) -> None:
        """Send a response (PS3.7 9.3, 10.3); what it says of the instance is what the request said."""
        command = message.command
        assert command
        answer: Elements = {
            Element.AFFECTED_SOP_CLASS_UID: message.context.abstract_syntax,
            Element.COMMAND_FIELD: command.field | 0x8000,
            Element.MESSAGE_ID_BEING_RESPONDED_TO: command.message_id,
            Element.COMMAND_DATA_SET_TYPE: NO_DATASET if dataset is None else 1,
            Element.STATUS: status,
            Element.ERROR_COMMENT: error_comment(comment) if comment else None,
            Element.AFFECTED_SOP_INSTANCE_UID: _sop_instance(command),
        }
        if elements:
            answer |= elements
        context_id, limit = message.context.context_id, self._peer_pdu
        pdus = pdu.p_data(context_id, encode_command(answer), is_command=True, max_length=limit)
        if dataset is not None:
            pdus += pdu.p_data(context_id, dataset, is_command=False, max_length=limit)
        self._send(pdus)


def _sop_class(command: CommandSet) -> str:
    requested = command.text(Element.REQUESTED_SOP_CLASS_UID)
    return requested or command.text(Element.AFFECTED_SOP_CLASS_UID)


def _sop_instance(command: CommandSet) -> str | None:
    uid = command.text(Element.AFFECTED_SOP_INSTANCE_UID) or command.text(Element.REQUESTED_SOP_INSTANCE_UID)
    return uid if valid_uid(uid) else None


def _encoded(dataset: Dataset | bytes | None, context: AcceptedContext) -> bytes | None:
    if dataset is None or isinstance(dataset, bytes):
        return dataset
    return identifier.encode(dataset, context.transfer_syntax)


def _finish(results: Iterator[QueryResult]) -> None:
    """Close a generator now, in its own thread, so that its cursor is freed."""
    close = getattr(results, "close", None)
    if close:
        try:
            close()
        except Exception as error:  # its answers have gone: there is nothing to tell
            log_fault("query service", error)
