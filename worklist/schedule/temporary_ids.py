"""Identifiers for patients whom no HIS has named yet: given here, under an authority of our own.

The record is one like any other: a merge (ADT^A40) or a link names it later, by what stands on the label.
"""

import secrets
from typing import Final

from worklist.models import Patient
from worklist.patients.identifiers import Authority, Identifier
from worklist.worklist_policy import WorklistPolicy

_LETTERS: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""None that is read as another."""
_LENGTH: Final = 8


def new() -> Identifier:
    """An identifier that nobody has."""
    authority = Authority(WorklistPolicy.current().temporary_authority)
    while True:
        value = "T" + "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
        if not Patient.objects.filter(value=value, authority__namespace=authority.namespace).exists():
            return Identifier(value, authority, "PI")
