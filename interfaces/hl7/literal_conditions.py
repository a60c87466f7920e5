"""Conditions of partial indexes, written out: SQLite uses such an index only where no value is bound."""

from typing import Final

from django.db.models import BooleanField
from django.db.models.expressions import RawSQL

from interfaces.hl7.models import InboundMessage, OutboundMessage, ReplayedMessage


def _condition(model: type, sql: str) -> RawSQL:
    table = f'"{model._meta.db_table}"'  # type: ignore[attr-defined]
    return RawSQL(sql.format(table=table), (), BooleanField())  # noqa: S611 - nothing of it is anybody's input


TO_WORK_OFF: Final = _condition(
    InboundMessage,
    "{table}.\"status\" IN ('failed', 'refused') AND {table}.\"settled\" = ''"
    ' AND {table}."replay_of_id" IS NULL',
)
STUCK: Final = _condition(OutboundMessage, "{table}.\"status\" IN ('held', 'stopped')")
WAITS_IN_REPLAY: Final = _condition(ReplayedMessage, "{table}.\"state\" = 'waiting'")
