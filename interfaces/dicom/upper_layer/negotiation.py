"""Presentation context and role negotiation of an acceptor (PS3.8 9.3.3.2, PS3.7 annex D.3.3.4).

A modality proposes the same contexts each time, so results are kept by the hash of the proposal's bytes: with
128 contexts, negotiation then costs one SHA-256.
"""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

from archive.dataset.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from interfaces.dicom.message_exchange.dimse_service import Services
from interfaces.dicom.upper_layer import pdu
from interfaces.dicom.upper_layer.pdu import AcceptedContext, Proposal, ProposedContext, Role

ACCEPTED = 0
USER_REJECTION = 1
ABSTRACT_SYNTAX_NOT_SUPPORTED = 3
TRANSFER_SYNTAXES_NOT_SUPPORTED = 4

_KEPT = 64
_LARGEST_KEPT = 128 << 10


@dataclass(frozen=True, slots=True)
class Negotiated:
    """A proposal, and the answer that it always gets."""

    proposal: Proposal
    accepted: dict[int, AcceptedContext]
    answer: bytes  # variable items of the A-ASSOCIATE-AC
    refused: tuple[str, ...] = ()  # abstract syntaxes of the contexts that are not accepted


class Negotiator:
    """Answers proposals for one set of services."""

    def __init__(self, services: Services, max_pdu: int) -> None:
        self._services = services
        self._max_pdu = max_pdu
        self._kept: OrderedDict[bytes, Negotiated] = OrderedDict()
        self._lock = Lock()

    def negotiate(self, items: memoryview) -> Negotiated:
        """Return the result for the variable items of an A-ASSOCIATE-RQ.

        Raises
        ------
        ProtocolError
            If they can't be decoded.
        """
        key = hashlib.sha256(items).digest()
        with self._lock:
            kept = self._kept.get(key)
            if kept:
                self._kept.move_to_end(key)
                return kept
        negotiated = self._negotiate(pdu.decode_associate_rq(items))
        if len(items) <= _LARGEST_KEPT:
            with self._lock:
                self._kept[key] = negotiated
                if len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
        return negotiated

    def _negotiate(self, proposal: Proposal) -> Negotiated:
        roles: dict[str, Role] = {}
        results = [self._result(context, proposal.roles, roles) for context in proposal.contexts]
        answer = pdu.encode_associate_ac(
            proposal,
            results,
            roles,
            max_pdu=self._max_pdu,
            implementation_class_uid=IMPLEMENTATION_CLASS_UID,
            implementation_version=IMPLEMENTATION_VERSION_NAME,
        )
        accepted = {result.context_id: result for result in results if result.result == ACCEPTED}
        refused = tuple(result.abstract_syntax for result in results if result.result != ACCEPTED)
        return Negotiated(proposal, accepted, answer, refused)

    def _result(
        self, context: ProposedContext, proposed_roles: dict[str, Role], roles: dict[str, Role]
    ) -> AcceptedContext:
        support = self._services.support(context.abstract_syntax)
        syntax, result = "", ACCEPTED
        if support is None:
            result = ABSTRACT_SYNTAX_NOT_SUPPORTED
        else:
            syntax = support.choose(context.transfer_syntaxes) or ""
            proposed = proposed_roles.get(context.abstract_syntax)
            if not syntax:
                result = TRANSFER_SYNTAXES_NOT_SUPPORTED
            elif proposed:
                # A role that was not proposed can't be accepted; with none left there is nothing to do.
                role = Role(proposed.scu and support.scp, proposed.scp and support.scu)
                if any(role):
                    roles[context.abstract_syntax] = role
                else:
                    result = USER_REJECTION
        return AcceptedContext(context.context_id, context.abstract_syntax, syntax, result)
