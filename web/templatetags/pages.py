"""How times, names and dates are written in templates."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import quote

from django import template
from django.template import Context
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from interfaces.hl7.monitoring import interface_state
from ledger import jobs, written_dates
from web.kernel import formats
from worklist.models import Patient, Priority
from worklist.patients import person_names

register = template.Library()
register.filter("isolated", person_names.isolated)
register.filter("dicom_date", formats.date)
register.filter("job_words", jobs.words_of)


@register.filter
def bdi(name: str) -> SafeString:
    """A person's name as written; one that runs from right to left is set apart, and turns nothing round."""
    return format_html("<bdi>{}</bdi>" if person_names.turns(name) else "{}", name)


@register.filter
def pn(name: str) -> SafeString:
    """A PN as people write it, set apart."""
    return bdi(formats.shown(name))


@register.filter
def pn_text(name: str) -> str:
    """The same where no element can stand: in a title or an attribute."""
    return person_names.isolated(formats.shown(name))


@register.filter
def called(patient: Patient | None) -> str:
    """Whom a line of text speaks of, by name or else by identifier."""
    if patient is None:
        return "(no patient)"
    return person_names.called(patient.current.name, patient.current.value)


@register.filter
def moment(value: datetime | None) -> SafeString | str:
    """A time: relative when it is near ("12 min ago"), else exact; exact on hover."""
    if value is None:
        return ""
    local = timezone.localtime(value)
    return _timed(local, _near(local))


@register.filter
def clock(value: datetime | None) -> SafeString | str:
    """A time of day, with the date where it is not today; exact on hover."""
    if value is None:
        return ""
    local = timezone.localtime(value)
    return _timed(local, _dated(local))


@register.filter
def day(value: date | None) -> str:
    """A day; of a moment, the one of the zone that is active."""
    return "" if value is None else written_dates.day(_local(value))


@register.filter
def weekday(value: date | None) -> str:
    """A day after the name of its day of the week."""
    return "" if value is None else written_dates.weekday(_local(value))


@register.filter
def minute(value: datetime | None) -> str:
    """A day and a time of day, where a title or a form has no room for an element."""
    return "" if value is None else written_dates.minute(timezone.localtime(value))


@register.filter
def second(value: datetime | None) -> str:
    """The same to the second."""
    return "" if value is None else written_dates.second(timezone.localtime(value))


@register.filter
def with_modality(description: str, modalities: list[str]) -> str:
    """A study's description, its modalities before it unless it says them itself: "CT chest"."""
    kinds = "/".join(modalities)
    return description if description.upper().startswith(kinds.upper()) else f"{kinds} {description}".strip()


@register.filter
def sender(value: str) -> str:
    """A sender or destination of messages, as pages write it."""
    return interface_state.shown(value)


@register.filter
def words(value: Any) -> str:
    """A code as words: `not_ready` is "not ready"."""
    return str(value).replace("_", " ").replace("-", " ")


@register.simple_block_tag(takes_context=True)
def empty_list(context: Context, content: SafeString, filtered: bool = False) -> SafeString:
    """What a list without rows says: the block's words on how it fills, or that filters hide all."""
    shown = {"text": content, "filtered": filtered, "request": context["request"]}
    return render_to_string("web/parts/empty_list.html", shown)


@register.simple_tag
def dotted(*parts: Any) -> str:
    """Values that are told, with dots between them; what is not known leaves none."""
    return " · ".join(filter(None, (str(part or "").strip() for part in parts)))


@register.filter
def priority_words(value: str) -> str:
    """A priority as a department says it: `HIGH` is "urgent"."""
    return str(dict(Priority.choices).get(value, value))


@register.inclusion_tag("web/parts/thumbnail.html")
def thumbnail(
    study_uid: str, series_uid: str, number: str | int, *, word: str, modality: str = "", size: int = 128
) -> dict[str, Any]:
    """The picture of a series, and the words in its place where there is none (PS3.18 10.4.1.1.5)."""
    path = f"/dicom-web/studies/{quote(study_uid)}/series/{quote(series_uid)}/thumbnail"
    return {
        "src": f"{path}?viewport={size},{size}",
        "alt": f"{word.capitalize()} of series {number}",
        "modality": modality,
        "word": word,
    }


@register.inclusion_tag("web/parts/thumbnail.html")
def picture(pictures: Mapping[str, str], value: str, text: str) -> dict[str, Any]:
    """The picture of a choice, where it has one."""
    return {"src": pictures.get(value, ""), "alt": f"Picture of {text}", "modality": "", "word": "picture"}


@register.filter
def span(value: timedelta | None) -> str:
    """A length of time in its largest unit."""
    from web.kernel.health import duration

    return "" if value is None else duration(value)


def _near(local: datetime) -> str:
    ago = timezone.now() - local
    minutes = int(ago.total_seconds() // 60)
    if -60 < minutes < 0:
        return f"in {-minutes} min"
    if minutes == 0:
        return "just now"
    if 0 < minutes < 60:
        return f"{minutes} min ago"
    return _dated(local)


def _dated(local: datetime) -> str:
    is_today = local.date() == timezone.localdate()
    return written_dates.time(local) if is_today else written_dates.minute(local)


def _timed(local: datetime, shown: str) -> SafeString:
    exact = f"{written_dates.second(local)} {local:%Z}"
    return format_html('<time datetime="{}" title="{}">{}</time>', local.isoformat(), exact, shown)


def _local(value: date) -> date:
    return timezone.localtime(value) if isinstance(value, datetime) else value
