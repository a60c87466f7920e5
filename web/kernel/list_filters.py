"""What lists have in common: reading filters out of the URL, and the chips that change them there."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.http import HttpRequest, QueryDict

from worklist.models import Station
from worklist.patients import typed_dates


@dataclass(frozen=True)
class Chip:
    """A filter to click: it sets its value, or takes it away where it is set; `count` says how many."""

    text: str
    url: str
    is_on: bool
    tip: str = ""
    count: int | None = None
    key_name: str = ""
    """The shortcut that clicks it."""


def text_of(query: QueryDict, name: str, longest: int) -> str:
    """A parameter without control characters, not longer than what it could name."""
    return "".join(letter for letter in query.get(name, "")[:longest] if letter.isprintable()).strip()


def texts_of(query: QueryDict, name: str, longest: int) -> tuple[str, ...]:
    """The values of a parameter that may come several times, each once."""
    values = (value[:longest] for value in query.getlist(name)[:20])
    return tuple(dict.fromkeys(value for value in values if value and value.isprintable()))


def unreadable_days(
    query: QueryDict,
    *names: str,
    reads: Callable[[str], object] = typed_dates.day,
    words: Collection[str] = (),
) -> list[str]:
    """What was typed in these parameters as a day, and is neither one nor one of the `words` for some."""
    texts = (text_of(query, name, 32) for name in names)
    return [text for text in texts if text and text not in words and not reads(text)]


def url(request: HttpRequest, **values: str | Sequence[str]) -> str:
    """This list with other values of some parameters, from its first part; an empty value goes."""
    query = request.GET.copy()
    query.pop("page", None)
    for name, value in values.items():
        query.setlist(name, [value] if value and isinstance(value, str) else list(value))
    text = query.urlencode()
    return f"{request.path}?{text}" if text else request.path


def chip(
    request: HttpRequest,
    text: str,
    is_on: bool,
    values: Mapping[str, str | Sequence[str]],
    *,
    tip: str = "",
    count: int | None = None,
) -> Chip:
    """A chip that leads to this list with other values of some parameters."""
    return Chip(text, url(request, **values), is_on, tip, count)


def one_of(request: HttpRequest, name: str, key: str, text: str, chosen: str, usual: str = "") -> Chip:
    """A chip of which one is on; the usual one is not named in the URL."""
    return chip(request, text, key == chosen, {name: "" if key == usual else key})


def on_or_off(request: HttpRequest, name: str, key: str, text: str, chosen: str) -> Chip:
    """A chip of which one or none is on: the one that is takes itself away."""
    return chip(request, text, key == chosen, {name: "" if key == chosen else key})


def any_of(request: HttpRequest, name: str, key: str, text: str, chosen: Sequence[str]) -> Chip:
    """A chip of which several may be on."""
    values = [value for value in chosen if value != key] + ([] if key in chosen else [key])
    return chip(request, text, key in chosen, {name: values})


def modalities(chosen: Iterable[str]) -> list[str]:
    """The modalities of the stations, and those that are asked for."""
    known = {name for names in Station.objects.values_list("modalities", flat=True) for name in names}
    return sorted(known | set(chosen))
