"""What has to be right before anything starts. Each check says in one line what is wrong and what to do."""

import errno
import fcntl
import functools
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db import Error, connection

from ledger.readiness import MIN_FREE_BYTES

NETWORK_FILE_SYSTEMS = {
    *("nfs", "nfs4", "cifs", "smb", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "glusterfs", "davfs"),
    *("fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.s3fs", "fuse.rclone", "fuse.davfs"),
}
PATIENCE = 3.0
"""Seconds that a lock or port of an instance that is just ending may take to come free."""


class Unfit(Exception):
    """Something isn't right; the text tells the operator what and how to mend it."""


@dataclass(frozen=True)
class Listener:
    """An address that we listen on."""

    name: str
    variable: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def check_home(home: Path) -> None:
    """Refuse a home that can't be written or has too little space."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(home).free
        if free >= MIN_FREE_BYTES:
            tempfile.TemporaryFile(dir=home).close()
    except OSError as error:
        raise Unfit(
            f"{home} can't be written ({error.strerror}); set RIS_PACS_HOME to a folder that can"
        ) from error
    if free < MIN_FREE_BYTES:
        raise Unfit(
            f"only {free // 2**20} MiB are free at {home}; free at least {MIN_FREE_BYTES // 2**20} MiB there,"
            " or set RIS_PACS_HOME to a folder on another disk"
        )


def check_file_system(folder: Path) -> None:
    """Refuse to keep SQLite where its locks don't hold."""
    try:
        mounts = Path("/proc/mounts").read_text()
    except OSError:
        return
    kind = file_system(folder.resolve(), mounts)
    if kind in NETWORK_FILE_SYSTEMS:
        raise Unfit(
            f"{folder} is on a network file system ({kind}), on which SQLite loses data;"
            " set RIS_PACS_HOME to a local disk, or DATABASE_URL to a PostgreSQL server"
        )


def file_system(path: Path, mounts: str) -> str:
    """The kind of file system that holds a path, from the text of /proc/mounts."""
    deepest, kind = Path(), ""
    for line in mounts.splitlines():
        point, its_kind = line.split()[1:3]
        # Blanks in a path are written as octal escapes.
        mount = Path(point.encode().decode("unicode_escape"))
        # The later of two mounts on one point hides the earlier.
        if path.is_relative_to(mount) and len(mount.parts) >= len(deepest.parts):
            deepest, kind = mount, its_kind
    return kind


def check_secrets(home: Path) -> None:
    """Refuse secrets that others can read, a weak first password, and debugging in public (F62)."""
    for path in sorted((home / "secrets").glob("*")):
        if path.stat().st_mode & 0o077:
            raise Unfit(f"others can read {path}; run chmod 600 {path}, and renew it if others had access")
        if path.stat().st_size == 0:
            raise Unfit(f"{path} is empty; restore it from a backup, or remove it to have a new one made")
    if settings.DEBUG and not settings.LOOPBACK_ONLY:
        raise Unfit("RIS_PACS_DEBUG shows secrets to whoever can reach RIS_PACS_HTTP; unset one of the two")
    password = os.environ.get("RIS_PACS_ADMIN_PASSWORD", "")
    try:
        if password:
            validate_password(password)
    except ValidationError as error:
        raise Unfit(f"RIS_PACS_ADMIN_PASSWORD is too weak: {' '.join(error.messages)}") from error


def check_listeners(listeners: Iterable[Listener]) -> None:
    """Refuse addresses that we can't listen on."""
    for listener in listeners:
        _patiently(functools.partial(_check_listener, listener))


def _check_listener(listener: Listener) -> None:
    host = listener.host.strip("[]")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, listener.port, type=socket.SOCK_STREAM)[
            0
        ]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            problem = f"is in use; set {listener.variable} or stop what uses it"
        else:
            problem = f"can't be listened on ({error.strerror}); set {listener.variable}"
        raise Unfit(f"{listener} ({listener.name}) {problem}") from error


def check_database() -> None:
    """Refuse a database that can't be reached or used."""
    try:
        connection.ensure_connection()
    except (ImproperlyConfigured, Error) as error:
        told = settings.DATABASES["default"]
        where = told["NAME"] if settings.USING_SQLITE else f"{told.get('HOST')}:{told.get('PORT') or 5432}"
        reason = str(error).strip().split("\n")[0].rstrip(".")
        raise Unfit(f"the database at {where} can't be used: {reason}; check DATABASE_URL") from error


def lock_home(home: Path, *, whole: bool) -> IO[str]:
    """Hold the home for as long as the returned file is open: the whole alone, parts beside each other."""
    file = open(home / "run.lock", "a")  # noqa: SIM115 - open for as long as we run

    def lock() -> None:
        try:
            fcntl.flock(file, (fcntl.LOCK_EX if whole else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except OSError as error:
            raise Unfit(
                f"RIS/PACS already runs on {home}; stop it, or set RIS_PACS_HOME to another folder"
            ) from error

    _patiently(lock)
    return file


def _patiently(check: Callable[[], None]) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return check()
        except Unfit:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
