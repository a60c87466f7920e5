"""Facilities, users and tokens."""

import hashlib
import logging
import secrets
from datetime import timedelta
from typing import Any, ClassVar, Final

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import DatabaseError, connection, models, transaction
from django.utils import timezone

from ledger import write_lock
from ledger.public_id import PublicModel

logger = logging.getLogger(__name__)

NOTED_EVERY: Final = timedelta(minutes=5)
"""How often at most the use of a token is written down."""


class Facility(PublicModel):
    """An institution: every patient record, order and study belongs to one."""

    code = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=200)
    time_zone = models.CharField(max_length=64, default="UTC")

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    """What a user is employed to do; `accounts.access` says what each may do here."""

    TECHNOLOGIST = "technologist"
    RADIOLOGIST = "radiologist"
    RESIDENT = "resident"
    TRANSCRIPTIONIST = "transcriptionist"
    REFERRER = "referrer"
    MANAGER = "manager"
    INTEGRATOR = "integrator"
    ADMINISTRATOR = "administrator"


class UserManager(BaseUserManager["User"]):
    """Makes users by name."""

    def create_user(self, username: str, password: str | None = None, **fields: object) -> "User":
        """Create a user; without a password nobody can sign in as it."""
        user = self.model(username=self.model.normalize_username(username), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user


class User(AbstractBaseUser, PublicModel):
    """A person or a program that acts here."""

    username = models.CharField(max_length=150, unique=True)
    full_name = models.CharField(max_length=200, blank=True)
    roles = models.JSONField(default=list, blank=True)
    facilities = models.ManyToManyField(Facility, blank=True, related_name="users")
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    USERNAME_FIELD = "username"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects: ClassVar[UserManager] = UserManager()

    def __str__(self) -> str:
        return self.full_name or self.username

    def has_role(self, *roles: Role) -> bool:
        """Whether the user has at least one of `roles`."""
        return bool(set(roles) & set(self.roles))


class Token(PublicModel):
    """A bearer token of a user. Only its SHA-256 is kept."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=100, blank=True)
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, help_text="to some minutes")

    @staticmethod
    def digest_of(text: str) -> str:
        """The hexadecimal SHA-256 under which a token is kept."""
        return hashlib.sha256(text.encode()).hexdigest()

    @classmethod
    def issue(cls, *, user: User, name: str = "") -> str:
        """Make a token for `user` and return its text, which is shown this once."""
        text = "rp_" + secrets.token_urlsafe(32)
        cls.objects.create(user=user, name=name, digest=cls.digest_of(text))
        return text

    @classmethod
    def user_of(cls, text: str) -> User | None:
        """The active user whose valid token `text` is, or None."""
        token = cls.objects.select_related("user").filter(digest=cls.digest_of(text), revoked_at=None).first()
        if token is None or not token.user.is_active:
            return None
        token._note_use()
        return token.user

    def _note_use(self) -> None:
        """Remember the use, in a write every few minutes; a database that can't take it hinders nobody."""
        now = timezone.now()
        if self.last_used_at is not None and now - self.last_used_at < NOTED_EVERY:
            return
        if write_lock.long_holder(connection) is not None:
            return
        try:
            with transaction.atomic():
                Token.objects.filter(pk=self.pk).update(last_used_at=now)
        except DatabaseError as error:
            logger.warning("the use of a token is not noted: %s", type(error).__name__)


class SiteSection(models.Model):
    """A section of the site file whose policies are read at run time, as applied."""

    name = models.CharField(max_length=32, unique=True)
    content = models.JSONField(default=dict)
    applied_at = models.DateTimeField(auto_now=True)

    @classmethod
    def read(cls, name: str) -> dict[str, Any]:
        """The content of a section, empty where none was applied."""
        row = cls.objects.filter(name=name).first()
        return dict(row.content) if row else {}


class SiteVersion(models.Model):
    """A token that is another whenever what the site says has changed (`accounts.site_version`)."""

    NAME: ClassVar = "site"

    name = models.CharField(max_length=8, unique=True, default=NAME)
    token = models.CharField(max_length=32)


class FailedSignIn(models.Model):
    """A sign-in that failed: what was typed as the name, and where it came from. Kept for minutes only."""

    username = models.CharField(max_length=150, help_text="folded")
    address = models.CharField(max_length=64)
    at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["address", "at"], name="failed_sign_in_by_address"),
            models.Index(fields=["at"], name="failed_sign_in_at"),
        ]


class SigningPin(models.Model):
    """What signs instead of the password until it ends (`accounts.signing_pin`); never kept in clear."""

    session = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the session's key")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    secret = models.CharField(max_length=128, help_text="salted and hashed, with the tab")
    tries_left = models.PositiveSmallIntegerField()
    made_at = models.DateTimeField()


class Presence(models.Model):
    """A person has a thing before them, named by its type and public ID; it blocks nobody."""

    type = models.CharField(max_length=32)
    key = models.CharField(max_length=100)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    since = models.DateTimeField()
    until = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["type", "key", "user"], name="presence_once")]
        indexes = [models.Index(fields=["until"], name="presence_until")]
