"""The titles of rejection notes."""

from collections.abc import Mapping
from typing import Final

QUALITY: Final = "113001"
"""Says nothing of whose the images are: what comes later under the same study is the repeat."""
INCORRECT_WORKLIST_ENTRY: Final = "113038"
RETENTION_EXPIRED: Final = "113039"
"""Ends the life of images that were good: unlike the others it says nothing against them or their exam."""
REJECTION_TITLES: Final[Mapping[str, str]] = {
    QUALITY: "Rejected for Quality Reasons",
    "113037": "Rejected for Patient Safety Reasons",
    INCORRECT_WORKLIST_ENTRY: "Incorrect Modality Worklist Entry",
    RETENTION_EXPIRED: "Data Retention Policy Expired",
}
"""The document titles of rejection notes (PS3.16 CID 7011; IHE RAD TF-2, RAD-66)."""
