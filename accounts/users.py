"""Users: make, change, deactivate, set a password. The last administrator always stays.

The caller opens the transaction; the act is written to timeline and audit trail in it.
"""

import unicodedata
from collections.abc import Iterable
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import Count, Q

from accounts import account_events
from accounts.actor import Actor
from accounts.models import Facility, Role, User
from ledger.errors import Conflict, Duplicate, Invalid, Missing, Unknown


def listed(*, text: str = "", role: str = "", active: bool | None = None) -> list[User]:
    """Users by name; `text` is part of either name, whatever the case."""
    rows = User.objects.prefetch_related("facilities").annotate(
        token_count=Count("tokens", filter=Q(tokens__revoked_at=None))
    )
    if text:
        rows = rows.filter(Q(username__icontains=text) | Q(full_name__icontains=text))
    if active is not None:
        rows = rows.filter(is_active=active)
    # A list in a JSON column can't be searched alike on both databases; users are few.
    return [user for user in rows.order_by("username") if not role or role in user.roles]


def make(
    *,
    by: Actor,
    username: str,
    full_name: str,
    roles: Iterable[str],
    facilities: Iterable[Facility],
    password: str,
) -> User:
    """Create a user who can sign in with `password`. Raises `Refused`."""
    assert connection.in_atomic_block
    by.require("user.manage")
    username = User.normalize_username(username.strip())
    _check_username(username)
    user = User(username=username, full_name=_clean(full_name), roles=_roles(roles))
    _check_password(password, user)
    user.set_password(password)
    user.save()
    user.facilities.set(facilities)
    things = ("user", user.public_id)
    account_events.note(by, account_events.USER_CREATED, things, username=user.username, roles=user.roles)
    return user


def change(
    user: User,
    *,
    by: Actor,
    full_name: str,
    roles: Iterable[str],
    facilities: Iterable[Facility],
    is_active: bool,
) -> dict[str, list[Any]]:
    """Change a user; return what changed as `{field: [before, after]}`. Raises `Refused`.

    Who is no longer active is signed out at the next request, and its tokens stop to work.
    """
    assert connection.in_atomic_block
    by.require("user.manage")
    # All active users are locked, in one order: two administrators can't take each other's role at once.
    active = list(User.objects.select_for_update().filter(is_active=True).order_by("pk"))
    row = User.objects.select_for_update().get(pk=user.pk)
    wanted = {"full_name": _clean(full_name), "roles": _roles(roles), "is_active": is_active}
    stays = is_active and Role.ADMINISTRATOR in wanted["roles"]  # type: ignore[operator]
    if (
        _administers(row)
        and not stays
        and not any(_administers(other) for other in active if other.pk != row.pk)
    ):
        field = "roles" if is_active else "is_active"
        raise Conflict(
            "This is the last administrator who can sign in. Make another one first; nothing was changed.",
            field,
        )
    changes: dict[str, list[Any]] = {
        name: [getattr(row, name), value] for name, value in wanted.items() if getattr(row, name) != value
    }
    for name, value in wanted.items():
        setattr(row, name, value)
    row.save(update_fields=list(wanted))
    before, after = set(row.facilities.all()), set(facilities)
    if before != after:
        row.facilities.set(after)
        changes["facilities"] = [sorted(one.code for one in before), sorted(one.code for one in after)]
    user.refresh_from_db()
    if changes:
        changed = [name.replace("_", " ") for name in changes]
        thing = ("user", user.public_id)
        account_events.note(by, account_events.USER_CHANGED, thing, changed=changed, changes=changes)
    return changes


def set_password(user: User, *, by: Actor, password: str) -> None:
    """Give a user another password; its sessions end. Raises `Invalid`."""
    assert connection.in_atomic_block
    by.require("user.manage")
    _check_password(password, user)
    user.set_password(password)
    user.save(update_fields=["password"])
    account_events.note(by, account_events.PASSWORD_SET, ("user", user.public_id))


def _administers(user: User) -> bool:
    return user.is_active and user.has_role(Role.ADMINISTRATOR) and user.has_usable_password()


def _roles(roles: Iterable[str]) -> list[str]:
    wanted = set(roles)
    if unknown := wanted - set(Role.values):
        raise Unknown(f"There is no role {min(unknown)}.", "roles")
    return [role for role in Role.values if role in wanted]


def _check_username(username: str) -> None:
    if not username:
        raise Missing("A user needs a user name.", "username")
    if len(username) > 150:
        raise Invalid("A user name has at most 150 characters.", "username")
    if not username.isprintable() or username != username.strip():
        raise Invalid("A user name has no control characters and no space at its ends.", "username")
    folded = username.casefold()
    if any(name.casefold() == folded for name in User.objects.values_list("username", flat=True)):
        raise Duplicate("Somebody has this user name already.", "username")


def _check_password(password: str, user: User) -> None:
    if "\0" in password:
        raise Invalid("A password can't hold the character NUL.", "password")
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise Invalid(" ".join(error.messages), "password") from error


def _clean(text: str) -> str:
    return "".join(letter for letter in text if unicodedata.category(letter) != "Cc").strip()[:200]
