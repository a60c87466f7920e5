"""What people decide on the exceptions list, with a reason, and the undo of it.

A decision leaves the study's verdict alone and pins its patient and procedures until it is undone; a split
pins nothing, but has both parts judged anew. Nothing on disk is rewritten. Of two people who decide at once,
the second gets a `Conflict`: an exception that is resolved takes a further decision only from someone
who names its `revision`, and so has seen the first.
"""

from archive.decisions.decision_frame import revision
from archive.decisions.linking import accept, correct, create_order, link, reassign
from archive.decisions.preview import Effect, preview
from archive.decisions.rejection import REJECTION_CODES, reject
from archive.decisions.splitting import split
from archive.decisions.undo import undo

__all__ = [
    "REJECTION_CODES",
    "Effect",
    "accept",
    "correct",
    "create_order",
    "link",
    "preview",
    "reassign",
    "reject",
    "revision",
    "split",
    "undo",
]
