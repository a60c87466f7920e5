"""How many exceptions are open on each of the two lists, for their tabs."""

from typing import Any

from archive.models import ExceptionStatus
from archive.reconcile import exception_list
from worklist.models import IdentityException
from worklist.patients import identity_exceptions


def counts(user: Any) -> dict[str, int]:
    """Of the user's facilities."""
    studies = exception_list.of_user(user).filter(status=ExceptionStatus.OPEN)
    identities = identity_exceptions.find(user, status=IdentityException.Status.OPEN)
    return {"open_studies": studies.order_by().count(), "open_identities": identities.count()}
