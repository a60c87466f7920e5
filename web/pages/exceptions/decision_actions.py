"""The seven decisions and the undo, as pages name them; the key of each is its place."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from archive.models import DecisionKind

UNDO: Final = "undo"


@dataclass(frozen=True)
class Action:
    """A decision: its key, its name, what it does in a sentence, and what it was when done."""

    kind: str
    key: str
    name: str
    says: str
    done: str


ACTIONS: Final = (
    Action(
        DecisionKind.LINK,
        "1",
        "Link",
        "Link the images to the chosen step's order and show them under its patient.",
        "linked",
    ),
    Action(
        DecisionKind.CORRECT,
        "2",
        "Correct",
        "Show the images under what the HIS has of their patient, with the best candidate's order.",
        "corrected",
    ),
    Action(
        DecisionKind.CREATE_ORDER,
        "3",
        "Create order",
        "Place the order that is missing, for the chosen patient or the one that the images name.",
        "given an order of its own",
    ),
    Action(
        DecisionKind.REASSIGN,
        "4",
        "Reassign",
        "Give the images to the chosen patient; orders of anybody else are unlinked.",
        "reassigned",
    ),
    Action(
        DecisionKind.SPLIT,
        "5",
        "Split",
        "Make a study of its own of the chosen series.",
        "split",
    ),
    Action(
        DecisionKind.REJECT,
        "6",
        "Reject",
        "Hide the images from lists, viewer and reading. They stay on disk.",
        "rejected",
    ),
    Action(
        DecisionKind.ACCEPT,
        "7",
        "Accept",
        "Leave the images as they are.",
        "accepted as it is",
    ),
)
BY_KIND: Final[Mapping[str, Action]] = {action.kind: action for action in ACTIONS}
TAKE_BACK: Final = Action(
    UNDO, "u", "Undo", "Take the newest decision back.", "as it was before the decision"
)
