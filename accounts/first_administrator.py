"""The first administrator."""

import os
import secrets
from pathlib import Path

from django.conf import settings
from django.db import transaction

from accounts import account_events
from accounts.actor import Actor
from accounts.models import Facility, Role, User


def ensure_administrator() -> str | None:
    """Make `admin`, who holds every role, where there is no user yet; return the password made, once.

    The password is `RIS_PACS_ADMIN_PASSWORD`, or a random one that is kept in `secrets/admin_password`,
    readable by its owner only.
    """
    if User.objects.exists():
        return None
    given = os.environ.get("RIS_PACS_ADMIN_PASSWORD", "")
    password = given or secrets.token_urlsafe(12)
    if not given:
        _keep(settings.HOME / "secrets" / "admin_password", password)
    with transaction.atomic():
        user = User.objects.create_user(
            "admin", password, full_name="Administrator", roles=[role.value for role in Role]
        )
        user.facilities.set(Facility.objects.all())
        thing, told = ("user", user.public_id), {"username": user.username, "roles": user.roles}
        account_events.note(Actor.system(), account_events.USER_CREATED, thing, **told)
    return password


def _keep(path: Path, secret: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w") as file:
        file.write(secret + "\n")
