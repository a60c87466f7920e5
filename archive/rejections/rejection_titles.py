"""The titles of rejection notes."""

from collections.abc import Mapping
from typing import Final

INCORRECT_WORKLIST_ENTRY: Final = "113038"
REJECTION_TITLES: Final[Mapping[str, str]] = {
    "113001": "Rejected for Quality Reasons",
    "113037": "Rejected for Patient Safety Reasons",
    INCORRECT_WORKLIST_ENTRY: "Incorrect Modality Worklist Entry",
    "113039": "Data Retention Policy Expired",
}
"""The document titles of rejection notes (PS3.16 CID 7011; IHE RAD TF-2, RAD-66)."""
