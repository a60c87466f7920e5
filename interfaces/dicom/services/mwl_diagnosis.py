"""Why a station did not get a step: its own query, asked again of that one step."""

from interfaces.dicom.message_exchange import identifier
from interfaces.dicom.message_exchange.identifier import IdentifierError
from interfaces.dicom.models import StationContact
from interfaces.dicom.services.modality_worklist import Question
from interfaces.dicom.services.worklist_item import Item
from worklist.models import ScheduledProcedureStep, Station
from worklist.mwl import explanation
from worklist.mwl.criteria import By, Exclusion
from worklist.mwl.matching_keys import WorklistKeys
from worklist.schedule import station_groups


class CannotTell(Exception):
    """The query was not kept whole, or can't be read; the text says which."""


def why_not(
    step: ScheduledProcedureStep, contact: StationContact, station: Station | None
) -> list[Exclusion]:
    """What kept `step` from the answers to a kept query, were it asked now; none: it is among them.

    Raises `CannotTell`.
    """
    question = _question(contact)
    found = explanation.why_not(step, question.keys, station)
    if step.on_worklist:
        found += _unmatched(question, step)
    return found


def by_policy(step: ScheduledProcedureStep, station: Station | None) -> list[Exclusion]:
    """What keeps `step` from a station whatever it asks."""
    return explanation.why_not(step, WorklistKeys(), station)


def _question(contact: StationContact) -> Question:
    if contact.identifier is None:
        raise CannotTell("The query was too long to be kept.")
    try:
        return Question(identifier.decode(bytes(contact.identifier), contact.transfer_syntax))
    except IdentifierError as error:
        raise CannotTell(f"The query was refused: {error.comment}.") from error


def _unmatched(question: Question, step: ScheduledProcedureStep) -> list[Exclusion]:
    """Keys beyond the usual ones are matched on what would be returned."""
    item = Item.of(step, station_groups.titles(), numbers=question.needs_numbers)
    return [
        Exclusion(By.KEY, matcher.keyword, matcher.wanted, str(matcher.read(item) or ""))
        for matcher in question.matchers
        if not matcher(item)
    ]
