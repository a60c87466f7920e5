"""What day somebody means who types a date: every usual form, and every day that it may mean."""

import re
from collections.abc import Iterator
from datetime import date as Date
from typing import Final

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LONGEST: Final = 24
_MOST_WORDS: Final = 5
"""Of a day, with the comma of "May 14, 1980" and the one before it."""
_PARTS: Final = re.compile(r"[0-9]+|[a-z]+", re.ASCII)
_FORM: Final = re.compile(r"[0-9a-z]+(?:\.? |[./-]|, )[0-9a-z]+(?:\.? |[./-]|, )[0-9]{2,4}", re.ASCII)
_YEAR_FIRST: Final = re.compile(r"([0-9]{4})[./-]([0-9]{1,2})[./-]([0-9]{1,2})", re.ASCII)
_DAY_FIRST: Final = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})", re.ASCII)
_DIGITS: Final = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})", re.ASCII)


def days(text: str, today: Date) -> list[str]:
    """The days, each YYYYMMDD, that `text` may mean as a day of the past; none where it is no date.

    `1980-05-14`, `19800514`, `14.5.1980`, `14/05/80`, `05/14/1980`, `14 May 1980`, `May 14, 1980`. Where day
    and month can't be told apart both readings count, and so do both centuries of a year of two digits.
    """
    text = text.strip().lower()
    if len(text) > _LONGEST:
        return []
    found = (_day(*numbers) for numbers in _readings(text))
    return sorted({f"{day:%Y%m%d}" for day in found if day and day.year >= 1800 and day <= today})


def beside(text: str, today: Date) -> tuple[str, list[str]]:
    """What stands before or after a day in `text`, and the days that it may mean: a name with a birth date.

    Both are empty where there are no such two.
    """
    words = text.replace(", ", " , ").split()
    for count in range(min(_MOST_WORDS, len(words) - 1), 0, -1):
        for rest, dated in ((words[:-count], words[-count:]), (words[count:], words[:count])):
            name = " ".join(rest).replace(" ,", ",").strip(" ,")
            if name and (found := days(" ".join(dated).replace(" ,", ",").strip(" ,"), today)):
                return name, found
    return "", []


def day(text: str) -> Date | None:
    """The one day that a filter names, of any time: `2026-11-26`, `20261126`, `26.11.2026`; else nothing.

    Forms that can be read in two ways are none: a list of another day than was meant shows nothing odd.
    """
    text = text.strip()
    if match := _YEAR_FIRST.fullmatch(text) or _DIGITS.fullmatch(text):
        year, month, number = match.groups()
    elif match := _DAY_FIRST.fullmatch(text):
        number, month, year = match.groups()
    else:
        return None
    return _day(int(year), int(month), int(number))


def _readings(text: str) -> Iterator[tuple[int, int, int]]:
    """Year, month and day, as the text may be read."""
    if match := _YEAR_FIRST.fullmatch(text) or _DIGITS.fullmatch(text):
        year, month, day = match.groups()
        yield int(year), int(month), int(day)
    elif _FORM.fullmatch(text):
        first, second, last = _PARTS.findall(text)
        for year in _years(last):
            yield from ((year, _month(second), _number(first)), (year, _month(first), _number(second)))


def _years(text: str) -> tuple[int, ...]:
    if len(text) == 3:
        return ()
    return (int(text),) if len(text) == 4 else (1900 + int(text), 2000 + int(text))


def _month(text: str) -> int:
    """The number of a month; 0 where it is none."""
    if text.isdigit():
        return _number(text)
    return _MONTHS.index(text[:3]) + 1 if len(text) >= 3 and text[:3] in _MONTHS else 0


def _number(text: str) -> int:
    return int(text) if text.isdigit() and len(text) <= 2 else 0


def _day(year: int, month: int, day: int) -> Date | None:
    try:
        return Date(year, month, day)
    except ValueError:
        return None
