"""Databases for tests: a run of the suite migrates one, and all others are copies of it.

Django's own way is to migrate one in each process, and to truncate all tables after each test that commits:
on PostgreSQL that took longer than the tests.
"""

import contextlib
import fcntl
import os
import shutil
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from django.db import connection, transaction

from tests.clients.system import ROOT, execute
from tests.homes import RUN

STAYS = ("django_migrations", "django_content_type", "auth_permission")
"""Tables that migrations fill and no test writes."""
DATABASES = RUN / "databases"
"""The names of those that were made on the PostgreSQL server."""


def server() -> str:
    """The URL of the PostgreSQL database that this pass of the suite is given; empty where it has none."""
    url = os.environ.get("DATABASE_URL", "")
    return url if url.startswith("postgres") else ""


def new_database(*, migrated: bool) -> str:
    """The URL of a new database on the PostgreSQL server."""
    name, like = f"ris_pacs_{uuid.uuid4().hex[:12]}", _migrated_database() if migrated else "template1"
    with open(DATABASES, "a") as note:
        note.write(f"{name}\n")
    execute(server(), f"CREATE DATABASE {name} TEMPLATE {like}")
    return urlsplit(server())._replace(path=f"/{name}").geturl()


def drop_databases() -> None:
    """Leave nothing of this run on the PostgreSQL server.

    All at the end: PostgreSQL drops one only after it has written everything of all others to the disk.
    """
    names = DATABASES.read_text().split() if DATABASES.exists() else []
    for name in names:
        execute(server(), f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def copy_to(path: Path) -> None:
    """Put a new SQLite database there, migrated."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    shutil.copyfile(_migrated_file(), path)


def _migrated_file() -> Path:
    """The SQLite database to copy, made by whoever needs it first."""
    path = RUN / "migrated.sqlite3"
    with _turn():
        if not path.exists():
            unfinished = path.with_suffix(".unfinished")
            _migrate(f"sqlite:///{unfinished}")
            with contextlib.closing(sqlite3.connect(unfinished)) as made:
                made.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            unfinished.rename(path)
    return path


def _migrated_database() -> str:
    """The name of the PostgreSQL database to copy, made by whoever needs it first."""
    note = RUN / "migrated.postgresql"
    with _turn():
        if not note.exists():
            url = new_database(migrated=False)
            _migrate(url)
            note.write_text(url.rpartition("/")[2])
    return note.read_text()


def _migrate(url: str) -> None:
    command = [sys.executable, "manage.py", "migrate", "-v0", "--skip-checks"]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "DATABASE_URL": url}, check=True)


@contextlib.contextmanager
def _turn() -> Iterator[None]:
    with open(RUN / "migrated.lock", "a") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        yield


def connect_to_a_copy() -> None:
    """Let Django have a database for this process alone, which needn't outlive a loss of power."""
    settings = connection.settings_dict
    if server():
        settings["NAME"] = new_database(migrated=True).rpartition("/")[2]
        settings["OPTIONS"]["options"] += " -c synchronous_commit=off"
    else:
        settings["NAME"] = settings["TEST"]["NAME"]
        settings["OPTIONS"]["init_command"] += "PRAGMA synchronous=OFF;"
        copy_to(settings["NAME"])


def url_for_others() -> str:
    """The test's database, as the environment of another process names it."""
    settings = connection.settings_dict
    if server():
        return urlsplit(server())._replace(path=f"/{settings['NAME']}").geturl()
    return f"sqlite:///{settings['NAME']}"


def empty() -> None:
    """Delete all rows that tests have written: most tables have none, and the others have a few."""
    # Foreign keys are looked at when the transaction ends, so the order doesn't matter.
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_which_have_rows())
        for (table,) in cursor.fetchall():
            cursor.execute(f"DELETE FROM {connection.ops.quote_name(table)}")


@cache
def _which_have_rows() -> str:
    tables = (t for t in connection.introspection.django_table_names() if t not in STAYS)
    return " UNION ALL ".join(
        f"SELECT '{table}' WHERE EXISTS (SELECT 1 FROM {connection.ops.quote_name(table)})"
        for table in tables
    )
