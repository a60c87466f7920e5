"""Reject a study: it stays on disk and is shown nowhere but among the exceptions (IHE RAD TF-1 IOCM)."""

from collections.abc import Mapping
from typing import Any, Final

from accounts.actor import Actor
from archive.decisions.decision_frame import decide, refuse_if_written_on
from archive.models import Decision, DecisionKind, Hidden, Study
from archive.reconcile import apply_verdict
from ledger.errors import Invalid, Missing

REJECTION_CODES: Final[Mapping[str, str]] = {
    "113001": "Rejected for Quality Reasons",
    "113037": "Rejected for Patient Safety Reasons",
    "113038": "Incorrect Modality Worklist Entry",
}
"""The codes of PS3.16 CID 7011 that a person may give. That a retention policy has expired (113039) is for
no person to say."""


def reject(*, study: Study, code: str, reason: str, by: Actor, expected: int | None = None) -> Decision:
    """Hide a study from lists, doors, viewer and reading; its orders are told that it is gone.

    Raises `Missing` and `Invalid` for a code that is none of `REJECTION_CODES`, `Conflict`
    where something has been said of the study already.
    """
    if not code:
        raise Missing("a rejection needs a code", "rejection_code")
    if code not in REJECTION_CODES:
        allowed = ", ".join(f"{number} {meaning}" for number, meaning in REJECTION_CODES.items())
        raise Invalid(f"{code!r} is none of {allowed}", "rejection_code")

    def act(locked: Study) -> dict[str, Any]:
        refuse_if_written_on(locked)
        locked.hidden = Hidden.REJECTED
        apply_verdict.set_links(locked, None, [])
        return {"code": code, "meaning": REJECTION_CODES[code]}

    return decide(DecisionKind.REJECT, study, reason, by, expected, act)[1]
