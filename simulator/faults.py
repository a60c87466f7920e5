"""What goes wrong in a department, and what only looks wrong; each with the verdict of a careful person."""

from dataclasses import dataclass
from enum import Enum


class Fault(Enum):
    """How a study's headers come to differ from its order."""

    PREVIOUS_PATIENT = "console kept the previous patient"
    WRONG_ENTRY = "wrong worklist entry picked"
    WRONG_ACCESSION = "accession number of another patient"
    ID_TYPO = "typing error in the patient ID"
    UNSCHEDULED = "no order"
    LATE_ORDER = "images before the order"
    ACCESSION_TYPO = "typing error in the accession number"
    NAME_TYPO = "typing error in the name"
    DUPLICATE = "study sent twice"
    SWAPPED_NAME = "family and given name swapped"
    LOST_ZEROS = "accession number without its zeros"
    MARRIED = "married between order and exam"
    MERGED = "record merged after the exam"


@dataclass(frozen=True)
class Expected:
    """The verdict that is right, and whether the study's identity is at fault or it is merely odd."""

    verdict: str
    at_fault: bool
    says: str


EXPECTED: dict[Fault, Expected] = {
    Fault.PREVIOUS_PATIENT: Expected("mismatch", True, "the images name another patient than their order"),
    Fault.WRONG_ENTRY: Expected("mismatch", True, "the number and the UID are those of another's order"),
    Fault.WRONG_ACCESSION: Expected("mismatch", True, "the accession number is that of another's order"),
    Fault.ID_TYPO: Expected("probable", True, "the right patient; a digit of the patient ID is wrong"),
    Fault.UNSCHEDULED: Expected("unscheduled", True, "nobody ordered it"),
    Fault.LATE_ORDER: Expected("late_order", True, "the order comes when the images are there already"),
    Fault.ACCESSION_TYPO: Expected("probable", True, "the accession number names no order"),
    Fault.NAME_TYPO: Expected("corrected", True, "the right patient; one letter of the name is wrong"),
    Fault.DUPLICATE: Expected("matched", False, "every image came twice, and is kept once"),
    Fault.SWAPPED_NAME: Expected("corrected", False, "the right patient; the names are in the wrong places"),
    Fault.LOST_ZEROS: Expected("corrected", False, "the site's rule forgives leading zeros"),
    Fault.MARRIED: Expected("probable", False, "the right patient; a person has to say so"),
    Fault.MERGED: Expected("matched", False, "the images carry a number that has been merged since"),
}
"""What is `probable` waits for a person. What is at fault is never to be linked as it is, and what is
merely odd never to be called a mismatch."""

FAULTS = tuple(fault for fault, expected in EXPECTED.items() if expected.at_fault)
ODDITIES = tuple(fault for fault, expected in EXPECTED.items() if not expected.at_fault)

SOUND = "matched"
"""The verdict on a study with no fault."""


def expected_verdict(fault: Fault | None) -> str:
    """The verdict that is right."""
    return EXPECTED[fault].verdict if fault else SOUND


def slip(text: str, place: int) -> str:
    """A typing error: two neighbours swapped, or, where they are alike, one doubled."""
    place = max(1, min(place, len(text) - 2))
    one, other = text[place], text[place + 1]
    if one != other:
        return f"{text[:place]}{other}{one}{text[place + 2 :]}"
    return f"{text[:place]}{one}{text[place:]}"


def wrong_digit(text: str, place: int) -> str:
    """One digit of a number mistyped."""
    return f"{text[:place]}{(int(text[place]) + 5) % 10}{text[place + 1 :]}"
