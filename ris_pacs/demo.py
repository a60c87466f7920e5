"""The people of `manage.py run --demo`: users for the visitor and for the simulated hospital."""

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import Facility, Role, Token, User

PEOPLE: Final = (
    ("tess", "Tess Kramer", Role.TECHNOLOGIST),
    ("rada", "Dr. Rada Ilić", Role.RADIOLOGIST),
    ("ruben", "Dr. Ruben Castellanos", Role.RADIOLOGIST),
    ("resi", "Dr. Resi Unterberger", Role.RESIDENT),
    ("trudy", "Trudy Marsh", Role.TRANSCRIPTIONIST),
    ("mara", "Mara Lindholm", Role.MANAGER),
    ("iris", "Iris Baumann", Role.INTEGRATOR),
)
TOKEN_NAME: Final = "simulated hospital"  # noqa: S105


@dataclass(frozen=True)
class Hospital:
    """What the simulated hospital is told: the users' one password, and a token of each."""

    password: str
    tokens: dict[str, str]
    kept_in: Path

    def environment(self) -> dict[str, str]:
        """The environment of its process; nobody else's."""
        host, port = settings.HL7_DESTINATION
        return {
            "RIS_PACS_DEMO_PASSWORD": self.password,
            "RIS_PACS_DEMO_TOKENS": json.dumps(self.tokens),
            "RIS_PACS_HL7_DESTINATION": f"{host}:{port}",
        }

    def welcome(self) -> list[str]:
        """Lines for the visitor: who there is, and the password."""
        names = [f"{name} ({role.label.lower()})" for name, _, role in PEOPLE if name in self.tokens]
        lines = [", ".join(names[:4]), ", ".join(names[4:])]
        lines.append(f"each with {self.password}   (kept in {self.kept_in})")
        if others := [name for name, _, _ in PEOPLE if name not in self.tokens]:
            lines.append(f"left alone, since they have another password: {', '.join(others)}")
        heads = ["  demo     ", *["           "] * len(lines)]
        return [head + line for head, line in zip(heads, filter(None, lines), strict=False)]


def prepare() -> Hospital:
    """Make the demo's users where they are missing, and new tokens; those of earlier runs are revoked.

    Somebody else who has one of the names, and another password, is left alone and not played.
    """
    kept_in = settings.HOME / "secrets" / "demo_password"
    password = _password(kept_in)
    with transaction.atomic():
        users = [_user(name, full_name, role, password) for name, full_name, role in PEOPLE]
        users = [user for user in users if user.check_password(password)]
        Token.objects.filter(name=TOKEN_NAME, revoked_at=None).update(revoked_at=timezone.now())
        tokens = {user.username: Token.issue(user=user, name=TOKEN_NAME) for user in users}
    return Hospital(password, tokens, kept_in)


def _user(name: str, full_name: str, role: Role, password: str) -> User:
    """The user of this name, as somebody may have changed it, or a new one."""
    user = User.objects.filter(username=name).first()
    if user is None:
        user = User.objects.create_user(name, password, full_name=full_name, roles=[role.value])
        user.facilities.set(Facility.objects.all())
    return user


def _password(path: Path) -> str:
    """The password that is kept, else a new one, readable by its owner only."""
    if path.exists() and (kept := path.read_text().strip()):
        return kept
    password = secrets.token_urlsafe(9)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w") as file:
        file.write(password + "\n")
    return password
