"""The database's clock, by which leases and jobs are timed."""

from datetime import UTC, datetime

from django.db import connection


def now() -> datetime:
    """The time now, in UTC, as the database knows it."""
    if connection.vendor != "postgresql":
        return datetime.now(UTC)
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment.astimezone(UTC)
