"""How a program or a page of ours signs in at the API."""

from typing import Final

from django.http import HttpRequest
from ninja.security.base import AuthBase
from ninja.utils import check_csrf

from accounts.models import User
from ledger.errors import Forbidden


class BearerOrSession(AuthBase):
    """A bearer token, or the web session; with the session, what changes something needs the CSRF token."""

    openapi_type: Final = "http"
    openapi_scheme: Final = "bearer"
    openapi_description: Final = "`manage.py token USER` prints a token. The web session does as well."
    csrf: Final = True

    def __call__(self, request: HttpRequest) -> User | None:
        """The user, or None; raises `Forbidden` for a forged request."""
        if not request.user.is_authenticated:
            return None
        if check_csrf(request) is not None:
            raise Forbidden("The CSRF token is missing or wrong; send it as X-CSRFToken.")
        user: User = request.user
        return user
